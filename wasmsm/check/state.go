package check

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/groutlabs/grout/wasmsm"
)

// Hash is the SHA-256 of a machine's state: of the image's header, the number of its pages, and the SHA-256 of each
// (32 zero bytes for one that is all zero).
type Hash [sha256.Size]byte

// Tree has the hashes of a state's pages. The zero value is that of no state.
type Tree struct {
	header []byte
	pages  []Hash
}

func (t *Tree) set(page int, data []byte) {
	t.pages[page] = Hash{}
	if data != nil {
		t.pages[page] = sha256.Sum256(data)
	}
}

// resize keeps the pages below count; those that are new are zero.
func (t *Tree) resize(count int) {
	if count < len(t.pages) {
		t.pages = t.pages[:count]
	}
	t.pages = append(t.pages, make([]Hash, count-len(t.pages))...)
}

// Update takes in what became of the state since the last Update or Replace.
func (t *Tree) Update(c wasmsm.Changes) {
	t.header = c.Header
	t.resize(c.Count)
	for _, p := range c.Pages {
		t.set(int(p.Index), p.Data)
	}
}

// Replace takes in a whole state.
func (t *Tree) Replace(image *wasmsm.Image) {
	t.header = image.Header
	t.resize(len(image.Pages))
	for i, page := range image.Pages {
		t.set(i, page)
	}
}

// Hash is the hash of the state.
func (t *Tree) Hash() Hash {
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(t.header))))
	h.Write(t.header)
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(t.pages))))
	for i := range t.pages {
		h.Write(t.pages[i][:])
	}
	return Hash(h.Sum(nil))
}

// describe says where two states differ first, from either's side.
func describe(a, b *wasmsm.Image) (left, right string) {
	if len(a.Pages) != len(b.Pages) {
		return fmt.Sprintf("%d pages of memory", len(a.Pages)), fmt.Sprintf("%d pages", len(b.Pages))
	}
	for i := range a.Pages {
		x, y := a.Pages[i], b.Pages[i]
		for at := range max(len(x), len(y)) {
			if p, q := byteAt(x, at), byteAt(y, at); p != q {
				place := i*pageBytes + at
				return fmt.Sprintf("%#02x at %#x", p, place), fmt.Sprintf("%#02x", q)
			}
		}
	}
	for at := range max(len(a.Header), len(b.Header)) {
		if p, q := byteAt(a.Header, at), byteAt(b.Header, at); p != q {
			return fmt.Sprintf("%#02x at byte %d of the globals and sizes", p, at), fmt.Sprintf("%#02x", q)
		}
	}
	return "the same image", "it too: what it reported of its pages was wrong"
}

// pageBytes is the size of a page of memory.
const pageBytes = 64 << 10

// byteAt reads a page, of which nil is all zero.
func byteAt(page []byte, at int) byte {
	if at >= len(page) {
		return 0
	}
	return page[at]
}
