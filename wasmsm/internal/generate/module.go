package generate

import (
	"math/rand/v2"
	"slices"
)

// valueType is a value type's byte in the binary format.
type valueType byte

const (
	i32 valueType = 0x7f
	i64 valueType = 0x7e
	f32 valueType = 0x7d
	f64 valueType = 0x7c
)

var valueTypes = []valueType{i32, i64, f32, f64}

// signature is a function type.
type signature struct{ params, results []valueType }

// function is an imported or own function.
type function struct {
	// name is that of an import, "" otherwise.
	name string
	kind int // the index of its type
}

type global struct {
	kind    valueType
	mutable bool
}

// generator is a module in the making.
type generator struct {
	rng       *rand.Rand
	types     []signature
	functions []function // imports first
	imports   int
	globals   []global
	// pages is the memory's smallest size.
	pages   int
	table   int
	passive []int
}

// hostFunctions are those that modules import, of "grout_v1".
var hostFunctions = []struct {
	name string
	signature
}{
	{"input_read", signature{[]valueType{i32, i32, i32}, []valueType{i32}}},
	{"output_write", signature{[]valueType{i32, i32}, nil}},
	{"error_write", signature{[]valueType{i32, i32}, nil}},
	{"ctx_index", signature{nil, []valueType{i64}}},
	{"ctx_term", signature{nil, []valueType{i64}}},
	{"ctx_time", signature{nil, []valueType{i64}}},
	{"ctx_caller", signature{[]valueType{i32, i32}, []valueType{i32}}},
	{"random", signature{[]valueType{i32, i32}, nil}},
	{"log", signature{[]valueType{i32, i32, i32}, nil}},
	{"emit", signature{[]valueType{i32, i32, i32, i32}, nil}},
	{"abort", signature{[]valueType{i32, i32}, nil}},
}

// entryType is the type of the functions that the host calls.
var entryType = signature{[]valueType{i32}, []valueType{i32}}

// suffixAt is where the first data segment puts what can be an event's suffix, and suffix is that.
const (
	suffixAt = 64
	suffix   = "some.event"
)

// Module returns a machine. It takes all that it decides from rng.
func Module(rng *rand.Rand) []byte {
	g := &generator{rng: rng, pages: 1 + rng.IntN(3), table: 1 + rng.IntN(8)}
	g.declare()
	m := []byte("\x00asm\x01\x00\x00\x00")
	m = section(m, 1, g.typeSection())
	m = section(m, 2, g.importSection())
	m = section(m, 3, g.functionSection())
	m = section(m, 4, vector([][]byte{append(append([]byte{0x70, 1}, unsigned(uint64(g.table))...), unsigned(uint64(g.table))...)}))
	m = section(m, 5, vector([][]byte{append(append([]byte{1}, unsigned(uint64(g.pages))...), unsigned(uint64(g.pages+rng.IntN(4)))...)}))
	m = section(m, 6, g.globalSection())
	m = section(m, 7, g.exportSection())
	m = section(m, 9, g.elementSection())
	m = section(m, 12, unsigned(uint64(1+len(g.passive))))
	m = section(m, 10, g.codeSection())
	return section(m, 11, g.dataSection())
}

// declare decides what there is. The first three functions of its own are the machine's.
func (g *generator) declare() {
	for _, h := range hostFunctions {
		if h.name == "input_read" || h.name == "output_write" || g.one(2) {
			g.functions = append(g.functions, function{h.name, g.typeOf(h.signature)})
		}
	}
	g.imports = len(g.functions)
	for range 3 {
		g.functions = append(g.functions, function{"", g.typeOf(entryType)})
	}
	for range g.rng.IntN(6) {
		s := signature{g.someTypes(4), g.someTypes(2)}
		g.functions = append(g.functions, function{"", g.typeOf(s)})
	}
	for range g.rng.IntN(7) {
		g.globals = append(g.globals, global{g.someType(), !g.one(4)})
	}
	for range g.rng.IntN(3) {
		g.passive = append(g.passive, 1+g.rng.IntN(40))
	}
}

// one is true once in n times.
func (g *generator) one(n int) bool { return g.rng.IntN(n) == 0 }

func (g *generator) someType() valueType { return valueTypes[g.rng.IntN(len(valueTypes))] }

func (g *generator) someTypes(most int) []valueType {
	types := make([]valueType, g.rng.IntN(most+1))
	for i := range types {
		types[i] = g.someType()
	}
	return types
}

// typeOf is the index of a type, which is added where it is new.
func (g *generator) typeOf(s signature) int {
	for i, t := range g.types {
		if slices.Equal(t.params, s.params) && slices.Equal(t.results, s.results) {
			return i
		}
	}
	g.types = append(g.types, s)
	return len(g.types) - 1
}

func (g *generator) typeSection() []byte {
	var items [][]byte
	for _, t := range g.types {
		items = append(items, slices.Concat([]byte{0x60}, types(t.params), types(t.results)))
	}
	return vector(items)
}

func (g *generator) importSection() []byte {
	var items [][]byte
	for _, f := range g.functions[:g.imports] {
		items = append(items, slices.Concat(text("grout_v1"), text(f.name), []byte{0}, unsigned(uint64(f.kind))))
	}
	return vector(items)
}

func (g *generator) functionSection() []byte {
	var items [][]byte
	for _, f := range g.functions[g.imports:] {
		items = append(items, unsigned(uint64(f.kind)))
	}
	return vector(items)
}

func (g *generator) globalSection() []byte {
	var items [][]byte
	for _, v := range g.globals {
		b := &body{generator: g}
		b.constant(v.kind)
		mutable := byte(0)
		if v.mutable {
			mutable = 1
		}
		items = append(items, slices.Concat([]byte{byte(v.kind), mutable}, b.code, []byte{opEnd}))
	}
	return vector(items)
}

func (g *generator) exportSection() []byte {
	items := [][]byte{append(text("memory"), 2, 0)}
	for i, name := range []string{"grout_init", "grout_apply", "grout_query"} {
		items = append(items, slices.Concat(text(name), []byte{0}, unsigned(uint64(g.imports+i))))
	}
	return vector(items)
}

// elementSection fills most of the table.
func (g *generator) elementSection() []byte {
	var indices [][]byte
	for range g.rng.IntN(g.table + 1) {
		indices = append(indices, unsigned(uint64(g.rng.IntN(len(g.functions)))))
	}
	return vector([][]byte{slices.Concat([]byte{0, 0x41, 0, opEnd}, vector(indices))})
}

func (g *generator) dataSection() []byte {
	items := [][]byte{slices.Concat([]byte{0, 0x41}, signed(suffixAt), []byte{opEnd}, text(suffix))}
	for _, size := range g.passive {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(g.rng.Uint32())
		}
		items = append(items, slices.Concat([]byte{1}, text(string(data))))
	}
	return vector(items)
}

func (g *generator) codeSection() []byte {
	var items [][]byte
	for i := g.imports; i < len(g.functions); i++ {
		code := g.function(i)
		items = append(items, append(unsigned(uint64(len(code))), code...))
	}
	return vector(items)
}
