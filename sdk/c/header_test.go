package c

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/groutlabs/grout/wasmsm"
)

// compile builds testdata/machine.c. Without clang and lld the test is skipped, unless GROUT_TOOLCHAINS=required.
func compile(t *testing.T) *wasmsm.CompiledModule {
	t.Helper()
	if _, err := exec.LookPath("clang"); err != nil {
		if os.Getenv("GROUT_TOOLCHAINS") == "required" {
			t.Fatal("clang is missing: install clang and lld (Debian: apt-get install clang lld)")
		}
		t.Skip("clang is missing: install clang and lld (Debian: apt-get install clang lld)")
	}
	out := filepath.Join(t.TempDir(), "machine.wasm")
	build := exec.Command("clang", append(Flags(false), "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-I.", "-o", out, "testdata/machine.c")...)
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, output)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := wasmsm.NewRuntime(wasmsm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := runtime.Close(); err != nil {
			t.Error(err)
		}
	})
	compiled, err := runtime.Compile(module)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func start(t *testing.T, module *wasmsm.CompiledModule, init string) *wasmsm.Machine {
	t.Helper()
	m, err := module.New(wasmsm.MachineConfig{Init: []byte(init)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestHeader shows all that grout.h has: the init argument, replies, the context, events in their order, logs, refusals and panics
// with their places, that what they changed is undone as a query's changes are, and export and migration.
func TestHeader(t *testing.T) {
	module := compile(t)
	m := start(t, module, "tally")
	entry := wasmsm.EntryContext{Index: 12, Term: 3, TimeNanos: 1700, Caller: "ada"}
	apply := func(command string) wasmsm.Outcome {
		t.Helper()
		o, err := m.Apply(entry, []byte(command))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	o := apply("hello")
	if want := "tally 1 index 12 term 3 time 1700 caller ada"; o.Kind != wasmsm.Applied || string(o.Output) != want {
		t.Errorf("hello: %+v, want %q", o, want)
	}
	if len(o.Events) != 2 || o.Events[0].Suffix != "seen.first" || string(o.Events[0].Payload) != "hello" || o.Events[1].Suffix != "seen.second" || string(o.Events[1].Payload) != "\x01" {
		t.Errorf("events: %+v", o.Events)
	}
	for command, want := range map[string]wasmsm.Outcome{
		"":                        {Kind: wasmsm.Refused, Code: 7, Message: "command 2 is empty"},
		"panic":                   {Kind: wasmsm.Trapped, Message: "aborted: panic: as asked at machine.c:48"},
		"assert":                  {Kind: wasmsm.Trapped, Message: "aborted: panic: assertion failed: count == 0 at machine.c:49"},
		strings.Repeat("x", 1025): {Kind: wasmsm.Trapped, Message: "aborted: panic: the input is longer than GROUT_MAX_INPUT at grout.h:" + lineOf(t, "the input is longer")},
	} {
		if o := apply(command); o.Kind != want.Kind || o.Code != want.Code || o.Message != want.Message || len(o.Events) != 0 {
			t.Errorf("command %.10q: %+v, want %+v", command, o, want)
		}
	}
	for range 2 {
		if o, err := m.Query(entry, nil); err != nil || !strings.HasPrefix(string(o.Output), "tally 1001 ") {
			t.Errorf("query: %+v, %v", o, err)
		}
	}
	next, o, err := module.Migrate(m, wasmsm.MachineConfig{Init: []byte("next")}, entry)
	if err != nil || o.Kind != wasmsm.Applied {
		t.Fatalf("migration: %+v, %v", o, err)
	}
	m = next
	if o := apply("again"); !strings.HasPrefix(string(o.Output), "next 2 ") {
		t.Errorf("after the migration: %+v", o)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	if _, err := module.New(wasmsm.MachineConfig{Init: []byte(strings.Repeat("x", 65))}); err == nil || !strings.Contains(err.Error(), "at most 64 bytes") {
		t.Errorf("a refused init: %v", err)
	}
}

// lineOf is the line of the header that holds a text.
func lineOf(t *testing.T, text string) string {
	t.Helper()
	for i, line := range strings.Split(string(Header), "\n") {
		if strings.Contains(line, text) && strings.Contains(line, "grout_panic") {
			return strconv.Itoa(i + 1)
		}
	}
	t.Fatalf("grout.h has no line with %q", text)
	return ""
}
