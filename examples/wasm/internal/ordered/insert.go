package ordered

// overwrite replaces the value at the end of the path, in place where it fits.
func (t *Tree) overwrite(value []byte) {
	at := t.path[len(t.path)-1]
	p := t.pages.at(at.id)
	t.release(p, at.slot)
	cell := t.entry(p.key(at.slot), value)
	if p.replace(at.slot, cell) {
		return
	}
	p.drop(at.slot)
	t.insert(cell, 0)
}

// insert puts an entry's cell at the end of the path. growth is what the nodes above count more afterwards: 0 for
// an entry that was there. A full node is divided, and the new half inserted into the one above.
func (t *Tree) insert(cell []byte, growth int) {
	for level := len(t.path) - 1; ; level-- {
		at := t.path[level]
		p := t.pages.at(at.id)
		if p.insert(at.slot, cell, &t.spare) {
			t.grow(level, growth)
			return
		}
		right, q := t.split(level, cell)
		if level == 0 {
			id, root := t.pages.take()
			root.reset(inner)
			root.push(appendChild(t.cell[:0], nil, at.id, p.total()))
			root.push(appendChild(t.cell[:0], t.separator, right, q.total()))
			t.root = id
			return
		}
		above := &t.path[level-1]
		t.pages.at(above.id).setBelow(above.slot, p.total())
		t.cell = appendChild(t.cell[:0], t.separator, right, q.total())
		cell = t.cell
		above.slot++
	}
}

// grow adds to the counts above a level of the path.
func (t *Tree) grow(level, growth int) {
	if growth == 0 {
		return
	}
	for _, at := range t.path[:level] {
		p := t.pages.at(at.id)
		p.setBelow(at.slot, p.below(at.slot)+growth)
	}
}

// split divides the full node at a level of the path, the cell that is to be inserted there included. It returns the new right half, whose
// least key is in t.separator.
func (t *Tree) split(level int, cell []byte) (pageID, *page) {
	at := t.path[level]
	p := t.pages.at(at.id)
	t.spare = *p
	old := &t.spare
	cut := t.cut(old, level, len(cell))
	right, q := t.pages.take()
	q.reset(old[0])
	p.reset(old[0])
	to := p
	for i := range old.cells() + 1 {
		if i == cut {
			to = q
		}
		switch {
		case i < at.slot:
			to.push(old.cell(i))
		case i == at.slot:
			to.push(cell)
		default:
			to.push(old.cell(i - 1))
		}
	}
	t.separator = append(t.separator[:0], q.key(0)...)
	if p.isLeaf() {
		t.separator = shortest(p.key(p.cells()-1), t.separator)
	}
	return right, q
}

// cut is how many cells go to the left half, of those in old and one more of size bytes: half of the bytes, or all but
// the new one at either end of the tree, so that entries which come in order leave full pages behind them.
func (t *Tree) cut(old *page, level, size int) int {
	slot, n := t.path[level].slot, old.cells()
	switch {
	case slot == n && t.outermost(level, false):
		return n
	case slot == 0 && t.outermost(level, true):
		return 1
	}
	left, half := 0, (old.used()+size+slotBytes)/2
	for i := range n {
		switch {
		case i < slot:
			left += len(old.cell(i))
		case i == slot:
			left += size
		default:
			left += len(old.cell(i - 1))
		}
		if left += slotBytes; left >= half {
			return i + 1
		}
	}
	return n
}

// outermost reports whether the path down to a level keeps to the first, or the last, children.
func (t *Tree) outermost(level int, first bool) bool {
	for _, at := range t.path[:level] {
		if first && at.slot != 0 || !first && at.slot != t.pages.at(at.id).cells()-1 {
			return false
		}
	}
	return true
}

// shortest cuts above to the shortest key that is still above below. Equal keys, of entries without, stay.
func shortest(below, above []byte) []byte {
	n := 0
	for n < len(below) && n < len(above) && below[n] == above[n] {
		n++
	}
	return above[:min(n+1, len(above))]
}
