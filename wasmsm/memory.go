package wasmsm

import (
	"fmt"
	"math/bits"
	"sync"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// backing is what an instance's linear memory lies in.
type backing interface {
	// resize sets the memory's length, which the caller keeps within the limit, and returns the
	// memory. What is beyond the old length is zero. The bytes may have moved.
	resize(size uint64) []byte
	// close frees everything. The memory must not be used any more.
	close() error
}

// store holds a linear memory and its checkpoint. Between calls of the guest both are equal.
//
// Its implementations differ in speed alone; store_test.go compares them with a simple model.
type store interface {
	backing
	// commit makes the memory the checkpoint. It calls show while no view can begin, between two
	// states of the checkpoint.
	commit(show func()) error
	// rollback gives the memory the checkpoint's content and length; resize returns it.
	rollback() (size uint64, err error)
	// load makes the memory and the checkpoint those of an image, page by page, and calls show like commit. The memory has the
	// image's length already. After an error neither is to be used any more.
	load(read PageReader, show func()) error
	// pages copies the checkpoint: all pages that are not zero, in order.
	pages() ([]Page, error)
	// freeze returns the checkpoint's pages that were written since forget or the last freeze, the zero ones included. They stay
	// as they are, those of an earlier freeze as well.
	freeze() *frozen
	// thaw keeps what of the last freeze was not read, which does not need the store then.
	thaw()
	// each calls do with the parts of the checkpoint that may be other than zero, in order, until that returns an error. They begin and end at
	// blocks of 4 KiB.
	each(do func(at uint64, data []byte) error) error
	// forget makes the checkpoint the one that changes are told from.
	forget()
	// marks are the pages that were written since forget, the store's own.
	marks() *touched
	// view returns a further memory that begins with the checkpoint each time. It may be called at any time.
	view() (viewBacking, error)
}

// viewBacking is a memory that shows a checkpoint. It is used by one goroutine, beside all others.
type viewBacking interface {
	backing
	// begin gives the memory the checkpoint's content, whatever was written to it, and keeps it so until
	// end, whatever is committed meanwhile. It calls take while the checkpoint stands still, and returns
	// the length, for resize.
	begin(take func()) (size uint64, err error)
	end()
	// hold and release enclose uses by one goroutine in a row, which may cost less.
	hold()
	release()
}

// gate keeps views from beginning while a checkpoint changes, and the checkpoint from changing while one
// begins. Neither takes long.
type gate struct {
	sync.RWMutex
	// ended is why there is no checkpoint any more, nil while there is one.
	ended error
}

// end lets no view begin any more.
func (g *gate) end(reason error) {
	g.Lock()
	defer g.Unlock()
	if g.ended == nil {
		g.ended = reason
	}
}

// reopen takes end back, for a checkpoint that is there again.
func (g *gate) reopen() {
	g.Lock()
	defer g.Unlock()
	g.ended = nil
}

// newStore returns a store of length 0 that can be resized up to limit bytes.
func newStore(kind MemoryKind, limit uint64, views *gate) (store, error) {
	if kind == MemoryCopy {
		return newCopyStore(views), nil
	}
	s, err := newCowStore(limit, views)
	switch {
	case err == nil:
		return s, nil
	case kind == MemoryCopyOnWrite:
		return nil, fmt.Errorf("wasmsm: copy-on-write memory is not to be had, use MemoryAuto or MemoryCopy: %w", err)
	}
	return newCopyStore(views), nil
}

// touched notes which pages of 64 KiB were written, a bit each.
type touched []uint64

// mark notes those of a range of bytes.
func (t *touched) mark(start, end uint64) {
	for page := start / pageBytes; page*pageBytes < end; page++ {
		for page/64 >= uint64(len(*t)) {
			*t = append(*t, 0)
		}
		(*t)[page/64] |= 1 << (page % 64)
	}
}

// has reports whether the page at an offset is marked.
func (t touched) has(at uint64) bool {
	page := at / pageBytes
	return page/64 < uint64(len(t)) && t[page/64]>>(page%64)&1 != 0
}

// unmark takes the mark of the page at an offset away.
func (t touched) unmark(at uint64) { t[at/pageBytes/64] &^= 1 << (at / pageBytes % 64) }

// each calls do with the offsets of the pages below size that are marked.
func (t touched) each(size uint64, do func(at uint64)) {
	for i, word := range t {
		for ; word != 0; word &= word - 1 {
			if at := (uint64(i)*64 + uint64(bits.TrailingZeros64(word))) * pageBytes; at < size {
				do(at)
			}
		}
	}
}

// linear puts a memory of ours behind an instance of the engine: it is the allocator, and the memory that the
// allocator returns.
//
// The engine has no way to shrink a memory, but it takes whatever slice Reallocate returns, and
// tells the compiled code its address and length. So setSize lets it grow by one page and returns a
// slice of the wanted length. The prepared module has no maximum that could be in the way.
type linear struct {
	backing
	// limit is how far the guest may grow; the store has room for as much as the module may have.
	limit uint64
	size  uint64
	// wanted overrides the size that the engine asks for, while forced.
	wanted uint64
	forced bool
}

// Allocate implements experimental.MemoryAllocator.
func (l *linear) Allocate(_, _ uint64) experimental.LinearMemory { return l }

// Reallocate implements experimental.LinearMemory.
func (l *linear) Reallocate(size uint64) []byte {
	switch {
	case l.forced:
		size = l.wanted
	case size > l.limit:
		return nil
	}
	l.size = size
	return l.resize(size)
}

// Free implements experimental.LinearMemory. The machine closes the memory itself, also when the
// engine never got as far as owning the memory.
func (l *linear) Free() {}

// setSize makes the engine see a memory of the given size.
func (l *linear) setSize(memory api.Memory, size uint64) error {
	if size == l.size {
		return nil
	}
	return l.force(memory, size)
}

// moveTo puts another memory, of the given size, behind the instance.
func (l *linear) moveTo(to backing, memory api.Memory, size uint64) error {
	l.backing = to
	return l.force(memory, size)
}

func (l *linear) force(memory api.Memory, size uint64) error {
	l.wanted, l.forced = size, true
	_, ok := memory.Grow(1)
	l.forced = false
	if !ok || l.size != size {
		return fmt.Errorf("wasmsm: the engine did not take a memory of %d bytes", size)
	}
	return nil
}
