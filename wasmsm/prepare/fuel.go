package prepare

import (
	"math"

	"github.com/groutlabs/grout/wasmsm/internal/leb128"
)

// FuelGlobal is the name under which the counter is exported: a mutable i64 that the host sets
// before a call and reads after it. It is no part of a machine's state.
const FuelGlobal = "grout:fuel"

// meter is the pass that charges fuel.
//
// A region is a set of instructions of which all are executed once the first one is, but for traps and
// loops without end. It goes on through calls and through the start of a block, and after the block's end if
// nothing in it branches out of it; it ends at a branch and at a loop's head. Its price is taken off the
// counter where it begins. A small region that only one other leads to is charged with that one, in advance:
// at most maxAdvance for each charge. A function's first region costs nothing if it is small and calls none: it is
// paid for with the call. So a function that returns at once leaves the counter alone, and does not have its caller wait for it.
//
// Whether the counter fell below zero is looked at on entry to a function, at a loop's head and before what
// costs by its length: what lies between two such places is at most the code of the functions on the call
// stack, executed once. A loop each turn of which calls a function that looks itself needs no look of its own.
type meter struct {
	edits *edits
	// scratch is the local that holds a length while it is charged; its use makes it be declared.
	scratch *scratch
	stack   *stackMeter
	fuel    uint32
	blocks  []meterBlock
	regions []region
	// current is the index of the present region, none in code that cannot be reached, which costs nothing.
	current int
	loops   int
	// total is the price of all instructions of the function.
	total int64
	// local is the local that holds the counter in the present function, if held: in a loop it is a
	// register then. The global has it wherever other functions run, and in the end.
	held  bool
	local uint32
	// paths says what may have been charged to the local and is not in the global yet; path is the present point's.
	paths    []path
	path     int32
	releases []release
	// last is the release at the function's end.
	last int
}

// path is how execution came to a point since the global and the local were equal. It went through one of two
// other paths, or none, and then into a region, or none. The first path of each function stands for those on which
// something was charged for certain.
type path struct {
	before [2]int32
	region int32
	// charged is known in leave.
	charged bool
}

// release is a place where the local is copied back, unless nothing was charged on the path to it.
type release struct{ slot, path int32 }

const (
	// maxAdvance is how much a charge may have in it for instructions that are not executed.
	maxAdvance = 24
	// uncheckedPrice is up to which price a function without loops and calls leaves the check to others.
	uncheckedPrice = 100
	// smallPrice is up to which price such a function, or the first region of another, costs nothing beside its call.
	smallPrice = 24
	// maxPaths bounds the memory that a function takes here.
	maxPaths = 1 << 16
	none     = -1
)

// region is where a price is to be charged, and how much.
type region struct {
	check bool
	// depth is the number of open blocks where it begins, if there is a check.
	depth int
	slot  int
	// before is the only region that leads here, or none. payer is the one that charges this one's price.
	before, payer  int
	price, advance int64
	// calls is whether it calls functions, looks whether one of them looks at the counter for certain.
	calls, looks bool
}

type meterBlock struct {
	op uint16
	// targeted is whether a branch goes to the block's end, otherwise is set after else.
	targeted, otherwise bool
	// outer is the region in which the block stands, then the one at the end of an if's first arm.
	outer, then int
	// paths are those to the block's end: of branches, of an if whose condition does not hold, of the first arm.
	branches, skip, arm int32
	// least is the outermost block that a branch in this one goes to.
	least int
}

func (f *meter) enter(_ int, b body) {
	f.blocks = append(f.blocks[:0], meterBlock{op: opBlock, least: math.MaxInt, branches: none, skip: none, arm: none})
	f.regions, f.loops, f.total = f.regions[:0], 0, 0
	f.paths, f.path, f.releases = append(f.paths[:0], path{before: [2]int32{none, none}, region: none, charged: true}), none, f.releases[:0]
	if f.held = f.stack.held; f.held {
		f.local = f.scratch.add(typeI64)
	}
	f.open(b.code, none)
}

func (f *meter) open(at, before int) {
	f.current = len(f.regions)
	f.regions = append(f.regions, region{slot: f.edits.reserve(at), before: before, payer: f.current})
	f.goOn(path{before: [2]int32{f.path, none}, region: int32(f.current)})
}

// goOn makes the present point one that is reached on p.
func (f *meter) goOn(p path) { f.path = f.add(p) }

// add returns the number of a path. Of a function with a great many it is the first, on which something was charged.
func (f *meter) add(p path) int32 {
	if !f.held {
		return none // nothing is written back
	}
	if len(f.paths) == maxPaths {
		return 0
	}
	f.paths = append(f.paths, p)
	return int32(len(f.paths) - 1)
}

// join is where two paths meet, either of which may be none.
func (f *meter) join(a, b int32) int32 {
	switch {
	case a == none || a == b:
		return b
	case b == none:
		return a
	}
	return f.add(path{before: [2]int32{a, b}, region: none})
}

func (f *meter) live() bool { return f.current != none }

// leave writes the charges.
func (f *meter) leave(body) {
	for i := range f.regions {
		r := &f.regions[i]
		if r.before == none {
			continue
		}
		payer := &f.regions[f.regions[r.before].payer]
		if free := payer == &f.regions[0] && !payer.calls; payer.advance+r.price <= maxAdvance && !(free && r.calls) {
			payer.advance += r.price
			payer.price += r.price
			r.payer, r.price = f.regions[r.before].payer, 0
		}
	}
	if first := &f.regions[0]; !first.calls && first.price <= smallPrice {
		first.price = 0
	}
	if f.small() {
		for i := range f.regions {
			f.regions[i].price = 0
		}
	}
	f.writeReleases()
	for i, r := range f.regions {
		var text []byte
		if r.price > 0 {
			text = f.charge(text, r.price)
		}
		switch {
		case i == 0:
			text = f.begin0(text)
		case r.check && r.price > 0 && !r.looks:
			text = f.check(text, r.depth+1)
		}
		f.edits.fill(r.slot, text)
	}
}

// begin0 completes the function's first charge.
func (f *meter) begin0(text []byte) []byte {
	if f.held {
		text = append(f.take(nil), text...)
	}
	text = f.stack.begin(text)
	if f.total > uncheckedPrice || !f.simple() {
		text = f.checkBoth(text)
	}
	return f.stack.open(text)
}

// simple is a function that has neither loops nor calls and whose frame is not counted.
func (f *meter) simple() bool {
	return f.stack.slots == 0 && f.loops == 0 && f.stack.check.survey.called == 0
}

// small is a function that costs nothing beside its call, whose price is meant for it.
func (f *meter) small() bool { return f.simple() && f.total <= smallPrice }

// get and set are the counter where the function has it.
func (f *meter) get(text []byte) []byte {
	if f.held {
		return appendU32(append(text, opLocalGet), f.local)
	}
	return appendU32(append(text, opGlobalGet), f.fuel)
}

func (f *meter) set(text []byte) []byte {
	if f.held {
		return appendU32(append(text, opLocalSet), f.local)
	}
	return appendU32(append(text, opGlobalSet), f.fuel)
}

// take copies the counter from the global.
func (f *meter) take(text []byte) []byte {
	if !f.held {
		return text
	}
	text = appendU32(append(text, opGlobalGet), f.fuel)
	return appendU32(append(text, opLocalSet), f.local)
}

// release copies it back.
func (f *meter) release(text []byte) []byte {
	if !f.held {
		return text
	}
	text = appendU32(append(text, opLocalGet), f.local)
	return appendU32(append(text, opGlobalSet), f.fuel)
}

// releaseAt copies it back at a place if anything may have been charged on the path to it.
func (f *meter) releaseAt(at int, path int32) {
	f.releases = append(f.releases, release{slot: int32(f.edits.reserve(at)), path: path})
}

// finish copies it back at the function's end, to which the path is not known yet.
func (f *meter) finish(at int) {
	if f.held {
		f.last = len(f.releases)
		f.releaseAt(at, none)
	}
}

// writeReleases writes those that are needed. The regions have their final prices.
func (f *meter) writeReleases() {
	for i := range f.paths {
		p := &f.paths[i]
		p.charged = p.charged || p.region != none && f.regions[p.region].price > 0
		for _, before := range p.before {
			p.charged = p.charged || before != none && f.paths[before].charged
		}
	}
	for _, r := range f.releases {
		if r.path != none && f.paths[r.path].charged || f.stack.m.rules.eager {
			f.edits.fill(int(r.slot), f.release(nil))
		}
	}
}

func (f *meter) charge(text []byte, price int64) []byte {
	text = leb128.AppendSigned(append(f.get(text), opI64Const), price)
	return f.set(append(text, opI64Sub))
}

func (f *meter) check(text []byte, depth int) []byte { return f.trap(f.get(text), depth) }

// checkBoth looks at both counters at once.
func (f *meter) checkBoth(text []byte) []byte {
	if f.stack.slots == 0 {
		return f.check(text, 0)
	}
	text = appendU32(append(f.get(text), opLocalGet), f.stack.room)
	return f.trap(append(text, opI64Or), 0)
}

// trap ends the call if what is on the stack is below zero. In a wrapped function that is done at the
// end, out of the way of code that goes on; depth is the number of blocks from here to the outermost.
func (f *meter) trap(text []byte, depth int) []byte {
	text = append(text, opI64Const, 0, opI64LtS)
	if f.stack.wrapped {
		return appendU32(append(text, opBrIf), uint32(depth))
	}
	return append(text, opIf, blockEmpty, opUnreachable, opEnd)
}

func (f *meter) instruction(in *instruction) {
	if f.live() {
		f.regions[f.current].price += price(in.op)
		f.total += price(in.op)
	}
	switch in.op {
	case opBlock, opLoop, opIf:
		f.begin(in)
	case opElse:
		top := &f.blocks[len(f.blocks)-1]
		top.then, top.otherwise = f.current, true
		if f.live() {
			top.arm = f.path
		}
		f.current, f.path = none, top.skip
		if top.outer != none {
			f.open(in.end, top.outer)
		}
		top.skip = none
	case opEnd:
		f.end(in)
	case opCall, opCallIndirect:
		if f.live() {
			r := &f.regions[f.current]
			r.calls, r.looks = true, r.looks || in.op == opCall && f.stack.counts(in.index)
			f.call(in)
		}
	case opBr, opBrTable, opReturn, opUnreachable:
		if in.op == opUnreachable && f.held && f.live() {
			f.releaseAt(in.start, f.path)
		}
		f.target(in)
		f.current = none
	case opBrIf:
		f.target(in)
		if f.live() {
			f.open(in.end, f.current)
		}
	case opMemoryInit, opMemoryCopy, opMemoryFill:
		f.dynamic(in, f.bulk)
	case opMemoryGrow:
		f.dynamic(in, f.grow)
	}
}

// call lets another function have the counter.
func (f *meter) call(in *instruction) {
	if f.held {
		f.releaseAt(in.start, f.path)
		f.edits.insert(in.end, f.take(nil)...)
		f.path = none
	}
}

func (f *meter) begin(in *instruction) {
	b := meterBlock{op: in.op, outer: f.current, then: none, least: math.MaxInt, branches: none, skip: none, arm: none}
	if in.op == opIf && f.live() {
		b.skip = f.path
	}
	f.blocks = append(f.blocks, b)
	if !f.live() {
		return
	}
	switch in.op {
	case opIf:
		f.open(in.end, f.current)
	case opLoop:
		f.open(in.end, none)
		f.regions[f.current].check, f.regions[f.current].depth = true, in.depth+1
		f.loops++
	}
}

// target notes where branches go.
func (f *meter) target(in *instruction) {
	top := len(f.blocks) - 1
	if in.op == opReturn {
		f.blocks[top].least = 0
		f.branchTo(0)
	}
	for _, label := range in.labels {
		at := top - int(label)
		f.blocks[at].targeted = true
		f.blocks[top].least = min(f.blocks[top].least, at)
		f.branchTo(at)
	}
}

// branchTo notes the path to a block's end. A loop's head needs none: a turn that goes on to the next one was charged where
// it left the way of one that does not, and that one was, too.
func (f *meter) branchTo(at int) {
	if b := &f.blocks[at]; f.live() {
		b.branches = f.join(b.branches, f.path)
	}
}

func (f *meter) end(in *instruction) {
	at := len(f.blocks) - 1
	b := f.blocks[at]
	f.blocks = f.blocks[:at]
	if !f.live() {
		f.path = none
	}
	f.path = f.join(f.join(f.path, b.skip), b.arm)
	if b.op != opLoop {
		f.path = f.join(f.path, b.branches)
	}
	if at == 0 {
		if f.held {
			f.releases[f.last].path = f.path
		}
		return
	}
	outer := &f.blocks[at-1]
	outer.least = min(outer.least, b.least)
	targeted := b.targeted && b.op != opLoop
	// skipped is whether an if's condition may lead here at once.
	skipped := b.op == opIf && !b.otherwise
	switch {
	case b.outer == none || !f.live() && !targeted && !skipped && b.then == none:
		f.current = none
	case b.least >= at:
		f.current = b.outer // nothing branches out of the block: what follows it is executed as surely as it was
	case targeted || f.live() && (skipped || b.then != none):
		f.open(in.end, none)
	case skipped:
		f.open(in.end, b.outer)
	case !f.live():
		f.current = b.then
	}
}

// dynamic charges what the amount on top of the stack, an i32, costs, before the instruction.
func (f *meter) dynamic(in *instruction, amount func(text []byte, local uint32) []byte) {
	if !f.live() {
		return
	}
	local := f.scratch.use(typeI32)
	text := appendU32([]byte{opLocalTee}, local)
	text = f.set(append(amount(f.get(text), local), opI64Sub))
	f.edits.insert(in.start, f.check(text, in.depth+1)...)
	f.path = 0
}

// bulk is the length, rounded down to the unit that is charged.
func (f *meter) bulk(text []byte, local uint32) []byte {
	text = appendU32(append(text, opLocalGet), local)
	return append(text, opI64ExtendU, opI64Const, bulkShift, opI64ShrU)
}

// grow is the price of the pages. More than a memory can have is nothing: the instruction fails.
func (f *meter) grow(text []byte, local uint32) []byte {
	text = appendU32(append(text, opLocalGet), local)
	text = leb128.AppendSigned(append(text, opI64ExtendU, opI64Const), PagePrice)
	text = append(text, opI64Mul, opI64Const, 0)
	text = appendU32(append(text, opLocalGet), local)
	text = leb128.AppendSigned(append(text, opI32Const), maxMemoryPages)
	return append(text, opI32LeU, opSelect)
}
