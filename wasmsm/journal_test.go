package wasmsm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestJournalEqualsCheckpointEachTime shows that a machine which shares a checkpoint among many
// commands goes through the same outcomes and states as one that makes a checkpoint after each, in
// whatever order commands apply, are refused, trap, grow the memory, and are mixed with queries.
func TestJournalEqualsCheckpointEachTime(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	eachMemory(t, func(t *testing.T, r *Runtime) {
		rng := rand.New(rand.NewPCG(seed, 0))
		each := newTestMachine(t, r, probeModule, MachineConfig{})
		many := newTestMachine(t, r, probeModule, MachineConfig{})
		longest := 0
		for i := range 3000 {
			index := uint64(i + 1)
			command := randomOperation(rng, i)
			want, got := apply(t, each, index, command), apply(t, many, index, command)
			if fmt.Sprint(want) != fmt.Sprint(got) {
				t.Fatalf("command %d (%x): %+v, with a checkpoint each time %+v", i, command, got, want)
			}
			state := fingerprint(t, each) // makes a checkpoint
			longest = max(longest, len(many.journal.commands))
			switch rng.IntN(60) {
			case 0:
				if fingerprint(t, many) != state {
					t.Fatalf("after command %d (%x) the states differ", i, command)
				}
			case 1:
				q := operation(opDisturb, 0, 0)
				if want, got := query(t, each, index, q), query(t, many, index, q); fmt.Sprint(want) != fmt.Sprint(got) {
					t.Fatalf("query after command %d: %+v, with a checkpoint each time %+v", i, got, want)
				}
			}
		}
		if longest < 32 { // every thirtieth step ends the journal
			t.Errorf("the journal never had more than %d commands: this shows little", longest)
		}
	})
}

// TestJournalEndsWithItsLimits shows that commands which were applied under old limits stay applied when one fails
// under new ones: they would not be applied again under those.
func TestJournalEndsWithItsLimits(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		m := newTestMachine(t, r, probeModule, MachineConfig{})
		for i := range uint64(20) {
			wantApplied(t, apply(t, m, i+1, operation(opDisturb, 0, 0)), "")
		}
		if len(m.journal.commands) == 0 {
			t.Fatal("the journal is empty: this shows nothing")
		}
		if err := m.SetLimits(Limits{Fuel: 1}); err != nil {
			t.Fatal(err)
		}
		wantTrap(t, apply(t, m, 21, operation(opDisturb, 0, 0)), "out of fuel in run: the command may use 1")
		unlimited := newTestMachine(t, r, probeModule, MachineConfig{})
		for i := range uint64(20) {
			wantApplied(t, apply(t, unlimited, i+1, operation(opDisturb, 0, 0)), "")
		}
		if fingerprint(t, m) != fingerprint(t, unlimited) {
			t.Error("the state is not that of the commands before the limit")
		}
	})
}

// randomOperation is mostly a command that applies, in stretches with and without others.
func randomOperation(rng *rand.Rand, i int) []byte {
	if i%500 < 250 || rng.IntN(4) > 0 {
		return operation(opDisturb, 0, 0)
	}
	switch rng.IntN(4) {
	case 0:
		return operation(opDisturbAndTrap, 0)
	case 1:
		return operation(opDisturb, 0, uint32(1+rng.IntN(9)))
	case 2:
		return operation(opDisturbAndTrap, 1)
	}
	return operation(opDisturb, 1, 5)
}

// TestDearCommandsShareNoCheckpoint shows that a failure has little to repeat, however dear the commands before it
// were: whoever may send commands could stall a group otherwise, sixty of the dearest with one that traps after them.
func TestDearCommandsShareNoCheckpoint(t *testing.T) {
	h := hostile{apply: slices.Concat([]byte{0x20, 0, 0x45, 0x04, 0x40, 0x00, 0x0b}, // an empty command traps
		number(64), []byte{0x20, 0}, number(8), []byte{0x6c, 0x36, 2, 0}, // another one counts eight times its bytes down
		[]byte{0x03, 0x40}, number(64), number(64), []byte{0x28, 2, 0}, number(1), []byte{0x6b, 0x36, 2, 0},
		number(64), []byte{0x28, 2, 0, 0x0d, 0, 0x0b}, number(0))}
	m := newTestMachine(t, newTestRuntime(t, Config{}), h.module(), MachineConfig{})
	dear := make([]byte, 100_000)
	shared := 0
	for index := range uint64(300) {
		command := dear
		if index%50 < 10 {
			command = dear[:100]
		}
		outcome := apply(t, m, index+1, command)
		if len(command) == len(dear) && outcome.Fuel < maxJournalFuel/8 {
			t.Fatalf("a dear command uses %d", outcome.Fuel)
		}
		shared = max(shared, len(m.journal.commands))
		if m.journal.fuel > maxJournalFuel {
			t.Fatalf("after command %d a failure would repeat work worth %d", index+1, m.journal.fuel)
		}
	}
	if shared < 4 {
		t.Errorf("at most %d commands shared a checkpoint: this shows little", shared)
	}
	before := fingerprint(t, m)
	if outcome := apply(t, m, 301, nil); outcome.Kind != Trapped || fingerprint(t, m) != before {
		t.Errorf("the command that traps: %+v", outcome)
	}
}
