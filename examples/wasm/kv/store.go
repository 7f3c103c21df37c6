package main

import (
	"slices"
	"sort"
	"strings"
)

// blockMax bounds the pairs of one block. Inserting moves at most 6 KiB, and a million keys make
// some 8,000 blocks, which a binary search and a rare insertion handle without a tree.
const blockMax = 256

// pair is a key and its value in one string: one object for the garbage collector instead of two,
// and one without pointers. A pair is never changed, so that a page of memory which no command
// touches stays as the last snapshot has it.
type pair struct {
	data   string
	keyLen int
}

func newPair(key, value []byte) pair {
	var b strings.Builder
	b.Grow(len(key) + len(value))
	b.Write(key)
	b.Write(value)
	return pair{data: b.String(), keyLen: len(key)}
}

func (p pair) key() string   { return p.data[:p.keyLen] }
func (p pair) value() string { return p.data[p.keyLen:] }

// store keeps pairs in the order of their keys' bytes: a sorted list of sorted blocks.
//
// Invariants, checked by valid() in the tests:
//  1. No block is empty or longer than blockMax.
//  2. Keys ascend strictly, within blocks and from block to block.
//  3. count is the number of pairs.
type store struct {
	blocks [][]pair
	count  int
}

// find returns where key is, or where it would have to be inserted.
func (s *store) find(key string) (block, slot int, found bool) {
	block = sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i][0].key() > key }) - 1
	if block < 0 {
		return 0, 0, false
	}
	pairs := s.blocks[block]
	slot = sort.Search(len(pairs), func(i int) bool { return pairs[i].key() >= key })
	return block, slot, slot < len(pairs) && pairs[slot].key() == key
}

// get returns the value of key.
func (s *store) get(key string) (string, bool) {
	block, slot, found := s.find(key)
	if !found {
		return "", false
	}
	return s.blocks[block][slot].value(), true
}

// put sets the value of key, and reports whether the key is new.
func (s *store) put(key, value []byte) (created bool) {
	block, slot, found := s.find(string(key))
	if found {
		s.blocks[block][slot] = newPair(key, value)
		return false
	}
	s.count++
	if len(s.blocks) == 0 {
		s.blocks = append(s.blocks, nil)
	}
	if len(s.blocks[block]) == blockMax {
		block, slot = s.split(block, slot)
	}
	s.blocks[block] = slices.Insert(s.blocks[block], slot, newPair(key, value))
	return true
}

// split makes room in a full block and returns where slot went. A key after the last block's end
// starts a block of its own, so that ascending keys leave full blocks behind them.
func (s *store) split(block, slot int) (int, int) {
	pairs, half := s.blocks[block], blockMax/2
	if slot == blockMax && block == len(s.blocks)-1 {
		half = blockMax
	}
	upper := make([]pair, blockMax-half, blockMax)
	copy(upper, pairs[half:])
	clear(pairs[half:])
	s.blocks[block] = pairs[:half]
	s.blocks = slices.Insert(s.blocks, block+1, upper)
	if slot < half || slot == half && half < blockMax {
		return block, slot
	}
	return block + 1, slot - half
}

// remove deletes key, and reports whether it was there.
func (s *store) remove(key string) bool {
	block, slot, found := s.find(key)
	if !found {
		return false
	}
	s.count--
	s.blocks[block] = slices.Delete(s.blocks[block], slot, slot+1)
	s.merge(block)
	return true
}

// merge joins a block that has become small with the one after it, so that deleting keys leaves
// neither empty blocks nor many tiny ones.
func (s *store) merge(block int) {
	size := len(s.blocks[block])
	switch {
	case size == 0:
		s.blocks = slices.Delete(s.blocks, block, block+1)
	case size <= blockMax/4 && block+1 < len(s.blocks) && size+len(s.blocks[block+1]) <= blockMax/2:
		s.blocks[block] = append(s.blocks[block], s.blocks[block+1]...)
		s.blocks = slices.Delete(s.blocks, block+1, block+2)
	}
}

// scan calls visit with every pair from the key from on, in order, until visit returns false.
func (s *store) scan(from string, visit func(pair) bool) {
	block, slot, _ := s.find(from)
	for ; block < len(s.blocks); block++ {
		for _, p := range s.blocks[block][slot:] {
			if !visit(p) {
				return
			}
		}
		slot = 0
	}
}
