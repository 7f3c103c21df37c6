package wasmsm

import (
	"bytes"
	_ "embed"
	"strings"
	"testing"
)

// heirModule is testdata/heir/heir.wat, built with wat2wasm --debug-names.
//
//go:embed testdata/heir/heir.wasm
var heirModule []byte

// nextModule is the same code under another digest: it has a custom section more.
var nextModule = append(bytes.Clone(heirModule), 0, 2, 1, 'x')

func compileTest(t *testing.T, r *Runtime, module []byte) *CompiledModule {
	t.Helper()
	c, err := r.Compile(module)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestMigrate shows that a machine of another module takes over the state, that the old one is as before,
// and that the state can be as large as an input of a command never is.
func TestMigrate(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		next := compileTest(t, r, nextModule)
		limits := Limits{InputBytes: 1 << 20, OutputBytes: 1 << 21}
		old := newTestMachine(t, r, heirModule, MachineConfig{Limits: limits})
		for _, state := range []string{"hello", "I", "", strings.Repeat("large", 12_000)} {
			wantApplied(t, apply(t, old, 1, []byte(state)), "")
			before := fingerprint(t, old)
			m, outcome, err := next.Migrate(old, MachineConfig{Limits: Limits{InputBytes: 10, OutputBytes: 1 << 21}}, EntryContext{Index: 2, Term: 1})
			if err != nil || outcome.Kind != Applied {
				t.Fatalf("%.10q: %+v, %v", state, outcome, err)
			}
			want := "2:" + state
			if state == "I" {
				want = "2:2"
			}
			wantApplied(t, query(t, m, 2, nil), want)
			if fingerprint(t, old) != before {
				t.Errorf("%.10q: the export changed the old machine", state)
			}
			image, err := m.Image()
			if err != nil {
				t.Fatal(err)
			}
			twin := newTestMachine(t, r, nextModule, MachineConfig{Limits: limits})
			if err := twin.Restore(image); err != nil {
				t.Fatal(err)
			}
			wantApplied(t, query(t, twin, 2, nil), want)
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestMigrateFails shows every way in which an upgrade ends without effect: the outcome says where, and the
// old machine goes on.
func TestMigrateFails(t *testing.T) {
	r := newTestRuntime(t, Config{})
	next, probe := compileTest(t, r, nextModule), compileTest(t, r, probeModule)
	for _, c := range []struct {
		state   string
		to      *CompiledModule
		config  MachineConfig
		kind    OutcomeKind
		code    int32
		message string
	}{
		{"r", next, MachineConfig{}, Refused, 7, "grout_export of the present module: as asked"},
		{"t", next, MachineConfig{}, Trapped, 0, "grout_export of the present module: unreachable"},
		{"b", next, MachineConfig{}, Trapped, 0, "grout_export of the present module: output_write: the output has more than 1048576 bytes"},
		{"R", next, MachineConfig{}, Refused, 9, "grout_migrate: as asked"},
		{"T", next, MachineConfig{}, Trapped, 0, "grout_migrate: unreachable"},
		{"E", next, MachineConfig{}, Trapped, 0, "grout_migrate: emit: events can be emitted by commands only"},
		{"ok", next, MachineConfig{Init: []byte("x")}, Refused, 5, ""},
		{"ok", next, MachineConfig{Limits: Limits{MemoryBytes: 1}}, Trapped, 0, "wasmsm: bad limits"},
		{"ok", probe, MachineConfig{}, Trapped, 0, "the new module does not export grout_migrate"},
	} {
		old := newTestMachine(t, r, heirModule, MachineConfig{Limits: Limits{MemoryBytes: 1 << 20}})
		wantApplied(t, apply(t, old, 1, []byte(c.state)), "")
		before := fingerprint(t, old)
		m, outcome, err := c.to.Migrate(old, c.config, EntryContext{Index: 2, Term: 1})
		if err != nil || m != nil || outcome.Kind != c.kind || outcome.Code != c.code || !strings.HasPrefix(outcome.Message, c.message) {
			t.Errorf("%s: %+v, %v; want %s: %s", c.state, outcome, err, c.kind, c.message)
		}
		if fingerprint(t, old) != before {
			t.Errorf("%s: the old machine changed", c.state)
		}
		wantApplied(t, apply(t, old, 3, []byte("on")), "")
	}
	m := newTestMachine(t, r, probeModule, MachineConfig{})
	if _, outcome, err := next.Migrate(m, MachineConfig{}, EntryContext{}); err != nil || !strings.Contains(outcome.Message, "the present module does not export grout_export") {
		t.Errorf("from a module without an export: %+v, %v", outcome, err)
	}
}
