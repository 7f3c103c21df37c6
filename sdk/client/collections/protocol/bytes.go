package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The bounds of a request and of what it holds, in bytes.
const (
	// MaxRequestBytes leaves room below the hosts' 512 KiB, so that the event of a command fits wherever the command did.
	MaxRequestBytes = 500 << 10
	// MaxAnswerBytes bounds an answer that has as much as fits.
	MaxAnswerBytes = 500 << 10
	MaxKeyBytes    = 1000
	MaxValueBytes  = 256 << 10
)

// The codes of refusals.
const (
	CodeBadRequest int32 = 1 + iota
	CodeTooLarge
	// CodeOutOfRange refuses a position of a Vec that does not exist.
	CodeOutOfRange
	// CodeNotHeld refuses what only the holder of a lock may do.
	CodeNotHeld
)

const (
	// EventSuffix is what changes are emitted under.
	EventSuffix = "change"
	// Quiet is the init argument of a machine that emits no events.
	Quiet = "quiet"
)

// ErrMalformed is the error of bytes that are not what they should be.
var ErrMalformed = errors.New("protocol: malformed bytes")

// AppendNumber appends a number.
func AppendNumber(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

// AppendBytes appends bytes with their length.
func AppendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// BytesSize is how many bytes AppendBytes appends for n bytes.
func BytesSize(n int) int {
	size := 1
	for rest := n; rest >= 0x80; rest >>= 7 {
		size++
	}
	return size + n
}

// Reader reads fields in turn. After a field that cannot be read all others are zero, and Err says so. What it
// returns belongs to the bytes that it reads.
type Reader struct {
	rest   []byte
	size   int
	failed bool
}

// Read returns a reader of b.
func Read(b []byte) Reader { return Reader{rest: b, size: len(b)} }

func (r *Reader) fail() { r.rest, r.failed = nil, true }

// More reports whether bytes are left.
func (r *Reader) More() bool { return len(r.rest) > 0 }

// Skip reads the next byte if it is b, and reports whether it was.
func (r *Reader) Skip(b byte) bool {
	if len(r.rest) == 0 || r.rest[0] != b {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// Number reads a number.
func (r *Reader) Number() uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 {
		n := r.rest[0]
		r.rest = r.rest[1:]
		return uint64(n)
	}
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// Bytes reads bytes with their length.
func (r *Reader) Bytes() []byte {
	n := r.Number()
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Count reads the length of a list whose elements have at least least bytes each.
func (r *Reader) Count(least int) int {
	n := r.Number()
	if n > uint64(len(r.rest)/least) {
		r.fail()
		return 0
	}
	return int(n)
}

// Err is ErrMalformed if a field could not be read.
func (r *Reader) Err() error {
	if r.failed {
		return fmt.Errorf("%w: of %d, the last end too early or promise too much", ErrMalformed, r.size)
	}
	return nil
}

// End is Err, or ErrMalformed if bytes are left.
func (r *Reader) End() error {
	if len(r.rest) > 0 {
		return fmt.Errorf("%w: of %d, the last %d are left over", ErrMalformed, r.size, len(r.rest))
	}
	return r.Err()
}
