package prepare

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// refusal is a module and what its error must say.
type refusal struct {
	module []byte
	want   string
}

// wantRefusals shows that each module is refused with an error that has its section, function and
// cause.
func wantRefusals(t *testing.T, refusals map[string]refusal) {
	t.Helper()
	for name, r := range refusals {
		_, err := Prepare(r.module, Limits{})
		var bad *BadModuleError
		if !errors.As(err, &bad) {
			t.Errorf("%s: error %v, want a *BadModuleError", name, err)
			continue
		}
		if !strings.Contains(err.Error(), r.want) {
			t.Errorf("%s:\n got %s\nwant %s", name, err, r.want)
		}
		if bad.Offset < 0 || bad.Offset > len(r.module) {
			t.Errorf("%s: offset %d in a module of %d bytes", name, bad.Offset, len(r.module))
		}
	}
}

// TestDraftIsAccepted shows that what the other tests spoil is valid.
func TestDraftIsAccepted(t *testing.T) {
	if _, err := Prepare(newDraft().bytes(names()), Limits{}); err != nil {
		t.Fatal(err)
	}
}

// TestRefusesInstructions shows every instruction that a machine must not contain, and that the
// error has the function's name and the instruction's position.
func TestRefusesInstructions(t *testing.T) {
	for name, test := range map[string]struct {
		code []byte
		want string
	}{
		"atomics":      {raw(0xfe, 0x1e, 2, 0), "atomic instruction 30 is refused: threads cannot be replicated, build without -pthread"},
		"simd":         {raw(0xfd, 0x0c), "SIMD instruction 12 is refused: build without -msimd128"},
		"simd, long":   {raw(0xfd, 0x80, 0x02), "SIMD instruction 256 is refused"},
		"gc":           {raw(0xfb, 0), "instruction 0 of the garbage collection proposal is refused"},
		"throw":        {raw(0x08, 0), "throw is refused: exceptions are refused"},
		"try":          {raw(0x06, 0x40), "try is refused: exceptions are refused"},
		"try_table":    {raw(0x1f, 0x40, 0), "try_table is refused: exceptions are refused"},
		"table.set":    {raw(0x26, 0), "table.set is refused: tables cannot change"},
		"table.init":   {raw(0xfc, 12, 0, 0), "table.init is refused: tables cannot change"},
		"table.copy":   {raw(0xfc, 14, 0, 0), "table.copy is refused: tables cannot change"},
		"table.grow":   {raw(0xfc, 15, 0), "table.grow is refused: tables cannot change"},
		"table.fill":   {raw(0xfc, 17, 0), "table.fill is refused: tables cannot change"},
		"elem.drop":    {raw(0xfc, 13, 0), "elem.drop is refused: dropped segments"},
		"data.drop":    {raw(0xfc, 9, 0), "data.drop is refused: dropped segments"},
		"ref.func":     {raw(0xd2, 0), "ref.func in code is refused: take the function's address through a table"},
		"return_call":  {raw(0x12, 0), "return_call is refused: tail calls are not supported"},
		"call_ref":     {raw(0x14, 0), "call_ref is refused: typed function references"},
		"unknown":      {raw(0x27), "instruction 0x27 is unknown"},
		"unknown misc": {raw(0xfc, 18), "instruction 0xfc 0x12 is unknown"},
		"v128 block":   {raw(0x02, 0x7b, 0x0b), "a block's type is v128: SIMD is refused"},
		"block type":   {raw(0x02, 9, 0x0b), "a block's type is 9, the module has 3 types"},
		"else":         {raw(0x05), "an else without its if"},
		"second else":  {raw(0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b), "an else without its if"},
		"alignment":    {raw(0x41, 0, 0x28, 0x42, 0, 0), "the alignment 2^66 is over the natural one"},
		"after end":    {raw(0x0b, 0x01), "2 bytes follow the function's end"},
		"open block":   {raw(0x02, 0x40), "an instruction is cut off"},
		"long index":   {raw(0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0), "an index is no unsigned 32-bit number"},
		"big index":    {raw(0x20, 0xff, 0xff, 0xff, 0xff, 0x1f), "an index is no unsigned 32-bit number"},
		"big constant": {raw(0x41, 0xff, 0xff, 0xff, 0xff, 0x0f), "a constant is no signed 32-bit number"},
		"branches":     {raw(0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f), "4294967295 branch targets are over the limit"},
		"few branches": {raw(0x0e, 100, 0), "100 branch targets do not fit into the 2 bytes"},
	} {
		module := newDraft(test.code...).bytes(names())
		at := bytes.LastIndex(module, append(slices.Clone(test.code), opEnd))
		_, err := Prepare(module, Limits{})
		var bad *BadModuleError
		if !errors.As(err, &bad) || !strings.Contains(bad.Cause, test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
			continue
		}
		if bad.Section != "code" || bad.Function != 1 || bad.FunctionName != "answer" || bad.Offset < at || bad.Offset > at+len(test.code)+1 {
			t.Errorf("%s: %+v, want function 1 (answer) at byte %d", name, bad, at)
		}
		if !strings.HasPrefix(err.Error(), "prepare: bad module: code section, function 1 (answer), byte ") {
			t.Errorf("%s: %s", name, err)
		}
	}
}

// TestRefusesImports shows that nothing but the listed functions, with their types, can be imported.
func TestRefusesImports(t *testing.T) {
	imports := func(items ...[]byte) []byte { return newDraft().with(sectionImport, vec(items...)).bytes() }
	wantRefusals(t, map[string]refusal{
		"module":   {imports(imp("env", "abort", 1)), `import section, byte 27 (0x1b): import "env"."abort" is unknown: a machine may import from "grout_v1" and "wasi_snapshot_preview1" only`},
		"function": {imports(imp(ModuleGrout, "now", 1)), `import "grout_v1"."now" is unknown: "grout_v1" has no such function`},
		"wasi":     {imports(imp(ModuleWASI, "fd_wrote", 1)), `import "wasi_snapshot_preview1"."fd_wrote" is unknown`},
		"type":     {imports(imp(ModuleGrout, "abort", 1)), `import "grout_v1"."abort" has the type () -> (), it must be (i32 i32) -> ()`},
		"no type":  {imports(imp(ModuleGrout, "abort", 9)), "an imported function is type 9, the module has 3 types"},
		"memory":   {imports(slices.Concat(str("env"), str("memory"), raw(kindMemory, 0, 1))), `import "env"."memory" is a memory: only functions can be imported`},
		"table":    {imports(slices.Concat(str("env"), str("t"), raw(kindTable, byte(typeFuncref), 0, 1))), `import "env"."t" is a table`},
		"global":   {imports(slices.Concat(str("env"), str("g"), raw(kindGlobal, i32t, 1))), `import "env"."g" is a global`},
		"tag":      {imports(slices.Concat(str("env"), str("t"), raw(kindTag, 0, 1))), `import "env"."t" is a tag`},
		"utf-8":    {imports(imp("\xff", "x", 1)), "the import's module is not UTF-8"},
	})
}

// TestRefusesExports shows that the machine's functions must be there, with their types.
func TestRefusesExports(t *testing.T) {
	memory, init := exp("memory", kindMemory, 0), exp("grout_init", kindFunction, 1)
	apply, query := exp("grout_apply", kindFunction, 1), exp("grout_query", kindFunction, 1)
	exports := func(items ...[]byte) []byte { return newDraft().with(sectionExport, vec(items...)).bytes() }
	wantRefusals(t, map[string]refusal{
		"none":        {newDraft().with(sectionExport).bytes(), `does not have a memory of its own that it exports as "memory"`},
		"memory":      {exports(init, apply, query), `does not have a memory of its own that it exports as "memory"`},
		"no memory":   {newDraft().with(sectionMemory).bytes(), `export "memory" names a memory that the module does not have`},
		"memory kind": {exports(exp("memory", kindFunction, 0), init, apply, query), `export "memory" must be the module's memory, it is a function`},
		"query":       {exports(memory, init, apply), "the function grout_query is not exported"},
		"program":     {exports(memory, exp("_start", kindFunction, 1)), "the function grout_init is not exported: the module is a program (it exports _start), build a reactor"},
		"type":        {exports(memory, init, query, exp("grout_apply", kindFunction, 0)), "export grout_apply has the type (i32 i32) -> (), it must be (i32) -> (i32)"},
		"optional":    {exports(memory, init, apply, query, exp("_initialize", kindFunction, 1)), "export _initialize has the type (i32) -> (i32), it must be () -> ()"},
		"kind":        {exports(memory, init, query, exp("grout_apply", kindGlobal, 0)), "export grout_apply is a global, it must be a function"},
		"index":       {exports(memory, init, query, exp("grout_apply", kindFunction, 99)), `export "grout_apply" names a function that the module does not have`},
		"doubled":     {exports(memory, memory), `export "memory" is there twice`},
		"reserved":    {exports(memory, exp("grout:x", kindGlobal, 0)), `export "grout:x" is refused: names that begin with "grout:" are reserved`},
	})
}

// TestRefusesStructure shows the sections that a machine must not have, and what they must not say.
func TestRefusesStructure(t *testing.T) {
	with := func(id byte, content ...[]byte) []byte { return newDraft().with(id, content...).bytes() }
	wantRefusals(t, map[string]refusal{
		"empty":          {nil, "the preamble needs 8 bytes, 0 are left"},
		"text":           {[]byte("(module ...)"), "this is no WebAssembly module of version 1"},
		"component":      {raw(0, 'a', 's', 'm', 0x0d, 0, 1, 0), "this is a component, not a core module: build for wasip1"},
		"start":          {with(sectionStart, raw(1)), "start section, byte"},
		"tags":           {with(sectionTag, vec(raw(0, 1))), "tag section, byte"},
		"unknown":        {newDraft().bytes(raw(14, 0)), "section number 14 is unknown"},
		"order":          {newDraft().bytes(sec(sectionType, vec())), "the section is out of order or doubled"},
		"cut off":        {newDraft().bytes(raw(0, 9)), "the section has 9 bytes, 0 are left"},
		"left over":      {with(sectionMemory, raw(1, 0, 1, 7)), "1 bytes are left over at the section's end"},
		"two memories":   {with(sectionMemory, vec(raw(0, 1), raw(0, 1))), "2 memories are refused: a machine has one"},
		"shared":         {with(sectionMemory, vec(raw(3, 1, 2))), "a shared memory is refused: threads cannot be replicated"},
		"memory64":       {with(sectionMemory, vec(raw(4, 1))), "a 64-bit memory is refused: build for wasm32"},
		"memory size":    {with(sectionMemory, vec(append(raw(0), leb(65537)...))), "the memory's limits are 65537 to 65536 pages"},
		"memory order":   {with(sectionMemory, vec(raw(1, 2, 1))), "the memory's limits are 2 to 1 pages"},
		"memory flags":   {with(sectionMemory, vec(raw(8, 1))), "memory limits of kind 8 are unknown"},
		"ref global":     {with(sectionGlobal, vec(raw(byte(typeFuncref), 1, 0xd0, byte(typeFuncref), opEnd))), "global 0 is a mutable reference, which is refused"},
		"v128 global":    {with(sectionGlobal, vec(raw(byte(typeV128), 0, 0xfd, 12, opEnd))), "a global is v128: SIMD is refused"},
		"global.get":     {with(sectionGlobal, vec(raw(i32t, 0, 0x23, 0, opEnd))), "a global's value reads a global"},
		"extended const": {with(sectionGlobal, vec(raw(i32t, 0, 0x41, 0, 0x41, 0, 0x6a, opEnd))), "extended constant expressions are not supported"},
		"mutability":     {with(sectionGlobal, vec(raw(i32t, 2, 0x41, 0, opEnd))), "global 0 has the unknown mutability 2"},
		"gc type":        {with(sectionType, vec(raw(0x5f, 0, 0))), "type 0 has form 0x5f: only function types"},
		"gc param":       {with(sectionType, vec(functionType(raw(0x6e), nil))), "is a type of the garbage collection proposal"},
		"exnref":         {with(sectionType, vec(functionType(raw(byte(typeExnref)), nil))), "is exnref: exceptions are refused"},
		"table type":     {with(sectionTable, vec(raw(0x40, 0, byte(typeFuncref), 0, 1))), "a table of type 0x40 is refused"},
		"table64":        {with(sectionTable, vec(raw(byte(typeFuncref), 4, 1))), "a table with limits of kind 4 is refused"},
		"element":        {with(sectionElement, vec(raw(0, 0x41, 0, opEnd, 1, 9))), "an element is function 9, the module has 2 functions"},
		"element table":  {with(sectionElement, vec(raw(2, 5, 0x41, 0, opEnd, 0, 1, 0))), "an element segment is for table 5, the module has 1 tables"},
		"element form":   {with(sectionElement, vec(raw(8, 0, 0))), "an element segment has the unknown form 8"},
		"data form":      {with(sectionData, vec(raw(3, 0))), "a data segment has the unknown form 3"},
		"data memory":    {with(sectionData, vec(raw(2, 1, 0x41, 0, opEnd, 0))), "a data segment is for memory 1"},
		"data count":     {newDraft().with(sectionDataCount, raw(2)).with(sectionData, vec(raw(1, 0))).bytes(), "2 data segments are announced, 1 follow"},
		"no code":        {with(sectionCode), "1 functions are declared, 0 have code"},
		"custom":         {newDraft().bytes(sec(sectionCustom, str("\xff"))), "the custom section's name is not UTF-8"},
	})
}

// TestRefusesBombs shows that counts are compared with the bytes that are left, and with limits that
// keep the engine's memory small, before anything is allocated.
func TestRefusesBombs(t *testing.T) {
	most := appendU32(nil, math.MaxUint32)
	alone := func(id byte, content ...[]byte) []byte { return slices.Concat(preamble, sec(id, content...)) }
	locals := func(n int) []byte { return append(append(leb(1), leb(n)...), i32t) }
	bombs := map[string]refusal{
		"locals":       {newDraft().with(sectionCode, vec(code(locals(50_001)))).bytes(), "the function has 50001 locals, the limit is 50000"},
		"local groups": {newDraft().with(sectionCode, vec(code(most))).bytes(), "groups of locals"},
		"table":        {newDraft().with(sectionTable, vec(append(raw(byte(typeFuncref), 0), leb(1_000_001)...))).bytes(), "the tables have 1000001 entries, the limit is 1000000"},
		"params":       {alone(sectionType, vec(functionType(bytes.Repeat(raw(i32t), 256), nil))), "256 parameters are over the limit of 255"},
		"results":      {alone(sectionType, vec(functionType(nil, bytes.Repeat(raw(i32t), 17)))), "17 results are over the limit of 16"},
		"nesting":      {newDraft(bytes.Repeat(raw(0x02, 0x40), 20_001)...).bytes(), "more than 20000 blocks are open"},
		"all locals":   {newDraft().with(sectionFunction, vec(slices.Repeat([][]byte{raw(0)}, 81)...)).with(sectionCode, vec(slices.Repeat([][]byte{code(locals(50_000), 0x41, 0)}, 81)...)).bytes(), "all functions together have 4050000 locals, the limit is 4000000"},
		"name":         {newDraft().with(sectionImport, vec(imp(strings.Repeat("x", 4097), "y", 1))).bytes(), "the import's module has 4097 bytes, the limit is 4096"},
		"branches":     {newDraft(slices.Concat(bytes.Repeat(raw(0x20, 0, 0x04, 0x40, 0x0b), 50_000), raw(0x41, 0))...).bytes(), "the module is too costly to compile: with this function's 50000 branches and 1 locals the cost is 2501000000"},
		"br_table":     {newDraft(slices.Concat(raw(0x02, 0x40, 0x41, 0, 0x0e), leb(50_000), make([]byte, 50_001), raw(0x0b, 0x41, 0))...).bytes(), "too costly to compile: with this function's 50002 branches"},
		"live locals":  {newDraft().with(sectionCode, vec(code(locals(5_000), slices.Concat(bytes.Repeat(raw(0x20, 0, 0x04, 0x40, 0x0b), 20_000), raw(0x41, 0))...))).bytes(), "20000 branches and 5001 locals"},
		"customs":      {newDraft().bytes(bytes.Repeat(sec(sectionCustom, str("x")), 1001)), "more than 1000 custom sections"},
	}
	for _, id := range []byte{sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport, sectionElement, sectionCode, sectionData} {
		bombs[sectionNames[id]+" count"] = refusal{alone(id, most), sectionNames[id] + " section"}
		bombs[sectionNames[id]+" 1000"] = refusal{alone(id, leb(1000)), sectionNames[id] + " section"}
	}
	wantRefusals(t, bombs)
	for name, r := range bombs {
		if allocated := allocatedBy(r.module); allocated > 2<<20 {
			t.Errorf("%s: %d bytes were allocated", name, allocated)
		}
	}
	if _, err := Prepare(newDraft().bytes(), Limits{ModuleBytes: 100}); err == nil || !strings.Contains(err.Error(), "the limit is 100") {
		t.Errorf("a module over the limit: %v", err)
	}
}

// allocatedBy is how many bytes preparing a module allocates.
func allocatedBy(module []byte) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = Prepare(module, Limits{}) // the error is not what is measured
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestLimitsAreChecked shows that a limit cannot be set to where the engine breaks.
func TestLimitsAreChecked(t *testing.T) {
	for _, limits := range []Limits{{Types: -1}, {Results: 1001}, {ModuleBytes: 2 << 30}} {
		_, err := Prepare(newDraft().bytes(), limits)
		var bad *BadModuleError
		if err == nil || errors.As(err, &bad) {
			t.Errorf("%+v: %v", limits, err)
		}
	}
	if limits := (Limits{}); limits.validate() != nil || limits != DefaultLimits() {
		t.Error("the defaults are not filled in")
	}
}
