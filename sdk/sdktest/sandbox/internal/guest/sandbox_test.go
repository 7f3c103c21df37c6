package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
	"github.com/groutlabs/grout/wasmsm"
)

func native(fault string) sdktest.Driver {
	return sdktest.Native(func() sdk.Machine { g := newGuest(); g.fault = fault; return g })
}

// sound has everything in which a native run and the sandbox agree: what fails is left out, since natively it stays.
var sound = append(sdktest.Commands("ada", "alan", "dice", "ada"), append(sdktest.Queries("ada", "dice"), sdktest.Commands("eve")...)...)

// failing is a testing.TB that records a fatal failure and ends the function that it was given to.
type failing struct {
	testing.TB
	text string
}

func (f *failing) Helper()                           {}
func (f *failing) Fatal(args ...any)                 { f.text += fmt.Sprint(args...); panic(f) }
func (f *failing) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

func failure(t *testing.T, run func(testing.TB)) string {
	t.Helper()
	f := &failing{TB: t}
	func() {
		defer func() {
			if reason := recover(); reason != nil && reason != any(f) {
				panic(reason)
			}
		}()
		run(f)
	}()
	return f.text
}

// TestOneHarness shows the same test in both places: replies, events, logs, refusals and a restart.
func TestOneHarness(t *testing.T) {
	for name, d := range map[string]sdktest.Driver{"native": native(""), "sandbox": sandbox.Open(t, sandbox.Config{})} {
		t.Run(name, func(t *testing.T) {
			h := sdktest.Open(t, d)
			if got := h.Init("ada"); got.Kind != sdk.Applied {
				t.Fatalf("Init was %s", got)
			}
			if got := h.MustApply("ada"); got != "2" {
				t.Errorf("the second ada is counted as %s", got)
			}
			before := h.Digest()
			h.Restart()
			if got := h.Digest(); got != before {
				t.Error("a restart changed the state")
			}
			if got := h.MustApply("ada"); got != "3" {
				t.Errorf("after the restart ada is counted as %s", got)
			}
			if h.Digest() == before {
				t.Error("a command left the digest as it was")
			}
			h.WantEvents("counted ada", "counted ada")
			h.WantLogs("warn counted ada", "warn counted ada")
		})
	}
}

// TestSandboxUndoes shows what native tests cannot: refused and trapped commands, and queries, change nothing, fuel is counted, and a
// command without end is stopped.
func TestSandboxUndoes(t *testing.T) {
	d := sandbox.Open(t, sandbox.Config{Limits: wasmsm.Limits{Fuel: 10_000_000}})
	h := sdktest.Open(t, d)
	h.MustApply("ada")
	before := h.Digest()
	h.WantRefused("late", 2, "after it was counted")
	h.WantTrapped("panic", "told to panic")
	h.WantTrapped("loop", "fuel")
	if got := h.MustQuery("touch"); got != "ada 1\ntouch 1\n" || h.Digest() != before {
		t.Errorf("after a refusal, two traps and a query the state is %q", got)
	}
	if got := h.Apply("eve"); got.Fuel == 0 || got.Fuel > 1_000_000 {
		t.Errorf("a command takes %d fuel", got.Fuel)
	}
	sdktest.CheckUntouched(t, d, sdktest.Commands("ada", "late", "panic", "ada"))
	if got := failure(t, func(t testing.TB) { sdktest.CheckUntouched(t, native(""), sdktest.Commands("ada", "late")) }); !strings.Contains(got, "changed the machine") {
		t.Errorf("natively a late refusal passes: %q", got)
	}
}

// TestChecks shows that every check passes in the sandbox, random bytes included, and that a difference is found and named.
func TestChecks(t *testing.T) {
	d := sandbox.Open(t, sandbox.Config{})
	whole := append(sdktest.Commands("late", "panic"), sound...)
	sdktest.CheckRestore(t, d, whole)
	sdktest.CheckRepeat(t, d, whole)
	sdktest.CheckAgree(t, native(""), d, sound)
	sdktest.CheckAgree(t, native(""), d, sdktest.Commands("panic"))
	got := failure(t, func(t testing.TB) { sdktest.CheckAgree(t, native("louder"), d, sound) })
	if want := `step 1 of 7, command "ada": the machines differ: output "ADA" and "1", from byte 0 on`; !strings.Contains(got, want) {
		t.Errorf("a native machine that differs fails with %q, want %q", got, want)
	}
	sdktest.Fuzzing{Machine: d, MayTrap: func(s sdktest.Step, _ sdktest.Outcome) bool { return s.Input == "panic" }}.Check(t, whole)
	got = failure(t, func(t testing.TB) { sdktest.Fuzzing{Machine: d}.Check(t, whole) })
	if want := `step 2 of 9, command "panic", trapped: `; !strings.Contains(got, want) {
		t.Errorf("a trap in the sandbox fails with %q, want %q", got, want)
	}
}

// TestMachinesAreReused shows that a machine which gets another's memory starts in the same state and with the same log as a new one,
// whatever was done before, and that other starts are kept apart.
func TestMachinesAreReused(t *testing.T) {
	d := sandbox.Open(t, sandbox.Config{})
	states := map[string]sdktest.Digest{}
	for round := range 12 {
		argument := []string{"", "ada", "speak"}[round%3]
		fresh, err := d.Fresh()
		if err != nil {
			t.Fatal(err)
		}
		h := sdktest.Open(t, fresh)
		if got := h.Init(argument); got.Kind != sdk.Applied || len(got.Logs) != len(argument)/5 {
			t.Fatalf("round %d: Init was %s and logged %v", round, got, got.Logs)
		}
		if before, seen := states[argument]; seen && before != h.Digest() {
			t.Fatalf("round %d: with the argument %q the machine starts in another state", round, argument)
		}
		states[argument] = h.Digest()
		h.MustApply(fmt.Sprint("word ", round))
		h.WantTrapped("panic", "told to")
		if err := errors.Join(fresh.Close(), fresh.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if states[""] == states["ada"] {
		t.Error("two arguments lead to one state")
	}
}

// TestUpgrades shows upgrades within the sandbox and into it, and that a refused one leaves the old machine in place.
func TestUpgrades(t *testing.T) {
	open := func() sdktest.Driver { return sandbox.Open(t, sandbox.Config{}) }
	for name, d := range map[string]sdktest.Driver{"native": native(""), "sandbox": open()} {
		h := sdktest.Open(t, d)
		h.MustApply("ada")
		if got := h.UpgradeTo(open()); got.Kind != sdk.Applied {
			t.Fatalf("%s: %s", name, got)
		}
		if got := h.MustApply("ada"); got != "2" {
			t.Errorf("%s: after the upgrade ada is counted as %s", name, got)
		}
		h.MustApply("ada\nx")
		if got := h.UpgradeTo(open()); got.Kind != sdk.Refused || got.Code != 4 {
			t.Errorf("%s: a bad state was %s", name, got)
		}
		if got := h.MustQuery("ada"); got != "2" {
			t.Errorf("%s: after a refused upgrade ada has %s", name, got)
		}
	}
	refused := sdktest.Open(t, open())
	before := refused.Digest()
	if got := refused.Migrate("ada 1\nx y\n"); got.Kind != sdk.Refused || refused.Digest() != before {
		t.Errorf("a state that is half good was %s", got)
	}
	if got := refused.MustApply("ada"); got != "1" {
		t.Errorf("of a state that is half good, %s of ada was kept", got)
	}
}

// TestMisuse shows what a bad folder, a bad module, a late seed and a refused start are told.
func TestMisuse(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.wasm")
	if err := os.WriteFile(bad, []byte("no module"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, run := range map[string]func(testing.TB){
		"sandbox: building " + dir:               func(t testing.TB) { sandbox.Open(t, sandbox.Config{Dir: dir}) },
		"sandbox: Config has both Dir and File":  func(t testing.TB) { sandbox.Open(t, sandbox.Config{Dir: dir, File: bad}) },
		"sandbox: " + bad + ": ":                 func(t testing.TB) { sandbox.Open(t, sandbox.Config{File: bad}) },
		"sandbox: open " + dir + "/none":         func(t testing.TB) { sandbox.Open(t, sandbox.Config{File: dir + "/none"}) },
		"the seed was 0 at the start and is 5":   func(t testing.TB) { h := sandbox.New(t); h.MustApply("a"); h.Seed = 5; h.Apply("a") },
		"Init: the machine has started":          func(t testing.TB) { h := sandbox.New(t); h.MustApply("a"); h.Init("") },
		"the machine has not started, or its st": func(t testing.TB) { h := sandbox.New(t); h.Init("refuse"); h.Apply("a") },
	} {
		if got := failure(t, run); !strings.Contains(got, want) {
			t.Errorf("the failure is %q, want %q", got, want)
		}
	}
	for name, d := range map[string]sdktest.Driver{"native": native(""), "sandbox": sandbox.Open(t, sandbox.Config{})} {
		if got := sdktest.Open(t, d).Init("refuse"); got.Kind != sdk.Refused || got.Code != 3 || got.Message != "told to refuse at index 0 and time 0" {
			t.Errorf("%s: a refused start was %s", name, got)
		}
	}
}

// TestFile shows that a module that was built before runs as the folder does.
func TestFile(t *testing.T) {
	module, err := sandbox.Module(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "guest.wasm")
	if err := os.WriteFile(file, module, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := sandbox.Module(t.Context(), sandbox.Config{File: file})
	if err != nil || sha256.Sum256(again) != sha256.Sum256(module) {
		t.Fatalf("the file is read otherwise: %v", err)
	}
	sdktest.CheckAgree(t, sandbox.Open(t, sandbox.Config{File: file}), sandbox.Open(t, sandbox.Config{}), sound)
}

// FuzzGuest shows a native fuzz test with the sandbox as its twin.
func FuzzGuest(f *testing.F) {
	sdktest.Fuzzing{Machine: native(""), Twin: sandbox.Open(f, sandbox.Config{}), Steps: 8,
		Invariant: func(h *sdktest.Harness) error {
			if strings.HasPrefix(h.MustQuery("ada"), "-") {
				return fmt.Errorf("ada has %s", h.MustQuery("ada"))
			}
			return nil
		},
	}.Run(f, sdktest.Commands("ada", "alan", "dice"))
}
