package ordered

const (
	// smallBytes is the use below which a node is joined with a neighbour, if both then use at most joinedBytes.
	smallBytes  = pageBytes / 4
	joinedBytes = pageBytes * 3 / 4
)

// remove drops the entry at the end of the path.
func (t *Tree) remove() {
	level := len(t.path) - 1
	at := t.path[level]
	p := t.pages.at(at.id)
	t.release(p, at.slot)
	p.drop(at.slot)
	t.count--
	t.grow(level, -1)
	for ; level > 0 && t.shrink(level); level-- {
	}
	t.lower()
}

// shrink removes the node at a level of the path if it is empty, or joins it with a neighbour if it is small. It reports
// whether the node above has lost a cell.
func (t *Tree) shrink(level int) bool {
	id, above := t.path[level].id, t.path[level-1]
	p, q := t.pages.at(id), t.pages.at(above.id)
	if p.cells() == 0 {
		q.drop(above.slot)
		t.pages.give(id)
		return true
	}
	if p.used() >= smallBytes {
		return false
	}
	return above.slot+1 < q.cells() && t.join(q, above.slot) || above.slot > 0 && t.join(q, above.slot-1)
}

// join moves what child i+1 of a node has to child i, and reports false if that is too much.
func (t *Tree) join(above *page, i int) bool {
	id := above.child(i + 1)
	left, right := t.pages.at(above.child(i)), t.pages.at(id)
	size := left.used() + right.used()
	if !right.isLeaf() {
		size += len(above.key(i+1)) - len(right.key(0))
	}
	if size > joinedBytes {
		return false
	}
	left.compact(&t.spare)
	for k := range right.cells() {
		cell := right.cell(k)
		if k == 0 && !right.isLeaf() {
			// Its own key means nothing as long as it is the first child.
			t.cell = appendChild(t.cell[:0], above.key(i+1), right.child(0), right.below(0))
			cell = t.cell
		}
		left.push(cell)
	}
	above.setBelow(i, above.below(i)+above.below(i+1))
	above.drop(i + 1)
	t.pages.give(id)
	return true
}

// lower takes away roots with a single child, and that of an empty tree.
func (t *Tree) lower() {
	for t.root != 0 {
		id := t.root
		switch p := t.pages.at(id); {
		case p.cells() == 0:
			t.root = 0
		case p.cells() == 1 && !p.isLeaf():
			t.root = p.child(0)
		default:
			return
		}
		t.pages.give(id)
	}
}

// DeleteRange removes the entries at the positions from <= position < to. Pages that it covers are freed without a look at
// each entry. It panics unless 0 <= from <= to <= Len.
func (t *Tree) DeleteRange(from, to int) {
	t.check(to, t.count)
	t.check(from, to)
	if from == to {
		return
	}
	t.count -= to - from
	t.removeBetween(t.pages.at(t.root), from, to)
	t.lower()
}

// removeBetween removes entries of one node, but does not empty it unless it is the root.
func (t *Tree) removeBetween(p *page, from, to int) {
	if p.isLeaf() {
		for range to - from {
			t.release(p, from)
			p.drop(from)
		}
		return
	}
	for i, before := 0, 0; i < p.cells(); {
		n := p.below(i)
		first, last := max(from-before, 0), min(to-before, n)
		before += n
		switch {
		case first >= last:
			i++
		case last-first == n:
			t.free(p.child(i))
			p.drop(i)
		default:
			t.removeBetween(t.pages.at(p.child(i)), first, last)
			p.setBelow(i, n-(last-first))
			i++
		}
	}
	for i := 0; i+1 < p.cells(); {
		small := t.pages.at(p.child(i)).used() < smallBytes || t.pages.at(p.child(i+1)).used() < smallBytes
		if !small || !t.join(p, i) {
			i++
		}
	}
}

// free gives back a node, all below it and its long values.
func (t *Tree) free(id pageID) {
	p := t.pages.at(id)
	for i := range p.cells() {
		if p.isLeaf() {
			t.release(p, i)
		} else {
			t.free(p.child(i))
		}
	}
	t.pages.give(id)
}
