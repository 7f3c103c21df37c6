// Package leb128 writes the signed numbers of WebAssembly binaries. The unsigned ones are encoded as the varints of
// encoding/binary.
package leb128

// AppendSigned appends a number in two's complement.
func AppendSigned(out []byte, v int64) []byte {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
