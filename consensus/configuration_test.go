package consensus

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestConfigurationRoundTrip shows that decoding gives back what was encoded, for random memberships
// up to the largest possible.
func TestConfigurationRoundTrip(t *testing.T) {
	seed := rand.Uint64()
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		want := randomConfiguration(rng)
		got, err := DecodeConfiguration(EncodeConfiguration(want))
		if err != nil || !got.Equal(want) {
			t.Fatalf("seed %d: encoded %s, decoded %s, %v (replay: go test -run TestConfigurationRoundTrip -seed %d)",
				seed, want, got, err, seed)
		}
	}
}

func randomConfiguration(rng *rand.Rand) Configuration {
	taken := map[MemberID]bool{NoMember: true}
	fresh := func(n int) []MemberID {
		var ids []MemberID
		for len(ids) < n {
			if id := MemberID(rng.Uint64()); !taken[id] {
				taken[id] = true
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		return ids
	}
	c := Configuration{Voters: fresh(1 + rng.IntN(100)), Observers: fresh(rng.IntN(50)), Outgoing: fresh(rng.IntN(100))}
	// Some leave and some are demoted: both may be in two lists.
	both := append(append(slices.Clone(c.Outgoing), c.Voters[:rng.IntN(2)]...), c.Observers[:min(len(c.Observers), rng.IntN(3))]...)
	slices.Sort(both)
	c.Outgoing = both
	return c
}

// TestConfigurationErrors shows that every malformed payload is refused, and why.
func TestConfigurationErrors(t *testing.T) {
	good := EncodeConfiguration(Configuration{Voters: []MemberID{1, 2}, Observers: []MemberID{3}})
	most := Configuration{}
	for id := MemberID(1); id <= MaxMembers; id++ {
		most.Voters = append(most.Voters, id)
	}
	if _, err := DecodeConfiguration(EncodeConfiguration(most)); err != nil {
		t.Errorf("the largest configuration is refused: %v", err)
	}
	tooMany := most
	tooMany.Observers = []MemberID{MaxMembers + 1}
	for name, bad := range map[string]struct {
		payload []byte
		reason  string
	}{
		"nothing":       {nil, "empty"},
		"version":       {append([]byte{2}, good[1:]...), "version"},
		"version alone": {good[:1], "cut short"},
		"cut":           {good[:len(good)-1], "cut short"},
		"cut in a list": {good[:9], "cut short"},
		"missing list":  {good[:len(good)-9], "cut short"},
		"tail":          {append(slices.Clone(good), 0), "after the end"},
		"no voters":     {EncodeConfiguration(Configuration{Observers: []MemberID{1}}), "no voters"},
		"zero member":   {EncodeConfiguration(Configuration{Voters: []MemberID{0, 1}}), "ascending"},
		"unsorted":      {EncodeConfiguration(Configuration{Voters: []MemberID{2, 1}}), "ascending"},
		"doubled":       {EncodeConfiguration(Configuration{Voters: []MemberID{1}, Outgoing: []MemberID{2, 2}}), "ascending"},
		"two roles":     {EncodeConfiguration(Configuration{Voters: []MemberID{1}, Observers: []MemberID{1}}), "both"},
		"too many":      {EncodeConfiguration(tooMany), "256 members"},
	} {
		_, err := DecodeConfiguration(bad.payload)
		if !errors.Is(err, ErrBadConfiguration) || !strings.Contains(err.Error(), bad.reason) {
			t.Errorf("%s: got %v, want a refusal that speaks of %q", name, err, bad.reason)
		}
	}
}

// TestConfigurationMembers shows who counts as what.
func TestConfigurationMembers(t *testing.T) {
	c := Configuration{Voters: []MemberID{2, 5}, Outgoing: []MemberID{1, 2, 4}, Observers: []MemberID{3, 4}}
	if got := c.Members(); !slices.Equal(got, []MemberID{1, 2, 3, 4, 5}) {
		t.Errorf("members are %v", got)
	}
	if !c.Joint() || (Configuration{Voters: c.Voters}).Joint() {
		t.Error("joint is told wrongly")
	}
	for id, want := range map[MemberID][2]bool{0: {false, false}, 1: {true, true}, 3: {false, true}, 4: {true, true}, 5: {true, true}, 6: {false, false}} {
		if got := [2]bool{c.IsVoter(id), c.IsMember(id)}; got != want {
			t.Errorf("member %d: voter and member are %v, want %v", id, got, want)
		}
	}
}

// FuzzDecodeConfiguration shows that any bytes are either refused with ErrBadConfiguration or decode to
// a valid configuration whose encoding is those very bytes.
func FuzzDecodeConfiguration(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(EncodeConfiguration(Configuration{Voters: []MemberID{1, 2, 3}}))
	f.Add(EncodeConfiguration(Configuration{Voters: []MemberID{1, 2}, Outgoing: []MemberID{2, 3}, Observers: []MemberID{3, 4}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeConfiguration(data)
		if err != nil {
			if !errors.Is(err, ErrBadConfiguration) {
				t.Errorf("got %v", err)
			}
			return
		}
		if err := c.valid(); err != nil {
			t.Errorf("decoded %s, which is not valid: %v", c, err)
		}
		if again := EncodeConfiguration(c); !bytes.Equal(again, data) {
			t.Errorf("%x decodes to %s, which encodes to %x", data, c, again)
		}
	})
}
