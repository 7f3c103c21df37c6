// Command go is the conformance machine in Go: ../README.md says what it does, and machines in the other languages do the same.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/groutlabs/grout/sdk"
)

const maxName = 64

// machine has a name, a count, and filler that makes it large.
type machine struct {
	name   string
	count  uint64
	filler []byte
}

func init() { sdk.Register(&machine{}) }

func main() {}

func (m *machine) Init(ctx *sdk.Context, arg []byte) error {
	if len(arg) > maxName {
		return sdk.Refuse(5, "a name has at most %d bytes, this one has %d", maxName, len(arg))
	}
	m.name = string(arg)
	ctx.Log(sdk.LevelDebug, "begun as %s", arg)
	return nil
}

func (m *machine) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	m.count++
	word, rest, _ := bytes.Cut(command, []byte(" "))
	switch string(word) {
	case "":
		return nil, sdk.Refuse(7, "command %d is empty", m.count)
	case "add":
		m.count += uint64(len(rest))
		return strconv.AppendUint(nil, m.count, 10), nil
	case "emit":
		suffix, payload, _ := bytes.Cut(rest, []byte(" "))
		ctx.Emit(string(suffix), payload)
		ctx.Emit("count", strconv.AppendUint(nil, m.count, 10))
		return nil, nil
	case "fill":
		m.filler = bytes.Repeat([]byte("f"), number(rest))
		return nil, nil
	case "spin":
		for {
			m.count++
		}
	}
	return m.answer(ctx, word, rest)
}

func (m *machine) Query(ctx *sdk.Context, query []byte) ([]byte, error) {
	word, rest, _ := bytes.Cut(query, []byte(" "))
	switch string(word) {
	case "":
		return fmt.Appendf(nil, "%s %d %d", m.name, m.count, len(m.filler)), nil
	case "touch":
		m.count += 1000
		return strconv.AppendUint(nil, m.count, 10), nil
	case "emit":
		ctx.Emit("query", rest)
	}
	return m.answer(ctx, word, rest)
}

// answer does what commands and queries have in common.
func (m *machine) answer(ctx *sdk.Context, word, rest []byte) ([]byte, error) {
	switch string(word) {
	case "context":
		return fmt.Appendf(nil, "%d %d %d %s", ctx.Index(), ctx.Term(), ctx.Time().UnixNano(), ctx.Caller()), nil
	case "random":
		drawn := make([]byte, number(rest))
		ctx.Random(drawn)
		return binary.LittleEndian.AppendUint64(drawn, ctx.Uint64()), nil
	case "echo":
		return rest, nil
	case "large":
		return bytes.Repeat([]byte("x"), number(rest)), nil
	case "log":
		level, text, _ := bytes.Cut(rest, []byte(" "))
		ctx.Log(sdk.Level(number(level)), "%s", text)
		return nil, nil
	case "refuse":
		code, text, _ := bytes.Cut(rest, []byte(" "))
		ctx.Log(sdk.LevelWarn, "refusing")
		return nil, sdk.Refuse(int32(number(code)), "%s", text)
	case "panic":
		panic("as asked") // the place of the panic
	}
	return nil, sdk.Refuse(2, "there is no %s", word)
}

func (m *machine) Export(*sdk.Context) ([]byte, error) {
	return fmt.Appendf(nil, "1 %d %d\n%s", m.count, len(m.filler), m.filler), nil
}

func (m *machine) Migrate(ctx *sdk.Context, old []byte) error {
	head, filler, _ := bytes.Cut(old, []byte("\n"))
	fields := bytes.Split(head, []byte(" "))
	if len(fields) != 3 || string(fields[0]) != "1" || number(fields[2]) != len(filler) {
		return sdk.Refuse(6, "the state is of another version")
	}
	m.count, m.filler = uint64(number(fields[1])), bytes.Clone(filler)
	ctx.Log(sdk.LevelInfo, "took over %d bytes", len(old))
	return nil
}

// number reads decimal digits, up to the first byte that is none.
func number(digits []byte) int {
	n := 0
	for _, d := range digits {
		if d < '0' || d > '9' {
			break
		}
		n = n*10 + int(d-'0')
	}
	return n
}
