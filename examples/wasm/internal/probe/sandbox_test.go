package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/wasmsm"
)

// TestSandboxEqualsNative shows that refusals, panics, events, context and replies of all sizes are the
// same in the sandbox and under sdktest, including the places that panics name.
func TestSandboxEqualsNative(t *testing.T) {
	verbs := []string{"echo a b", "echo", "context", "init", "emit a.b payload", "emit one.two.three", "emit bad..suffix x",
		"emit a* x", "log hello", "refuse because", "wrapped error", "error plain", "panic text", "panic-error text",
		"index", "nil", "map key", "nonsense", "output 0", "output 1", "output 524288", "output 524289", "output x"}
	request := func(random *rand.Rand) string {
		switch at := random.IntN(len(verbs) + 2); at {
		case len(verbs):
			return "sum " + strings.Repeat("y", random.IntN(512<<10-4))
		case len(verbs) + 1:
			return "echo " + strconv.FormatUint(random.Uint64(), 36)
		default:
			return verbs[at]
		}
	}
	twin.Compare(t, twin.Plan{New: func() sdk.Machine { return &probe{} }, Command: request, Query: request, Steps: 800})
}

// session applies commands at ascending indices.
type session struct {
	t       *testing.T
	machine *wasmsm.Machine
	entry   wasmsm.EntryContext
}

func newSession(t *testing.T, init string) *session {
	return &session{t: t, machine: twin.Start(t, init), entry: wasmsm.EntryContext{Term: 3, Caller: "ada"}}
}

func (s *session) apply(command string) wasmsm.Outcome {
	s.t.Helper()
	s.entry.Index++
	s.entry.TimeNanos += 1_500_000_000
	outcome, err := s.machine.Apply(s.entry, []byte(command))
	if err != nil {
		s.t.Fatal(err)
	}
	return outcome
}

func (s *session) query(query string) wasmsm.Outcome {
	s.t.Helper()
	outcome, err := s.machine.Query(s.entry, []byte(query))
	if err != nil {
		s.t.Fatal(err)
	}
	return outcome
}

// TestGuest shows what only the sandbox can: effects undone, the language's own clock at the entry's
// time, random bytes that depend on the index alone, and deaths that no recover can catch.
func TestGuest(t *testing.T) {
	s := newSession(t, "the argument")
	for _, step := range []struct{ command, want string }{
		{"applied", "1"}, {"init", "the argument"}, {"context", `3 3 1970-01-01T00:00:04.5Z "ada"`}, {"clock", "true"},
	} {
		if got := s.apply(step.command); string(got.Output) != step.want {
			t.Fatalf("%q gives %+v, want %q", step.command, got, step.want)
		}
	}
	for command, want := range map[string]string{
		"panic text":  "panic: text at probe/main.go:",
		"index four":  "panic: runtime error: slice bounds out of range [9:4] at probe/main.go:",
		"nil":         "panic: runtime error: invalid memory address or nil pointer dereference at probe/main.go:",
		"goexit":      "the machine called runtime.Goexit at probe/main.go:",
		"deadlock":    "deadlock",
		"emit a* x":   `sdk: Emit("a*"): a suffix is one or more tokens`,
		"refuse this": "probe: refused: this",
	} {
		if got := s.apply(command); got.Kind == wasmsm.Applied || !strings.Contains(got.Message, want) {
			t.Errorf("%q gives %+v, want %q", command, got, want)
		}
	}
	if got := s.query("applied"); string(got.Output) != "1004" {
		t.Errorf("after four applied commands, seven failed ones and this query the count is %q, want 1004", got.Output)
	}
	if got := s.query("applied"); string(got.Output) != "1004" {
		t.Errorf("a query left a trace: %q", got.Output)
	}
}

// TestRandomDependsOnTheIndex shows that the same entry gives the same bytes on two machines, and
// another index others.
func TestRandomDependsOnTheIndex(t *testing.T) {
	one, two := newSession(t, ""), newSession(t, "another argument")
	first, second := one.apply("random"), one.apply("random")
	if again := two.apply("random"); string(first.Output) != string(again.Output) {
		t.Fatalf("index 1 gives %q and %q", first.Output, again.Output)
	}
	if string(first.Output) == string(second.Output) {
		t.Fatalf("indices 1 and 2 both give %q", first.Output)
	}
}

// TestInputIsReused shows that the next command's bytes replace a kept slice's, as the documentation
// warns, and that sdktest's scribbling has the same effect.
func TestInputIsReused(t *testing.T) {
	s := newSession(t, "")
	s.apply("keep abc")
	s.apply("echo something longer")
	if got := s.query("kept"); string(got.Output) == "abc" {
		t.Fatalf("the kept bytes are still %q", got.Output)
	}
}

// TestInitRefuses shows that a refused Init fails the start with the machine's own words.
func TestInitRefuses(t *testing.T) {
	module := twin.Compile(t)
	_, err := module.New(wasmsm.MachineConfig{Init: []byte("refuse")})
	if err == nil || !strings.Contains(err.Error(), "probe: told to refuse") {
		t.Fatalf("New = %v", err)
	}
}

// TestQueriesNeverCollect shows that wherever the heap stands between two collections, a query that
// allocates a megabyte starts none, while commands keep the memory bounded.
func TestQueriesNeverCollect(t *testing.T) {
	s := newSession(t, "")
	for range 60 {
		for range 100 {
			s.apply("garbage 3000")
		}
		if got := s.query("garbage 1000000"); string(got.Output) != "0" {
			t.Fatalf("at index %d a query started %s collections", s.entry.Index, got.Output)
		}
	}
	var collections, bytes int
	got := s.query("memory")
	if _, err := fmt.Sscan(string(got.Output), &collections, &bytes); err != nil {
		t.Fatal(err)
	}
	if collections == 0 || bytes > 24<<20 {
		t.Fatalf("after 18 MB of garbage there were %d collections and the heap took %d bytes", collections, bytes)
	}
}
