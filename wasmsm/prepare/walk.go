package prepare

// instruction is one instruction of a body, as the walk hands it to passes.
type instruction struct {
	// op is the opcode; after the prefix 0xfc it is 0xfc00 plus the second number.
	op uint16
	// span covers the opcode and its operands.
	span
	// index is the first index or the offset of a memory access, index2 the second one (of
	// call_indirect, the table).
	index, index2 uint32
	// labels are those of a branch, valid until the next instruction; return has none.
	labels []uint32
	// depth is the number of open blocks before the instruction, the function's own not counted.
	depth int
}

// pass looks at code on its way from input to output. A pass that rewrites (fuel, call depth, NaN)
// collects replacements for the spans it is shown; refusing is the walk's own business, since an
// instruction that it does not know has no known length.
type pass interface {
	// enter begins a function; index counts the imports.
	enter(index int, b body)
	// instruction is called for each instruction in order, and with the last end of the body.
	instruction(in *instruction)
	// leave ends the function.
	leave(b body)
}

// statistics is the pass that counts what Info reports.
type statistics struct {
	instructions int64
	deepest      int
}

func (s *statistics) enter(int, body) {}

func (s *statistics) leave(body) {}

func (s *statistics) instruction(in *instruction) {
	s.instructions++
	s.deepest = max(s.deepest, in.depth)
}

// walker reads the bodies' instructions.
type walker struct {
	*reader
	limits  Limits
	m       *parsed
	passes  []pass
	current instruction
	// ifs has, for each open block, whether an else may follow.
	ifs    []bool
	labels []uint32
	// locals is the number of the function's locals, parameters included.
	locals int
	check  checker
	// branches counts what divides the function's code into blocks, cost is the module's so far.
	branches int64
	cost     int64
}

// walk reads every function twice: first it refuses what a machine must not contain, and surveys it;
// then it rewrites it. It returns the new code section's content, nil when there is none.
func (m *parsed) walk(limits Limits, counts *statistics) ([]byte, *BadModuleError) {
	w := &walker{reader: newReader(m.data), limits: limits, m: m}
	w.check.w, w.section = w, sectionNames[sectionCode]
	code := newCodeWriter(m, &w.check)
	for i, b := range m.bodies {
		w.function = len(m.imports) + i
		w.check.enter(w.function, b)
		w.check.begin()
		w.read(b, counts)
		w.charge(b, 0, w.branches)
		if w.err != nil {
			return nil, w.err
		}
		w.check.enter(w.function, b)
		w.read(b, code.passes...)
		w.charge(b, w.branches, code.nan.branches)
		if w.err != nil {
			return nil, w.err
		}
	}
	m.compileCost = w.cost
	return code.out, nil
}

// read shows every instruction of a function to the passes.
func (w *walker) read(b body, passes ...pass) {
	w.pos, w.end = b.code, b.end
	w.locals, w.passes = len(w.check.locals), passes
	for _, p := range passes {
		p.enter(w.function, b)
	}
	w.body()
	for _, p := range passes {
		if w.err == nil {
			p.leave(b)
		}
	}
}

func (w *walker) body() {
	w.ifs, w.branches = w.ifs[:0], 0
	for w.err == nil {
		w.current = instruction{span: span{start: w.pos}, depth: len(w.ifs), labels: w.labels[:0]}
		closed := w.next()
		if w.err != nil {
			return
		}
		w.current.end = w.pos
		if closed && w.left() > 0 {
			w.failAt(w.pos, "%d bytes follow the function's end", w.left())
			return
		}
		w.check.instruction(&w.current)
		if w.err != nil {
			return
		}
		for _, p := range w.passes {
			p.instruction(&w.current)
		}
		if closed {
			return
		}
	}
}

// next reads one instruction and reports whether it ended the function.
func (w *walker) next() (closed bool) {
	op := w.byte("an instruction")
	if w.err != nil {
		return false
	}
	if op >= prefixGC && op <= prefixThreads {
		w.prefixed(op)
		return false
	}
	w.current.op = uint16(op)
	info := w.m.rules.lift(uint16(op), opcodes[op])
	if op >= opBlock && op <= opElse || op >= opBr && op <= opReturn {
		w.branches++
	}
	w.operands(info, "instruction", uint32(op))
	if w.err != nil {
		return false
	}
	switch op {
	case opBlock, opLoop, opIf:
		w.open(op == opIf)
	case opElse:
		w.orElse()
	case opEnd:
		return w.close()
	}
	return false
}

func (w *walker) prefixed(prefix byte) {
	number := w.u32("an instruction")
	if w.err != nil {
		return
	}
	if refusal, ok := prefixRefusals[prefix]; ok {
		w.failAt(w.current.start, refusal, number)
		return
	}
	w.current.op = uint16(prefix)<<8 | uint16(number&0xff)
	info := opcode{}
	if int64(number) < int64(len(miscOpcodes)) {
		info = miscOpcodes[number]
	}
	w.operands(w.m.rules.lift(w.current.op, info), "instruction 0xfc", number)
}

func (w *walker) open(isIf bool) {
	if len(w.ifs) >= w.limits.Nesting {
		w.failAt(w.current.start, "more than %d blocks are open", w.limits.Nesting)
		return
	}
	w.ifs = append(w.ifs, isIf)
}

func (w *walker) orElse() {
	top := len(w.ifs) - 1
	if top < 0 || !w.ifs[top] {
		w.failAt(w.current.start, "an else without its if")
		return
	}
	w.ifs[top] = false
}

func (w *walker) close() (function bool) {
	if len(w.ifs) == 0 {
		return true
	}
	w.ifs = w.ifs[:len(w.ifs)-1]
	return false
}

func (w *walker) operands(info opcode, what string, number uint32) {
	switch info.operands {
	case operandsNone:
	case operandsRefused:
		w.failAt(w.current.start, "%s", info.refusal)
	case operandsBlock:
		w.blockType()
	case operandsLabel:
		w.label(w.u32("a branch target"))
	case operandsIndex:
		w.current.index = w.u32("an index")
		w.inRange()
	case operandsTwoIndex:
		w.current.index = w.u32("an index")
		w.current.index2 = w.u32("an index")
		w.inRange()
	case operandsMemory:
		w.memoryAccess()
	case operandsI32:
		w.signed(32, "a constant")
	case operandsI64:
		w.signed(64, "a constant")
	case operandsF32:
		w.bytes(4, "a constant")
	case operandsF64:
		w.bytes(8, "a constant")
	case operandsBrTable:
		targets := w.count("branch targets", w.limits.BodyBytes, 1)
		for range targets + 1 {
			w.label(w.u32("a branch target"))
		}
		w.branches += int64(targets)
	case operandsTypes:
		p := parser{reader: w.reader}
		for range w.count("types of a select", w.limits.Results, 1) {
			p.valueType("a select's type")
		}
	case operandsRefType:
		p := parser{reader: w.reader}
		p.refType("ref.null")
	default:
		w.failAt(w.current.start, "%s %#x is unknown", what, number)
	}
}

// blockType is empty, one value type, or the index of a function type.
func (w *walker) blockType() {
	start := w.pos
	if w.pos < w.end {
		if b := w.data[w.pos]; b >= 0x40 && b < 0x80 {
			w.pos++
			if b != 0x40 {
				w.pos = start
				p := parser{reader: w.reader}
				p.valueType("a block's type")
			}
			return
		}
	}
	i := w.signed(33, "a block's type")
	if w.err == nil && (i < 0 || i >= int64(len(w.m.types))) {
		w.failAt(start, "a block's type is %d, the module has %d types", i, len(w.m.types))
	}
}

func (w *walker) memoryAccess() {
	start := w.pos
	if align := w.u32("an alignment"); w.err == nil && align > 3 {
		w.failAt(start, "the alignment 2^%d is over the natural one, or for another memory", align)
	}
	w.current.index = w.u32("an offset")
}
