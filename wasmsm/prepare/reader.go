package prepare

import (
	"fmt"
	"unicode/utf8"
)

// reader walks a window of the module's bytes. The first failure sticks: afterwards every read
// returns zero and every count is 0, so loops end by themselves and err is looked at once.
type reader struct {
	data []byte // the whole module
	pos  int
	end  int
	err  *BadModuleError

	section  string
	function int
}

func newReader(data []byte) *reader {
	return &reader{data: data, end: len(data), function: NoFunction}
}

// failAt records the first failure.
func (r *reader) failAt(offset int, format string, args ...any) {
	if r.err == nil {
		r.err = &BadModuleError{
			Cause: fmt.Sprintf(format, args...), Section: r.section, Function: r.function, Offset: offset,
		}
		r.pos = r.end
	}
}

func (r *reader) left() int { return r.end - r.pos }

func (r *reader) byte(what string) byte {
	if r.pos >= r.end {
		r.failAt(r.pos, "%s is cut off", what)
		return 0
	}
	b := r.data[r.pos]
	r.pos++
	return b
}

// bytes returns the next n bytes, without a copy.
func (r *reader) bytes(n int, what string) []byte {
	if n < 0 || n > r.left() {
		r.failAt(r.pos, "%s needs %d bytes, %d are left", what, n, r.left())
		return nil
	}
	b := r.data[r.pos : r.pos+n]
	r.pos += n
	return b
}

func (r *reader) u32(what string) uint32 {
	start := r.pos
	if start < r.end && r.data[start] < 0x80 {
		r.pos++
		return uint32(r.data[start])
	}
	var v uint64
	for shift := uint(0); shift < 35; shift += 7 {
		b := r.byte(what)
		if r.err != nil {
			return 0
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	r.failAt(start, "%s is no unsigned 32-bit number", what)
	return 0
}

// signed reads a signed LEB128 number of at most bits bits.
func (r *reader) signed(bits uint, what string) int64 {
	start := r.pos
	var v int64
	for shift := uint(0); shift < bits; shift += 7 {
		b := r.byte(what)
		if r.err != nil {
			return 0
		}
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if shift+7 < 64 && b&0x40 != 0 {
			v |= -1 << (shift + 7)
		}
		if bits < 64 && (v < -1<<(bits-1) || v > 1<<(bits-1)-1) {
			break
		}
		if bits == 64 && shift == 63 && b != 0 && b != 0x7f {
			break
		}
		return v
	}
	r.failAt(start, "%s is no signed %d-bit number", what, bits)
	return 0
}

// count reads a number of items and refuses it unless it is within limit and each of them can still
// have its smallest size.
func (r *reader) count(what string, limit, smallest int) int {
	start := r.pos
	n := r.u32("the number of " + what)
	switch {
	case r.err != nil:
		return 0
	case uint64(n) > uint64(limit):
		r.failAt(start, "%d %s are over the limit of %d", n, what, limit)
		return 0
	case uint64(n)*uint64(smallest) > uint64(r.left()):
		r.failAt(start, "%d %s do not fit into the %d bytes that are left", n, what, r.left())
		return 0
	}
	return int(n)
}

func (r *reader) name(what string, limit int) string {
	start := r.pos
	n := r.u32("the length of the " + what)
	if r.err == nil && uint64(n) > uint64(limit) {
		r.failAt(start, "the %s has %d bytes, the limit is %d", what, n, limit)
	}
	if r.err != nil {
		return ""
	}
	b := r.bytes(int(n), "the "+what)
	if !utf8.Valid(b) {
		r.failAt(start, "the %s is not UTF-8", what)
		return ""
	}
	return string(b)
}

// window narrows the reader to the next n bytes and returns what restores it.
func (r *reader) window(n int) (restore func()) {
	outer := r.end
	r.end = r.pos + n
	return func() { r.end = outer }
}
