package consensus

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestQuorumAgainstTwin shows that the quorum arithmetic says what counting by hand says, over random
// configurations of every size, joint ones too.
func TestQuorumAgainstTwin(t *testing.T) {
	seed := rand.Uint64()
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20000 {
		config := Configuration{Voters: randomIDs(rng, 1+rng.IntN(9))}
		if rng.IntN(2) == 0 {
			config.Outgoing = randomIDs(rng, 1+rng.IntN(9))
		}
		for id := MemberID(1); id <= 24; id++ {
			if !config.IsVoter(id) && rng.IntN(3) == 0 {
				config.Observers = append(config.Observers, id)
			}
		}
		values := map[MemberID]uint64{}
		for id := MemberID(1); id <= 24; id++ {
			values[id] = uint64(rng.IntN(6))
		}
		compareQuorums(t, config, values)
		if t.Failed() {
			t.Fatalf("seed %d: %s, values %v (replay: go test -run TestQuorumAgainstTwin -seed %d)", seed, config, values, seed)
		}
	}
}

func compareQuorums(t *testing.T, config Configuration, values map[MemberID]uint64) {
	t.Helper()
	yes := func(id MemberID) bool { return values[id] >= 3 }
	if got, want := config.decided(yes), twinDecided(config, yes); got != want {
		t.Errorf("decided: got %v, want %v", got, want)
	}
	no := func(id MemberID) bool { return values[id] == 0 }
	if got, want := config.possible(no), !twinLost(config, no); got != want {
		t.Errorf("possible: got %v, want %v", got, want)
	}
	if got, want := config.reached(func(id MemberID) uint64 { return values[id] }), twinReached(config, values); got != want {
		t.Errorf("reached: got %d, want %d", got, want)
	}
}

func randomIDs(rng *rand.Rand, n int) []MemberID {
	var ids []MemberID
	for _, i := range rng.Perm(20)[:n] {
		ids = append(ids, MemberID(i+1))
	}
	slices.Sort(ids)
	return ids
}

func halves(config Configuration) [][]MemberID {
	if len(config.Outgoing) == 0 {
		return [][]MemberID{config.Voters}
	}
	return [][]MemberID{config.Voters, config.Outgoing}
}

// twinDecided counts: in every half more say yes than do not.
func twinDecided(config Configuration, yes func(MemberID) bool) bool {
	for _, half := range halves(config) {
		balance := 0
		for _, id := range half {
			if yes(id) {
				balance++
			} else {
				balance--
			}
		}
		if balance <= 0 {
			return false
		}
	}
	return true
}

// twinLost reports whether in some half at least one half of the voters said no.
func twinLost(config Configuration, no func(MemberID) bool) bool {
	for _, half := range halves(config) {
		count := 0
		for _, id := range half {
			if no(id) {
				count++
			}
		}
		if 2*count >= len(half) {
			return true
		}
	}
	return false
}

// twinReached tries every value from the top.
func twinReached(config Configuration, values map[MemberID]uint64) uint64 {
	for v := uint64(10); v > 0; v-- {
		if twinDecided(config, func(id MemberID) bool { return values[id] >= v }) {
			return v
		}
	}
	return 0
}

// TestQuorumsIntersect shows for every configuration of up to five members, joint ones included, that
// two decisions always share a voter: no two sets of members can both decide and be disjoint.
func TestQuorumsIntersect(t *testing.T) {
	const all = 1 << 5
	pick := func(mask int) []MemberID {
		var ids []MemberID
		for i := range 5 {
			if mask&(1<<i) != 0 {
				ids = append(ids, MemberID(i+1))
			}
		}
		return ids
	}
	for voters := 1; voters < all; voters++ {
		for outgoing := range all {
			joint := Configuration{Voters: pick(voters), Outgoing: pick(outgoing)}
			for set := range all {
				inside := func(id MemberID) bool { return set&(1<<(id-1)) != 0 }
				outside := func(id MemberID) bool { return !inside(id) }
				if joint.decided(inside) && joint.decided(outside) {
					t.Fatalf("%s: %v and its complement both decide", joint, pick(set))
				}
				// Each stage of a change overlaps with the next.
				if next := (Configuration{Voters: joint.Voters}); joint.decided(inside) && next.decided(outside) {
					t.Fatalf("%s and %s decide apart, by %v", joint, next, pick(set))
				}
				if outgoing == 0 {
					continue
				}
				if before := (Configuration{Voters: joint.Outgoing}); joint.decided(inside) && before.decided(outside) {
					t.Fatalf("%s and %s decide apart, by %v", joint, before, pick(set))
				}
			}
		}
	}
}
