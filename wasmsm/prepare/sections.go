package prepare

import (
	"slices"
	"strings"
)

// valueType reads a value type and refuses those that cannot be part of a machine's state.
func (p *parser) valueType(what string) valueType {
	start := p.pos
	t := valueType(p.byte(what))
	switch t {
	case typeI32, typeI64, typeF32, typeF64, typeFuncref, typeExternref:
		return t
	case typeV128:
		p.failAt(start, "%s is v128: SIMD is refused, build without -msimd128 (or +simd128)", what)
	case typeExnref:
		p.failAt(start, "%s is exnref: exceptions are refused", what)
	case 0x63, 0x64, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73:
		p.failAt(start, "%s is a type of the garbage collection proposal, which is refused", what)
	default:
		p.failAt(start, "%s has the unknown type %#x", what, byte(t))
	}
	return 0
}

func (p *parser) typeSection() {
	n := p.count("types", p.limits.Types, 3)
	p.m.types, p.m.results, p.m.typesAt = make([]Signature, 0, n), make([][]byte, 0, n), p.pos
	for range n {
		start := p.pos
		if form := p.byte("a function type"); form != 0x60 {
			p.failAt(start, "type %d has form %#x: only function types are supported", len(p.m.types), form)
			return
		}
		var b strings.Builder
		p.valueTypes(&b, "parameters", p.limits.Params)
		b.WriteByte(':')
		results := p.pos
		p.valueTypes(&b, "results", p.limits.Results)
		if p.err != nil {
			return
		}
		p.m.types = append(p.m.types, Signature(b.String()))
		p.m.results = append(p.m.results, p.data[results:p.pos])
	}
}

func (p *parser) valueTypes(b *strings.Builder, what string, limit int) {
	for range p.count(what, limit, 1) {
		b.WriteByte(p.valueType("one of the " + what).letter())
	}
}

func (p *parser) typeIndex(what string) uint32 {
	start := p.pos
	i := p.u32(what)
	if p.err == nil && int64(i) >= int64(len(p.m.types)) {
		p.failAt(start, "%s is type %d, the module has %d types", what, i, len(p.m.types))
	}
	if p.err != nil {
		return 0
	}
	return i
}

func (p *parser) importSection() {
	n := p.count("imports", p.limits.Imports, 4)
	p.m.imports = make([]importedFunction, 0, n)
	for range n {
		start := p.pos
		imported := importedFunction{
			module: p.name("import's module", p.limits.NameBytes),
			name:   p.name("import's name", p.limits.NameBytes),
		}
		kind := p.byte("an import's kind")
		if p.err != nil {
			return
		}
		if kind != kindFunction && kind <= kindGlobal && p.m.rules.whole {
			p.foreignImport(kind)
			continue
		}
		if kind != kindFunction {
			p.failAt(start, "import %q.%q is a %s: only functions can be imported", imported.module, imported.name, kindName(kind))
			return
		}
		imported.typeIndex = p.typeIndex("an imported function")
		if !p.m.rules.whole {
			p.checkImport(start, imported)
		}
		p.m.imports = append(p.m.imports, imported)
	}
}

func (p *parser) checkImport(start int, imported importedFunction) {
	if p.err != nil {
		return
	}
	allowed := AllowedImports(imported.module)
	want, ok := allowed[imported.name]
	switch {
	case allowed == nil:
		p.failAt(start, "import %q.%q is unknown: a machine may import from %q and %q only",
			imported.module, imported.name, ModuleGrout, ModuleWASI)
	case !ok:
		p.failAt(start, "import %q.%q is unknown: %q has no such function", imported.module, imported.name, imported.module)
	case p.m.types[imported.typeIndex] != want:
		p.failAt(start, "import %q.%q has the type %s, it must be %s",
			imported.module, imported.name, p.m.types[imported.typeIndex].Long(), want.Long())
	}
}

func (p *parser) functionSection() {
	n := p.count("functions", p.limits.Functions, 1)
	p.m.functions = make([]uint32, n)
	for i := range p.m.functions {
		p.m.functions[i] = p.typeIndex("a function's type")
	}
}

// tableLimits reads a table's limits and returns its minimum.
func (p *parser) tableLimits() uint32 {
	start := p.pos
	flag := p.byte("a table's limits")
	if flag > 1 {
		p.failAt(start, "a table with limits of kind %d is refused: only 32-bit tables that are not shared are supported", flag)
		return 0
	}
	low := p.u32("a table's minimum")
	if flag == 1 {
		p.u32("a table's maximum")
	}
	return low
}

func (p *parser) tableSection() {
	n := p.count("tables", p.limits.Tables, 3)
	entries := uint64(0)
	for range n {
		start := p.pos
		t := valueType(p.byte("a table's type"))
		if p.err == nil && t != typeFuncref && t != typeExternref {
			p.failAt(start, "a table of type %#x is refused: only funcref and externref without an initial value are supported", byte(t))
		}
		entries += uint64(p.tableLimits())
		if p.err == nil && entries > uint64(p.limits.TableEntries) {
			p.failAt(start, "the tables have %d entries, the limit is %d", entries, p.limits.TableEntries)
		}
	}
	p.m.tables += n
}

const maxMemoryPages = 65536

func (p *parser) memorySection() {
	start := p.pos
	n := p.u32("the number of memories")
	if p.err == nil && n > 1 {
		p.failAt(start, "%d memories are refused: a machine has one", n)
	}
	if p.err != nil || n == 0 {
		return
	}
	p.memoryLimits()
}

func (p *parser) memoryLimits() {
	start := p.pos
	flag := p.byte("the memory's limits")
	switch {
	case p.err != nil:
		return
	case flag&0x02 != 0:
		p.failAt(start, "a shared memory is refused: threads cannot be replicated, build without -pthread")
		return
	case flag&0x04 != 0:
		p.failAt(start, "a 64-bit memory is refused: build for wasm32")
		return
	case flag > 1:
		p.failAt(start, "memory limits of kind %d are unknown", flag)
		return
	}
	p.m.memoryMin, p.m.memoryMax = p.u32("the memory's minimum"), maxMemoryPages
	if flag == 1 {
		p.m.hasMax = true
		p.m.memoryMax = p.u32("the memory's maximum")
	}
	if p.m.memoryMax > maxMemoryPages || p.m.memoryMin > p.m.memoryMax {
		p.failAt(start, "the memory's limits are %d to %d pages: at most %d, the minimum first",
			p.m.memoryMin, p.m.memoryMax, maxMemoryPages)
	}
	p.m.hasMemory = true
}

func (p *parser) globalSection() {
	n := p.count("globals", p.limits.Globals, 4)
	p.m.globals, p.m.globalsAt = slices.Grow(p.m.globals, n), p.pos
	for range n {
		start := p.pos
		g := global{valueType: p.valueType("a global")}
		switch mutable := p.byte("a global's mutability"); mutable {
		case 0, 1:
			g.mutable = mutable == 1
		default:
			p.failAt(start, "global %d has the unknown mutability %d", len(p.m.globals), mutable)
		}
		if p.err == nil && g.mutable && g.valueType.letter() == 'r' && !p.m.rules.whole {
			p.failAt(start, "global %d is a mutable reference, which is refused: it cannot be stored in a snapshot", len(p.m.globals))
		}
		p.constExpr("a global's value")
		p.m.globals = append(p.m.globals, g)
	}
}

func kindName(kind byte) string {
	if int(kind) < len(kindNames) {
		return kindNames[kind]
	}
	return "thing of unknown kind"
}

// Long formats the signature the way WebAssembly's text format does.
func (s Signature) Long() string {
	names := map[rune]string{'i': "i32", 'I': "i64", 'f': "f32", 'F': "f64", 'r': "ref"}
	params, results, _ := strings.Cut(string(s), ":")
	list := func(letters string) string {
		words := make([]string, 0, len(letters))
		for _, l := range letters {
			words = append(words, names[l])
		}
		return "(" + strings.Join(words, " ") + ")"
	}
	return list(params) + " -> " + list(results)
}
