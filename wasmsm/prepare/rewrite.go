package prepare

import (
	"encoding/binary"
	"strconv"

	"github.com/groutlabs/grout/wasmsm/internal/leb128"
)

// Version is that of the output: it changes whenever the same input would give other bytes.
const Version = 5

// rewrite writes the module again. Sections are written in the format's order, so that equal
// content gives equal bytes wherever custom sections stood.
func (m *parsed) rewrite(names []string, code []byte) []byte {
	out := make([]byte, 0, len(m.data)+len(code)+64*len(m.globals))
	out = append(out, preamble...)
	out = m.copyTypes(out)
	for _, id := range []byte{sectionImport, sectionFunction, sectionTable} {
		out = m.copySection(out, id)
	}
	out = m.memorySection(out)
	out = appendSection(out, sectionGlobal, m.globalSection())
	out = appendSection(out, sectionExport, m.exportSection())
	out = m.copySection(out, sectionStart)
	out = m.copySection(out, sectionElement)
	out = m.copySection(out, sectionDataCount)
	if code != nil {
		out = appendSection(out, sectionCode, code)
	}
	out = m.writeData(out)
	if section := encodeNames(names); section != nil {
		out = appendSection(out, sectionCustom, section)
	}
	return out
}

func (m *parsed) copySection(out []byte, id byte) []byte {
	if s := m.sections[id]; s != nil {
		return appendSection(out, id, m.data[s.start:s.end])
	}
	return out
}

// copyTypes appends the types that were added to the module's own.
func (m *parsed) copyTypes(out []byte) []byte {
	if len(m.addedTypes) == 0 {
		return m.copySection(out, sectionType)
	}
	types := appendU32(nil, uint32(len(m.types)+len(m.addedTypes)))
	types = append(types, m.data[m.typesAt:m.sections[sectionType].end]...)
	return appendSection(out, sectionType, append(types, m.addedBytes...))
}

func appendSection(out []byte, id byte, content []byte) []byte {
	out = append(out, id)
	out = appendU32(out, uint32(len(content)))
	return append(out, content...)
}

// memorySection leaves the maximum out. The host's allocator enforces it, and a rollback that
// shrinks the memory has to pass through the engine's grow, which would refuse at the maximum.
func (m *parsed) memorySection(out []byte) []byte {
	if m.rules.whole {
		return m.copySection(out, sectionMemory)
	}
	return appendSection(out, sectionMemory, appendU32([]byte{1, 0}, m.memoryMin))
}

func (m *parsed) exportSection() []byte {
	mutable := m.mutableGlobals()
	out := appendU32(nil, uint32(len(m.exports)+len(mutable)+2))
	for _, e := range m.exports {
		out = appendExport(out, e.name, e.kind, e.index)
	}
	for _, i := range mutable {
		out = appendExport(out, globalName(i), kindGlobal, uint32(i))
	}
	out = appendExport(out, FuelGlobal, kindGlobal, m.fuelGlobal())
	return appendExport(out, StackGlobal, kindGlobal, m.stackGlobal())
}

// globalSection appends the two counters to the module's own globals.
func (m *parsed) globalSection() []byte {
	own := len(m.globals) - m.importedGlobals
	out := appendU32(nil, uint32(own+2))
	if own > 0 {
		out = append(out, m.data[m.globalsAt:m.sections[sectionGlobal].end]...)
	}
	fuel, stack := int64(0), int64(0)
	if m.rules.whole {
		fuel, stack = wholeFuel, wholeStack
	}
	for _, counter := range []int64{fuel, stack} {
		out = leb128.AppendSigned(append(out, byte(typeI64), 1, opI64Const), counter)
		out = append(out, opEnd)
	}
	return out
}

// fuelGlobal is the index of the counter of fuel.
func (m *parsed) fuelGlobal() uint32 { return uint32(len(m.globals)) }

// stackGlobal is the index of the counter of the stack.
func (m *parsed) stackGlobal() uint32 { return uint32(len(m.globals)) + 1 }

func appendExport(out []byte, name string, kind byte, index uint32) []byte {
	out = appendU32(out, uint32(len(name)))
	out = append(out, name...)
	out = append(out, kind)
	return appendU32(out, index)
}

func (m *parsed) mutableGlobals() []int {
	var indices []int
	for i, g := range m.globals {
		if g.mutable && i >= m.importedGlobals {
			indices = append(indices, i)
		}
	}
	return indices
}

// encodeNames writes a name section with the function names alone, nil when there are none.
func encodeNames(names []string) []byte {
	var entries []byte
	n := uint32(0)
	for i, name := range names {
		if name == "" {
			continue
		}
		n++
		entries = appendU32(entries, uint32(i))
		entries = appendU32(entries, uint32(len(name)))
		entries = append(entries, name...)
	}
	if n == 0 {
		return nil
	}
	content := append(appendU32(nil, n), entries...)
	out := append([]byte{byte(len(nameSection))}, nameSection...)
	out = append(out, nameSubFunctions)
	out = appendU32(out, uint32(len(content)))
	return append(out, content...)
}

func appendU32(out []byte, v uint32) []byte { return binary.AppendUvarint(out, uint64(v)) }

func globalName(index int) string { return GlobalPrefix + strconv.Itoa(index) }
