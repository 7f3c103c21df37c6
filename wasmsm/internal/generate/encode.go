package generate

import (
	"encoding/binary"

	"github.com/groutlabs/grout/wasmsm/internal/leb128"
)

// unsigned is a number in LEB128.
func unsigned(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// signed is a number in signed LEB128.
func signed(n int64) []byte { return leb128.AppendSigned(nil, n) }

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
