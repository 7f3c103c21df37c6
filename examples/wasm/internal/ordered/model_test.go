package ordered

import (
	"bytes"
	"fmt"
	"slices"
)

// valid returns an error that names the first invariant of Tree that does not hold. keyed says that the entries have keys.
func (t *Tree) valid(keyed bool) error {
	w := walk{tree: t, seen: map[pageID]bool{}, keyed: keyed, depth: -1}
	if t.root != 0 {
		p := t.pages.at(t.root)
		if t.count > 0 && !p.isLeaf() && p.cells() < 2 {
			return fmt.Errorf("the inner root has %d children", p.cells())
		}
		n, err := w.node(t.root, 0, nil, nil)
		if err != nil {
			return err
		}
		if n != t.count {
			return fmt.Errorf("count is %d, there are %d entries", t.count, n)
		}
	} else if t.count != 0 {
		return fmt.Errorf("count is %d, there is no root", t.count)
	}
	for id := t.pages.free; id != 0; id = t.pages.at(id).link() {
		if err := w.see(id, "free"); err != nil {
			return err
		}
	}
	if len(w.seen) != int(t.pages.used) {
		return fmt.Errorf("%d pages were handed out, %d are in the tree or free", t.pages.used, len(w.seen))
	}
	return nil
}

type walk struct {
	tree  *Tree
	seen  map[pageID]bool
	keyed bool
	depth int
}

func (w *walk) see(id pageID, what string) error {
	if w.seen[id] {
		return fmt.Errorf("page %d, %s, is met twice", id, what)
	}
	w.seen[id] = true
	return nil
}

// node checks a node and all below it, whose keys have to be in least <= key < limit, and counts the entries.
func (w *walk) node(id pageID, depth int, least, limit []byte) (int, error) {
	if err := w.see(id, "a node"); err != nil {
		return 0, err
	}
	p := w.tree.pages.at(id)
	if p.cells() == 0 && w.tree.count > 0 {
		return 0, fmt.Errorf("node %d at depth %d is empty", id, depth)
	}
	if room := p.word(4) - headBytes - slotBytes*p.cells(); room < 0 || room+p.word(6)+p.used() != pageBytes-headBytes {
		return 0, fmt.Errorf("node %d: %d bytes of room, %d dead, %d used", id, room, p.word(6), p.used())
	}
	if p.isLeaf() {
		return p.cells(), w.leaf(p, id, depth, least, limit)
	}
	sum := 0
	for i := range p.cells() {
		from, to := least, limit
		if i > 0 {
			from = p.key(i)
		}
		if i+1 < p.cells() {
			to = p.key(i + 1)
		}
		n, err := w.node(p.child(i), depth+1, from, to)
		if err != nil {
			return 0, err
		}
		if n != p.below(i) {
			return 0, fmt.Errorf("child %d of node %d has %d entries, the count is %d", i, id, n, p.below(i))
		}
		sum += n
	}
	return sum, nil
}

func (w *walk) leaf(p *page, id pageID, depth int, least, limit []byte) error {
	if w.depth < 0 {
		w.depth = depth
	}
	if depth != w.depth {
		return fmt.Errorf("leaf %d is at depth %d, another at %d", id, depth, w.depth)
	}
	for i := range p.cells() {
		if w.keyed && (bytes.Compare(p.key(i), least) < 0 || limit != nil && bytes.Compare(p.key(i), limit) >= 0 ||
			i > 0 && bytes.Compare(p.key(i-1), p.key(i)) >= 0) {
			return fmt.Errorf("key %q of leaf %d is out of order in %q to %q", p.key(i), id, least, limit)
		}
		if rest, isLong := tail(p.cell(i)); isLong {
			length, first := longAt(rest)
			for page := first; page != 0; page = w.tree.pages.at(page).link() {
				if err := w.see(page, "of a long value"); err != nil {
					return err
				}
				length -= pageBytes - linkBytes
			}
			if length > 0 || length <= linkBytes-pageBytes {
				return fmt.Errorf("the long value %d of leaf %d has %d bytes too many or few", i, id, length)
			}
		}
	}
	return nil
}

// model does what Tree does, plainly.
type model struct{ entries []pair }

type pair struct{ key, value string }

func (m *model) search(key string) (int, bool) {
	return slices.BinarySearchFunc(m.entries, key, func(p pair, key string) int { return bytes.Compare([]byte(p.key), []byte(key)) })
}

func (m *model) put(key, value string) (created bool) {
	i, found := m.search(key)
	if found {
		m.entries[i].value = value
	} else {
		m.entries = slices.Insert(m.entries, i, pair{key, value})
	}
	return !found
}

func (m *model) delete(key string) bool {
	i, found := m.search(key)
	if found {
		m.entries = slices.Delete(m.entries, i, i+1)
	}
	return found
}

// same compares all that a tree can tell with the model.
func (m *model) same(t *Tree, keyed bool) error {
	if err := t.valid(keyed); err != nil {
		return err
	}
	if t.Len() != len(m.entries) {
		return fmt.Errorf("%d entries, want %d", t.Len(), len(m.entries))
	}
	c := t.At(0)
	for i, want := range m.entries {
		if !c.Valid() || string(c.Key()) != want.key || string(c.Value(nil)) != want.value || c.ValueBytes() != len(want.value) {
			return fmt.Errorf("forwards, entry %d is not %.80q", i, want)
		}
		c.Next()
	}
	if c.Valid() {
		return fmt.Errorf("there is an entry after the last")
	}
	c = t.At(t.Len() - 1)
	for i := len(m.entries) - 1; i >= 0; i-- {
		if want := m.entries[i]; !c.Valid() || string(c.Key()) != want.key || string(c.Value(nil)) != want.value {
			return fmt.Errorf("backwards, entry %d is not %.80q", i, want)
		}
		c.Prev()
	}
	if c.Valid() {
		return fmt.Errorf("there is an entry before the first")
	}
	return nil
}

// look compares what a tree says of one key.
func (m *model) look(t *Tree, key string) error {
	want, found := m.search(key)
	if rank, has := t.Rank([]byte(key)); rank != want || has != found || t.Has([]byte(key)) != found {
		return fmt.Errorf("the rank of %.80q is %d, %v, want %d, %v", key, rank, has, want, found)
	}
	value, has := t.Get([]byte("before"), []byte(key))
	if has != found || found && string(value) != "before"+m.entries[want].value {
		return fmt.Errorf("get(%.80q) = %.80q, %v", key, value, has)
	}
	c := t.Seek([]byte(key))
	if c.Valid() != (want < len(m.entries)) || c.Valid() && string(c.Key()) != m.entries[want].key {
		return fmt.Errorf("seek(%.80q) is elsewhere", key)
	}
	return nil
}
