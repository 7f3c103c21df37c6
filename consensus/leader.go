package consensus

import "fmt"

// Propose appends commands, in their order, and returns the cursor of the first and the index of the
// last. They are replicated at the next Ready. All of them are appended or none.
//
// # Errors
//
// ErrNotLeader, ErrTransferring, and ErrBusy when too many bytes are uncommitted: nothing was
// appended, and the caller may try again. ErrBadConfiguration for EntryConfiguration, which only
// ChangeMembership may append.
func (c *Core) Propose(kind EntryKind, payloads ...[]byte) (first Cursor, last Index, err error) {
	if c.role != Leader {
		return Cursor{}, 0, ErrNotLeader
	}
	if kind == EntryConfiguration {
		return Cursor{}, 0, fmt.Errorf("%w: change the membership with ChangeMembership", ErrBadConfiguration)
	}
	if c.transferee != NoMember {
		return Cursor{}, 0, ErrTransferring
	}
	size := 0
	for _, p := range payloads {
		size += len(p)
	}
	if c.uncommitted > 0 && c.uncommitted+size > c.cfg.MaxUncommittedBytes {
		return Cursor{}, 0, ErrBusy
	}
	first = Cursor{Term: c.hard.Term, Index: c.log.lastIndex() + 1}
	for _, p := range payloads {
		c.appendOwn(LogEntry{Kind: kind, Payload: p})
	}
	return first, c.log.lastIndex(), nil
}

// appendOwn gives an entry the next slot of the leader's log.
func (c *Core) appendOwn(e LogEntry) {
	c.Wake()
	e.Term, e.Index = c.hard.Term, c.log.lastIndex()+1
	c.uncommitted += len(e.Payload)
	c.log.append(e)
}

// wantsToSend reports whether replicate would send anything.
func (c *Core) wantsToSend() bool {
	if c.readsToConfirm() {
		return true
	}
	for _, p := range c.peers {
		if p.ready(c.cfg.MaxInflightMessages) && (p.next <= c.log.lastIndex() || p.state == probing) {
			return true
		}
		if p.state == replicating && p.match > p.commitSent && c.log.commit > p.commitSent {
			return true
		}
	}
	return false
}

// replicate sends every peer what it may get: entries, a probe, or news of the commit index.
func (c *Core) replicate() {
	c.beginReadRound()
	for _, id := range c.peerIDs {
		c.feed(id, c.peers[id])
	}
}

func (c *Core) feed(id MemberID, p *progress) {
	for p.ready(c.cfg.MaxInflightMessages) && (p.next <= c.log.lastIndex() || p.state == probing) {
		prev, ok := c.log.term(p.next - 1)
		if !ok {
			c.offerSnapshot(id, p)
			return
		}
		entries := c.log.slice(p.next, c.log.lastIndex(), c.cfg.MaxMessageBytes)
		c.sendAppend(id, p, Cursor{Term: prev, Index: p.next - 1}, entries)
		if p.state == probing {
			p.probeSent, p.probeEnd = true, p.next-1+Index(len(entries))
			return
		}
		p.next += Index(len(entries))
		p.inflight = append(p.inflight, p.next-1)
	}
	if p.state == replicating && p.match > p.commitSent && c.log.commit > p.commitSent {
		c.sendHeartbeat(id, p)
	}
}

func (c *Core) sendAppend(id MemberID, p *progress, prev Cursor, entries []LogEntry) {
	p.commitSent = min(c.log.commit, prev.Index+Index(len(entries)))
	c.send(id, &AppendEntries{
		Term: c.hard.Term, Leader: c.cfg.ID, PrevLogPosition: prev, Entries: entries,
		LeaderCommit: c.log.commit, Round: c.round,
	})
}

// sendHeartbeat sends an AppendEntries without entries at the peer's verified position, which it
// can confirm whatever else is lost or overtaken on the way.
func (c *Core) sendHeartbeat(id MemberID, p *progress) {
	prev, ok := c.log.term(p.match)
	if !ok {
		// The verified position is compacted away or unknown: the base is committed, and a
		// follower that lacks it answers with where its log ends.
		c.sendAppend(id, p, c.log.base, nil)
		return
	}
	c.sendAppend(id, p, Cursor{Term: prev, Index: p.match}, nil)
}

// heartbeat asserts authority, starts a round of confirmation, and finds lost messages.
func (c *Core) heartbeat() {
	for _, id := range c.peerIDs {
		p := c.peers[id]
		switch p.state {
		case probing:
			p.probeSent = false
			continue // the next probe, due now, is the heartbeat
		case syncing:
			c.offerSnapshot(id, p)
			continue
		}
		if p.stalled++; p.stalled > stalledHeartbeats && len(p.inflight) > 0 {
			p.probe(p.match + 1)
			continue
		}
		c.sendHeartbeat(id, p)
	}
}

// stalledHeartbeats is how many heartbeats pass without an acknowledgement before what is in flight
// counts as lost and is sent again (M9).
const stalledHeartbeats = 3

// offerSnapshot tells a peer whose entries are compacted away what to fetch instead.
func (c *Core) offerSnapshot(id MemberID, p *progress) {
	p.state, p.inflight = syncing, p.inflight[:0]
	c.send(id, &StateSyncOffer{
		Term: c.hard.Term, Leader: c.cfg.ID, LeaderCommit: c.log.commit, Snapshot: *c.snapshot, Round: c.round,
	})
}

func (c *Core) handleAppendEntriesResponse(from MemberID, m *AppendEntriesResponse) {
	p := c.peers[from]
	if c.role != Leader || p == nil || m.Round > c.round {
		return
	}
	p.active, p.silent = true, 0
	p.round = max(p.round, m.Round)
	c.releaseReads()
	switch m.Vote {
	case Granted:
		c.handleGranted(from, p, m)
	case Abstained:
		c.handleAbstained(p, m)
	}
}

func (c *Core) handleGranted(from MemberID, p *progress, m *AppendEntriesResponse) {
	if m.LastLogIndex > c.log.lastIndex() {
		return // no member of this term can have more than its leader
	}
	news := p.acknowledge(m.LastLogIndex)
	switch {
	case p.state == probing && m.Hint.Index >= p.probeEnd && (news || m.LastLogIndex+1 >= p.next):
		p.stream()
	case p.state == syncing && p.match >= c.log.base.Index:
		p.probe(p.match + 1)
	}
	if len(p.inflight) == 0 || p.inflight[0] <= m.Hint.Index {
		p.stalled = 0 // what is in flight longest has arrived: the peer's disk is slow, nothing is lost
	}
	if !news {
		return
	}
	c.advanceCommit()
	if c.role == Leader {
		c.tryTransfer(from)
	}
}

func (c *Core) handleAbstained(p *progress, m *AppendEntriesResponse) {
	if m.LastLogIndex <= p.match || p.state == syncing {
		return // an old answer: that position has been verified since, or is being replaced
	}
	if p.state == probing && m.LastLogIndex != p.next-1 {
		return // answers an earlier probe
	}
	at := c.log.hint(m.Hint)
	p.probe(min(at.Index+1, m.LastLogIndex))
}

// advanceCommit applies the commit rule (R3): an index that a majority of every half holds durably,
// if its entry is of this term.
func (c *Core) advanceCommit() {
	index := Index(c.configuration().reached(func(id MemberID) uint64 {
		if id == c.cfg.ID {
			return uint64(c.log.stable)
		}
		if p := c.peers[id]; p != nil {
			return uint64(p.match)
		}
		return 0
	}))
	if term, ok := c.log.term(index); !ok || index <= c.log.commit || term != c.hard.Term {
		return
	}
	c.commitTo(index)
}

func (c *Core) commitTo(index Index) {
	for _, e := range c.log.slice(c.log.commit+1, index, int(^uint(0)>>1)) {
		if e.Term == c.hard.Term { // predecessors' entries were never counted
			c.uncommitted -= len(e.Payload)
		}
	}
	c.log.commit = index
	c.configurationCommitted()
	c.releaseReads()
}

// checkQuorum reports whether a majority has answered since it was last called.
func (c *Core) checkQuorum() bool {
	ok := c.configuration().decided(func(id MemberID) bool {
		return id == c.cfg.ID || (c.peers[id] != nil && c.peers[id].active)
	})
	for _, p := range c.peers {
		p.active = false
	}
	return ok
}
