package prepare

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

func mustPrepare(t testing.TB, module []byte) *Prepared {
	t.Helper()
	p, err := Prepare(module, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// addOutputWrite gives a runtime the host function that the draft imports.
func addOutputWrite(t testing.TB, r wazero.Runtime) {
	t.Helper()
	if _, err := r.NewHostModuleBuilder(ModuleGrout).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}), []api.ValueType{api.ValueTypeI32, api.ValueTypeI32}, nil).
		Export("output_write").Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestExportsMutableGlobals shows that every mutable global, and no other, can be reached after
// preparation, and that what was exported before still is.
func TestExportsMutableGlobals(t *testing.T) {
	p := mustPrepare(t, newDraft().bytes())
	if want := []Global{{"grout:global:0", 'i'}, {"grout:global:2", 'F'}}; !slices.Equal(p.Globals, want) {
		t.Fatalf("globals %v, want %v", p.Globals, want)
	}
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	compiled, err := r.CompileModule(ctx, p.Module)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(compiled.ExportedFunctions()); n != 3 {
		t.Errorf("%d functions are exported, want 3", n)
	}
	addOutputWrite(t, r)
	m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig())
	if err != nil {
		t.Fatal(err)
	}
	if g, ok := m.ExportedGlobal("grout:global:0").(api.MutableGlobal); !ok || g.Get() != 5 {
		t.Errorf("global 0 is %v", m.ExportedGlobal("grout:global:0"))
	}
	if m.ExportedGlobal("grout:global:1") != nil {
		t.Error("a constant is exported")
	}
}

// TestOutputIsDeterministic shows that the output depends on content alone: not on custom sections,
// not on how sizes are written, and not on how often it is made.
func TestOutputIsDeterministic(t *testing.T) {
	module := newDraft().bytes()
	first := mustPrepare(t, module).Module
	custom := sec(sectionCustom, str("producers"), raw(0))
	padded := slices.Concat(preamble, custom, module[len(preamble):], custom)
	i := len(preamble) + len(custom) + 1
	padded = slices.Concat(padded[:i], raw(padded[i]|0x80, 0x80, 0), padded[i+1:])
	for range 3 {
		if again := mustPrepare(t, padded).Module; !bytes.Equal(again, first) {
			t.Fatalf("%x, before %x", again, first)
		}
	}
	if again := mustPrepare(t, module); again.Info.Digest != sha256.Sum256(module) {
		t.Error("the digest is not that of the original")
	}
}

// golden is the digest of the draft's output. When it changes, Version must, too: replicas that
// prepare the same module differently have different states.
const golden = "be87ad3d997fb038d291018e178f07c231ef664b954464f569e0c17d181d8075"

// TestVersionNamesTheOutput shows that Version stands for these very bytes.
func TestVersionNamesTheOutput(t *testing.T) {
	body := slices.Concat(raw(opLoop, blockEmpty), op(opLocalGet, 0), op(opCall, 1), raw(opDrop, opI32Const, 0), // a call in a loop, and
		op(opLocalGet, 0), raw(0xb7, 0x9f, 0x39, 3, 0), op(opLocalGet, 0), op(opBrIf, 0), raw(opEnd, opI32Const, 0)) // the root of a number, stored
	draft := newDraft(body...).with(sectionMemory, vec(raw(1, 1, 2))).with(sectionData, vec(segment(100, "ab"), segment(110, "cd")))
	sum := sha256.Sum256(mustPrepare(t, draft.bytes(names())).Module)
	if got := hex.EncodeToString(sum[:]); got != golden || Version != 5 {
		t.Errorf("version %d gives %s, version 5 gave %s", Version, got, golden)
	}
}

// TestMemoryMaximum shows that the declared maximum moves from the module to Info.
func TestMemoryMaximum(t *testing.T) {
	declared := mustPrepare(t, newDraft().with(sectionMemory, vec(raw(1, 1, 2))).bytes())
	if i := declared.Info; i.MemoryMin != 1 || i.MemoryMax != 2 || !i.MemoryMaxDeclared {
		t.Errorf("info %+v", i)
	}
	open := mustPrepare(t, newDraft().bytes())
	if i := open.Info; i.MemoryMin != 1 || i.MemoryMax != 65536 || i.MemoryMaxDeclared {
		t.Errorf("info %+v", i)
	}
	if !bytes.Equal(declared.Module, open.Module) {
		t.Error("the maximum is still in the module")
	}
}

// TestInfo shows what can be told of a module.
func TestInfo(t *testing.T) {
	producers := sec(sectionCustom, str("producers"), vec(slices.Concat(str("language"), vec(slices.Concat(str("Go"), str("go1.26"))))))
	i := mustPrepare(t, newDraft(0x02, 0x40, 0x03, 0x40, 0x0b, 0x0b, 0x41, 0).bytes(producers, names())).Info
	if i.Language != "Go go1.26" || !slices.Equal(i.CustomSections, []string{"producers", "name"}) {
		t.Errorf("language %q, custom sections %q", i.Language, i.CustomSections)
	}
	if !slices.Equal(i.Imports, []Import{{ModuleGrout, "output_write", "ii:"}}) {
		t.Errorf("imports %v", i.Imports)
	}
	if len(i.Exports) != 4 || i.Exports[0] != (Export{"memory", "memory", ""}) || i.Exports[2] != (Export{"grout_apply", "function", "i:i"}) {
		t.Errorf("exports %v", i.Exports)
	}
	if i.Functions != 1 || i.Instructions != 6 || i.Nesting != 2 || i.Globals != 3 || i.MutableGlobals != 2 || i.PreparedVersion != Version {
		t.Errorf("info %+v", i)
	}
}

// TestAccepts shows what compilers write and a naive parser stumbles over.
func TestAccepts(t *testing.T) {
	for name, body := range map[string][]byte{
		"padded table index": raw(0x41, 0, 0x41, 0, 0x11, 0x80, 0x80, 0x80, 0x80, 0x00, 0x80, 0x80, 0x80, 0x80, 0x00, 0x1a, 0x41, 0),
		"saturating":         raw(0x43, 0, 0, 0, 0, 0xfc, 0),
		"sign extension":     raw(0x41, 0, 0xc0),
		"memory.copy":        raw(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 10, 0, 0, 0x41, 0),
		"memory.fill":        raw(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0, 0x41, 0),
		"table.size":         raw(0xfc, 16, 0),
		"ref.null":           raw(0xd0, byte(typeFuncref), 0xd1),
		"table.get":          raw(0x41, 0, 0x25, 0, 0xd1),
		"typed select":       raw(0x41, 1, 0x41, 2, 0x41, 0, 0x1c, 1, i32t),
		"multi-value block":  raw(0x41, 0, 0x02, 0, 0x0b),
		"br_table":           raw(0x02, 0x40, 0x41, 0, 0x0e, 2, 0, 0, 0, 0x0b, 0x41, 0),
		"smallest i64":       raw(0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f, 0x1a, 0x41, 0),
		"smallest i32":       raw(0x41, 0x80, 0x80, 0x80, 0x80, 0x78),
		"passive data":       raw(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0, 0x41, 0),
	} {
		d := newDraft(body...).with(sectionDataCount, raw(1)).with(sectionData, vec(raw(1, 1, 'x')))
		p, err := Prepare(d.bytes(), Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := engineAccepts(p.Module); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func engineAccepts(module []byte) error {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig())
	defer r.Close(ctx)
	_, err := r.CompileModule(ctx, module)
	return err
}

// TestBrokenNamesAreIgnored shows that a name section that no engine could read does not stop a
// module, and never reaches the engine.
func TestBrokenNamesAreIgnored(t *testing.T) {
	want := mustPrepare(t, newDraft().bytes()).Module
	for name, content := range map[string][]byte{
		"count":     raw(1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f),
		"size":      raw(1, 99, 1),
		"index":     raw(1, 4, 1, 99, 1, 'x'),
		"utf-8":     raw(1, 4, 1, 1, 1, 0xff),
		"locals":    raw(2, 5, 0xff, 0xff, 0xff, 0xff, 0x0f),
		"cut off":   raw(1),
		"no bytes":  nil,
		"long name": raw(1, 3, 1, 1, 200),
	} {
		if got := mustPrepare(t, newDraft().bytes(sec(sectionCustom, str(nameSection), content))).Module; !bytes.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	named := mustPrepare(t, newDraft().bytes(names())).Module
	if !bytes.HasSuffix(named, names()) {
		t.Errorf("the names are lost: %q", named)
	}
}

// TestCutName shows that long names are cut between characters.
func TestCutName(t *testing.T) {
	long := append(bytes.Repeat([]byte("x"), maxKeptNameBytes-1), "é"...)
	if got := cutName(long); len(got) != maxKeptNameBytes-1 {
		t.Errorf("%d bytes are left", len(got))
	}
}

// FuzzPrepare shows that no bytes make the preparer panic or allocate more than a small multiple of
// them, and that the engine accepts the output if and only if it accepts the input.
func FuzzPrepare(f *testing.F) {
	f.Add(newDraft().bytes(names()))
	f.Add(newDraft(0x02, 0x40, 0x41, 0, 0x0e, 1, 0, 0, 0x0b, 0xfc, 16, 0).bytes())
	f.Add(newDraft().with(sectionDataCount, raw(2)).with(sectionData, vec(raw(1, 1, 'x'), raw(0, 0x41, 0, opEnd, 1, 'y'))).bytes())
	f.Add(newDraft().with(sectionElement, vec(raw(5, byte(typeFuncref), 1, 0xd0, byte(typeFuncref), opEnd), raw(3, 0, 1, 1))).bytes())
	f.Add(slices.Concat(preamble, raw(sectionCustom, 1, 0)))
	for _, body := range [][]byte{
		slices.Concat(raw(opLoop, blockEmpty), op(opCall, 1), op(opLocalGet, 0), op(opBrIf, 0), raw(opEnd, opI32Const, 7)),
		raw(opF64Const, 0, 0, 0, 0, 0, 0, 0, 0x40, opF64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f, 0xa2, 0xbd, 0xa7),
		slices.Concat(raw(opBlock, i32t), op(opLocalGet, 0), op(opLocalGet, 0), raw(opIf, blockEmpty, opI32Const, 1, opReturn, opElse, opUnreachable, opEnd, opEnd)),
		raw(opI32Const, 0, opI32Const, 0, opI32Const, 9, 0xfc, 11, 0, opI32Const, 1, opMemoryGrow, 0, opReturn, opEnd, opUnreachable),
	} {
		f.Add(newDraft(body...).bytes())
	}
	if probe, err := os.ReadFile("../testdata/probe/probe.wasm"); err == nil {
		f.Add(probe)
	}
	limits := Limits{ModuleBytes: 1 << 20}
	f.Fuzz(func(t *testing.T, module []byte) {
		p, err := Prepare(module, limits)
		if err != nil {
			return
		}
		if again, err := Prepare(module, limits); err != nil || !bytes.Equal(again.Module, p.Module) {
			t.Fatalf("preparing it again gives other bytes, or %v", err)
		}
		// The engine allocates what a name section asks for, so it must not see one unprepared.
		named := slices.Contains(p.Info.CustomSections, nameSection)
		after := engineAccepts(p.Module)
		if !named {
			if before := engineAccepts(module); (before == nil) != (after == nil) {
				t.Fatalf("the engine says %v of the input and %v of the output", before, after)
			}
		}
		if len(p.Module) > 16*len(module)+256*len(p.Globals)+1024 {
			t.Fatalf("%d bytes became %d", len(module), len(p.Module))
		}
	})
}
