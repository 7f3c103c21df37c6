package prepare

import "crypto/sha256"

// Prepared is a module that the engine may compile.
type Prepared struct {
	// Module is the rewritten binary.
	Module []byte
	// Globals are the mutable globals in the order of their indices, exported in Module under
	// GlobalPrefix and the index.
	Globals []Global
	// Info describes the original module.
	Info Info
}

// Global is a mutable global, a part of a machine's state.
type Global struct {
	// Name is that of the export in the prepared module.
	Name string
	// Type is 'i' (i32), 'I' (i64), 'f' (f32) or 'F' (f64), as in Signature.
	Type byte
}

// Info describes a module to people.
type Info struct {
	// Digest is the SHA-256 of the original bytes: the module's name.
	Digest [sha256.Size]byte
	// Bytes and PreparedBytes are the sizes before and after.
	Bytes, PreparedBytes int
	// PreparedVersion is the Version that prepared the module.
	PreparedVersion int
	// Language is what the producers section says, such as "Go go1.26", or "".
	Language string
	Imports  []Import
	Exports  []Export
	// MemoryMin and MemoryMax are in pages of 64 KiB. Without a declared maximum MemoryMax is 65536.
	MemoryMin, MemoryMax uint32
	MemoryMaxDeclared    bool
	Functions            int
	Instructions         int64
	Nesting              int
	// CompileCost is the sum over all functions of branches times (branches + 20 * locals), which
	// the engine's time to compile follows. Those that look for NaNs count.
	CompileCost          int64
	Globals              int
	MutableGlobals       int
	Tables               int
	CodeBytes, DataBytes int
	// CustomSections are the names of the original's custom sections, in order.
	CustomSections []string
}

// Import is a function that the module imports.
type Import struct {
	Module, Name string
	Type         Signature
}

// Export is something that the module exports. Type is "" unless Kind is "function".
type Export struct {
	Name, Kind string
	Type       Signature
}

// Prepare checks a module and rewrites it. The result shares no memory with the input.
//
// # Errors
//
// A refused module gives a *BadModuleError; other errors are faults in limits.
func Prepare(module []byte, limits Limits) (*Prepared, error) {
	return prepareBy(module, limits, rules{})
}

func prepareBy(module []byte, limits Limits, r rules) (*Prepared, error) {
	if err := limits.validate(); err != nil {
		return nil, err
	}
	m, bad := parse(module, limits, r)
	if bad != nil {
		return nil, bad
	}
	names := m.functionNames(limits)
	counts := &statistics{}
	code, bad := m.walk(limits, counts)
	if bad != nil {
		if bad.Function >= 0 && bad.Function < len(names) {
			bad.FunctionName = names[bad.Function]
		}
		return nil, bad
	}
	if bad = m.checkExported(); bad != nil {
		return nil, bad
	}
	if bad = m.checkExports(); bad != nil && !r.whole {
		return nil, bad
	}
	prepared := &Prepared{Module: m.rewrite(names, code), Info: m.info(counts)}
	prepared.Info.PreparedBytes = len(prepared.Module)
	for _, e := range m.mutableGlobals() {
		prepared.Globals = append(prepared.Globals, Global{Name: globalName(e), Type: m.globals[e].valueType.letter()})
	}
	return prepared, nil
}

func (m *parsed) info(counts *statistics) Info {
	info := Info{
		Digest: sha256.Sum256(m.data), Bytes: len(m.data), PreparedVersion: Version, Language: m.language(),
		MemoryMin: m.memoryMin, MemoryMax: m.memoryMax, MemoryMaxDeclared: m.hasMax,
		Functions: len(m.functions), Instructions: counts.instructions, Nesting: counts.deepest, CompileCost: m.compileCost,
		Globals: len(m.globals), MutableGlobals: len(m.mutableGlobals()), Tables: m.tables, DataBytes: m.dataBytes,
	}
	if s := m.sections[sectionCode]; s != nil {
		info.CodeBytes = s.end - s.start
	}
	for _, i := range m.imports {
		info.Imports = append(info.Imports, Import{Module: i.module, Name: i.name, Type: m.types[i.typeIndex]})
	}
	for _, e := range m.exports {
		described := Export{Name: e.name, Kind: kindName(e.kind)}
		if e.kind == kindFunction {
			described.Type, _ = m.typeOf(e.index)
		}
		info.Exports = append(info.Exports, described)
	}
	for _, c := range m.custom {
		info.CustomSections = append(info.CustomSections, c.name)
	}
	return info
}
