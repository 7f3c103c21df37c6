package wasmsm

import (
	"bytes"
	"slices"
)

// blockBytes is the unit of comparing and copying.
const blockBytes = 4096

// copyStore keeps the memory and a copy of it. Every commit and rollback reads both.
type copyStore struct {
	memory []byte
	saved  []byte
}

func (s *copyStore) resize(size uint64) []byte {
	old := len(s.memory)
	if uint64(old) < size {
		s.memory = slices.Grow(s.memory, int(size)-old)[:size]
		clear(s.memory[old:])
	}
	s.memory = s.memory[:size]
	return s.memory
}

func (s *copyStore) commit() error {
	if len(s.saved) > len(s.memory) {
		s.saved = s.saved[:len(s.memory)]
	}
	common := len(s.saved)
	copyChanged(s.saved, s.memory[:common])
	s.saved = append(s.saved, s.memory[common:]...)
	return nil
}

func (s *copyStore) rollback() (uint64, error) {
	common := min(len(s.saved), len(s.memory))
	copyChanged(s.memory[:common], s.saved[:common])
	size := len(s.saved)
	if size > len(s.memory) {
		// Only Restore shrinks a memory, and a failure of its own rolls back.
		s.memory = append(s.memory, s.saved[len(s.memory):]...)
	}
	return uint64(size), nil
}

func (s *copyStore) pages() ([][]byte, error) {
	pages := make([][]byte, len(s.saved)/pageBytes)
	for i := range pages {
		pages[i] = copyPage(s.saved[i*pageBytes:][:pageBytes])
	}
	return pages, nil
}

func (s *copyStore) close() error {
	s.memory, s.saved = nil, nil
	return nil
}

// copyChanged copies the blocks that differ. Both slices have the same length.
func copyChanged(dst, src []byte) {
	for at := 0; at < len(src); at += blockBytes {
		end := min(at+blockBytes, len(src))
		if !bytes.Equal(dst[at:end], src[at:end]) {
			copy(dst[at:end], src[at:end])
		}
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
