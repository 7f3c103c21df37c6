package wasmsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

// TestFailuresLeaveNoTrace shows that whatever does not apply is undone whole: memory, its size and
// all globals, also those that the guest does not export.
func TestFailuresLeaveNoTrace(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{})
		apply(t, m, 1, operation(opDisturb, 1, 0))
		before, globals := fingerprint(t, m), query(t, m, 1, operation(opGlobals))
		if size := binary.LittleEndian.Uint32(globals.Output[24:]); size != 2 {
			t.Fatalf("the memory has %d pages after growing, want 2", size)
		}
		if g := int32(binary.LittleEndian.Uint32(globals.Output)); g != 9 {
			t.Fatalf("the global is %d, want -1 + 10", g)
		}
		for name, command := range map[string][]byte{
			"trap":            operation(opDisturbAndTrap, 0),
			"trap, grown":     operation(opDisturbAndTrap, 3),
			"refused":         operation(opDisturb, 0, 5),
			"refused, grown":  operation(opDisturb, 6, 5),
			"negative result": operation(opDisturb, 6, uint32(0xffffffff)),
		} {
			if outcome := apply(t, m, 2, command); outcome.Kind == Applied {
				t.Fatalf("%s: applied", name)
			}
			wantState(t, m, name, before, globals)
		}
		if outcome := query(t, m, 2, operation(opDisturb, 4, 0)); outcome.Kind != Applied {
			t.Fatalf("the query trapped: %+v", outcome)
		}
		wantState(t, m, "query", before, globals)
	})
}

func wantState(t *testing.T, m *Machine, name, before string, globals Outcome) {
	t.Helper()
	if after := fingerprint(t, m); after != before {
		t.Fatalf("%s: the image has changed", name)
	}
	if after := query(t, m, 2, operation(opGlobals)); !bytes.Equal(after.Output, globals.Output) {
		t.Fatalf("%s: the guest sees %x, before %x", name, after.Output, globals.Output)
	}
	// What a rollback cut off must be zero when the memory grows again.
	if outcome := query(t, m, 2, operation(opGrow, 1)); binary.LittleEndian.Uint32(outcome.Output) != 2 {
		t.Fatalf("%s: growing again gives %x", name, outcome.Output)
	}
}

// TestGrownMemoryIsZero shows that pages are zero when they come back after a rollback.
func TestGrownMemoryIsZero(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{})
		apply(t, m, 1, operation(opDisturbAndTrap, 2)) // writes at the end of the third page
		apply(t, m, 2, operation(opGrow, 2))
		outcome := apply(t, m, 3, operation(opOutput, 3*pageBytes-4, 4))
		wantApplied(t, outcome, "\x00\x00\x00\x00")
	})
}

// TestMemoryLimits shows that growing fails with -1 at the declared maximum and at the limit, and
// that growing by nothing there works.
func TestMemoryLimits(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		declared := newTestMachine(t, r, probeModule, MachineConfig{}) // at most 8 pages
		limited := newTestMachine(t, r, probeModule, MachineConfig{Limits: Limits{MemoryBytes: 3 * pageBytes}})
		for m, most := range map[*Machine]uint32{declared: 8, limited: 3} {
			wantApplied(t, apply(t, m, 1, operation(opGrow, most)), "\xff\xff\xff\xff")
			wantApplied(t, apply(t, m, 2, operation(opGrow, most-1)), "\x01\x00\x00\x00")
			wantApplied(t, apply(t, m, 3, operation(opGrow, 1)), "\xff\xff\xff\xff")
			wantApplied(t, apply(t, m, 4, operation(opGrow, 0)), string([]byte{byte(most), 0, 0, 0}))
			// At the maximum, a rollback has no page to grow into.
			wantTrap(t, apply(t, m, 5, operation(opDisturbAndTrap, 0)), "unreachable in run")
			wantApplied(t, apply(t, m, 6, operation(opGrow, 0)), string([]byte{byte(most), 0, 0, 0}))
		}
	})
}

// TestOutcomes shows what becomes of each way in which a guest can end.
func TestOutcomes(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{})
	wantApplied(t, apply(t, m, 1, operation(opOutput, 4096, 12)), "data segment")
	if outcome := apply(t, m, 2, operation(opReturn, 0)); outcome.Output != nil {
		t.Errorf("no output gives %q", outcome.Output)
	}
	refused := apply(t, m, 3, operation(opError, 4096, 4, 77))
	if refused.Kind != Refused || refused.Code != 77 || refused.Message != "data" || refused.Output != nil {
		t.Errorf("refused: %+v", refused)
	}
	if long := apply(t, m, 3, operation(opError, 0, 9000, 1)); len(long.Message) != maxMessageBytes {
		t.Errorf("a message of 9000 bytes became %d", len(long.Message))
	}
	for name, test := range map[string]struct {
		command []byte
		message string
	}{
		"negative":    {operation(opReturn, uint32(math.MaxUint32)), "the machine returned -1: results are 0 or a positive code"},
		"unreachable": {operation(opDisturbAndTrap, 0), "unreachable in run"},
		"division":    {operation(opDivide, 1, 0), "integer divide by zero in divide"},
		"overflow":    {operation(opDivide, 1<<31, math.MaxUint32), "integer overflow in divide"},
		"outside":     {operation(opStore, pageBytes-3, 1), "out of bounds memory access in run"},
		"abort":       {operation(opAbort, 4096, 12), "aborted: data segment"},
		"stack":       {operation(opOverflow), "stack overflow in bottomless: calls are nested too deep"},
		"exit":        {operation(opExit, 9), "exited with code 9"},
		"long input":  {make([]byte, 512<<10+1), "the input has 524289 bytes, the limit is 524288"},
	} {
		t.Run(name, func(t *testing.T) { wantTrap(t, apply(t, m, 4, test.command), test.message) })
	}
	wantApplied(t, apply(t, m, 5, operation(opOutput, 4096, 4)), "data")
}

// TestRangesOutsideMemory shows that no pointer and length can get past the check, also where their
// sum is over 32 bits, and that the edge itself is inside.
func TestRangesOutsideMemory(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{})
	ranges := [][2]uint32{
		{pageBytes, 1}, {pageBytes - 1, 2}, {math.MaxUint32, 1}, {math.MaxUint32, math.MaxUint32},
		{1, math.MaxUint32}, {math.MaxUint32 - 3, 8}, {1 << 31, 1 << 31},
	}
	for name, op := range map[string]func(ptr, size uint32) []byte{
		"output_write": func(p, n uint32) []byte { return operation(opOutput, p, n) },
		"error_write":  func(p, n uint32) []byte { return operation(opError, p, n, 1) },
		"emit suffix":  func(p, n uint32) []byte { return operation(opEmit, p, n, 0, 1) },
		"emit payload": func(p, n uint32) []byte { return operation(opEmit, 4096, 4, p, n) },
		"random":       func(p, n uint32) []byte { return operation(opRandom, p, n) },
		"log":          func(p, n uint32) []byte { return operation(opLog, 1, p, n) },
		"abort":        func(p, n uint32) []byte { return operation(opAbort, p, n) },
		"fd_write":     func(p, n uint32) []byte { return operation(opFdWrite, 1, p, min(n, 1024), 0) },
		"poll_oneoff":  func(p, n uint32) []byte { return operation(opPoll, p, 0, min(n, 4096), 0) },
	} {
		for _, r := range ranges {
			outcome := apply(t, m, 1, op(r[0], r[1]))
			host, _, _ := strings.Cut(name, " ")
			if outcome.Kind != Trapped || !strings.HasPrefix(outcome.Message, host+": the range of ") {
				t.Errorf("%s(%#x, %#x): %v %q", name, r[0], r[1], outcome.Kind, outcome.Message)
			}
		}
	}
	wantApplied(t, apply(t, m, 2, operation(opOutput, pageBytes, 0)), "")
	wantApplied(t, apply(t, m, 3, operation(opOutput, pageBytes-1, 1)), "\x00")
	// Reading the input past its end copies nothing, wherever to.
	wantApplied(t, apply(t, m, 4, operation(opInput, 0, math.MaxUint32, math.MaxUint32)), "\x00\x00\x00\x00")
	wantApplied(t, apply(t, m, 5, operation(opInput, 0, 4, 100)), "\x0c\x00\x00\x00")
	wantTrap(t, apply(t, m, 6, operation(opInput, pageBytes-4, 0, 16)),
		"input_read: the range of 16 bytes at 0xfffc is outside the memory of 65536 bytes")
}

// TestBoundedOutput shows that output, events and log are bounded for each command.
func TestBoundedOutput(t *testing.T) {
	logged := 0
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{
		Limits: Limits{OutputBytes: 8, Events: 1, EventBytes: 10, LogBytes: 6},
		Log:    func(_ int, text string) { logged += len(text) },
	})
	wantApplied(t, apply(t, m, 1, operation(opOutput, 4096, 8)), "data seg")
	wantTrap(t, apply(t, m, 2, operation(opOutput, 4096, 9)), "output_write: the output has more than 8 bytes")
	events := apply(t, m, 3, operation(opEmit, 4096, 4, 4096, 6)).Events
	if len(events) != 1 || events[0].Suffix != "data" || string(events[0].Payload) != "data s" {
		t.Errorf("events %+v", events)
	}
	wantTrap(t, apply(t, m, 4, operation(opEmit, 4096, 4, 4096, 7)), "emit: the events have more than 10 bytes")
	if o := apply(t, m, 5, operation(opLog, 1, 4096, 12)); logged != 6 || o.Logged != 6 {
		t.Errorf("%d bytes were logged and %d told, the limit is 6", logged, o.Logged)
	}
	if o := apply(t, m, 6, operation(opLog, 1, 4096, 2)); o.Logged != 2 {
		t.Errorf("%d bytes are told, 2 were logged", o.Logged)
	}
}

// TestEventSuffixes shows that an event cannot leave its subject.
func TestEventSuffixes(t *testing.T) {
	for suffix, valid := range map[string]bool{
		"a": true, "a.b": true, "a-b_c.D9": true, strings.Repeat("x", 128): true, "": false, ".": false,
		".a": false, "a.": false, "a..b": false, "*": false, "a.>": false, "a b": false, "a\r\nPUB": false,
		"\x00": false, "é": false, "\x7f": false, strings.Repeat("x", 129): false,
	} {
		if got := validSuffix([]byte(suffix)); got != valid {
			t.Errorf("validSuffix(%q) = %v", suffix, got)
		}
	}
}

// TestQueriesCannotEmit shows the one import that differs in queries.
func TestQueriesCannotEmit(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{})
	wantTrap(t, query(t, m, 1, operation(opEmit, 4096, 4, 4096, 4)), "emit: a query cannot emit events")
}

// TestContext shows that a guest sees the entry, and of the caller as much as it has room for.
func TestContext(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{})
	got := apply(t, m, 12, operation(opContext)).Output
	want := binary.LittleEndian.AppendUint64(nil, 12)
	want = binary.LittleEndian.AppendUint64(want, 3)
	want = binary.LittleEndian.AppendUint64(want, 12_000_000_000)
	want = binary.LittleEndian.AppendUint32(want, 6)
	if want = append(want, "test"...); !bytes.Equal(got, want) {
		t.Fatalf("context %x, want %x", got, want)
	}
}

// TestRandom shows that random bytes depend on seed, index and purpose alone.
func TestRandom(t *testing.T) {
	r := newTestRuntime(t, Config{})
	one := newTestMachine(t, r, probeModule, MachineConfig{Seed: [32]byte{1}})
	same := newTestMachine(t, r, probeModule, MachineConfig{Seed: [32]byte{1}})
	other := newTestMachine(t, r, probeModule, MachineConfig{Seed: [32]byte{2}})
	command := operation(opRandom, 8192, 32)
	apply(t, same, 6, command) // an earlier entry leaves no position behind
	first := string(apply(t, one, 7, command).Output)
	wantApplied(t, apply(t, same, 7, command), first)
	for name, different := range map[string]Outcome{
		"index": apply(t, one, 8, command), "seed": apply(t, other, 7, command), "query": query(t, one, 7, command),
	} {
		if different.Kind != Applied || string(different.Output) == first || len(different.Output) != 32 {
			t.Errorf("another %s gives %x, as before: %x", name, different.Output, first)
		}
	}
}

// TestHostFailureIsNoOutcome shows that a failure of the host is told from a trap, and that the
// machine refuses to go on.
func TestHostFailureIsNoOutcome(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{
		Log: func(int, string) { var nothing []int; nothing[len(nothing)]++ },
	})
	_, err := m.Apply(at(1), operation(opLog, 1, 4096, 4))
	if err == nil {
		t.Fatal("a panic in the host became an outcome")
	}
	if _, again := m.Apply(at(2), operation(opReturn)); !errors.Is(again, err) {
		t.Fatalf("the machine goes on: %v", again)
	}
}
