package generate

// statements appends a few statements.
func (b *body) statements(depth int) {
	for n := 1 + b.rng.IntN(6); n > 0 && b.budget > 0; n-- {
		b.statement(depth)
	}
}

func (b *body) statement(depth int) {
	if depth <= 0 {
		b.op(opNop)
		return
	}
	switch b.rng.IntN(16) {
	case 0, 1:
		b.setLocal(depth)
	case 2, 3:
		b.setGlobal(depth)
	case 4, 5, 6:
		t := b.someType()
		a := stores[t][b.rng.IntN(len(stores[t]))]
		b.address(depth - 1)
		b.value(t, depth-1)
		b.op(a.code).index(b.rng.IntN(int(a.align) + 1)).offset()
	case 7, 8:
		b.callStatement(depth)
	case 9:
		b.bulk(depth)
	case 10:
		b.value(i32, depth-1)
		b.op(opIf).op(0x40)
		b.inside(nil, func() { b.statements(depth - 1) })
		if b.one(2) {
			b.op(opElse)
			b.inside(nil, func() { b.statements(depth - 1) })
		}
		b.op(opEnd)
	case 11:
		b.countedLoop(depth)
	case 12:
		if b.one(4) {
			b.wildLoop(depth)
		} else {
			b.bulk(depth)
		}
	case 13:
		if b.one(2) {
			b.typedBlock(depth)
		} else {
			b.block(nil, depth)
		}
	case 14:
		b.leave(depth)
	default:
		b.value(b.someType(), depth-1)
		b.op(opDrop)
	}
}

func (b *body) setLocal(depth int) {
	l, ok := b.pick(len(b.locals), func(i int) bool { return !b.counters[i] })
	if !ok {
		return
	}
	b.value(b.locals[l], depth-1)
	b.op(opLocalSet).index(l)
}

func (b *body) setGlobal(depth int) {
	n, ok := b.pick(len(b.globals), func(i int) bool { return b.globals[i].mutable })
	if !ok {
		return
	}
	b.value(b.globals[n].kind, depth-1)
	b.op(opGlobalSet).index(n)
}

// callStatement calls any function and drops what it returns.
func (b *body) callStatement(depth int) {
	var results []valueType
	if b.one(6) {
		kind := b.rng.IntN(len(b.types))
		b.indirect(kind, depth)
		results = b.types[kind].results
	} else {
		f := b.rng.IntN(len(b.functions))
		if b.functions[f].name == "abort" && !b.one(10) {
			f = 1 // output_write ends nothing
		}
		b.call(f, depth)
		results = b.types[b.functions[f].kind].results
	}
	for range results {
		b.op(opDrop)
	}
}

// bulk fills, copies or initialises memory.
func (b *body) bulk(depth int) {
	kind := b.rng.IntN(3)
	if kind == 2 && len(b.passive) == 0 {
		kind = 0
	}
	b.address(depth - 1)
	switch kind {
	case 0:
		b.value(i32, depth-1)
		b.length(depth - 1)
		b.misc(11).index(0)
	case 1:
		b.address(depth - 1)
		b.length(depth - 1)
		b.misc(10).index(0).index(0)
	default:
		segment := b.rng.IntN(len(b.passive))
		from := b.rng.IntN(b.passive[segment])
		b.number(int64(from)).number(int64(b.rng.IntN(b.passive[segment] - from + 1)))
		if b.one(20) {
			b.op(opDrop)
			b.value(i32, depth-1)
		}
		b.misc(8).index(segment + 1).index(0)
	}
}

// inside runs do with one more label, which takes the types.
func (b *body) inside(label []valueType, do func()) {
	b.labels = append(b.labels, label)
	do()
	b.labels = b.labels[:len(b.labels)-1]
}

// blockType writes the type of a block without parameters.
func (b *body) blockType(results []valueType) {
	switch len(results) {
	case 0:
		b.code = append(b.code, 0x40)
	default:
		b.code = append(b.code, byte(results[0]))
	}
}

// block leaves the results of a block, one at most.
func (b *body) block(results []valueType, depth int) {
	b.op(opBlock)
	b.blockType(results)
	b.inside(results, func() {
		b.statements(depth - 1)
		for _, r := range results {
			b.value(r, depth-1)
		}
	})
	b.op(opEnd)
}

// typedBlock is a block or loop with parameters and any number of results.
func (b *body) typedBlock(depth int) {
	kind := b.rng.IntN(len(b.types))
	t := b.types[kind]
	b.values(t.params, depth)
	label := t.results
	if b.one(4) {
		b.op(opLoop)
		label = t.params
	} else {
		b.op(opBlock)
	}
	b.bytes(signed(int64(kind)))
	b.inside(label, func() {
		for range t.params {
			b.op(opDrop)
		}
		b.statements(depth - 1)
		b.values(t.results, depth)
	})
	b.op(opEnd)
	for range t.results {
		b.op(opDrop)
	}
}

func (b *body) ifElse(t valueType, depth int) {
	b.value(i32, depth-1)
	b.op(opIf)
	b.blockType([]valueType{t})
	b.inside([]valueType{t}, func() { b.value(t, depth-1) })
	b.op(opElse)
	b.inside([]valueType{t}, func() {
		if b.one(4) {
			b.statements(depth - 1)
		}
		b.value(t, depth-1)
	})
	b.op(opEnd)
}

// countedLoop ends after a few rounds, unless an inner one uses its counter.
func (b *body) countedLoop(depth int) {
	counter := len(b.locals) - 1 - b.rng.IntN(2)
	b.number(int64(1 + b.rng.IntN(20))).op(opLocalSet).index(counter)
	b.op(opLoop).op(0x40)
	b.inside(nil, func() {
		b.statements(depth - 1)
		b.op(opLocalGet).index(counter).number(1).op(opI32Sub).op(opLocalTee).index(counter)
		b.op(opBrIf).index(0)
	})
	b.op(opEnd)
}

// wildLoop goes on for as long as some value says.
func (b *body) wildLoop(depth int) {
	b.op(opLoop).op(0x40)
	b.inside(nil, func() {
		b.statements(depth - 1)
		b.value(i32, depth-1)
		b.op(opI32Eqz)
		if b.one(3) {
			b.op(opI32Eqz)
		}
		b.op(opBrIf).index(0)
	})
	b.op(opEnd)
}

// leave branches out of blocks, or returns, or traps; what follows in the same block is never reached, so that ends.
func (b *body) leave(depth int) {
	b.op(opBlock).op(0x40)
	b.inside(nil, func() {
		b.value(i32, depth-1)
		b.op(opBrIf).index(0)
		label := b.rng.IntN(len(b.labels))
		carried := b.labels[len(b.labels)-1-label]
		switch {
		case b.one(12):
			b.op(opUnreachable)
		case b.one(5):
			b.values(b.results, depth)
			b.op(opReturn)
		case b.one(3):
			b.values(carried, depth)
			b.value(i32, depth-1)
			b.op(opBrIf).index(label)
			for range carried {
				b.op(opDrop)
			}
		case len(carried) == 0 && b.one(2):
			b.branchTable(depth)
		default:
			b.values(carried, depth)
			b.op(opBr).index(label)
		}
	})
	b.op(opEnd)
}

func (b *body) values(list []valueType, depth int) {
	for _, t := range list {
		b.value(t, depth-1)
	}
}

// branchTable branches to labels that take nothing.
func (b *body) branchTable(depth int) {
	var plain []int
	for i := range b.labels {
		if label := len(b.labels) - 1 - i; len(b.labels[i]) == 0 {
			plain = append(plain, label)
		}
	}
	n := b.rng.IntN(5)
	b.value(i32, depth-1)
	b.op(opBrTable).index(n)
	for range n + 1 {
		b.index(plain[b.rng.IntN(len(plain))])
	}
}
