package prepare

import (
	"slices"
)

// The tests write modules by hand: a module is a list of sections, a section is its number and its
// content. What is left out is what validModule has.

func leb(n int) []byte { return appendU32(nil, uint32(n)) }

func vec(items ...[]byte) []byte {
	return append(leb(len(items)), slices.Concat(items...)...)
}

func str(s string) []byte { return append(leb(len(s)), s...) }

func sec(id byte, content ...[]byte) []byte {
	all := slices.Concat(content...)
	return slices.Concat([]byte{id}, leb(len(all)), all)
}

func raw(bytes ...byte) []byte { return bytes }

func functionType(params, results []byte) []byte {
	return slices.Concat(raw(0x60), leb(len(params)), params, leb(len(results)), results)
}

func imp(module, name string, typeIndex byte) []byte {
	return slices.Concat(str(module), str(name), raw(kindFunction, typeIndex))
}

func exp(name string, kind, index byte) []byte { return append(str(name), kind, index) }

// code is a function's body: locals and instructions, to which end is added.
func code(locals []byte, instructions ...byte) []byte {
	body := slices.Concat(locals, instructions, raw(opEnd))
	return append(leb(len(body)), body...)
}

const (
	i32t = byte(typeI32)
	i64t = byte(typeI64)
	f64t = byte(typeF64)
)

// draft is a module that can be changed section by section before it is put together.
type draft map[byte][]byte

// newDraft is a valid machine with one function, type 0 (i32) -> i32, that answers everything, and
// with types 1 () -> () and 2 (i32 i32) -> ().
func newDraft(body ...byte) draft {
	if body == nil {
		body = raw(0x41, 0)
	}
	return draft{
		sectionType:     sec(sectionType, vec(functionType(raw(i32t), raw(i32t)), functionType(nil, nil), functionType(raw(i32t, i32t), nil))),
		sectionImport:   sec(sectionImport, vec(imp(ModuleGrout, "output_write", 2))),
		sectionFunction: sec(sectionFunction, vec(raw(0))),
		sectionTable:    sec(sectionTable, vec(raw(byte(typeFuncref), 0, 1))),
		sectionMemory:   sec(sectionMemory, vec(raw(0, 1))),
		sectionGlobal:   sec(sectionGlobal, vec(raw(i32t, 1, 0x41, 5, opEnd), raw(i64t, 0, 0x42, 5, opEnd), raw(f64t, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, opEnd))),
		sectionExport: sec(sectionExport, vec(exp("memory", kindMemory, 0), exp("grout_init", kindFunction, 1),
			exp("grout_apply", kindFunction, 1), exp("grout_query", kindFunction, 1))),
		sectionElement: sec(sectionElement, vec(raw(0, 0x41, 0, opEnd, 1, 1))),
		sectionCode:    sec(sectionCode, vec(code(raw(0), body...))),
	}
}

// with replaces a section by its content, or removes it when there is none.
func (d draft) with(id byte, content ...[]byte) draft {
	delete(d, id)
	if content != nil {
		d[id] = sec(id, content...)
	}
	return d
}

// bytes puts the sections in their order; extra ones come last.
func (d draft) bytes(extra ...[]byte) []byte {
	ids := make([]byte, 0, len(d))
	for id := range d {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b byte) int { return sectionOrder[a] - sectionOrder[b] })
	module := slices.Clone(preamble)
	for _, id := range ids {
		module = append(module, d[id]...)
	}
	return append(module, slices.Concat(extra...)...)
}

// names is a name section that calls function 1 "answer".
func names() []byte {
	functions := vec(append(leb(1), str("answer")...))
	return sec(sectionCustom, str(nameSection), raw(nameSubFunctions), leb(len(functions)), functions)
}
