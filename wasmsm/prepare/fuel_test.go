package prepare

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/groutlabs/grout/wasmsm/internal/leb128"
)

// engines are both of the engine's ways to run code.
func engines() map[string]wazero.RuntimeConfig {
	return map[string]wazero.RuntimeConfig{"compiler": wazero.NewRuntimeConfigCompiler(), "interpreter": wazero.NewRuntimeConfigInterpreter()}
}

// outcomeOf runs the function "f" of a module, prepared, with fuel, and returns its result and what is left.
func outcomeOf(t *testing.T, config wazero.RuntimeConfig, module []byte, fuel int64, argument uint64) (result uint64, left int64, trap error) {
	t.Helper()
	prepared, err := prepareBy(module, Limits{}, rules{whole: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer r.Close(ctx)
	m, err := r.Instantiate(ctx, prepared.Module)
	if err != nil {
		t.Fatal(err)
	}
	counter := m.ExportedGlobal(FuelGlobal).(api.MutableGlobal)
	counter.Set(uint64(fuel))
	results, err := m.ExportedFunction("f").Call(ctx, argument)
	if err == nil {
		result = results[0]
	}
	return result, int64(counter.Get()), err
}

// withMemory is recursive with a memory of one page.
func withMemory(locals int, body []byte) []byte {
	module := recursive(locals, body)
	at := bytes.Index(module, sec(sectionExport, vec(exp("f", kindFunction, 0))))
	return slices.Insert(module, at, sec(sectionMemory, vec(raw(0, 1)))...)
}

// count is a loop that runs as often as local 0 says, with something in it.
func count(inside []byte) []byte {
	return slices.Concat(raw(opLoop, blockEmpty), inside,
		op(opLocalGet, 0), raw(opI64Const, 1, opI64Sub), op(opLocalTee, 0), raw(0x50, 0x45), op(opBrIf, 0), raw(opEnd), op(opLocalGet, 0))
}

// TestFuelIsExact shows what code costs, on both engines: each instruction of straight code once, a loop as often as
// it runs, memory by the length. The numbers are those of docs/PREPARER.md; with them changes Version.
func TestFuelIsExact(t *testing.T) {
	times := func(n int) []byte { return bytes.Repeat(slices.Concat(raw(opI64Const, 1, opI64Add)), n) }
	fill := func(n int) []byte {
		return slices.Concat(raw(opI32Const, 0, opI32Const, 7), leb128.AppendSigned([]byte{opI32Const}, int64(n)), raw(0xfc, 11, 0))
	}
	grow := func(n int) []byte {
		return slices.Concat(leb128.AppendSigned([]byte{opI32Const}, int64(n)), raw(opMemoryGrow, 0, opDrop))
	}
	padding := slices.Concat(op(opLocalGet, 0), times(50)) // 101
	either := func(then, otherwise []byte) []byte {
		return slices.Concat(op(opLocalGet, 0), raw(0x50, opIf, blockEmpty), then, raw(opElse), otherwise, raw(opEnd), padding)
	}
	long := slices.Concat(op(opLocalGet, 0), times(20), raw(opDrop)) // 42, more than is charged in advance
	for name, test := range map[string]struct {
		body     []byte
		argument uint64
		want     int64
	}{
		"straight":             {padding, 0, 101},
		"at most smallPrice":   {append(op(opLocalGet, 0), times(11)...), 0, 0},
		"just over it":         {append(op(opLocalGet, 0), times(12)...), 0, 25},
		"a call":               {append(op(opCall, 1), op(opLocalGet, 0)...), 0, 11},
		"divisions":            {slices.Concat(padding, raw(opI64Const, 3, 0x7f, opI64Const, 3, 0x82)), 9, 101 + 2*(1+8)},
		"loop":                 {count(nil), 1, 7},
		"loop, 1000 times":     {count(nil), 1000, 7 * 1000},
		"loop, with a call":    {count(op(opCall, 1)), 10, (7 + 10) * 10},
		"branches that meet":   {slices.Concat(raw(opBlock, i64t), count(nil), op(opLocalGet, 0), raw(0x50), op(opBrIf, 0), op(opCall, 1), raw(opBr, 0, opEnd)), 10, 7 * 10},
		"an if passed by":      {slices.Concat(count(nil), op(opLocalGet, 0), raw(0xa7, opIf, blockEmpty), op(opCall, 1), raw(opEnd)), 10, 7 * 10},
		"then":                 {either(long, nil), 0, 3 + 42 + 101},
		"else":                 {either(long, nil), 1, 3 + 101},
		"a branch of both":     {either(long, long), 1, 3 + 42 + 101},
		"in advance":           {either(raw(opI64Const, 1, opDrop), nil), 1, 3 + 2 + 101},
		"after a branch":       {slices.Concat(raw(opBlock, blockEmpty), op(opLocalGet, 0), raw(0x50), op(opBrIf, 0), long, raw(opEnd), padding), 0, 3 + 101},
		"before a branch":      {slices.Concat(raw(opBlock, blockEmpty), op(opLocalGet, 0), raw(0x50), op(opBrIf, 0), long, raw(opEnd), padding), 1, 3 + 42 + 101},
		"not reached":          {slices.Concat(padding, raw(opReturn), long, padding), 0, 102},
		"fill 0":               {slices.Concat(padding, fill(0)), 0, 101 + 3 + 16},
		"fill 1003":            {slices.Concat(padding, fill(1003)), 0, 101 + 3 + 16 + 250},
		"grow 2":               {slices.Concat(padding, grow(2)), 0, 101 + 1 + 64 + 1 + 2*4096},
		"grow more than there": {slices.Concat(padding, grow(65537)), 0, 101 + 1 + 64 + 1},
	} {
		for engine, config := range engines() {
			_, left, err := outcomeOf(t, config, withMemory(0, test.body), 1_000_000, test.argument)
			if err != nil || 1_000_000-left != test.want {
				t.Errorf("%s, %s: %d, want %d; %v", name, engine, 1_000_000-left, test.want, err)
			}
		}
	}
}

// TestFuelRunsOut shows that code which would go on ends with the counter below zero, and not far below.
func TestFuelRunsOut(t *testing.T) {
	forever := raw(opLoop, blockEmpty, opBr, 0, opEnd, opUnreachable)
	fills := slices.Concat(raw(opLoop, blockEmpty, opI32Const, 0, opI32Const, 0, opI32Const, 0x80, 0x80, 4, 0xfc, 11, 0, opBr, 0, opEnd, opUnreachable))
	branches := slices.Concat(raw(opLoop, blockEmpty), op(opLocalGet, 0), raw(0xa7, opBrTable, 3, 0, 0, 0, 0, opEnd, opUnreachable))
	calls := slices.Concat(raw(opLoop, blockEmpty), op(opCall, 1), raw(opBr, 0, opEnd, opUnreachable))
	looks := slices.Concat(callsItself(), raw(opUnreachable))
	for name, body := range map[string][]byte{"loop": forever, "fills": fills, "branches": branches, "calls": calls, "calls that look": looks} {
		var ends []int64
		for engine, config := range engines() {
			_, left, err := outcomeOf(t, config, withMemory(0, body), 100_000, 1)
			if err == nil || left >= 0 || left < -20_000 {
				t.Errorf("%s, %s: %d are left; %v", name, engine, left, err)
			}
			ends = append(ends, left)
		}
		if ends[0] != ends[1] {
			t.Errorf("%s: the engines end at %v", name, ends)
		}
	}
}

// callsItself is a loop without end in which a function calls itself, with 0, on which it returns at once.
func callsItself() []byte {
	return slices.Concat(op(opLocalGet, 0), raw(0x50, opIf, blockEmpty, opI64Const, 0, opReturn, opEnd, opLoop, blockEmpty),
		raw(opI64Const, 0), op(opCall, 0), raw(opDrop, opBr, 0, opEnd))
}

// TestLoopsLookOnce shows that a loop has no look at the counter where a function that it calls in each turn has one, and has its own otherwise.
func TestLoopsLookOnce(t *testing.T) {
	looks := func(body []byte) int {
		prepared, err := prepareBy(withMemory(0, append(body, opUnreachable)), Limits{}, rules{whole: true})
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(prepared.Module, raw(opI64Const, 0, opI64LtS))
	}
	again := raw(opBr, 0, opEnd)
	self := slices.Concat(op(opLocalGet, 0), op(opCall, 0), raw(opDrop))
	perhaps := slices.Concat(op(opLocalGet, 0), raw(0xa7, opIf, blockEmpty), self, raw(opEnd))
	for name, test := range map[string]struct {
		inside []byte
		want   int
	}{
		"no call":                           {raw(opI64Const, 1, opDrop), 2},
		"calls one that looks":              {self, 1},
		"calls one that looks, in a block":  {slices.Concat(raw(opBlock, blockEmpty), self, raw(opEnd)), 1},
		"calls one that looks, in some":     {perhaps, 2},
		"calls one that does not":           {op(opCall, 1), 2},
		"calls one in the turns of another": {slices.Concat(raw(opI64Const, 1, opDrop, opLoop, blockEmpty), self, op(opLocalGet, 0), raw(0xa7), op(opBrIf, 0), raw(opEnd)), 2},
	} {
		if got := looks(slices.Concat(raw(opLoop, blockEmpty), test.inside, again)); got != test.want {
			t.Errorf("%s: %d looks, want %d", name, got, test.want)
		}
	}
}
