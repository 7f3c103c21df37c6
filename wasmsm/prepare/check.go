package prepare

import (
	"bytes"
	"strings"
)

// bits says what is known of the bits of a float on the operand stack, in case it is a NaN.
type bits uint8

const (
	// bitsKept are the guest's own, which it may see.
	bitsKept bits = iota
	// bitsNone: it is never a NaN.
	bitsNone
	// bitsChosen were chosen by the processor, and nobody may see them.
	bitsChosen
)

// operand is a value on the operand stack.
type operand struct {
	// kind is a letter of Signature, anyKind in code that cannot be reached.
	kind byte
	bits bits
	// end is where the instruction ends that pushed it.
	end int
}

const anyKind = '?'

// frame is an open block, or the function. It is small, since many can be open.
type frame struct {
	op uint16
	// dead is set from an unconditional branch to the block's end.
	dead bool
	// targeted is set when a branch goes to the block.
	targeted bool
	// block is the block's type, see blockTypes.
	block int32
	// height is that of the operand stack below the parameters.
	height int32
	// sets is how many instructions that set a local came before it.
	sets int32
}

// Block types that are no index of a type: one of no values, that of the function, and
// kindBlock less the letter of its result.
const (
	emptyBlock    = -1
	functionBlock = -2
	kindBlock     = -3
)

// checker follows the types of a function's operand stack by the validation algorithm of the
// specification (appendix "Validation Algorithm"), which also yields what the rewriting needs: heights,
// and where the bits of a NaN could be seen. The engine validates again; it alone knows reference types
// apart.
type checker struct {
	w      *walker
	locals []byte
	// results are the function's.
	results Signature
	stack   []operand
	frames  []frame
	survey  survey
	// seen is told where a float was pushed whose chosen bits can be seen, nil for nobody.
	seen func(end int, kind byte)
	// later has, for each local, whether its chosen bits may stay, since every read is followed.
	later []bool
}

// survey is what a first pass over a function finds out for the second one.
type survey struct {
	// height is the operand stack's greatest.
	height int
	// calls counts the calls of functions that are not imported.
	calls int
	// called counts all calls, of imported functions too.
	called int
	loops  int
	// sets counts the instructions that set a local.
	sets int32
	// values counts the instructions that compute or set something.
	values int
	// kept has, for each local, whether it is ever set to anything but fresh results of arithmetic.
	kept []bool
}

func (c *checker) enter(function int, b body) {
	signature, _ := c.w.m.typeOf(uint32(function))
	params, results, _ := strings.Cut(string(signature), ":")
	c.locals = c.w.m.appendLocals(append(c.locals[:0], params...), b)
	c.stack = c.stack[:0]
	c.results = Signature(results)
	c.frames = append(c.frames[:0], frame{op: opBlock, block: functionBlock})
}

// begin starts a survey.
func (c *checker) begin() {
	c.seen, c.later = nil, nil
	c.survey = survey{kept: append(c.survey.kept[:0], make([]bool, len(c.locals))...)}
	params := c.w.m.params(c.w.function)
	for i := range params {
		c.survey.kept[i] = true
	}
}

func (c *checker) fail(format string, args ...any) {
	c.w.failAt(c.w.current.start, "the code does not validate: "+format, args...)
}

func (c *checker) push(kind byte, b bits) {
	c.stack = append(c.stack, operand{kind, b, c.w.current.end})
	c.survey.height = max(c.survey.height, len(c.stack))
}

// pop takes a value of the given kind, anyKind for any.
func (c *checker) pop(kind byte) operand {
	top := &c.frames[len(c.frames)-1]
	if len(c.stack) == int(top.height) {
		if !top.dead {
			c.fail("a value is missing on the stack")
		}
		return operand{kind: kind}
	}
	o := c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
	if o.kind != kind && o.kind != anyKind && kind != anyKind {
		c.fail("a value has the type %s, it must be %s", typeName(o.kind), typeName(kind))
	}
	return o
}

// show takes a value whose bits can be seen from here on.
func (c *checker) show(kind byte) operand {
	o := c.pop(kind)
	c.reveal(o)
	return o
}

func (c *checker) reveal(o operand) {
	if o.bits == bitsChosen && c.seen != nil {
		c.seen(o.end, o.kind)
	}
}

func (c *checker) showAll(kinds Signature) {
	for i := len(kinds) - 1; i >= 0; i-- {
		c.show(kinds[i])
	}
}

func (c *checker) pushAll(kinds Signature) {
	for i := range len(kinds) {
		c.push(kinds[i], bitsKept)
	}
}

// unreachable ends what can be reached of the block.
func (c *checker) unreachable() {
	top := &c.frames[len(c.frames)-1]
	c.stack, top.dead = c.stack[:top.height], true
}

func (c *checker) instruction(in *instruction) {
	switch in.op {
	case opUnreachable:
		c.unreachable()
	case opBlock, opLoop, opIf:
		c.open(in)
	case opElse:
		f := c.closeFrame()
		f.op, f.dead = opElse, false
		c.frames = append(c.frames, f)
		params, _ := c.blockTypes(f.block)
		c.pushAll(params)
	case opEnd:
		c.end()
	case opBr, opBrIf, opBrTable, opReturn:
		c.branch(in)
	case opCall, opCallIndirect:
		c.call(in)
	case opDrop:
		c.pop(anyKind)
	case opSelect, opSelectTyped:
		c.choose(in)
	case opLocalGet, opLocalSet, opLocalTee:
		c.local(in)
	case opGlobalGet:
		c.push(c.w.m.globals[in.index].valueType.letter(), bitsKept)
	case opGlobalSet:
		g := c.w.m.globals[in.index]
		if !g.mutable {
			c.fail("global %d is a constant", in.index)
		}
		c.show(g.valueType.letter())
	default:
		c.plain(in)
	}
}

// plain is an instruction whose types are fixed.
func (c *checker) plain(in *instruction) {
	signature := miscSignatures[min(in.op&0xff, 17)]
	if in.op < 0x100 {
		signature = signatures[in.op]
	}
	colon := strings.IndexByte(string(signature), ':')
	class, b := nanClassOf(in.op), bitsKept
	var o operand
	for i := colon - 1; i >= 0; i-- {
		if class == nanShows {
			c.show(signature[i])
		} else {
			o = c.pop(signature[i])
		}
	}
	switch class {
	case nanMakes:
		b = bitsChosen
	case nanNumber:
		b = bitsNone
	case nanPasses:
		b = o.bits
	}
	if in.op == opF32Const || in.op == opF64Const {
		b = c.constant(in)
	}
	c.survey.values++
	for _, kind := range []byte(signature[colon+1:]) {
		c.push(kind, b)
	}
}

// constant looks whether a float is a NaN: all bits of the exponent are set.
func (c *checker) constant(in *instruction) bits {
	top := c.w.data[in.end-2 : in.end]
	exponent := top[1]&0x7f == 0x7f && top[0]&0xf0 == 0xf0
	if in.op == opF32Const {
		exponent = top[1]&0x7f == 0x7f && top[0]&0x80 != 0
	}
	if exponent {
		return bitsKept
	}
	return bitsNone
}

func (c *checker) open(in *instruction) {
	if in.op == opIf {
		c.pop('i')
	}
	block := blockOf(c.w.data[in.start+1 : in.end])
	params, _ := c.blockTypes(block)
	c.showAll(params)
	c.frames = append(c.frames, frame{op: in.op, block: block, height: int32(len(c.stack)), sets: c.survey.sets})
	c.pushAll(params)
}

// closeFrame takes the results of the innermost block and forgets it.
func (c *checker) closeFrame() frame {
	f := c.frames[len(c.frames)-1]
	_, results := c.blockTypes(f.block)
	c.showAll(results)
	if len(c.stack) != int(f.height) {
		c.fail("%d values are left at the end of a block", len(c.stack)-int(f.height))
		c.stack = c.stack[:f.height]
	}
	c.frames = c.frames[:len(c.frames)-1]
	return f
}

func (c *checker) end() {
	f := c.closeFrame()
	if f.op == opLoop {
		c.survey.loops++
	}
	if f.targeted || f.op != opBlock {
		// What is set in the block is a value of its own where paths meet: at its end, or where a loop begins again.
		c.survey.values += min(int(c.survey.sets-f.sets), len(c.locals))
	}
	params, results := c.blockTypes(f.block)
	if f.op == opIf && params != results {
		c.fail("an if without else must have the results that it takes")
	}
	if len(c.frames) > 0 {
		c.pushAll(results)
	}
}

// labelTypes are those that a branch to a label takes.
func (c *checker) labelTypes(label uint32) Signature {
	f := &c.frames[len(c.frames)-1-int(label)]
	params, results := c.blockTypes(f.block)
	if f.op == opLoop {
		return params
	}
	return results
}

func (c *checker) branch(in *instruction) {
	for _, label := range in.labels {
		c.frames[len(c.frames)-1-int(label)].targeted = true
	}
	switch in.op {
	case opReturn:
		c.showAll(c.results)
		c.unreachable()
	case opBr:
		c.showAll(c.labelTypes(in.labels[0]))
		c.unreachable()
	case opBrIf:
		c.pop('i')
		types := c.labelTypes(in.labels[0])
		c.showAll(types)
		c.pushAll(types)
	case opBrTable:
		c.pop('i')
		c.table(in.labels)
		c.unreachable()
	}
}

// table checks the values that stay on the stack against each label's types.
func (c *checker) table(labels []uint32) {
	last := c.labelTypes(labels[len(labels)-1])
	for _, label := range labels {
		types := c.labelTypes(label)
		if len(types) != len(last) {
			c.fail("the labels of a br_table take %d and %d values", len(types), len(last))
			return
		}
		if types == "" {
			continue
		}
		base := max(len(c.stack)-len(types), int(c.frames[len(c.frames)-1].height))
		kept := append([]operand(nil), c.stack[base:]...)
		c.showAll(types)
		for i := range kept {
			kept[i].bits = bitsKept // it has been shown
		}
		c.stack = append(c.stack[:base], kept...)
	}
	c.showAll(last)
}

func (c *checker) call(in *instruction) {
	c.survey.called++
	signature, ok := Signature(""), true
	if in.op == opCall {
		signature, ok = c.w.m.typeOf(in.index)
	} else {
		c.pop('i')
		signature = c.w.m.types[in.index]
	}
	params, results, _ := strings.Cut(string(signature), ":")
	if !ok {
		return // refused as out of range
	}
	if in.op == opCallIndirect || int(in.index) >= len(c.w.m.imports) {
		c.survey.calls++
	}
	c.survey.values += 1 + len(results)
	c.showAll(Signature(params))
	c.pushAll(Signature(results))
}

func (c *checker) choose(in *instruction) {
	c.pop('i')
	a := c.pop(anyKind)
	kind := a.kind
	if in.op == opSelectTyped {
		kind = valueType(c.w.data[in.end-1]).letter()
	} else if kind == 'r' {
		c.fail("a select of references must name its type")
	}
	b := c.pop(kind)
	if kind == anyKind {
		kind = b.kind
	}
	c.survey.values++
	if a.bits == bitsKept || b.bits == bitsKept {
		c.reveal(a)
		c.reveal(b)
		c.push(kind, bitsKept)
		return
	}
	c.push(kind, max(a.bits, b.bits))
}

func (c *checker) local(in *instruction) {
	kind := c.locals[in.index]
	later := c.later != nil && c.later[in.index]
	if in.op == opLocalGet {
		b := bitsKept
		if later {
			b = bitsChosen
		}
		c.push(kind, b)
		return
	}
	o := c.pop(kind)
	c.survey.sets++
	if o.bits == bitsKept {
		c.survey.kept[in.index] = true
	}
	if !later {
		c.reveal(o)
		o.bits = bitsKept
	}
	if in.op == opLocalTee {
		c.push(kind, o.bits)
	}
}

// blockOf returns the type of a block by its bytes, which are valid.
func blockOf(encoded []byte) int32 {
	switch b := encoded[0]; {
	case b == blockEmpty:
		return emptyBlock
	case b > blockEmpty && b < 0x80:
		return kindBlock - int32(valueType(b).letter())
	}
	return int32(newReader(encoded).signed(33, "a block's type"))
}

// blockTypes are the parameters and results of a block.
func (c *checker) blockTypes(block int32) (params, results Signature) {
	switch {
	case block == emptyBlock:
		return "", ""
	case block == functionBlock:
		return "", c.results
	case block <= kindBlock:
		return "", Signature([]byte{byte(kindBlock - block)})
	}
	p, r, _ := strings.Cut(string(c.w.m.types[block]), ":")
	return Signature(p), Signature(r)
}

// appendLocals appends the kinds of a function's own locals.
func (m *parsed) appendLocals(kinds []byte, b body) []byte {
	r := newReader(m.data)
	r.pos, r.end = b.declared, b.code
	for range b.groups {
		n := r.u32("")
		kinds = append(kinds, bytes.Repeat([]byte{valueType(r.byte("")).letter()}, int(n))...)
	}
	return kinds
}

func typeName(kind byte) string {
	return strings.Trim(Signature([]byte{kind, ':'}).Long(), "()-> ")
}
