package wasmsm

import (
	"bytes"
	"slices"
)

// blockBytes is the unit of comparing and copying.
const blockBytes = 4096

// copyStore keeps the memory and a copy of it. Every commit and rollback reads both.
type copyStore struct {
	memory  []byte
	saved   []byte
	views   *gate
	touched touched
	frozen  *frozen
}

func newCopyStore(views *gate) *copyStore { return &copyStore{views: views} }

func (s *copyStore) resize(size uint64) []byte {
	s.memory = resized(s.memory, size)
	return s.memory
}

// resized returns a memory of another length. What it adds is zero.
func resized(memory []byte, size uint64) []byte {
	old := len(memory)
	if uint64(old) < size {
		memory = slices.Grow(memory, int(size)-old)[:size]
		clear(memory[old:])
	}
	return memory[:size]
}

func (s *copyStore) commit(show func()) error {
	s.views.Lock()
	defer s.views.Unlock()
	if len(s.saved) > len(s.memory) {
		s.frozen.change(uint64(len(s.memory)), uint64(len(s.saved)))
		s.saved = s.saved[:len(s.memory)]
	}
	common := len(s.saved)
	copyChanged(s.saved, s.memory[:common], func(start, end int) {
		s.frozen.change(uint64(start), uint64(end))
		s.touched.mark(uint64(start), uint64(end))
	})
	s.saved = append(s.saved, s.memory[common:]...)
	s.touched.mark(uint64(common), uint64(len(s.saved)))
	show()
	return nil
}

func (s *copyStore) rollback() (uint64, error) {
	common := min(len(s.saved), len(s.memory))
	copyChanged(s.memory[:common], s.saved[:common], nil)
	size := len(s.saved)
	if size > len(s.memory) {
		s.memory = append(s.memory, s.saved[len(s.memory):]...)
	}
	return uint64(size), nil
}

func (s *copyStore) load(read PageReader, show func()) error {
	s.thaw()
	s.views.Lock()
	defer s.views.Unlock()
	for at := 0; at < len(s.memory); at += pageBytes {
		page := s.memory[at : at+pageBytes]
		data, err := read(at/pageBytes, page)
		if err != nil {
			s.views.ended = err
			return err
		}
		if !data {
			clear(page)
		}
	}
	s.saved = append(s.saved[:0], s.memory...)
	show()
	return nil
}

func (s *copyStore) pages() ([]Page, error) {
	var pages []Page
	for at := 0; at < len(s.saved); at += pageBytes {
		if data := copyPage(s.saved[at:][:pageBytes]); data != nil {
			pages = append(pages, Page{Index: uint32(at / pageBytes), Data: data})
		}
	}
	return pages, nil
}

func (s *copyStore) freeze() *frozen {
	s.thaw()
	s.frozen = s.touched.freeze(uint64(len(s.saved)), s.views, func() []byte { return s.saved })
	return s.frozen
}

func (s *copyStore) thaw() {
	s.frozen.finish()
	s.frozen = nil
}

func (s *copyStore) each(do func(at uint64, data []byte) error) error { return do(0, s.saved) }

func (s *copyStore) forget() { clear(s.touched) }

func (s *copyStore) marks() *touched { return &s.touched }

func (s *copyStore) close() error {
	s.views.end(ErrClosed)
	s.memory, s.saved = nil, nil
	return nil
}

func (s *copyStore) view() (viewBacking, error) {
	s.views.RLock()
	defer s.views.RUnlock()
	return &copyView{store: s}, s.views.ended
}

// copyView is a view with a copy of its own.
type copyView struct {
	store  *copyStore
	memory []byte
}

func (v *copyView) resize(size uint64) []byte {
	v.memory = resized(v.memory, size)
	return v.memory
}

func (v *copyView) begin(take func()) (uint64, error) {
	views := v.store.views
	views.RLock()
	defer views.RUnlock()
	if views.ended != nil {
		return 0, views.ended
	}
	saved := v.store.saved
	copyChanged(v.resize(uint64(len(saved))), saved, nil)
	take()
	return uint64(len(saved)), nil
}

func (v *copyView) end() {}

func (v *copyView) hold() {}

func (v *copyView) release() {}

func (v *copyView) close() error {
	v.memory = nil
	return nil
}

// copyChanged copies the blocks that differ, and calls before each if that is not nil. Both slices have the same length.
func copyChanged(dst, src []byte, before func(start, end int)) {
	for at := 0; at < len(src); at += blockBytes {
		end := min(at+blockBytes, len(src))
		if bytes.Equal(dst[at:end], src[at:end]) {
			continue
		}
		if before != nil {
			before(at, end)
		}
		copy(dst[at:end], src[at:end])
	}
}

var zeroPage [pageBytes]byte

// copyPage returns a copy of a page, nil when it is all zero.
func copyPage(page []byte) []byte {
	if bytes.Equal(page, zeroPage[:len(page)]) {
		return nil
	}
	return slices.Clone(page)
}
