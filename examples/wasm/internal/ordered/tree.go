package ordered

import "fmt"

// Tree holds entries in order. The zero value is empty and ready. It is not safe for concurrent use.
//
// The methods on keys keep the entries in the order of their keys, each key once; InsertAt does not look at keys, and a tree
// is used with one or the other.
//
// Invariants, checked by valid() in the tests:
//  1. All leaves are equally deep, no node but an empty tree's root is empty, and an inner root has two children or more.
//  2. Keys ascend strictly, unless entries were inserted by position.
//  3. An inner node's cell has the number of entries below it, and count is the number of all.
//  4. Every page is in the tree, part of a long value that is in it, or free.
type Tree struct {
	pages pages
	root  pageID
	count int

	// path leads to the place of the last descent, from the root to a leaf.
	path []step
	// cell and separator are built here, and spare is for moving cells.
	cell, separator []byte
	spare           page
}

// step is a node of a path, and the cell that the path goes on with.
type step struct {
	id   pageID
	slot int
}

// Len is the number of entries.
func (t *Tree) Len() int { return t.count }

// Pages is how many pages of 4 KiB there are, those that are free included.
func (t *Tree) Pages() int { return int(t.pages.used) }

// Clear removes all entries, and gives their memory back.
func (t *Tree) Clear() { *t = Tree{} }

// Get appends the value of key to dst, and reports whether there is one.
func (t *Tree) Get(dst, key []byte) (value []byte, found bool) {
	p, slot, found := t.find(key)
	if !found {
		return dst, false
	}
	return t.value(dst, p, slot), true
}

// Has reports whether there is an entry with key.
func (t *Tree) Has(key []byte) bool {
	_, _, found := t.find(key)
	return found
}

// Put sets the value of key, and reports whether the key is new. It panics for a key over MaxKeyBytes.
func (t *Tree) Put(key, value []byte) (created bool) {
	checkKey(key)
	if t.descend(key) {
		t.overwrite(value)
		return false
	}
	t.insert(t.entry(key, value), 1)
	t.count++
	return true
}

// Delete removes key, and reports whether it was there.
func (t *Tree) Delete(key []byte) bool {
	if !t.descend(key) {
		return false
	}
	t.remove()
	return true
}

// Rank returns how many entries have a key below key, and whether there is one with it.
func (t *Tree) Rank(key []byte) (rank int, found bool) {
	if t.root == 0 {
		return 0, false
	}
	p := t.pages.at(t.root)
	for !p.isLeaf() {
		slot := p.childOf(key)
		for i := range slot {
			rank += p.below(i)
		}
		p = t.pages.at(p.child(slot))
	}
	slot, found := p.search(key, 0)
	return rank + slot, found
}

// InsertAt puts a value without a key before the entry at a position, from 0 to Len. It panics for another one.
func (t *Tree) InsertAt(position int, value []byte) {
	t.check(position, t.count)
	t.descendTo(position)
	t.insert(t.entry(nil, value), 1)
	t.count++
}

// SetAt replaces the value at a position. It panics unless there is one.
func (t *Tree) SetAt(position int, value []byte) {
	t.check(position, t.count-1)
	t.descendTo(position)
	t.overwrite(value)
}

// DeleteAt removes the entry at a position. It panics unless there is one.
func (t *Tree) DeleteAt(position int) {
	t.check(position, t.count-1)
	t.descendTo(position)
	t.remove()
}

func (t *Tree) check(position, last int) {
	if position < 0 || position > last {
		panic(fmt.Sprintf("ordered: position %d of %d entries", position, t.count))
	}
}

func checkKey(key []byte) {
	if len(key) > MaxKeyBytes {
		panic(fmt.Sprintf("ordered: a key of %d bytes, the limit is %d", len(key), MaxKeyBytes))
	}
}

// find returns where key is.
func (t *Tree) find(key []byte) (p *page, slot int, found bool) {
	if t.root == 0 {
		return nil, 0, false
	}
	p = t.pages.at(t.root)
	for !p.isLeaf() {
		p = t.pages.at(p.child(p.childOf(key)))
	}
	slot, found = p.search(key, 0)
	return p, slot, found
}

// descend sets the path to key, or to where it has to be inserted.
func (t *Tree) descend(key []byte) (found bool) {
	t.plant()
	t.path = t.path[:0]
	for id := t.root; ; {
		p := t.pages.at(id)
		if p.isLeaf() {
			slot, found := p.search(key, 0)
			t.path = append(t.path, step{id, slot})
			return found
		}
		slot := p.childOf(key)
		t.path = append(t.path, step{id, slot})
		id = p.child(slot)
	}
}

// descendTo sets the path to a position, which may be one behind the last entry.
func (t *Tree) descendTo(position int) {
	t.plant()
	t.path = t.pathTo(t.path[:0], position)
}

func (t *Tree) pathTo(path []step, position int) []step {
	for id := t.root; ; {
		p := t.pages.at(id)
		if p.isLeaf() {
			return append(path, step{id, position})
		}
		slot, last := 0, p.cells()-1
		for n := p.below(0); position >= n && slot < last; n = p.below(slot) {
			position -= n
			slot++
		}
		path = append(path, step{id, slot})
		id = p.child(slot)
	}
}

// plant gives an empty tree its root.
func (t *Tree) plant() {
	if t.root == 0 {
		id, p := t.pages.take()
		p.reset(leaf)
		t.root = id
	}
}

// entry builds the cell of an entry, and stores a long value.
func (t *Tree) entry(key, value []byte) []byte {
	if leaf+len(key)+len(value) <= maxCellBytes {
		t.cell = appendEntry(t.cell[:0], key, value)
	} else {
		t.cell = appendLong(t.cell[:0], key, len(value), t.pages.store(value))
	}
	return t.cell
}

// value appends the value in a slot of a leaf.
func (t *Tree) value(dst []byte, p *page, slot int) []byte {
	rest, isLong := tail(p.cell(slot))
	if !isLong {
		return append(dst, rest...)
	}
	length, first := longAt(rest)
	return t.pages.load(dst, first, length)
}

// valueBytes is the length of the value in a slot of a leaf.
func (t *Tree) valueBytes(p *page, slot int) int {
	rest, isLong := tail(p.cell(slot))
	if !isLong {
		return len(rest)
	}
	length, _ := longAt(rest)
	return length
}

// release frees the pages of the value in a slot, if it has any.
func (t *Tree) release(p *page, slot int) {
	if rest, isLong := tail(p.cell(slot)); isLong {
		_, first := longAt(rest)
		t.pages.drop(first)
	}
}
