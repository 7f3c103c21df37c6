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

// proof is what is known of the place where the newest log ends.
type proof struct {
	// log is the log's number, offset where it ends, last the number of the last batch before that.
	log    uint32
	offset int64
	last   uint64
}

// search reports whether something later in the file proves that the bytes at the offset, which cannot be read as a
// batch, had been synced. It looks everywhere, since what is damaged may be the lengths.
func (p proof) search(fs vfs.FS, name string) (found bool, err error) {
	file, err := fs.Open(name)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	block := make([]byte, walBlock)
	from := int(p.offset % walBlock)
	for base := p.offset - int64(from); ; base += walBlock {
		n, err := file.ReadAt(block, base)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if p.inBlock(block[:n], from, base) {
			return true, nil
		}
		if n < walBlock {
			return false, nil
		}
		from = 0
	}
}

func (p proof) inBlock(block []byte, from int, base int64) bool {
	for at := from; at+chunkHeader <= len(block); at++ {
		synced, payload, ok := readChunk(block[at:], p.log)
		if ok && synced <= uint64(base)+uint64(at) && (synced > uint64(p.offset) || p.follows(payload)) {
			return true
		}
	}
	return false
}

// follows reports whether the payload begins with a batch that was written after the one at the offset had been
// acknowledged. (The library notes a synced offset after it has told the writer, and so now and then
// one batch too late.)
func (p proof) follows(payload []byte) bool {
	number, err := batchNumber(payload)
	return err == nil && number > p.last+1
}

// readChunk returns the synced offset and the payload of the intact chunk that data begins with, if it does.
func readChunk(data []byte, log uint32) (synced uint64, payload []byte, ok bool) {
	if len(data) < chunkHeader || data[6] < chunkTypeMin || data[6] > chunkTypeMax ||
		binary.LittleEndian.Uint32(data[7:]) != log {
		return 0, nil, false
	}
	end := chunkHeader + int(binary.LittleEndian.Uint16(data[4:]))
	if end > len(data) || binary.LittleEndian.Uint32(data) != maskedCRC(data[6:end]) {
		return 0, nil, false
	}
	return binary.LittleEndian.Uint64(data[11:]), data[chunkHeader:end], true
}

func maskedCRC(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>crcMaskRotate | c<<(32-crcMaskRotate)) + crcMaskDelta
}
