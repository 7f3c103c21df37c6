package prepare

// rules chooses what is refused beside what no engine could run.
type rules struct {
	// whole lifts what a machine must not contain and other modules may: imports of any kind, a start
	// function, tables that change, dropped segments, exports without those of docs/ABI.md, mutable
	// globals of references. The limits, the rewriting and the refusal of features that are not
	// supported stay. The counters begin full, since code may run when the module is instantiated,
	// and a memory keeps its maximum. It is for the tests alone: with it the specification's own tests run
	// through the preparer.
	whole bool
	// eager writes the counter back also where nothing was charged, for a test to compare.
	eager bool
}

// wholeFuel and wholeStack are what the counters begin with under rules.whole.
const (
	wholeFuel  = 1 << 60
	wholeStack = StackSlots
)

// lifted are the operands of the instructions that rules.whole permits.
var lifted = map[uint16]operands{
	0x26:   operandsIndex,    // table.set
	0xd2:   operandsIndex,    // ref.func
	0xfc09: operandsIndex,    // data.drop
	0xfc0c: operandsTwoIndex, // table.init
	0xfc0d: operandsIndex,    // elem.drop
	0xfc0e: operandsTwoIndex, // table.copy
	0xfc0f: operandsIndex,    // table.grow
	0xfc11: operandsIndex,    // table.fill
}

// lift permits an instruction by the rules.
func (r rules) lift(op uint16, info opcode) opcode {
	if o, ok := lifted[op]; ok && r.whole {
		return opcode{operands: o}
	}
	return info
}

// foreignImport reads an import that is not a function.
func (p *parser) foreignImport(kind byte) {
	switch kind {
	case kindTable:
		p.refType("an imported table")
		p.tableLimits()
		p.m.tables++
	case kindMemory:
		p.memoryLimits()
	case kindGlobal:
		g := global{valueType: p.valueType("an imported global"), mutable: p.byte("an imported global's mutability") == 1}
		p.m.globals = append(p.m.globals, g)
		p.m.importedGlobals++
	}
}
