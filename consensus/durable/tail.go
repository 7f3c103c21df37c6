package durable

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The layout of the library's write-ahead log, as its package record documents it: blocks of 32 KiB
// hold chunks, none of which crosses a block; a record is one or more chunks. A chunk that can be
// told from a torn one is
//
//	CRC 4 | length 2 | type 1 | log number 4 | synced offset 8 | payload
//
// and its synced offset says how much of the file had been synced before it was written.
const (
	walBlock      = 32 << 10
	chunkHeader   = 19
	chunkTypeMin  = 9
	chunkTypeMax  = 12
	crcMaskDelta  = 0xa282ead8
	crcMaskRotate = 15
)

// provesLoss reports whether a chunk after offset says that the bytes at offset, which cannot be read as a
// batch, had been synced. The library looks for such a chunk from the next block on; the acknowledged
// batches in the same block need this look. The lengths there may be what is damaged, so in that
// block a chunk may begin anywhere.
func provesLoss(fs vfs.FS, name string, number uint32, offset int64) (proved bool, err error) {
	file, err := fs.Open(name)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	block := make([]byte, walBlock)
	base := offset - offset%walBlock
	n, err := file.ReadAt(block, base)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	for at := int(offset - base); at+chunkHeader <= n; at++ {
		synced, ok := readChunk(block[at:n], number)
		if ok && synced > uint64(offset) && synced <= uint64(base)+uint64(at) {
			return true, nil
		}
	}
	return false, nil
}

// readChunk returns the synced offset in the intact chunk that data begins with, if it does.
func readChunk(data []byte, number uint32) (synced uint64, ok bool) {
	if len(data) < chunkHeader || data[6] < chunkTypeMin || data[6] > chunkTypeMax ||
		binary.LittleEndian.Uint32(data[7:]) != number {
		return 0, false
	}
	end := chunkHeader + int(binary.LittleEndian.Uint16(data[4:]))
	if end > len(data) || binary.LittleEndian.Uint32(data) != maskedCRC(data[6:end]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(data[11:]), true
}

func maskedCRC(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>crcMaskRotate | c<<(32-crcMaskRotate)) + crcMaskDelta
}
