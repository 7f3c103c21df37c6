package ordered

// Cursor stands at an entry, or at none. It is good until the tree changes.
type Cursor struct {
	tree *Tree
	// path leads to the entry; it is empty at none.
	path []step
}

// At returns a cursor at the entry at a position, or at none if there is no such entry.
func (t *Tree) At(position int) Cursor {
	if position < 0 || position >= t.count {
		return Cursor{tree: t}
	}
	return Cursor{t, t.pathTo(make([]step, 0, 8), position)}
}

// Seek returns a cursor at the first entry whose key is not below key.
func (t *Tree) Seek(key []byte) Cursor {
	c := Cursor{t, make([]step, 0, 8)}
	if t.root == 0 {
		return c
	}
	id := t.root
	for p := t.pages.at(id); ; p = t.pages.at(id) {
		if p.isLeaf() {
			slot, _ := p.search(key, 0)
			c.path = append(c.path, step{id, slot})
			c.forward(p)
			return c
		}
		slot := p.childOf(key)
		c.path = append(c.path, step{id, slot})
		id = p.child(slot)
	}
}

// Valid reports whether the cursor stands at an entry. The methods below may only be called if it does.
func (c *Cursor) Valid() bool { return len(c.path) > 0 }

// Key is the entry's key. It is the tree's, and must not be changed.
func (c *Cursor) Key() []byte {
	p, slot := c.leaf()
	return p.key(slot)
}

// Value appends the entry's value to dst.
func (c *Cursor) Value(dst []byte) []byte {
	p, slot := c.leaf()
	return c.tree.value(dst, p, slot)
}

// ValueBytes is the length of the entry's value.
func (c *Cursor) ValueBytes() int {
	p, slot := c.leaf()
	return c.tree.valueBytes(p, slot)
}

// Next moves to the next entry, or to none behind the last.
func (c *Cursor) Next() {
	at := &c.path[len(c.path)-1]
	at.slot++
	c.forward(c.tree.pages.at(at.id))
}

// Prev moves to the entry before, or to none before the first.
func (c *Cursor) Prev() {
	at := &c.path[len(c.path)-1]
	if at.slot--; at.slot < 0 {
		c.turn(-1)
	}
}

func (c *Cursor) leaf() (*page, int) {
	at := c.path[len(c.path)-1]
	return c.tree.pages.at(at.id), at.slot
}

// forward moves a cursor that stands behind the last cell of its leaf p to the next leaf.
func (c *Cursor) forward(p *page) {
	if c.path[len(c.path)-1].slot >= p.cells() {
		c.turn(1)
	}
}

// turn moves to the next leaf in a direction, 1 or -1, and there to the nearest entry.
func (c *Cursor) turn(direction int) {
	level := len(c.path) - 2
	for ; level >= 0; level-- {
		at := &c.path[level]
		at.slot += direction
		if at.slot >= 0 && at.slot < c.tree.pages.at(at.id).cells() {
			break
		}
	}
	if level < 0 {
		c.path = c.path[:0]
		return
	}
	for ; level+1 < len(c.path); level++ {
		id := c.tree.pages.at(c.path[level].id).child(c.path[level].slot)
		slot := 0
		if direction < 0 {
			slot = c.tree.pages.at(id).cells() - 1
		}
		c.path[level+1] = step{id, slot}
	}
}
