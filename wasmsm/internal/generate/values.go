package generate

// operator is an instruction without immediates.
type operator struct {
	code   byte
	misc   bool // after the prefix 0xfc
	params []valueType
}

// traps reports whether the instruction traps for some operands: divisions, and conversions to integers.
func (o *operator) traps() bool {
	c := o.code
	return !o.misc && (c >= 0x6d && c <= 0x70 || c >= 0x7f && c <= 0x82 || c >= 0xa8 && c <= 0xab || c >= 0xae && c <= 0xb1)
}

// operators are by the type of their result.
var operators = buildOperators()

func buildOperators() map[valueType][]operator {
	out := map[valueType][]operator{}
	add := func(result valueType, from, to byte, params ...valueType) {
		for code := int(from); code <= int(to); code++ {
			out[result] = append(out[result], operator{code: byte(code), params: params})
		}
	}
	add(i32, 0x45, 0x45, i32)      // eqz
	add(i32, 0x46, 0x4f, i32, i32) // comparisons
	add(i32, 0x50, 0x50, i64)
	add(i32, 0x51, 0x5a, i64, i64)
	add(i32, 0x5b, 0x60, f32, f32)
	add(i32, 0x61, 0x66, f64, f64)
	add(i32, 0x67, 0x69, i32) // clz, ctz, popcnt
	add(i32, 0x6a, 0x78, i32, i32)
	add(i64, 0x79, 0x7b, i64)
	add(i64, 0x7c, 0x8a, i64, i64)
	add(f32, 0x8b, 0x91, f32) // abs to sqrt
	add(f32, 0x92, 0x98, f32, f32)
	add(f64, 0x99, 0x9f, f64)
	add(f64, 0xa0, 0xa6, f64, f64)
	add(i32, 0xa7, 0xa7, i64)
	add(i32, 0xa8, 0xa9, f32) // conversions that trap
	add(i32, 0xaa, 0xab, f64)
	add(i64, 0xac, 0xad, i32)
	add(i64, 0xae, 0xaf, f32)
	add(i64, 0xb0, 0xb1, f64)
	add(f32, 0xb2, 0xb3, i32)
	add(f32, 0xb4, 0xb5, i64)
	add(f32, 0xb6, 0xb6, f64)
	add(f64, 0xb7, 0xb8, i32)
	add(f64, 0xb9, 0xba, i64)
	add(f64, 0xbb, 0xbb, f32)
	add(i32, 0xbc, 0xbc, f32) // reinterpretations
	add(i64, 0xbd, 0xbd, f64)
	add(f32, 0xbe, 0xbe, i32)
	add(f64, 0xbf, 0xbf, i64)
	add(i32, 0xc0, 0xc1, i32) // sign extensions
	add(i64, 0xc2, 0xc4, i64)
	for code, params := range []valueType{f32, f32, f64, f64, f32, f32, f64, f64} { // saturating conversions
		result := i32
		if code >= 4 {
			result = i64
		}
		out[result] = append(out[result], operator{code: byte(code), misc: true, params: []valueType{params}})
	}
	return out
}

// access is a load or store and the exponent of its natural alignment.
type access struct{ code, align byte }

var loads = map[valueType][]access{
	i32: {{0x28, 2}, {0x2c, 0}, {0x2d, 0}, {0x2e, 1}, {0x2f, 1}},
	i64: {{0x29, 3}, {0x30, 0}, {0x31, 0}, {0x32, 1}, {0x33, 1}, {0x34, 2}, {0x35, 2}},
	f32: {{0x2a, 2}},
	f64: {{0x2b, 3}},
}

var stores = map[valueType][]access{
	i32: {{0x36, 2}, {0x3a, 0}, {0x3b, 1}},
	i64: {{0x37, 3}, {0x3c, 0}, {0x3d, 1}, {0x3e, 2}},
	f32: {{0x38, 2}},
	f64: {{0x39, 3}},
}

// value leaves a value of type t.
func (b *body) value(t valueType, depth int) {
	if depth <= 0 || b.budget <= 0 {
		b.leaf(t)
		return
	}
	switch b.rng.IntN(14) {
	case 0, 1:
		b.leaf(t)
	case 2, 3, 4, 5, 6:
		o := operators[t][b.rng.IntN(len(operators[t]))]
		if o.traps() && !b.one(6) {
			b.leaf(t)
			return
		}
		for _, p := range o.params {
			b.value(p, depth-1)
		}
		if o.misc {
			b.misc(int(o.code))
		} else {
			b.op(o.code)
		}
	case 7, 8:
		a := loads[t][b.rng.IntN(len(loads[t]))]
		b.address(depth - 1)
		b.op(a.code).index(b.rng.IntN(int(a.align) + 1)).offset()
	case 9:
		b.value(t, depth-1)
		b.value(t, depth-1)
		b.value(i32, depth-1)
		b.op(opSelect)
	case 10:
		b.ifElse(t, depth)
	case 11:
		b.callFor(t, depth)
	case 12:
		b.block([]valueType{t}, depth)
	default:
		b.special(t, depth)
	}
}

// leaf leaves a constant, or what a local or global has.
func (b *body) leaf(t valueType) {
	if l, ok := b.pick(len(b.locals), func(i int) bool { return b.locals[i] == t }); ok && b.one(2) {
		b.op(opLocalGet).index(l)
		return
	}
	if n, ok := b.pick(len(b.globals), func(i int) bool { return b.globals[i].kind == t }); ok && b.one(2) {
		b.op(opGlobalGet).index(n)
		return
	}
	b.constant(t)
}

// pick chooses one of n that fits.
func (b *body) pick(n int, fits func(i int) bool) (int, bool) {
	var found []int
	for i := range n {
		if fits(i) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return 0, false
	}
	return found[b.rng.IntN(len(found))], true
}

// special leaves what few instructions do.
func (b *body) special(t valueType, depth int) {
	if l, ok := b.pick(len(b.locals), func(i int) bool { return b.locals[i] == t && !b.counters[i] }); ok && b.one(3) {
		b.value(t, depth-1)
		b.op(opLocalTee).index(l)
		return
	}
	if t != i32 {
		b.leaf(t)
		return
	}
	switch b.rng.IntN(4) {
	case 0:
		b.op(opMemorySize).index(0)
	case 1:
		b.number(int64(b.rng.IntN(3))).op(opMemoryGrow).index(0)
	case 2:
		b.misc(16).index(0) // table.size
	default:
		b.value(i32, depth-1)
		b.op(opMemoryGrow).index(0)
	}
}

// callFor leaves the result of a function that has one of the type.
func (b *body) callFor(t valueType, depth int) {
	one := func(s signature) bool { return len(s.results) == 1 && s.results[0] == t }
	if kind, ok := b.pick(len(b.types), func(i int) bool { return one(b.types[i]) }); ok && b.one(5) {
		b.indirect(kind, depth)
		return
	}
	f, ok := b.pick(len(b.functions), func(i int) bool { return one(b.types[b.functions[i].kind]) })
	if !ok {
		b.leaf(t)
		return
	}
	b.call(f, depth)
}

// call calls a function.
func (b *body) call(f int, depth int) {
	params := b.types[b.functions[f].kind].params
	if name := b.functions[f].name; name != "" {
		b.hostArguments(name, len(params), depth)
	} else {
		b.values(params, depth)
	}
	b.op(opCall).index(f)
}

// hostArguments leaves arguments that mostly make sense.
func (b *body) hostArguments(name string, n, depth int) {
	if name == "emit" && !b.one(6) {
		b.number(suffixAt).number(int64(len(suffix)))
		n -= 2
	} else if name == "log" {
		b.number(int64(b.rng.IntN(5)))
		n--
	}
	for i := range n {
		if i == n-1 {
			b.length(depth - 1)
		} else {
			b.address(depth - 1)
		}
	}
}

// indirect calls through the table. It traps where the entry is of another type or none.
func (b *body) indirect(kind, depth int) {
	b.values(b.types[kind].params, depth)
	if b.one(8) {
		b.value(i32, depth-1)
	} else {
		b.number(int64(b.rng.IntN(b.table)))
	}
	b.op(opCallIndirect).index(kind).index(0)
}
