package check

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/groutlabs/grout/wasmsm"
)

// probe reads the module of wasmsm's own tests: a command is an operation and four parameters, 32 bits each
// (testdata/probe/probe.wat).
func probe(t *testing.T) []byte {
	t.Helper()
	module, err := os.ReadFile(filepath.Join("..", "testdata", "probe", "probe.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// The operations of the probe that the tests name, and their number in all.
const (
	opOutput     = 1
	opEmit       = 3
	opRandom     = 4
	opStore      = 5
	opGrow       = 6
	opDisturb    = 7
	opTrap       = 8
	opBottomless = 13
	operations   = 21
)

func operation(op int, params ...uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(op))
	for _, p := range params {
		b = binary.LittleEndian.AppendUint32(b, p)
	}
	return b
}

func sequence(commands ...[]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, c := range commands {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// TestAgreement shows that a machine which does whatever a guest can do goes the same way in all runs: it grows,
// traps, refuses, emits, asks for random bytes and the time, sleeps and exits.
func TestAgreement(t *testing.T) {
	for _, seed := range []uint64{1, rand.Uint64()} {
		rng := rand.New(rand.NewPCG(seed, 0))
		var commands [][]byte
		for range 500 {
			op := rng.IntN(operations)
			if op == opBottomless && rng.IntN(10) > 0 {
				continue // takes its time
			}
			params := []uint32{rng.Uint32N(2 << 16), rng.Uint32N(300), rng.Uint32N(5), rng.Uint32N(100)}
			if op == opGrow || op == opDisturb || op == opTrap {
				params[0] = rng.Uint32N(3)
			}
			if op == opEmit {
				params = []uint32{4096, 4, rng.Uint32N(1 << 16), rng.Uint32N(100)}
			}
			commands = append(commands, operation(op, params...))
		}
		progress := 0
		report, err := Run(t.Context(), Config{
			Module: probe(t), Machine: wasmsm.MachineConfig{Seed: [32]byte{9}}, Commands: sequence(commands...),
			Progress: func(done int) { progress = done },
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if report.Commands != len(commands) || progress != len(commands) || report.Applied+report.Refused+report.Trapped != len(commands) ||
			report.Applied < 50 || report.Refused < 5 || report.Trapped < 20 || report.MemoryBytes < 2<<16 || len(report.State) != 64 ||
			report.MostFuel == 0 || report.Fuel < report.MostFuel || report.MostFuelCommand < 1 || len(report.Runs) != 4 {
			t.Errorf("seed %d: %+v", seed, report)
		}
	}
}

// TestDifferences shows that whatever one run does differently is found at the command where it happens, and named.
func TestDifferences(t *testing.T) {
	other := func(lane string, change func(*wasmsm.MachineConfig)) func(string, *wasmsm.MachineConfig) {
		return func(name string, config *wasmsm.MachineConfig) {
			if name == lane {
				change(config)
			}
		}
	}
	reseed := func(c *wasmsm.MachineConfig) { c.Seed[0] = 1 }
	starve := func(c *wasmsm.MachineConfig) { c.Limits.Fuel = 100 }
	small := func(c *wasmsm.MachineConfig) { c.Limits.MemoryBytes = 2 << 16 }
	tiny := func(c *wasmsm.MachineConfig) { c.Limits.MemoryBytes = 1 }
	quiet := operation(opStore, 64, 0)
	grown := operation(opDisturb, 3)
	for name, c := range map[string]struct {
		change   func(string, *wasmsm.MachineConfig)
		commands [][]byte
		command  int
		text     string
	}{
		"output":   {other("interpreted", reseed), [][]byte{quiet, operation(opRandom, 0, 4), quiet}, 2, "the runs differ in their output: compiled has 4 bytes, \""},
		"restored": {other("restored", reseed), [][]byte{operation(opRandom, 0, 4)}, 1, "restored has 4 bytes"},
		"kind":     {other("interpreted", starve), [][]byte{quiet, quiet}, 1, "in their kind: compiled has applied, interpreted has trapped (\"out of fuel"},
		"state":    {other("interpreted", small), [][]byte{quiet, grown}, 2, "in their state: compiled has 4 pages of memory, interpreted has 1 pages"},
		"start":    {other("restored", tiny), [][]byte{quiet}, 0, "after the start the runs differ in their error: compiled has none, restored has "},
		"late":     {other("undisturbed", small), [][]byte{grown, quiet, quiet}, 3, "undisturbed has 1 pages"},
	} {
		report, err := Run(t.Context(), Config{Module: probe(t), Commands: sequence(c.commands...), change: c.change})
		var d *DifferenceError
		if !errors.As(err, &d) || d.Command != c.command || !strings.Contains(err.Error(), c.text) || report.Commands != c.command {
			t.Errorf("%s: command %d, %v", name, report.Commands, err)
		}
	}
}

// TestDescriptions shows how outcomes and states are told apart that no run of these tests ends in.
func TestDescriptions(t *testing.T) {
	a := wasmsm.Outcome{Output: []byte("abcdef"), Fuel: 7, Events: []wasmsm.Event{{Suffix: "x", Payload: []byte("p")}}}
	for want, change := range map[string]func(*wasmsm.Outcome){
		"fuel 7 8":       func(o *wasmsm.Outcome) { o.Fuel = 8 },
		"code 0 3":       func(o *wasmsm.Outcome) { o.Code = 3 },
		`message "" "m"`: func(o *wasmsm.Outcome) { o.Message = "m" },
		"events 1, the first \"x\" with 1 bytes, \"p\" none": func(o *wasmsm.Outcome) { o.Events = nil },
		"events 1, the first \"x\" with 1 bytes, \"p\" 1, the first \"x\" with 1 bytes, \"q\"": func(o *wasmsm.Outcome) {
			o.Events = []wasmsm.Event{{Suffix: "x", Payload: []byte("q")}}
		},
		`output 6 bytes, from byte 3 on "def" 4 bytes, from byte 3 on "D"`: func(o *wasmsm.Outcome) { o.Output = []byte("abcD") },
	} {
		b := a
		change(&b)
		what, left, right := differ(&a, &b)
		if got := what + " " + left + " " + right; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	page := make([]byte, pageBytes)
	page[17] = 5
	for want, pair := range map[string][2]wasmsm.Image{
		"0x00 at 0x10011|0x05":                         {{Pages: [][]byte{nil, nil}}, {Pages: [][]byte{nil, page}}},
		"0x01 at byte 2 of the globals and sizes|0x02": {{Header: []byte{0, 0, 1}}, {Header: []byte{0, 0, 2}}},
		"2 pages of memory|1 pages":                    {{Pages: make([][]byte, 2)}, {Pages: make([][]byte, 1)}},
	} {
		left, right := describe(&pair[0], &pair[1])
		if got := left + "|" + right; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestStateHash shows that the hash which follows changes is that of the whole image, also when memory shrinks.
func TestStateHash(t *testing.T) {
	page := make([]byte, pageBytes)
	page[0] = 1
	var grown, whole Tree
	grown.Update(wasmsm.Changes{Header: []byte("h"), Count: 3, Pages: []wasmsm.Page{{Index: 1, Data: page}, {Index: 2, Data: page}}})
	grown.Update(wasmsm.Changes{Header: []byte("i"), Count: 2})
	grown.Update(wasmsm.Changes{Header: []byte("j"), Count: 4, Pages: []wasmsm.Page{{Index: 3, Data: page}, {Index: 1}}})
	whole.Replace(&wasmsm.Image{Header: []byte("j"), Pages: [][]byte{nil, nil, nil, page}})
	if grown.Hash() != whole.Hash() {
		t.Error("the hashes differ")
	}
	whole.Replace(&wasmsm.Image{Header: []byte("j"), Pages: [][]byte{nil, nil, page, nil}})
	if grown.Hash() == whole.Hash() {
		t.Error("other pages have the same hash")
	}
}

// TestEnds shows the ends of a check that are no difference.
func TestEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop, wrong := errors.New("stop"), errors.New("wrong")
	report, err := Run(ctx, Config{Module: probe(t), Commands: func(yield func([]byte, error) bool) {
		yield(operation(opStore), nil)
		cancel(stop)
		yield(nil, nil)
	}})
	if !errors.Is(err, stop) || report.Commands != 1 {
		t.Errorf("cancelled: %v after %d commands", err, report.Commands)
	}
	_, err = Run(t.Context(), Config{Module: probe(t), Commands: func(yield func([]byte, error) bool) { yield(nil, wrong) }})
	if !errors.Is(err, wrong) {
		t.Errorf("a log that ends with an error: %v", err)
	}
	var bad *wasmsm.BadModuleError
	if _, err = Run(t.Context(), Config{Module: []byte("no module"), Commands: sequence()}); !errors.As(err, &bad) {
		t.Errorf("no module: %v", err)
	}
	heir, err := os.ReadFile(filepath.Join("..", "testdata", "heir", "heir.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	var refused *wasmsm.InitError
	_, err = Run(t.Context(), Config{Module: heir, Machine: wasmsm.MachineConfig{Init: []byte("x")}, Commands: sequence()})
	if !errors.As(err, &refused) {
		t.Errorf("an init that is refused: %v", err)
	}
	if report, err = Run(t.Context(), Config{Module: heir, Commands: sequence()}); err != nil || report.Commands != 0 || report.State == "" {
		t.Errorf("no commands: %+v, %v", report, err)
	}
}

func ExampleDifferenceError() {
	fmt.Println(&DifferenceError{Command: 3, What: "fuel", Runs: [2]string{"compiled", "interpreted"}, Values: [2]string{"5", "6"}})
	// Output: check: after command 3 the runs differ in their fuel: compiled has 5, interpreted has 6
}
