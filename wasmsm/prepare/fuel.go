package prepare

// FuelGlobal is the name under which the counter is exported: a mutable i64 that the host sets
// before a call and reads after it. It is no part of a machine's state.
const FuelGlobal = "grout:fuel"

// meter is the pass that charges fuel.
//
// A region is a run of instructions of which all are executed once the first one is, but for traps.
// It goes on through the start of a block, through the end of a block that no branch targets, and
// through calls; it ends at a branch, at a loop's head, at else, and where paths meet. Its price is
// taken off the counter where it begins. Whether the counter fell below zero is looked at on entry to a
// function, at a loop's head and before what costs by its length: what lies between two such places is at
// most the code of the functions on the call stack, executed once.
type meter struct {
	edits *edits
	// scratch is the local that holds a length while it is charged; its use makes it be declared.
	scratch *scratch
	stack   *stackMeter
	fuel    uint32
	blocks  []meterBlock
	region  region
}

// region is where a price is to be charged, and how much.
type region struct {
	// live is unset in code that cannot be reached, which costs nothing.
	live bool
	// entry is set on the function's first region.
	entry, check bool
	slot         int
	price        int64
}

type meterBlock struct {
	op uint16
	// live is whether the block itself can be reached; targeted, whether a branch goes to its end.
	live, targeted bool
	// thenLive is whether the first arm of an if reaches the end. otherwise is set after else.
	thenLive, otherwise bool
}

func (f *meter) enter(_ int, b body) {
	f.blocks = append(f.blocks[:0], meterBlock{op: opBlock, live: true})
	f.open(b.code, true)
	f.region.entry = true
}

func (f *meter) open(at int, check bool) {
	f.region = region{live: true, check: check, slot: f.edits.reserve(at)}
}

// close writes the region's charge.
func (f *meter) close() {
	r := f.region
	f.region = region{}
	if !r.live {
		return
	}
	var text []byte
	if r.price > 0 {
		text = f.charge(text, r.price)
	}
	switch {
	case r.entry:
		text = f.stack.open(f.checkBoth(f.stack.begin(text)))
	case r.check:
		text = f.check(text)
	}
	f.edits.fill(r.slot, text)
}

func (f *meter) charge(text []byte, price int64) []byte {
	text = appendU32(append(text, opGlobalGet), f.fuel)
	text = appendS64(append(text, opI64Const), price)
	text = append(text, opI64Sub)
	return appendU32(append(text, opGlobalSet), f.fuel)
}

func (f *meter) check(text []byte) []byte {
	text = appendU32(append(text, opGlobalGet), f.fuel)
	return append(text, opI64Const, 0, opI64LtS, opIf, blockEmpty, opUnreachable, opEnd)
}

// checkBoth looks at both counters at once.
func (f *meter) checkBoth(text []byte) []byte {
	if f.stack.slots == 0 {
		return f.check(text)
	}
	text = appendU32(append(text, opGlobalGet), f.fuel)
	text = appendU32(append(text, opGlobalGet), f.stack.m.stackGlobal())
	return append(text, opI64Or, opI64Const, 0, opI64LtS, opIf, blockEmpty, opUnreachable, opEnd)
}

func (f *meter) instruction(in *instruction) {
	if f.region.live {
		f.region.price += price(in.op)
	}
	switch in.op {
	case opBlock, opLoop, opIf:
		f.begin(in)
	case opElse:
		f.orElse(in)
	case opEnd:
		f.end(in)
	case opBr, opBrTable, opReturn, opUnreachable:
		f.target(in)
		f.close()
	case opBrIf:
		f.target(in)
		if f.region.live {
			f.close()
			f.open(in.end, false)
		}
	case opMemoryInit, opMemoryCopy, opMemoryFill:
		f.dynamic(in, f.bulk)
	case opMemoryGrow:
		f.dynamic(in, f.grow)
	}
}

func (f *meter) begin(in *instruction) {
	f.blocks = append(f.blocks, meterBlock{op: in.op, live: f.region.live})
	if in.op != opBlock && f.region.live {
		f.close()
		f.open(in.end, in.op == opLoop)
	}
}

func (f *meter) orElse(in *instruction) {
	top := &f.blocks[len(f.blocks)-1]
	top.thenLive, top.otherwise = f.region.live, true
	f.close()
	if top.live {
		f.open(in.end, false)
	}
}

func (f *meter) end(in *instruction) {
	b := f.blocks[len(f.blocks)-1]
	f.blocks = f.blocks[:len(f.blocks)-1]
	met := b.live && b.targeted && b.op != opLoop
	if b.op == opIf && b.live {
		met = met || !b.otherwise || b.thenLive
	}
	switch {
	case len(f.blocks) == 0:
		f.close()
	case met:
		f.close()
		f.open(in.end, false)
	}
}

func (f *meter) target(in *instruction) {
	for _, label := range in.labels {
		f.blocks[len(f.blocks)-1-int(label)].targeted = true
	}
}

// dynamic charges what the amount on top of the stack, an i32, costs, before the instruction.
func (f *meter) dynamic(in *instruction, amount func(text []byte, local uint32) []byte) {
	if !f.region.live {
		return
	}
	local := f.scratch.use(typeI32)
	text := appendU32([]byte{opLocalTee}, local)
	text = appendU32(append(text, opGlobalGet), f.fuel)
	text = append(amount(text, local), opI64Sub)
	text = appendU32(append(text, opGlobalSet), f.fuel)
	f.edits.insert(in.start, f.check(text)...)
}

// bulk is the length, rounded down to the unit that is charged.
func (f *meter) bulk(text []byte, local uint32) []byte {
	text = appendU32(append(text, opLocalGet), local)
	return append(text, opI64ExtendU, opI64Const, bulkShift, opI64ShrU)
}

// grow is the price of the pages. More than a memory can have is nothing: the instruction fails.
func (f *meter) grow(text []byte, local uint32) []byte {
	text = appendU32(append(text, opLocalGet), local)
	text = appendS64(append(text, opI64ExtendU, opI64Const), PagePrice)
	text = append(text, opI64Mul, opI64Const, 0)
	text = appendU32(append(text, opLocalGet), local)
	text = appendS64(append(text, opI32Const), maxMemoryPages)
	return append(text, opI32LeU, opSelect)
}

func (f *meter) leave(body) {}
