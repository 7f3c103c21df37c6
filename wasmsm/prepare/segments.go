package prepare

// constExpr reads a constant expression, which is one constant instruction and end, and returns what it has
// if that is an i32.
func (p *parser) constExpr(what string) (number uint32, isNumber bool) {
	start := p.pos
	switch op := p.byte(what); op {
	case opI32Const:
		number, isNumber = uint32(p.signed(32, what)), true
	case 0x42:
		p.signed(64, what)
	case 0x43:
		p.bytes(4, what)
	case 0x44:
		p.bytes(8, what)
	case 0xd2: // ref.func
		p.functionIndex(what)
	case 0x23: // global.get
		if p.m.rules.whole {
			if i := p.u32(what); int64(i) >= int64(p.m.importedGlobals) || p.m.globals[i].mutable {
				p.failAt(start, "%s reads global %d, which is not an imported constant", what, i)
			}
			break
		}
		p.failAt(start, "%s reads a global: only imported ones can be read here, and a machine has none", what)
	case 0xd0: // ref.null
		p.refType(what)
	default:
		p.failAt(start, "%s has the instruction %#x, which is no supported constant", what, op)
	}
	start = p.pos
	if end := p.byte(what); p.err == nil && end != 0x0b {
		p.failAt(start, "%s has more than one instruction: extended constant expressions are not supported", what)
	}
	return number, isNumber
}

func (p *parser) refType(what string) {
	start := p.pos
	t := valueType(p.byte(what))
	if p.err == nil && t != typeFuncref && t != typeExternref {
		p.failAt(start, "%s has the reference type %#x: only funcref and externref are supported", what, byte(t))
	}
}

// elementSection reads the element segments in their eight forms (bit 0: not active, bit 1: a table
// index or declarative, bit 2: expressions instead of function indices).
func (p *parser) elementSection() {
	n := p.count("element segments", p.limits.Elements, 3)
	entries := 0
	for range n {
		start := p.pos
		form := p.u32("an element segment's form")
		if p.err == nil && form > 7 {
			p.failAt(start, "an element segment has the unknown form %d", form)
		}
		passive, explicit, expressions := form&1 != 0, form&2 != 0, form&4 != 0
		if !passive {
			if explicit {
				p.tableIndex()
			}
			p.constExpr("an element segment's offset")
		}
		if passive || explicit {
			p.elementKind(expressions)
		}
		entries += p.elementEntries(p.limits.ElementEntries-entries, expressions)
		if p.err != nil {
			return
		}
	}
	p.m.elements = n
}

func (p *parser) elementKind(expressions bool) {
	if expressions {
		p.refType("an element segment")
		return
	}
	start := p.pos
	if kind := p.byte("an element segment's kind"); kind != 0 {
		p.failAt(start, "an element segment has the unknown kind %d", kind)
	}
}

func (p *parser) elementEntries(limit int, expressions bool) int {
	n := p.count("element entries", limit, 1)
	for range n {
		if expressions {
			p.constExpr("an element")
		} else {
			p.functionIndex("an element")
		}
		if p.err != nil {
			return 0
		}
	}
	return n
}

// dataSegment is a segment that is copied into the memory at the start.
type dataSegment struct {
	offset uint64
	bytes  span
}

func (p *parser) dataSection() {
	n := p.count("data segments", p.limits.DataSegments, 2)
	for range n {
		start := p.pos
		form := p.u32("a data segment's form")
		switch {
		case p.err != nil:
			return
		case form > 2:
			p.failAt(start, "a data segment has the unknown form %d", form)
		case form == 2:
			if memory := p.u32("a data segment's memory"); memory != 0 {
				p.failAt(start, "a data segment is for memory %d, a machine has one memory", memory)
			}
		}
		offset, known := uint32(0), false
		if form != 1 {
			offset, known = p.constExpr("a data segment's offset")
		}
		size := p.count("data bytes", p.limits.ModuleBytes, 1)
		if known {
			p.m.segments = append(p.m.segments, dataSegment{offset: uint64(offset), bytes: span{p.pos, p.pos + size}})
		}
		p.bytes(size, "a data segment")
		p.m.dataBytes += size
	}
	p.m.data0 = n
}

func (p *parser) codeSection() {
	n := p.count("function bodies", p.limits.Functions, 3)
	p.m.bodies = make([]body, 0, n)
	for range n {
		p.function = len(p.m.imports) + len(p.m.bodies)
		start := p.pos
		size := p.count("bytes of code", p.limits.BodyBytes, 1)
		if p.err != nil {
			return
		}
		b := body{span: span{p.pos, p.pos + size}}
		restore := p.window(size)
		p.localsOf(start, &b)
		b.code = p.pos
		restore()
		if p.err != nil {
			return
		}
		p.m.bodies = append(p.m.bodies, b)
		p.pos = b.end
	}
	p.function = NoFunction
}

// localsOf reads the declarations of a function's locals.
func (p *parser) localsOf(start int, b *body) {
	total := uint64(0)
	b.groups = p.count("groups of locals", p.limits.Locals, 2)
	b.declared = p.pos
	for range b.groups {
		total += uint64(p.u32("the number of locals"))
		p.valueType("a local")
		if p.err == nil && total > uint64(p.limits.Locals) {
			p.failAt(start, "the function has %d locals, the limit is %d", total, p.limits.Locals)
		}
		if p.err != nil {
			return
		}
	}
	if p.m.locals += int(total); p.m.locals > p.limits.TotalLocals {
		p.failAt(start, "all functions together have %d locals, the limit is %d", p.m.locals, p.limits.TotalLocals)
	}
	b.locals = int(total)
}

func (p *parser) functionIndex(what string) {
	start := p.pos
	i := p.u32(what)
	if all := len(p.m.imports) + len(p.m.functions); p.err == nil && uint64(i) >= uint64(all) {
		p.failAt(start, "%s is function %d, the module has %d functions", what, i, all)
	}
}

func (p *parser) tableIndex() {
	start := p.pos
	if i := p.u32("an element segment's table"); p.err == nil && uint64(i) >= uint64(p.m.tables) {
		p.failAt(start, "an element segment is for table %d, the module has %d tables", i, p.m.tables)
	}
}
