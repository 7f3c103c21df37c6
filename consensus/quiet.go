package consensus

// A group with nothing to do falls quiet: its leader says so with one last heartbeat (AppendEntries.Quiet), and
// from then on neither the leader sends heartbeats nor do the followers miss them. Time stands still for the group
// until somebody wakes it: a proposal, a read, any message that says something new, or the host.
//
// Nothing of this is about safety: a quiet leader confirms its office for every read as before, and its term
// fences it. It is about liveness, and rests on two promises of the host, whose members keep each other in sight
// for all groups at once: it calls Suspect when the member's host has been silent for an election timeout, again
// and again while that lasts, and when the member may have lost its memory or stopped. (CockroachDB quiesces its
// ranges in this manner; its leaders are watched by node liveness.)

// Quiet reports whether the member has fallen quiet: ticks do nothing until it wakes.
func (c *Core) Quiet() bool { return c.quiet }

// Wake ends the quiet, as if the leader had just been heard: a leader sends heartbeats again, and a follower that does not
// hear one in time stands for election.
func (c *Core) Wake() {
	c.idleTicks = 0
	c.wakeUp()
}

func (c *Core) wakeUp() {
	if !c.quiet {
		return
	}
	c.quiet = false
	c.electionElapsed = 0
	if c.role != Leader {
		c.electionTimeout = c.randomTimeout()
		return
	}
	c.round++                                 // that nobody has answered yet
	c.heartbeatElapsed = c.cfg.HeartbeatTicks // due at the next tick
	for _, p := range c.peers {
		p.active, p.silent = false, 0
	}
}

// Suspect ends the quiet because nothing has been heard of another member's host for the shortest election timeout, or because
// that member is not what it was. If it led, and fell quiet, it counts as silent for so long here. One of the voters then stands
// for election before the others: each of them holds the whole log, and all suspect the leader at about the same time.
//
// Until Heard a leader falls quiet without that member, unless it has to count how long the member is silent (DemoteAfterTicks).
func (c *Core) Suspect(id MemberID) {
	if c.suspected[id] && c.leader != id {
		return // known, and the group may have fallen quiet without it
	}
	if c.suspected == nil {
		c.suspected = map[MemberID]bool{}
	}
	c.suspected[id] = true
	c.wakeUp()
	if c.role == Leader || c.leader != id || !c.lastWord || c.electionElapsed >= c.cfg.ElectionTicks {
		return
	}
	c.electionElapsed = c.cfg.ElectionTicks
	soon := c.cfg.ElectionTicks + c.cfg.HeartbeatTicks + 1 // the others may have heard of it a heartbeat later
	if c.cfg.Reluctance <= 1 && c.configuration().successor(id) == c.cfg.ID {
		c.electionTimeout = soon
	} else {
		c.electionTimeout = soon + c.randomTimeout()/2
	}
}

// Heard takes a suspicion back, and wakes the group: the member may lack something.
func (c *Core) Heard(id MemberID) {
	if c.suspected[id] {
		delete(c.suspected, id)
		c.wakeUp()
	}
}

// mayFallQuiet reports whether a leader has had nothing to do for long enough, and knows that every member that is not
// suspected holds the whole log, all of it committed, and has answered the last round. Those are a majority: who hears nobody
// has to leave office.
func (c *Core) mayFallQuiet() bool {
	last := c.log.lastIndex()
	if c.cfg.QuietTicks == 0 || c.idleTicks < c.cfg.QuietTicks || len(c.reads) > 0 || c.transferee != NoMember {
		return false
	}
	if c.log.commit != last || c.log.stable != last || !c.committedInTerm() || c.configuration().Joint() {
		return false
	}
	for id, p := range c.peers {
		if c.suspected[id] && c.cfg.DemoteAfterTicks == 0 {
			continue
		}
		if p.state != replicating || p.match != last || p.commitSent != last || p.round != c.round {
			return false
		}
	}
	return c.configuration().decided(func(id MemberID) bool { return !c.suspected[id] })
}

// fallQuiet sends the last heartbeat.
func (c *Core) fallQuiet() {
	c.quiet = true
	c.round++
	for _, id := range c.peerIDs {
		if c.suspected[id] {
			continue // it comes back with a lot to learn
		}
		c.sendHeartbeat(id, c.peers[id])
		c.out.messages[len(c.out.messages)-1].Message.(*AppendEntries).Quiet = true
	}
}

// followQuiet falls quiet with the leader, if this member has all that the leader has.
func (c *Core) followQuiet(m *AppendEntries) {
	last := c.log.lastIndex()
	c.lastWord = m.Quiet && c.log.last() == m.PrevLogPosition && c.log.commit == last && c.log.stable == last
	c.quiet = c.lastWord
}

// disturbs reports whether a message of this term ends the quiet: all do but those from outside the configuration, which
// is the same everywhere, and the answers to the leader's last heartbeat.
func (c *Core) disturbs(from MemberID, message Message) bool {
	if !c.configuration().IsMember(from) {
		return false
	}
	m, answer := message.(*AppendEntriesResponse)
	return !answer || c.role != Leader || m.Vote != Granted || m.LastLogIndex != c.log.lastIndex()
}

// callLeader wakes a leader that fell quiet without this member, which may not ask for votes. It sends an answer that
// confirms nothing.
func (c *Core) callLeader() {
	if c.cfg.QuietTicks == 0 {
		return
	}
	for _, id := range c.configuration().Voters {
		if id != c.cfg.ID {
			c.send(id, &AppendEntriesResponse{Term: c.hard.Term, Vote: Granted})
		}
	}
}
