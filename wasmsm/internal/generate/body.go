package generate

import (
	"encoding/binary"
	"math"
	"slices"
)

// The opcodes that are written by hand; the tables in values.go have the rest.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelect       = 0x1b
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Eqz       = 0x45
	opI32Sub       = 0x6b
	opI32And       = 0x71
	prefixMisc     = 0xfc
)

// body is a function's code in the making. What its methods append is valid where they are called: a statement
// leaves the operand stack as it is, value leaves one value more.
type body struct {
	*generator
	code    []byte
	locals  []valueType // parameters first
	results []valueType
	// labels are the types of the values that a branch takes, the innermost block last.
	labels [][]valueType
	// budget is how many more instructions, roughly, the body may have.
	budget int
	// counters are locals that bound loops and that nothing else writes to.
	counters map[int]bool
}

// function makes the body of a function with its locals.
func (g *generator) function(index int) []byte {
	t := g.types[g.functions[index].kind]
	b := &body{
		generator: g, locals: slices.Concat(t.params, g.someTypes(5), []valueType{i32, i32}), results: t.results,
		labels: [][]valueType{t.results}, budget: 20 + g.rng.IntN(200), counters: map[int]bool{},
	}
	b.counters[len(b.locals)-1], b.counters[len(b.locals)-2] = true, true
	own := index - g.imports
	switch {
	case own == 0 && !g.one(8): // most machines start
		b.budget = 0
	case own < 3:
		b.readInput()
	}
	b.statements(4)
	switch {
	case own < 3 && !g.one(5):
		b.op(opI32Const).bytes(signed(0))
	case own < 3:
		b.value(i32, 2)
		b.op(opI32Const).bytes(signed(3)).op(opI32And)
	default:
		for _, r := range t.results {
			b.value(r, 3)
		}
	}
	declared := b.locals[len(t.params):]
	out := unsigned(uint64(len(declared)))
	for _, l := range declared {
		out = append(out, 1, byte(l))
	}
	return append(append(out, b.code...), opEnd)
}

func (b *body) op(code byte) *body {
	b.code = append(b.code, code)
	b.budget--
	return b
}

func (b *body) bytes(data []byte) *body {
	b.code = append(b.code, data...)
	return b
}

func (b *body) index(n int) *body { return b.bytes(unsigned(uint64(n))) }

func (b *body) misc(op int) *body { return b.op(prefixMisc).index(op) }

// readInput puts the input where addresses are likely to point.
func (b *body) readInput() {
	b.number(256).number(0).number(64).op(opCall).index(0).op(opDrop)
}

func (b *body) number(n int64) *body { return b.op(opI32Const).bytes(signed(n)) }

// interesting are constants at which arithmetic changes its ways.
var interesting = []int64{0, 1, -1, 2, 7, 31, 32, 63, 64, 255, 256, 65535, 65536, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64}

// floats are the bits of such numbers, as float64.
var floats = []uint64{
	0, 1 << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, // 0, -0, 1, -1, infinities
	0x7ff8000000000000, 0xfff8000000000000, 0x7ff0000000000001, 0x7ffdeadbeef00000, // NaNs
	1, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, // the smallest and largest numbers
	0x41dfffffffc00000, 0x41e0000000000000, 0x43e0000000000000, 0xc3e0000000000001, // at the ends of integers
}

func (b *body) constant(t valueType) {
	switch t {
	case i32:
		b.op(opI32Const).bytes(signed(int64(int32(b.integer()))))
	case i64:
		b.op(opI64Const).bytes(signed(b.integer()))
	case f32:
		bits := b.rng.Uint32()
		if b.one(2) {
			bits = uint32(floats[b.rng.IntN(len(floats))] >> 32)
		} else if b.one(2) {
			bits = math.Float32bits(float32(b.rng.IntN(200) - 100))
		}
		b.op(opF32Const).bytes(binary.LittleEndian.AppendUint32(nil, bits))
	default:
		bits := b.rng.Uint64()
		if b.one(2) {
			bits = floats[b.rng.IntN(len(floats))]
		} else if b.one(2) {
			bits = math.Float64bits(float64(b.rng.IntN(200)-100) / 8)
		}
		b.op(opF64Const).bytes(binary.LittleEndian.AppendUint64(nil, bits))
	}
}

func (b *body) integer() int64 {
	switch b.rng.IntN(3) {
	case 0:
		return interesting[b.rng.IntN(len(interesting))]
	case 1:
		return int64(b.rng.IntN(300))
	}
	return int64(b.rng.Uint64())
}

// address leaves an i32 that mostly points into the memory's first page.
func (b *body) address(depth int) {
	switch {
	case b.one(40):
		b.value(i32, depth)
	case b.one(3):
		b.number(int64(b.rng.IntN(1024)))
	default:
		b.value(i32, depth)
		b.number(0x3ff8).op(opI32And)
	}
}

// length leaves an i32 that is mostly small.
func (b *body) length(depth int) {
	if b.one(40) {
		b.value(i32, depth)
		return
	}
	b.value(i32, depth)
	b.number(0x7f).op(opI32And)
}

// offset is the immediate of a load or store.
func (b *body) offset() *body {
	n := uint64(b.rng.IntN(64))
	if b.one(60) {
		n = uint64(b.rng.Uint32())
	}
	return b.bytes(unsigned(n))
}
