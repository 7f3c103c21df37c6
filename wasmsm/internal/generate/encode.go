package generate

import "encoding/binary"

// unsigned is a number in LEB128.
func unsigned(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// signed is a number in signed LEB128.
func signed(n int64) []byte {
	var out []byte
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func text(s string) []byte { return append(unsigned(uint64(len(s))), s...) }

func vector(items [][]byte) []byte {
	out := unsigned(uint64(len(items)))
	for _, item := range items {
		out = append(out, item...)
	}
	return out
}

func types(list []valueType) []byte {
	out := unsigned(uint64(len(list)))
	for _, t := range list {
		out = append(out, byte(t))
	}
	return out
}

func section(module []byte, id byte, content []byte) []byte {
	module = append(append(module, id), unsigned(uint64(len(content)))...)
	return append(module, content...)
}
