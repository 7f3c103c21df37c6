package consensus

// startElection asks for votes, or, with preVote, whether it would get them.
func (c *Core) startElection(preVote, transfer bool) {
	term := c.hard.Term + 1
	if term == 0 {
		return // the number range is used up; see maxTermLeap for why this is out of reach
	}
	if preVote {
		c.role, c.leader, c.votes = PreCandidate, NoMember, make(map[MemberID]Vote)
	} else {
		c.becomeFollower(term, NoMember)
		c.role, c.votes = Candidate, make(map[MemberID]Vote)
		c.hard.VotedFor = c.cfg.ID
	}
	request := RequestVote{
		Term: term, Candidate: c.cfg.ID, LogPosition: c.log.last(), PreVote: preVote, Transfer: transfer,
	}
	for _, id := range c.configuration().Members() {
		if id != c.cfg.ID && c.configuration().IsVoter(id) {
			message := request
			c.send(id, &message)
		}
	}
	if preVote {
		c.takeVote(c.cfg.ID, Granted)
	}
	// A candidate's own vote counts when it is durable: see Persisted.
}

func (c *Core) handleRequestVote(from MemberID, m *RequestVote) {
	if from != m.Candidate {
		return
	}
	vote := c.judge(m)
	if m.PreVote {
		answer := &RequestVoteResponse{Term: m.Term, Vote: vote, PreVote: true}
		if vote == Denied {
			answer.Term = c.hard.Term
		}
		c.send(from, answer)
		return
	}
	if vote != Denied {
		c.hard.VotedFor = m.Candidate
		c.role, c.electionElapsed = Follower, 0
	}
	c.send(from, &RequestVoteResponse{Term: c.hard.Term, Vote: vote})
}

// judge decides a vote (R2): at most one candidate a term, never one whose log is less complete.
func (c *Core) judge(m *RequestVote) Vote {
	if m.PreVote {
		if m.Term <= c.hard.Term || (!m.Transfer && c.hearsLeader()) {
			return Denied
		}
	} else if c.role == Leader || (c.hard.VotedFor != NoMember && c.hard.VotedFor != m.Candidate) {
		return Denied
	}
	mine := c.log.last()
	switch {
	case m.LogPosition.before(mine):
		return Denied
	case mine.before(m.LogPosition):
		return Abstained
	}
	return Granted
}

func (c *Core) handleRequestVoteResponse(from MemberID, m *RequestVoteResponse) {
	if m.PreVote != (c.role == PreCandidate) || (!m.PreVote && c.role != Candidate) {
		return
	}
	if m.PreVote && m.Vote != Denied && m.Term != c.hard.Term+1 {
		return // answers a question of an earlier term
	}
	c.takeVote(from, m.Vote)
}

// takeVote counts one vote and acts when the election is decided: Granted and Abstained are both
// promises, so both count (R2).
func (c *Core) takeVote(from MemberID, vote Vote) {
	if _, voted := c.votes[from]; voted {
		return
	}
	c.votes[from] = vote
	config := c.configuration()
	if config.decided(func(id MemberID) bool { v, ok := c.votes[id]; return ok && v != Denied }) {
		if c.role == PreCandidate {
			c.startElection(false, false)
		} else {
			c.becomeLeader()
		}
		return
	}
	if !config.possible(func(id MemberID) bool { v, ok := c.votes[id]; return ok && v == Denied }) {
		c.role = Follower
	}
}

// becomeLeader takes office and appends the no-op that commits the predecessors' entries (R3).
func (c *Core) becomeLeader() {
	c.role, c.leader, c.votes = Leader, c.cfg.ID, nil
	c.electionElapsed, c.heartbeatElapsed = 0, 0
	c.uncommitted = 0
	c.peers = make(map[MemberID]*progress)
	c.syncPeers()
	c.appendOwn(LogEntry{Kind: EntryNoOp})
	c.round++
	c.heartbeat()
}

func (c *Core) handleTimeoutNow(from MemberID, m *TimeoutNow) {
	if from != m.Leader || c.role == Leader || !c.promotable() {
		return
	}
	c.startElection(false, true)
}

// Resign gives up leadership: this member follows nobody in its term, its waiting reads are refused,
// and whoever misses a leader first stands for election. It does nothing on a member that does not lead.
// TransferLeadership is the quicker way when there is somebody to hand over to.
func (c *Core) Resign() {
	if c.role == Leader {
		c.becomeFollower(c.hard.Term, NoMember)
	}
}

// TransferLeadership asks a voter to take over. The transfer is given up after one election timeout.
//
// # Errors
//
// ErrNotLeader, or ErrNoSuchMember when to is not a voter of the configuration or is this member.
func (c *Core) TransferLeadership(to MemberID) error {
	if c.role != Leader {
		return ErrNotLeader
	}
	if to == c.cfg.ID || c.peers[to] == nil || !c.configuration().IsVoter(to) {
		return ErrNoSuchMember
	}
	c.Wake()
	if c.transferee == NoMember {
		c.electionElapsed = 0 // not again for a repeated request: it must not put off the check of the quorum
	}
	c.transferee = to
	c.tryTransfer(to)
	return nil
}

// tryTransfer sends TimeoutNow once the transferee holds the whole log.
func (c *Core) tryTransfer(to MemberID) {
	if to == c.transferee && c.peers[to].match == c.log.lastIndex() {
		c.send(to, &TimeoutNow{Term: c.hard.Term, Leader: c.cfg.ID})
	}
}
