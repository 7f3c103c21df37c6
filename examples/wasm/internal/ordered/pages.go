package ordered

import "encoding/binary"

const (
	// pageBytes is the unit in which the sandbox finds out what was written.
	pageBytes = 4 << 10
	// chunkPages is how many pages are allocated at once: an object of 64 KiB, which Go's allocator aligns to pages.
	chunkPages = 16
)

type page [pageBytes]byte

// pageID numbers a page from 1. 0 is none.
type pageID uint32

// pages allocates pages, and hands those that were freed out again, the latest first.
type pages struct {
	chunks []*[chunkPages]page
	// used is how many pages were ever handed out, free is the head of the list of those that came back: each
	// begins with the ID of the next.
	used, free pageID
}

func (s *pages) at(id pageID) *page {
	return &s.chunks[(id-1)/chunkPages][(id-1)%chunkPages]
}

// take returns a page with any content.
func (s *pages) take() (pageID, *page) {
	if s.free != 0 {
		id := s.free
		p := s.at(id)
		s.free = p.link()
		return id, p
	}
	if s.used%chunkPages == 0 {
		s.chunks = append(s.chunks, new([chunkPages]page))
	}
	s.used++
	return s.used, s.at(s.used)
}

func (s *pages) give(id pageID) {
	s.at(id).setLink(s.free)
	s.free = id
}

// link is the ID at the beginning of a free page, and of a page of a long value.
func (p *page) link() pageID { return pageID(binary.LittleEndian.Uint32(p[:4])) }

func (p *page) setLink(id pageID) { binary.LittleEndian.PutUint32(p[:4], uint32(id)) }

// linkBytes is what a page of a long value has before the bytes.
const linkBytes = 4

// store writes a long value to pages of its own and returns the first.
func (s *pages) store(value []byte) pageID {
	var first pageID
	var last *page
	for len(value) > 0 {
		id, p := s.take()
		if last == nil {
			first = id
		} else {
			last.setLink(id)
		}
		value = value[copy(p[linkBytes:], value):]
		last = p
	}
	last.setLink(0)
	return first
}

// load appends the length bytes of a long value.
func (s *pages) load(dst []byte, first pageID, length int) []byte {
	for id := first; id != 0; {
		p := s.at(id)
		n := min(length, pageBytes-linkBytes)
		dst = append(dst, p[linkBytes:linkBytes+n]...)
		length -= n
		id = p.link()
	}
	return dst
}

// drop frees the pages of a long value.
func (s *pages) drop(first pageID) {
	for id := first; id != 0; {
		next := s.at(id).link()
		s.give(id)
		id = next
	}
}
