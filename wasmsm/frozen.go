package wasmsm

import (
	"bytes"
	"fmt"
)

// Frozen is what became of a machine's state since an earlier time, like Changes, but its pages are read later, while the machine goes on.
type Frozen struct {
	// Header is that of the whole image.
	Header []byte
	// Count is the number of the memory's pages. Those beyond the earlier count are all zero, unless they are among Pages.
	Count int
	// Pages are the numbers of those that were written, in order.
	Pages []int
	store *frozen
}

// Freeze is Changes without the copies: the pages are read from the result. Until each was read, or Freeze is called again, a commit that changes
// one keeps what it changes. So nobody waits for the copy of all that was written.
func (m *Machine) Freeze() (*Frozen, error) {
	if err := m.current(); err != nil {
		return nil, err
	}
	f := &Frozen{Header: m.checkpointHeader(), Count: int(m.linear.size / pageBytes), store: m.store.freeze()}
	f.store.pending.each(f.store.size, func(at uint64) { f.Pages = append(f.Pages, int(at/pageBytes)) })
	return f, nil
}

// Page returns a page as it was, a copy of 64 KiB, or nil when it was all zero. Each is read once at most, by one goroutine at a time, while methods
// of the machine may be at work.
//
// # Errors
//
// ErrClosed once the machine is closed, or what else ended its checkpoint.
func (f *Frozen) Page(page int) ([]byte, error) { return f.store.page(page) }

// frozen are pages of a checkpoint as they were. What changes them copies them before, in blocks: copy-before-write, as block devices have it for
// their snapshots.
type frozen struct {
	gate *gate
	// show returns the checkpoint as it is now. It is called under the gate, and not any more once all is kept.
	show func() []byte
	size uint64
	// pending are the pages that were not read.
	pending touched
	// kept are blocks that have changed since, by their offsets. all is set when they are all that is pending.
	kept map[uint64][]byte
	all  bool
}

// freeze makes the marked pages below size those that are frozen, and forgets the marks.
func (t *touched) freeze(size uint64, views *gate, show func() []byte) *frozen {
	f := &frozen{gate: views, show: show, size: size, pending: *t, kept: map[uint64][]byte{}}
	*t = nil
	return f
}

// change keeps a range that is about to change; the caller holds the gate.
func (f *frozen) change(start, end uint64) {
	if f == nil || f.all {
		return
	}
	for at := start / blockBytes * blockBytes; at < min(end, f.size); at += blockBytes {
		if _, known := f.kept[at]; !known && f.pending.has(at) {
			f.kept[at] = bytes.Clone(f.show()[at : at+blockBytes])
		}
	}
}

// finish keeps all that was not read, so that the checkpoint is not needed any more.
func (f *frozen) finish() {
	if f == nil {
		return
	}
	f.gate.Lock()
	defer f.gate.Unlock()
	if f.gate.ended != nil {
		return
	}
	f.pending.each(f.size, func(at uint64) { f.change(at, at+pageBytes) })
	f.all, f.show = true, nil
}

// page reads a page.
func (f *frozen) page(page int) ([]byte, error) {
	f.gate.RLock()
	defer f.gate.RUnlock()
	at := uint64(page) * pageBytes
	switch {
	case page < 0 || at >= f.size || !f.pending.has(at):
		return nil, fmt.Errorf("wasmsm: page %d is not frozen, or was read before", page)
	case !f.all && f.gate.ended != nil:
		return nil, f.gate.ended
	}
	data := make([]byte, pageBytes)
	if !f.all {
		if now := f.show(); at < uint64(len(now)) {
			copy(data, now[at:])
		}
	}
	for block := at; block < at+pageBytes; block += blockBytes {
		if kept, ok := f.kept[block]; ok {
			copy(data[block-at:], kept)
			delete(f.kept, block)
		}
	}
	f.pending.unmark(at)
	if bytes.Equal(data, zeroPage[:]) {
		return nil, nil
	}
	return data, nil
}
