package main

import "slices"

// entry is a word and how often it came.
type entry struct {
	word  string
	count uint64
}

// tally counts words. The map finds a word's entry, so that counting a known word changes one number
// in place and allocates nothing.
type tally struct {
	index   map[string]int
	entries []entry
	lines   uint64
	words   uint64
}

func newTally() tally { return tally{index: map[string]int{}} }

// add counts word once more. The bytes are not kept.
func (t *tally) add(word []byte) {
	t.words++
	if at, found := t.index[string(word)]; found {
		t.entries[at].count++
		return
	}
	own := string(word)
	t.index[own] = len(t.entries)
	t.entries = append(t.entries, entry{word: own, count: 1})
}

// count returns how often word came.
func (t *tally) count(word []byte) uint64 {
	if at, found := t.index[string(word)]; found {
		return t.entries[at].count
	}
	return 0
}

// first returns the n entries that come first in the order of compare, among those that want
// accepts, sorted. It looks at every entry once and holds n of them in a heap whose root comes last,
// because a query can keep no sorted list for the next one: whatever it changes is undone.
func (t *tally) first(n int, want func(entry) bool, compare func(a, b entry) int) []entry {
	var heap []entry
	for _, e := range t.entries {
		switch {
		case !want(e):
		case len(heap) < n:
			heap = append(heap, e)
			siftUp(heap, compare)
		case compare(e, heap[0]) < 0:
			heap[0] = e
			siftDown(heap, compare)
		}
	}
	slices.SortFunc(heap, compare)
	return heap
}

// siftUp restores the heap after its last element was added.
func siftUp(heap []entry, compare func(a, b entry) int) {
	for child := len(heap) - 1; child > 0; {
		parent := (child - 1) / 2
		if compare(heap[child], heap[parent]) <= 0 {
			return
		}
		heap[child], heap[parent] = heap[parent], heap[child]
		child = parent
	}
}

// siftDown restores the heap after its root was replaced.
func siftDown(heap []entry, compare func(a, b entry) int) {
	for parent := 0; ; {
		child := 2*parent + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && compare(heap[child+1], heap[child]) > 0 {
			child++
		}
		if compare(heap[child], heap[parent]) <= 0 {
			return
		}
		heap[child], heap[parent] = heap[parent], heap[child]
		parent = child
	}
}
