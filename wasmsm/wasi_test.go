package wasmsm

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/groutlabs/grout/wasmsm/prepare"
)

// TestEveryAllowedImportExists shows that the preparer's allow-list and the host's functions are
// the same set: an import that passes the one can be linked.
func TestEveryAllowedImportExists(t *testing.T) {
	for module, functions := range map[string]map[string]hostFunction{
		prepare.ModuleGrout: groutFunctions, prepare.ModuleWASI: wasiFunctions,
	} {
		allowed := prepare.AllowedImports(module)
		for name := range functions {
			if _, ok := allowed[name]; !ok {
				t.Errorf("%s.%s is implemented and not allowed", module, name)
			}
		}
		for name := range allowed {
			if _, ok := functions[name]; !ok {
				t.Errorf("%s.%s is allowed and not implemented", module, name)
			}
		}
	}
}

// poke stores words in the probe's memory.
func poke(t *testing.T, m *Machine, ptr uint32, words ...uint32) {
	t.Helper()
	for i, w := range words {
		wantApplied(t, apply(t, m, 1, operation(opStore, ptr+4*uint32(i), w)), "")
	}
}

// TestClocks shows that every clock stands at the entry's time, and which do not exist.
func TestClocks(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{})
	for id, start := range map[uint32]uint64{0: 0, 1: 1, 2: 1, 3: 1} {
		wantApplied(t, apply(t, m, 5, operation(opClock, id, 8192)), "\x00\x00\x00\x00")
		got := binary.LittleEndian.Uint64(apply(t, m, 6, operation(opOutput, 8192, 8)).Output)
		if want := 5_000_000_000 + start; got != want {
			t.Errorf("clock %d: %d, want %d", id, got, want)
		}
	}
	wantApplied(t, apply(t, m, 5, operation(opClock, 4, 8192)), "\x1c\x00\x00\x00")
}

// TestPoll shows that waiting takes no real time, that the first event ends it, that what is ready
// at once comes with it, and that numbers near 2^64 do no harm.
func TestPoll(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{})
	const in, out, count = 16384, 20480, 24576
	poke(t, m, in, 7, 0, 0, 0 /* clock */, 0, 0 /* timeout */, 5_000, 0)
	poke(t, m, in+48, 8, 0, 0, 0, 1, 0, 3_000, 0)
	poke(t, m, in+96, 9, 0, 0, 0, 1, 0, 0xffffffff, 0xffffffff)
	poll := func(n uint32) []byte {
		wantApplied(t, apply(t, m, 2, operation(opPoll, in, out, n, count)), "\x00\x00\x00\x00")
		n = binary.LittleEndian.Uint32(apply(t, m, 3, operation(opOutput, count, 4)).Output)
		return apply(t, m, 4, operation(opOutput, out, n*eventBytes)).Output
	}
	events := poll(3)
	if len(events) != eventBytes || events[0] != 8 || events[8] != 0 || events[10] != eventClock {
		t.Errorf("events %x, want that of 3,000 ns alone", events)
	}
	poke(t, m, in+8, 1, 0, 0) // standard input is ready to be read
	if events = poll(3); len(events) != eventBytes || events[0] != 7 || events[10] != eventRead {
		t.Errorf("events %x, want standard input's", events)
	}
	poke(t, m, in+16, 99) // a file that is not there
	if events = poll(1); len(events) != eventBytes || binary.LittleEndian.Uint16(events[8:]) != errnoBadf {
		t.Errorf("events %x, want EBADF", events)
	}
	wantApplied(t, apply(t, m, 2, operation(opPoll, in+96, out, 1, count)), "\x00\x00\x00\x00")
	wantApplied(t, apply(t, m, 2, operation(opPoll, in, out, 0, count)), "\x1c\x00\x00\x00")
	wantApplied(t, apply(t, m, 2, operation(opPoll, in, out, 4097, count)), "\x1c\x00\x00\x00")
}

// TestSleepSaturates shows that the virtual clock stops at the end of time instead of wrapping.
func TestSleepSaturates(t *testing.T) {
	c := &call{entry: EntryContext{TimeNanos: 10}}
	c.sleep(5)
	if c.now() != 15 {
		t.Fatalf("after a sleep of 5 from 10 it is %d", c.now())
	}
	for range 3 {
		c.sleep(1<<64 - 1)
	}
	if c.now() != 1<<63-1 {
		t.Fatalf("the end of time is %d", c.now())
	}
}

// TestStandardStreams shows that output comes out line by line, that long lines are cut, and that a
// last line without an end is not lost.
func TestStandardStreams(t *testing.T) {
	var got []string
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{
		Log: func(level int, text string) { got = append(got, string(rune('0'+level))+text) },
	})
	word := func(s string) uint32 { return binary.LittleEndian.Uint32([]byte(s)) }
	poke(t, m, 16384, 20480, 4, 20484, 4)
	poke(t, m, 20480, word("ab\nc"), word("d\n\ne"))
	write := func(fd uint32) Outcome { return apply(t, m, 2, operation(opFdWrite, fd, 16384, 2, 8192)) }
	wantApplied(t, write(1), "\x00\x00\x00\x00")
	wantApplied(t, apply(t, m, 3, operation(opOutput, 8192, 4)), "\x08\x00\x00\x00")
	wantApplied(t, write(2), "\x00\x00\x00\x00")
	wantApplied(t, write(3), "\x08\x00\x00\x00")
	if want := []string{"1ab", "1cd", "1e", "2ab", "2cd", "2e"}; !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
	wantApplied(t, apply(t, m, 4, operation(opFdWrite, 1, 16384, 1025, 8192)), "\x1c\x00\x00\x00")
	wantApplied(t, apply(t, m, 5, operation(opFdRead, 0, 0, 0, 8192)), "\x00\x00\x00\x00\x00\x00\x00\x00")
	wantApplied(t, apply(t, m, 6, operation(opFdRead, 3, 0, 0, 8192)), "\x08\x00\x00\x00\x08\x00\x00\x00")
}

// TestLines shows how a stream is cut into lines.
func TestLines(t *testing.T) {
	var got []int
	var l lines
	whole := func(line []byte) { got = append(got, len(line)) }
	l.write(make([]byte, maxLineBytes+10), whole)
	l.write([]byte("\n\nab"), whole)
	l.write(nil, whole)
	l.write([]byte("c\n"), whole)
	if want := []int{maxLineBytes, 10, 0, 3}; !slices.Equal(got, want) || len(l.partial) != 0 {
		t.Errorf("lines of %v bytes, %d left over, want %v", got, len(l.partial), want)
	}
}
