package wasmsm

import (
	"encoding/binary"
	"fmt"
)

// imageVersion is that of the header's layout:
//
//	version u8 | prepared version u32 | module digest 32 bytes | memory pages u32 | globals u32 | globals u64 each
//
// Numbers are little-endian. The globals are in the order of their indices; of an i32 or f32 the
// upper half is zero.
const imageVersion = 1

const imageHeaderBytes = 1 + 4 + 32 + 4 + 4

// imageHeader is what an Image says beside its pages.
type imageHeader struct {
	preparedVersion uint32
	digest          [32]byte
	pages           uint32
	globals         []uint64
}

func (h *imageHeader) encode() []byte {
	b := make([]byte, 0, imageHeaderBytes+8*len(h.globals))
	b = append(b, imageVersion)
	b = binary.LittleEndian.AppendUint32(b, h.preparedVersion)
	b = append(b, h.digest[:]...)
	b = binary.LittleEndian.AppendUint32(b, h.pages)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.globals)))
	for _, g := range h.globals {
		b = binary.LittleEndian.AppendUint64(b, g)
	}
	return b
}

func decodeImageHeader(b []byte) (*imageHeader, error) {
	if len(b) < imageHeaderBytes || b[0] != imageVersion {
		return nil, fmt.Errorf("%w: the header of %d bytes is not of version %d", ErrBadImage, len(b), imageVersion)
	}
	h := &imageHeader{preparedVersion: le32(b[1:]), pages: le32(b[37:])}
	copy(h.digest[:], b[5:])
	count := uint64(le32(b[41:]))
	rest := b[imageHeaderBytes:]
	if uint64(len(rest)) != 8*count {
		return nil, fmt.Errorf("%w: the header has %d bytes for %d globals", ErrBadImage, len(rest), count)
	}
	h.globals = make([]uint64, count)
	for i := range h.globals {
		h.globals[i] = le64(rest[8*i:])
	}
	return h, nil
}

// Image returns the whole state after the last applied command. The pages are copies, the caller's
// to keep.
func (m *Machine) Image() (Image, error) {
	if err := m.current(); err != nil {
		return Image{}, err
	}
	pages, err := m.store.pages()
	if err != nil {
		return Image{}, m.keep(err)
	}
	image := Image{Header: m.checkpointHeader(), Pages: make([][]byte, m.linear.size/pageBytes)}
	for _, p := range pages {
		image.Pages[p.Index] = p.Data
	}
	return image, nil
}

// Changes returns what became of the state, after the last applied command, since the last call of
// Changes or Restore; the first one has all that is not zero. The pages are copies, the caller's to keep. Its cost is that of the
// pages that were written.
func (m *Machine) Changes() (Changes, error) {
	f, err := m.Freeze()
	if err != nil {
		return Changes{}, err
	}
	c := Changes{Header: f.Header, Count: f.Count}
	for _, i := range f.Pages {
		data, err := f.Page(i)
		if err != nil {
			return Changes{}, err
		}
		c.Pages = append(c.Pages, Page{Index: uint32(i), Data: data})
	}
	return c, nil
}

// current wakes the machine, and makes its state the checkpoint.
func (m *Machine) current() error {
	if err := m.awake(); err != nil {
		return err
	}
	return m.settle()
}

// checkpointHeader is the header of the checkpoint's image. After a checkpoint the memory's size is the
// checkpoint's.
func (m *Machine) checkpointHeader() []byte {
	h := m.header(uint32(m.linear.size / pageBytes))
	h.globals = m.committed
	return h.encode()
}

func (m *Machine) header(pages uint32) *imageHeader {
	return &imageHeader{
		preparedVersion: uint32(m.module.shared.prepared.Info.PreparedVersion),
		digest:          m.module.digest, pages: pages,
	}
}

// Restore replaces the whole state by an image of the same module. The image is not kept. It may have
// more memory than MemoryBytes, which was lowered then: the guest cannot grow it further. Views show the
// new state with an entry of zeros, until the next Show or command.
//
// # Errors
//
// With ErrBadImage nothing has changed. Any other error leaves the state in doubt, and every later
// call returns it.
func (m *Machine) Restore(image Image) error {
	for i, page := range image.Pages {
		if page != nil && len(page) != pageBytes {
			return fmt.Errorf("%w: page %d has %d bytes", ErrBadImage, i, len(page))
		}
	}
	return m.Load(image.Header, len(image.Pages), func(page int, into []byte) (bool, error) {
		return copy(into, image.Pages[page]) > 0, nil
	})
}

// PageReader writes a page of an image over its argument of 64 KiB. For a page of zeros it may instead report false, and
// leave the argument alone.
type PageReader func(page int, into []byte) (data bool, err error)

// Load is Restore of an image that need not be in memory: it reads each page once, in their order, and writes
// it where it stays.
func (m *Machine) Load(header []byte, pages int, read PageReader) error {
	if err := m.awake(); err != nil {
		return err
	}
	h, err := m.checkImage(header, pages)
	if err != nil {
		return err
	}
	if err = m.linear.setSize(m.memory, uint64(pages)*pageBytes); err != nil {
		return m.keep(err)
	}
	for i, g := range m.globals {
		g.Set(h.globals[i])
	}
	m.journal.clear()
	m.last = EntryContext{}
	if err := m.store.load(read, m.show); err != nil {
		return m.keep(fmt.Errorf("wasmsm: loading an image: %w", err))
	}
	m.store.forget()
	return nil
}

func (m *Machine) checkImage(header []byte, pages int) (*imageHeader, error) {
	h, err := decodeImageHeader(header)
	if err != nil {
		return nil, err
	}
	want := m.header(uint32(pages))
	size, most := uint64(pages)*pageBytes, m.module.memoryLimit(Limits{MemoryBytes: maxMemoryBytes})
	switch {
	case h.digest != want.digest:
		return nil, fmt.Errorf("%w: it is of module %x, this is module %x", ErrBadImage, h.digest, want.digest)
	case h.preparedVersion != want.preparedVersion:
		return nil, fmt.Errorf("%w: its module was prepared by version %d, this is version %d", ErrBadImage, h.preparedVersion, want.preparedVersion)
	case h.pages != want.pages:
		return nil, fmt.Errorf("%w: it has %d pages, its header says %d", ErrBadImage, want.pages, h.pages)
	case len(h.globals) != len(m.globals):
		return nil, fmt.Errorf("%w: it has %d globals, the module has %d", ErrBadImage, len(h.globals), len(m.globals))
	case size > most:
		return nil, fmt.Errorf("%w: its memory has %d bytes, the module's may have %d", ErrBadImage, size, most)
	}
	return h, nil
}
