package wasmsm

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// probeModule is testdata/probe/probe.wat, built with wat2wasm --debug-names.
//
//go:embed testdata/probe/probe.wasm
var probeModule []byte

// The operations of the probe.
const (
	opReturn = iota
	opOutput
	opError
	opEmit
	opRandom
	opStore
	opGrow
	opDisturb
	opDisturbAndTrap
	opGlobals
	opAbort
	opLog
	opInput
	opOverflow
	opDivide
	opContext
	opFdWrite
	opPoll
	opClock
	opExit
	opFdRead
)

func operation(op int, params ...uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(op))
	for _, p := range params {
		b = binary.LittleEndian.AppendUint32(b, p)
	}
	return b
}

// memoryKinds are those that this system has.
func memoryKinds() map[string]MemoryKind {
	kinds := map[string]MemoryKind{"copy": MemoryCopy}
	if s, err := newStore(MemoryCopyOnWrite, pageBytes, &gate{}); err == nil {
		kinds["copy-on-write"] = MemoryCopyOnWrite
		if err := s.close(); err != nil {
			panic(err)
		}
	}
	return kinds
}

// eachMemory runs a test once for every kind of memory.
func eachMemory(t *testing.T, run func(t *testing.T, r *Runtime)) {
	for name, kind := range memoryKinds() {
		t.Run(name, func(t *testing.T) {
			run(t, newTestRuntime(t, Config{Memory: kind}))
		})
	}
}

func newTestRuntime(t testing.TB, config Config) *Runtime {
	t.Helper()
	if config.CacheDir == "" {
		config.CacheDir = compiled
	}
	r, err := NewRuntime(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func newTestMachine(t testing.TB, r *Runtime, module []byte, config MachineConfig) *Machine {
	t.Helper()
	c, err := r.Compile(module)
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// at is an entry whose numbers all follow from its index.
func at(index uint64) EntryContext {
	return EntryContext{Index: index, Term: 3, TimeNanos: int64(index) * 1_000_000_000, Caller: "tester"}
}

func apply(t testing.TB, m *Machine, index uint64, command []byte) Outcome {
	t.Helper()
	outcome, err := m.Apply(at(index), command)
	if err != nil {
		t.Fatalf("entry %d, %.40q: %v", index, command, err)
	}
	return outcome
}

func query(t testing.TB, m *Machine, index uint64, q []byte) Outcome {
	t.Helper()
	outcome, err := m.Query(at(index), q)
	if err != nil {
		t.Fatalf("query at %d, %.40q: %v", index, q, err)
	}
	return outcome
}

func wantApplied(t testing.TB, outcome Outcome, output string) {
	t.Helper()
	if outcome.Kind != Applied || string(outcome.Output) != output {
		t.Fatalf("outcome %+v, want output %q", outcome, output)
	}
}

func wantTrap(t testing.TB, outcome Outcome, message string) {
	t.Helper()
	if outcome.Kind != Trapped || outcome.Message != message {
		t.Fatalf("outcome %v %q, want the trap %q", outcome.Kind, outcome.Message, message)
	}
	if outcome.Code != 0 || outcome.Output != nil || outcome.Events != nil {
		t.Fatalf("a trap has more than a message: %+v", outcome)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// fingerprint is a machine's whole state as one comparable string.
func fingerprint(t testing.TB, m *Machine) string {
	t.Helper()
	image, err := m.Image()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	hash.Write(image.Header)
	for i, page := range image.Pages {
		fmt.Fprintf(hash, "%d %d ", i, len(page))
		hash.Write(page)
	}
	return fmt.Sprintf("%d pages, %x", len(image.Pages), hash.Sum(nil))
}
