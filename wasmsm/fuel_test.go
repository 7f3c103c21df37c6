package wasmsm

import (
	"strings"
	"testing"
)

// TestFuelIsTold shows that every outcome says what it used, the same on each kind of memory, and
// that neither what was done before nor a rollback changes it.
func TestFuelIsTold(t *testing.T) {
	used := map[string]uint64{}
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{})
		for i, test := range []struct {
			name    string
			command []byte
			kind    OutcomeKind
		}{
			{"applied", operation(opStore, 1, 2), Applied},
			{"refused", operation(opReturn, 7), Refused},
			{"trapped", operation(opDivide, 1, 0), Trapped},
			{"host function", operation(opRandom, 0, 1000), Applied},
		} {
			for range 3 {
				outcome := apply(t, m, uint64(i+1), test.command)
				if outcome.Kind != test.kind || outcome.Fuel == 0 {
					t.Errorf("%s: %+v", test.name, outcome)
				}
				if before, ok := used[test.name]; ok && before != outcome.Fuel {
					t.Errorf("%s used %d, before %d", test.name, outcome.Fuel, before)
				}
				used[test.name] = outcome.Fuel
			}
		}
	})
	if used["host function"] < used["applied"]+1000 {
		t.Errorf("the bytes of a host function are not charged: %v", used)
	}
}

// TestOutOfFuel shows that a command and a query end when they have used what they may, with
// nothing left of them, and that the last bit of fuel counts.
func TestOutOfFuel(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{})
		store := operation(opStore, 64, 7)
		needed := apply(t, m, 1, store).Fuel
		before := fingerprint(t, m)
		if err := m.SetLimits(Limits{Fuel: int64(needed) - 1}); err != nil {
			t.Fatal(err)
		}
		outcome := apply(t, m, 2, operation(opStore, 64, 8))
		if outcome.Kind != Trapped || !strings.HasPrefix(outcome.Message, "out of fuel") || outcome.Fuel != needed-1 {
			t.Errorf("with too little fuel: %+v", outcome)
		}
		if got := query(t, m, 2, store); got.Kind != Applied || got.Fuel != needed {
			t.Errorf("a query has a limit of its own: %+v", got)
		}
		if fingerprint(t, m) != before {
			t.Error("something is left of the command")
		}
		if err := m.SetLimits(Limits{Fuel: int64(needed), QueryFuel: int64(needed) - 1}); err != nil {
			t.Fatal(err)
		}
		if outcome := apply(t, m, 3, store); outcome.Kind != Applied || outcome.Fuel != needed {
			t.Errorf("with just enough: %+v", outcome)
		}
		if got := query(t, m, 3, store); got.Kind != Trapped || got.Fuel != needed-1 {
			t.Errorf("a query with too little: %+v", got)
		}
	})
}

// TestALoweredLimitStarts shows that a machine starts under limits that its start would exceed: a group's may be
// lowered at any time, and its members start again.
func TestALoweredLimitStarts(t *testing.T) {
	m := newTestMachine(t, newTestRuntime(t, Config{}), probeModule, MachineConfig{Limits: Limits{Fuel: 1, QueryFuel: 1, OutputBytes: 1}})
	if outcome := apply(t, m, 1, operation(opReturn)); outcome.Kind != Trapped || outcome.Fuel != 1 {
		t.Errorf("one fuel is not enough: %+v", outcome)
	}
	if m.MemoryBytes() != pageBytes {
		t.Errorf("the memory has %d bytes", m.MemoryBytes())
	}
}

// TestSetLimits shows that limits change between calls without a change of the state, that more
// memory can be had later, and that a memory over its limit stays and cannot grow.
func TestSetLimits(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{Limits: Limits{MemoryBytes: 2 * pageBytes}})
		wantApplied(t, apply(t, m, 1, operation(opStore, 64, 7)), "")
		const failed, from1 = "\xff\xff\xff\xff", "\x01\x00\x00\x00"
		wantApplied(t, apply(t, m, 2, operation(opGrow, 3)), failed)
		before := fingerprint(t, m)
		if err := m.SetLimits(Limits{MemoryBytes: 8 * pageBytes}); err != nil {
			t.Fatal(err)
		}
		if fingerprint(t, m) != before {
			t.Error("the state has changed")
		}
		wantApplied(t, apply(t, m, 3, operation(opGrow, 3)), from1)
		if err := m.SetLimits(Limits{MemoryBytes: 3 * pageBytes}); err != nil {
			t.Fatal(err)
		}
		wantApplied(t, apply(t, m, 4, operation(opGrow, 1)), failed)
		image, err := m.Image()
		if err != nil {
			t.Fatal(err)
		}
		other := newTestMachine(t, r, probeModule, MachineConfig{Limits: Limits{MemoryBytes: 3 * pageBytes}})
		if err := other.Restore(image); err != nil {
			t.Fatalf("an image over the lowered limit: %v", err)
		}
		if fingerprint(t, other) != fingerprint(t, m) {
			t.Error("the restored state differs")
		}
		wantApplied(t, apply(t, other, 5, operation(opGrow, 1)), failed)
		v, err := other.View()
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		outcome, _, err := v.Query("", operation(opGrow, 1))
		if err != nil {
			t.Fatal(err)
		}
		wantApplied(t, outcome, failed)
		if err := other.SetLimits(Limits{MemoryBytes: 8 * pageBytes}); err != nil {
			t.Fatal(err)
		}
		if outcome, _, err = v.Query("", operation(opGrow, 1)); err != nil {
			t.Fatal(err)
		}
		wantApplied(t, outcome, "\x04\x00\x00\x00")
		if err := m.SetLimits(Limits{Fuel: -1}); err == nil || m.Limits().Fuel <= 0 {
			t.Errorf("a limit below zero: %v, %+v", err, m.Limits())
		}
	})
}
