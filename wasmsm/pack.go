package wasmsm

import (
	"bytes"
	"compress/flate"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// packed is a memory as its difference from a fresh one:
//
//	number of the block u32 | 4 KiB, each byte combined with that of the fresh memory by exclusive or
//
// for each block of 4 KiB that differs, in order, all of it compressed. Numbers are little-endian. Exclusive or makes zeros of
// what is equal in a block, which take next to nothing.
type packed struct {
	blocks int
	stream []byte
}

const (
	// maxPacked is how many bytes a machine keeps that dozes.
	maxPacked = 1 << 20
	// maxPackedBlocks bounds what is done to find out, and to wake: 16 MiB.
	maxPackedBlocks = 4096
)

var zeroBlock [blockBytes]byte

// blockOf is a block of a memory that has zeros from its end on.
func blockOf(memory []byte, at uint64, scratch *[blockBytes]byte) []byte {
	switch {
	case at >= uint64(len(memory)):
		return zeroBlock[:]
	case at+blockBytes <= uint64(len(memory)):
		return memory[at : at+blockBytes]
	}
	clear(scratch[copy(scratch[:], memory[at:]):])
	return scratch[:]
}

// packer collects blocks.
type packer struct {
	fresh   []byte
	scratch [blockBytes]byte
	record  [4 + blockBytes]byte
	out     bytes.Buffer
	flate   *flate.Writer
	blocks  int
}

// packers hold a compressor each, which takes over half a MiB.
var packers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // there is such a level
	}
	return &packer{flate: w}
}}

// pack returns the difference of a checkpoint from a fresh memory. small is false where that would be too much to keep.
func pack(s store, fresh []byte) (p packed, small bool, err error) {
	k := packers.Get().(*packer)
	defer packers.Put(k)
	k.fresh, k.blocks = fresh, 0
	defer func() { k.fresh = nil }()
	k.out.Reset()
	k.flate.Reset(&k.out)
	next := uint64(0)
	err = s.each(func(at uint64, data []byte) error {
		if err := k.zeros(next, at); err != nil {
			return err
		}
		next = at + uint64(len(data))
		return k.data(at, data)
	})
	if err == nil {
		err = k.zeros(next, uint64(len(fresh)))
	}
	if err == nil {
		err = k.flate.Close()
	}
	if err == errTooMuch || (err == nil && k.out.Len() > maxPacked) {
		return packed{}, false, nil
	}
	return packed{blocks: k.blocks, stream: bytes.Clone(k.out.Bytes())}, err == nil, err
}

// errTooMuch ends the packing of what cannot be kept.
var errTooMuch = fmt.Errorf("wasmsm: a machine differs from a fresh one by more than %d bytes packed, or %d blocks", maxPacked, maxPackedBlocks)

// zeros takes a part of the memory that has nothing but zeros.
func (k *packer) zeros(from, to uint64) error {
	for at := from; at < min(to, uint64(len(k.fresh))); at += blockBytes {
		if err := k.block(at, zeroBlock[:]); err != nil {
			return err
		}
	}
	return nil
}

func (k *packer) data(at uint64, data []byte) error {
	for ; len(data) > 0; at, data = at+blockBytes, data[blockBytes:] {
		if err := k.block(at, data[:blockBytes]); err != nil {
			return err
		}
	}
	return nil
}

func (k *packer) block(at uint64, content []byte) error {
	fresh := blockOf(k.fresh, at, &k.scratch)
	if bytes.Equal(content, fresh) {
		return nil
	}
	if k.blocks++; k.blocks > maxPackedBlocks || k.out.Len() > maxPacked {
		return errTooMuch
	}
	binary.LittleEndian.PutUint32(k.record[:], uint32(at/blockBytes))
	subtle.XORBytes(k.record[4:], content, fresh)
	_, err := k.flate.Write(k.record[:])
	return err
}

// unpacker reads the blocks of a packed memory in their order.
type unpacker struct {
	from    io.Reader
	fresh   []byte
	scratch [blockBytes]byte
	left    int
	// next is where the next block lies, once it is known.
	next  uint64
	known bool
}

// reader reads the pages of the memory that was packed. The fresh one is the same as then.
func (p packed) reader(fresh []byte) PageReader {
	u := &unpacker{from: flate.NewReader(bytes.NewReader(p.stream)), fresh: fresh, left: p.blocks}
	return u.page
}

func (u *unpacker) page(page int, into []byte) (bool, error) {
	at := uint64(page) * pageBytes
	copied := 0
	if at < uint64(len(u.fresh)) {
		copied = copy(into, u.fresh[at:])
	}
	clear(into[copied:])
	for {
		if err := u.look(); err != nil {
			return false, fmt.Errorf("wasmsm: unpacking page %d: %w", page, err)
		}
		if !u.known || u.next >= at+pageBytes {
			return !bytes.Equal(into, zeroPage[:]), nil
		}
		if _, err := io.ReadFull(u.from, u.scratch[:]); err != nil {
			return false, fmt.Errorf("wasmsm: unpacking the block at %d: %w", u.next, err)
		}
		block := into[u.next-at:][:blockBytes]
		subtle.XORBytes(block, block, u.scratch[:])
		u.known = false
	}
}

// look finds where the next block lies.
func (u *unpacker) look() error {
	if u.known || u.left == 0 {
		return nil
	}
	if _, err := io.ReadFull(u.from, u.scratch[:4]); err != nil {
		return err
	}
	u.next, u.known = uint64(binary.LittleEndian.Uint32(u.scratch[:]))*blockBytes, true
	u.left--
	return nil
}
