package consensus

import "testing"

// TestABusyFollowerIsProbed shows that a follower which hears its leader and takes no entries, since it has too
// much to do, keeps its leader and its vote, and is not flooded: one message per heartbeat asks whether it
// takes them now, and when it does it gets all of them.
func TestABusyFollowerIsProbed(t *testing.T) {
	c := newCluster(3)
	for _, n := range c.nodes {
		n.config.MaxMessageBytes = 1 // one entry in a message
		n.config.DemoteAfterTicks, n.config.VoterFloor = 20, 1
		c.start(n)
	}
	c.elect(1)
	c.stabilize()
	if err := c.propose(1, "a", "b", "c", "d", "e", "f"); err != nil {
		t.Fatal(err)
	}
	const ticks = 60
	refused := 0
	for range ticks {
		for _, id := range c.ids {
			c.tick(c.nodes[id])
		}
		refused += c.busy(2)
	}
	lead := c.nodes[1]
	if leader, term := c.nodes[2].core.Leader(); leader != 1 || term != 1 || lead.core.Role() != Leader {
		t.Errorf("the busy follower follows %s in term %d", leader, term)
	}
	if lead.core.Commit() != 7 || c.nodes[2].core.Last().Index != 1 || lead.core.Configuration().Joint() || len(lead.core.Configuration().Voters) != 3 {
		t.Errorf("the leader is at %+v", lead.core.Status())
	}
	window := lead.config.MaxInflightMessages
	if most := window + 1 + ticks/lead.config.HeartbeatTicks; refused > most || refused <= window {
		t.Errorf("%d messages with entries were sent, at most %d are fair", refused, most)
	}
	for range 4 {
		for _, id := range c.ids {
			c.tick(c.nodes[id])
		}
		c.stabilize()
	}
	if got := c.nodes[2].core.Commit(); got != 7 || c.failure != nil {
		t.Errorf("the follower that is free again has committed %d (%v)", got, c.failure)
	}
}

// busy delivers everything, but no entries to one member, and returns how many messages had some.
func (c *cluster) busy(id MemberID) int {
	refused := 0
	for range 1000 {
		for _, other := range c.ids {
			c.settle(c.nodes[other])
		}
		if len(c.network) == 0 {
			break
		}
		if m, ok := c.network[0].Message.(*AppendEntries); ok && c.network[0].To == id && len(m.Entries) > 0 {
			heard := *m
			heard.Entries = nil
			c.network[0].Message = &heard
			refused++
		}
		c.deliver(0)
	}
	return refused
}
