package wasmsm

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// store holds a linear memory and its checkpoint. Between calls of the guest both are equal.
//
// Its implementations differ in speed alone; store_test.go compares them with a simple model.
type store interface {
	// resize sets the memory's length, which the caller keeps within the limit, and returns the
	// memory. What is beyond the old length is zero. The bytes may have moved.
	resize(size uint64) []byte
	// commit makes the memory the checkpoint.
	commit() error
	// rollback gives the memory the checkpoint's content and length; resize returns it.
	rollback() (size uint64, err error)
	// pages copies the checkpoint, pageBytes each; a nil page is all zero.
	pages() ([][]byte, error)
	// close frees everything. The memory must not be used any more.
	close() error
}

// newStore returns a store of length 0 that can be resized up to limit bytes.
func newStore(kind MemoryKind, limit uint64) (store, error) {
	if kind == MemoryCopy {
		return &copyStore{}, nil
	}
	s, err := newCowStore(limit)
	switch {
	case err == nil:
		return s, nil
	case kind == MemoryCopyOnWrite:
		return nil, fmt.Errorf("wasmsm: copy-on-write memory is not to be had, use MemoryAuto or MemoryCopy: %w", err)
	}
	return &copyStore{}, nil
}

// linear puts a store behind an instance of the engine: it is the allocator, and the memory that the
// allocator returns.
//
// The engine has no way to shrink a memory, but it takes whatever slice Reallocate returns, and
// tells the compiled code its address and length. So setSize lets it grow by one page and returns a
// slice of the wanted length. The prepared module has no maximum that could be in the way.
type linear struct {
	store store
	limit uint64
	size  uint64
	// wanted overrides the size that the engine asks for, while forced.
	wanted uint64
	forced bool
}

func newLinear(kind MemoryKind, limit uint64) (*linear, error) {
	s, err := newStore(kind, limit)
	if err != nil {
		return nil, err
	}
	return &linear{store: s, limit: limit}, nil
}

// Allocate implements experimental.MemoryAllocator.
func (l *linear) Allocate(_, _ uint64) experimental.LinearMemory { return l }

// Reallocate implements experimental.LinearMemory.
func (l *linear) Reallocate(size uint64) []byte {
	if l.forced {
		size = l.wanted
	}
	if size > l.limit {
		return nil
	}
	l.size = size
	return l.store.resize(size)
}

// Free implements experimental.LinearMemory. The machine closes the store itself, also when the
// engine never got as far as owning the memory.
func (l *linear) Free() {}

func (l *linear) close() error { return l.store.close() }

// setSize makes the engine see a memory of the given size.
func (l *linear) setSize(memory api.Memory, size uint64) error {
	l.wanted, l.forced = size, true
	_, ok := memory.Grow(1)
	l.forced = false
	if !ok || l.size != size {
		return fmt.Errorf("wasmsm: the engine did not take a memory of %d bytes", size)
	}
	return nil
}

// rollback undoes what the guest did to the memory.
func (l *linear) rollback(memory api.Memory) error {
	size, err := l.store.rollback()
	if err != nil || size == l.size {
		return err
	}
	return l.setSize(memory, size)
}
