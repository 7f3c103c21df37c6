package consensus

// pendingRead is a ReadIndex request that awaits a round of confirmation.
type pendingRead struct {
	id uint64
	// index is the commit index when the round began.
	index Index
	// round is 0 until a round begins after the request.
	round uint64
}

// ReadIndex asks for an index at which a linearizable query may run (Ongaro's thesis, section 6.4).
// All requests that come before the round of an earlier one is confirmed share the next round. The answer comes as a
// Read with this id.
//
// # Errors
//
// ErrNotLeader, and ErrBusy when MaxPendingReads requests await their confirmation.
func (c *Core) ReadIndex(id uint64) error {
	if c.role != Leader {
		return ErrNotLeader
	}
	if len(c.reads) >= c.cfg.MaxPendingReads {
		return ErrBusy
	}
	c.Wake()
	c.reads = append(c.reads, pendingRead{id: id})
	return nil
}

// committedInTerm reports whether an entry of this term has committed: before that, a leader does
// not know how far its predecessors committed (R5).
func (c *Core) committedInTerm() bool {
	term, ok := c.log.term(c.log.commit)
	return ok && term == c.hard.Term
}

// readsToConfirm reports whether requests wait for a round that may begin. While one awaits its confirmation no other
// does: under load requests gather for the next one, instead of each sending messages to everybody.
func (c *Core) readsToConfirm() bool {
	return len(c.reads) > 0 && c.reads[0].round == 0 && c.committedInTerm()
}

// beginReadRound starts one round for all requests that have none yet.
func (c *Core) beginReadRound() {
	if !c.readsToConfirm() {
		return
	}
	c.round++
	for i := range c.reads {
		if r := &c.reads[i]; r.round == 0 {
			r.round, r.index = c.round, c.log.commit
		}
	}
	for _, id := range c.peerIDs {
		c.sendHeartbeat(id, c.peers[id])
	}
	c.releaseReads()
}

// releaseReads answers the requests whose round a majority of voters has confirmed.
func (c *Core) releaseReads() {
	if len(c.reads) == 0 {
		return
	}
	confirmed := c.configuration().reached(func(id MemberID) uint64 {
		if id == c.cfg.ID {
			return c.round
		}
		if p := c.peers[id]; p != nil {
			return p.round
		}
		return 0
	})
	n := 0
	for n < len(c.reads) && c.reads[n].round != 0 && c.reads[n].round <= confirmed {
		c.out.reads = append(c.out.reads, Read{ID: c.reads[n].id, Index: c.reads[n].index})
		n++
	}
	c.reads = c.reads[n:]
}
