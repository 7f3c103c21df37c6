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
// batches in the same block need this look.
func provesLoss(fs vfs.FS, name string, number uint32, offset int64) (proved bool, err error) {
	file, err := fs.Open(name)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	block := make([]byte, walBlock)
	at := offset % walBlock
	for base := offset - at; ; base += walBlock {
		n, err := file.ReadAt(block, base)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if syncedBeyond(block[:n], int(at), number, offset) {
			return true, nil
		}
		if n < walBlock {
			return false, nil
		}
		at = 0
	}
}

// syncedBeyond follows the chunks of one block from position at, by the lengths they claim, and
// reports whether an intact one was written after the bytes at offset had been synced.
func syncedBeyond(block []byte, at int, number uint32, offset int64) bool {
	for at+chunkHeader <= len(block) {
		chunk := block[at:]
		end := chunkHeader + int(binary.LittleEndian.Uint16(chunk[4:]))
		if chunk[6] < chunkTypeMin || chunk[6] > chunkTypeMax || end > len(chunk) {
			return false
		}
		intact := binary.LittleEndian.Uint32(chunk) == maskedCRC(chunk[6:end]) &&
			binary.LittleEndian.Uint32(chunk[7:]) == number
		if intact && binary.LittleEndian.Uint64(chunk[11:]) > uint64(offset) {
			return true
		}
		at += end
	}
	return false
}

func maskedCRC(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>crcMaskRotate | c<<(32-crcMaskRotate)) + crcMaskDelta
}
