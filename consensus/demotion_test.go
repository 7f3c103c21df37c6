package consensus

import (
	"slices"
	"testing"
)

// tick lets a tick pass for a member. A configuration that a leader proposes by itself must be a
// demotion that rule R4 allows.
func (c *cluster) tick(n *node) {
	before, possible := n.core.Configuration(), n.core.changePossible()
	if term := n.core.hard.Term; n.core.Role() != Leader || n.silenceTerm != term {
		n.silence, n.silenceTerm = map[MemberID]int{}, term
	}
	for _, id := range before.Members() {
		n.silence[id]++
	}
	n.core.Tick()
	if after := n.core.Configuration(); !after.Equal(before) {
		c.checkDemotion(n, before, after, possible)
	}
}

// heard notes that a leader was answered.
func (n *node) heard(m Envelope) {
	if answer, ok := m.Message.(*AppendEntriesResponse); ok && answer.Term == n.core.hard.Term {
		delete(n.silence, m.From)
	}
}

// checkDemotion tests that exactly one voter, silent for long and not the leader, became an observer,
// by a joint configuration, one change at a time, above the floor.
func (c *cluster) checkDemotion(n *node, before, after Configuration, possible bool) {
	var gone []MemberID
	for _, id := range before.Voters {
		if !contains(after.Voters, id) {
			gone = append(gone, id)
		}
	}
	c.logf("%d demotes %v", n.id, gone)
	demoted := slices.Clone(before.Observers)
	demoted = append(demoted, gone...)
	slices.Sort(demoted)
	switch {
	case !possible || before.Joint() || !slices.Equal(after.Outgoing, before.Voters):
		c.fail("member %d goes from %s to %s by itself", n.id, before, after)
	case len(gone) != 1 || gone[0] == n.id || !slices.Equal(after.Observers, demoted):
		c.fail("member %d demotes %v: %s becomes %s", n.id, gone, before, after)
	case n.config.DemoteAfterTicks == 0 || len(after.Voters) < n.config.VoterFloor:
		c.fail("member %d demotes %v by itself: floor %d, after %d ticks", n.id, gone, n.config.VoterFloor, n.config.DemoteAfterTicks)
	case n.silence[gone[0]] < n.config.DemoteAfterTicks:
		c.fail("member %d demotes %v, which was silent for %d ticks", n.id, gone, n.silence[gone[0]])
	}
}

// TestDemotionChoice shows that the voter that was silent for longest is demoted, the first of several,
// and nobody who was silent for less than DemoteAfterTicks.
func TestDemotionChoice(t *testing.T) {
	for name, scene := range map[string]struct {
		silent map[MemberID]int
		want   MemberID
	}{
		"nobody":      {map[MemberID]int{2: 19, 3: 0, 4: 0, 5: 0}, NoMember},
		"just enough": {map[MemberID]int{2: 0, 3: 20, 4: 0, 5: 0}, 3},
		"the longest": {map[MemberID]int{2: 20, 3: 25, 4: 30, 5: 0}, 4},
		"the first":   {map[MemberID]int{2: 0, 3: 25, 4: 25, 5: 20}, 3},
		"no observer": {map[MemberID]int{2: 0, 3: 0, 4: 0, 5: 0, 6: 99}, NoMember},
	} {
		config := testConfig(1, Configuration{Voters: []MemberID{1, 2, 3, 4, 5}, Observers: []MemberID{6}})
		config.DemoteAfterTicks, config.VoterFloor = 20, 3
		core, err := New(config, Restored{})
		if err != nil {
			t.Fatal(err)
		}
		core.peers = map[MemberID]*progress{}
		for id, ticks := range scene.silent {
			core.peers[id] = &progress{silent: ticks}
		}
		if got := core.longestSilent(config.Initial.Voters); got != scene.want {
			t.Errorf("%s: got %s, want %s", name, got, scene.want)
		}
	}
}

// TestResign shows that a leader leaves office in its term, that its reads end, and that nobody else
// is touched by it.
func TestResign(t *testing.T) {
	c := newCluster(3)
	c.elect(1)
	c.stabilize()
	before := c.nodes[2].core.Status()
	c.nodes[2].core.Resign()
	if after := c.nodes[2].core.Status(); after.Role != before.Role || after.Leader != before.Leader || after.Term != before.Term {
		t.Errorf("a follower resigned: %+v became %+v", before, after)
	}
	if err := c.nodes[1].core.ReadIndex(7); err != nil {
		t.Fatal(err)
	}
	c.nodes[1].core.Resign()
	after := c.nodes[1].core.Status()
	if after.Role != Follower || after.Leader != NoMember || after.Term != before.Term {
		t.Errorf("got %+v", after)
	}
	if rd := c.nodes[1].core.Ready(); len(rd.Reads) != 1 || !rd.Reads[0].Refused {
		t.Errorf("the read that waited ended as %+v", rd.Reads)
	}
}

// TestEntries shows that a range is given whole or not at all.
func TestEntries(t *testing.T) {
	c := newCluster(3)
	c.elect(1)
	if err := c.propose(1, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	c.stabilize()
	n := c.nodes[1]
	got := n.core.Entries(2, 3)
	if len(got) != 2 || string(got[0].Payload) != "a" || string(got[1].Payload) != "b" {
		t.Errorf("2 to 3 is %v", got)
	}
	if all := n.core.Entries(1, 4); len(all) != 4 || cap(all) != 4 {
		t.Errorf("1 to 4 is %v, with room for %d", all, cap(all))
	}
	c.snapshot(n, 2) // forgets 1 and 2
	for _, absent := range [][2]Index{{0, 1}, {2, 3}, {3, 5}, {4, 3}, {5, 5}, {0, 0}} {
		if got := n.core.Entries(absent[0], absent[1]); got != nil {
			t.Errorf("%v is %v", absent, got)
		}
	}
	if got := n.core.Entries(3, 4); len(got) != 2 || got[0].Index != 3 {
		t.Errorf("3 to 4 is %v", got)
	}
}
