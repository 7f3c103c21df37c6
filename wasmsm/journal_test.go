package wasmsm

import (
	"fmt"
	"math/rand/v2"
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
		if longest < maxJournalCommands/2 {
			t.Errorf("the journal never had more than %d commands: this shows little", longest)
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
