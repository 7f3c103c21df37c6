package leb128

import (
	"bytes"
	"math"
	"testing"
)

// TestAppendSigned shows the encodings at the ends of their lengths.
func TestAppendSigned(t *testing.T) {
	for v, want := range map[int64][]byte{
		0: {0}, -1: {0x7f}, 63: {0x3f}, 64: {0xc0, 0}, -64: {0x40}, -65: {0xbf, 0x7f},
		math.MinInt32: {0x80, 0x80, 0x80, 0x80, 0x78},
		math.MinInt64: {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f},
	} {
		if got := AppendSigned([]byte{9}, v); !bytes.Equal(got, append([]byte{9}, want...)) {
			t.Errorf("%d: %x", v, got)
		}
	}
}
