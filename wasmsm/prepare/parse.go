package prepare

import (
	"bytes"
)

var preamble = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

// maxCustomSections bounds what has no other limit: compilers write about ten.
const maxCustomSections = 1_000

// parser holds what the sections' parsers share.
type parser struct {
	*reader
	limits Limits
	m      *parsed
}

// parse reads the whole module but the instructions, which walk reads.
func parse(module []byte, limits Limits, r rules) (*parsed, *BadModuleError) {
	p := &parser{reader: newReader(module), limits: limits, m: &parsed{data: module, dataCount: -1, rules: r, addedTypes: map[string]int{}}}
	if len(module) > limits.ModuleBytes {
		p.failAt(0, "the module has %d bytes, the limit is %d", len(module), limits.ModuleBytes)
		return nil, p.err
	}
	p.preamble()
	place := 0
	for p.err == nil && p.left() > 0 {
		place = p.oneSection(place)
	}
	if p.err == nil {
		p.consistency()
	}
	if p.err != nil {
		return nil, p.err
	}
	return p.m, nil
}

func (p *parser) preamble() {
	b := p.bytes(len(preamble), "the preamble")
	if p.err != nil || bytes.Equal(b, preamble) {
		return
	}
	if bytes.Equal(b[:4], preamble[:4]) && b[4] == 0x0d {
		p.failAt(4, "this is a component, not a core module: build for wasip1 (wasm32-wasip1), not wasip2")
		return
	}
	p.failAt(0, "this is no WebAssembly module of version 1")
}

// oneSection reads a section and returns its place in the order.
func (p *parser) oneSection(previous int) int {
	p.section = ""
	start := p.pos
	id := p.byte("a section's number")
	if int(id) >= len(sectionNames) {
		p.failAt(start, "section number %d is unknown", id)
		return previous
	}
	p.section = sectionNames[id]
	size := p.u32("the section's size")
	if p.err == nil && uint64(size) > uint64(p.left()) {
		p.failAt(start, "the section has %d bytes, %d are left", size, p.left())
	}
	if p.err != nil {
		return previous
	}
	place := previous
	if id != sectionCustom {
		if place = sectionOrder[id]; place <= previous {
			p.failAt(start, "the section is out of order or doubled")
			return previous
		}
		p.m.sections[id] = &span{p.pos, p.pos + int(size)}
	}
	restore := p.window(int(size))
	p.content(id)
	if p.err == nil && p.left() > 0 {
		p.failAt(p.pos, "%d bytes are left over at the section's end", p.left())
	}
	restore()
	return place
}

func (p *parser) content(id byte) {
	switch id {
	case sectionCustom:
		p.customSection()
	case sectionType:
		p.typeSection()
	case sectionImport:
		p.importSection()
	case sectionFunction:
		p.functionSection()
	case sectionTable:
		p.tableSection()
	case sectionMemory:
		p.memorySection()
	case sectionGlobal:
		p.globalSection()
	case sectionExport:
		p.exportSection()
	case sectionStart:
		if p.m.rules.whole {
			p.functionIndex("the start function")
			return
		}
		p.failAt(p.pos, "a start function is refused: its effects would come before the machine's; export _initialize")
	case sectionElement:
		p.elementSection()
	case sectionCode:
		p.codeSection()
	case sectionData:
		p.dataSection()
	case sectionDataCount:
		p.m.dataCount = int(p.u32("the number of data segments"))
	case sectionTag:
		p.failAt(p.pos, "exceptions are refused: build without WebAssembly exception handling")
	}
}

// consistency checks what spans several sections.
func (p *parser) consistency() {
	p.section = ""
	if len(p.m.functions) != len(p.m.bodies) {
		p.section = sectionNames[sectionCode]
		p.failAt(p.pos, "%d functions are declared, %d have code", len(p.m.functions), len(p.m.bodies))
	}
	if p.m.dataCount >= 0 && p.m.dataCount != p.m.data0 {
		p.section = sectionNames[sectionData]
		p.failAt(p.pos, "%d data segments are announced, %d follow", p.m.dataCount, p.m.data0)
	}
}

func (p *parser) customSection() {
	if len(p.m.custom) == maxCustomSections {
		p.failAt(p.pos, "more than %d custom sections", maxCustomSections)
		return
	}
	name := p.name("custom section's name", p.limits.NameBytes)
	if p.err != nil {
		return
	}
	p.m.custom = append(p.m.custom, customSection{name: name, content: span{p.pos, p.end}})
	p.pos = p.end
}
