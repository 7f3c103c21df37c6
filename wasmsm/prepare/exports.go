package prepare

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// GlobalPrefix begins the names under which the mutable globals are exported; the index of the
// global follows, in decimal.
const GlobalPrefix = "grout:global:"

const reservedPrefix = "grout:"

func (p *parser) exportSection() {
	n := p.count("exports", p.limits.Exports, 3)
	p.m.exports = make([]export, 0, n)
	p.m.exportNames = make(map[string]int, n)
	for range n {
		e := export{offset: p.pos}
		e.name = p.name("export's name", p.limits.NameBytes)
		e.kind = p.byte("an export's kind")
		e.index = p.u32("an export's index")
		if p.err != nil {
			return
		}
		if _, doubled := p.m.exportNames[e.name]; doubled {
			p.failAt(e.offset, "export %q is there twice", e.name)
			return
		}
		if strings.HasPrefix(e.name, reservedPrefix) {
			p.failAt(e.offset, "export %q is refused: names that begin with %q are reserved", e.name, reservedPrefix)
			return
		}
		p.m.exportNames[e.name] = len(p.m.exports)
		p.m.exports = append(p.m.exports, e)
	}
}

// checkExported refuses what the module does not have. Preparation adds globals after the module's own,
// which an export must not come to mean.
func (m *parsed) checkExported() *BadModuleError {
	memories := 0
	if m.hasMemory {
		memories = 1
	}
	there := [...]int{kindFunction: len(m.imports) + len(m.functions), kindTable: m.tables, kindMemory: memories, kindGlobal: len(m.globals)}
	for _, e := range m.exports {
		if int(e.kind) >= len(there) || int64(e.index) >= int64(there[e.kind]) {
			return m.badExport(e.offset, "export "+strconv.Quote(e.name)+" names a "+kindName(e.kind)+" that the module does not have")
		}
	}
	return nil
}

// checkExports refuses a module that does not export what docs/ABI.md asks for.
func (m *parsed) checkExports() *BadModuleError {
	if err := m.checkMemoryExport(); err != nil {
		return err
	}
	for _, name := range requiredExports {
		if _, ok := m.exportNames[name]; !ok {
			return m.badExport(m.exportsOffset(), "the function "+name+" is not exported"+m.missingHint())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(exportTypes)) {
		i, ok := m.exportNames[name]
		if !ok {
			continue
		}
		e := m.exports[i]
		if e.kind != kindFunction {
			return m.badExport(e.offset, "export "+name+" is a "+kindName(e.kind)+", it must be a function")
		}
		got, _ := m.typeOf(e.index)
		if want := exportTypes[name]; got != want {
			return m.badExport(e.offset, "export "+name+" has the type "+got.Long()+", it must be "+want.Long())
		}
	}
	return nil
}

func (m *parsed) checkMemoryExport() *BadModuleError {
	i, ok := m.exportNames["memory"]
	if !ok || !m.hasMemory {
		return m.badExport(m.exportsOffset(), "the module does not have a memory of its own that it exports as \"memory\"")
	}
	if e := m.exports[i]; e.kind != kindMemory || e.index != 0 {
		return m.badExport(e.offset, "export \"memory\" must be the module's memory, it is a "+kindName(e.kind))
	}
	return nil
}

// missingHint says what to do when a program was built where a reactor is needed.
func (m *parsed) missingHint() string {
	if _, ok := m.exportNames["_start"]; ok {
		return ": the module is a program (it exports _start), build a reactor (Go: -buildmode=c-shared, Rust: crate-type cdylib, clang: -mexec-model=reactor)"
	}
	return ""
}

func (m *parsed) exportsOffset() int {
	if s := m.sections[sectionExport]; s != nil {
		return s.start
	}
	return len(m.data)
}

func (m *parsed) badExport(offset int, cause string) *BadModuleError {
	return &BadModuleError{Cause: cause, Section: sectionNames[sectionExport], Function: NoFunction, Offset: offset}
}
