package consensus

// Ready is what the host has to do now. The required order is: hand Write to the log first (it
// completes in the background, reported with Persisted), then send Messages, then restore and apply.
// Nothing here has to wait for the Write: the core holds back whatever must.
type Ready struct {
	// Write is nil when there is nothing to persist.
	Write *Write
	// Messages may go out at once. Losing some is harmless.
	Messages []Envelope
	// Restore, when set, replaces the machine's state by this snapshot, before Committed is applied.
	Restore *SnapshotMeta
	// Committed are the next entries to apply. They are durable here and committed.
	Committed []LogEntry
	// Reads are the ReadIndex requests that were decided.
	Reads []Read
	// Offer is a snapshot that this member needs: fetch it, then call Install.
	Offer *StateSyncOffer
}

// Read is the end of a ReadIndex request.
type Read struct {
	ID uint64
	// Index is what must have been applied before the query runs.
	Index Index
	// Refused is set when leadership could not be confirmed; the query must not run.
	Refused bool
}

// effects collects what the next Ready reports.
type effects struct {
	messages []Envelope
	// held are messages of earlier turns that await the durability of a write.
	held []heldMessage
	// durableHard is the hard state on disk, hardSeq the write that carries the present one.
	writtenHard HardState
	durableHard HardState
	hardSeq     uint64
	writeSeq    uint64
	doneSeq     uint64
	install     *SnapshotMeta
	restore     bool
	reads       []Read
	offer       *StateSyncOffer
}

// heldMessage leaves when the write seq is durable.
type heldMessage struct {
	seq      uint64
	envelope Envelope
}

func (o *effects) refuseReads(reads []pendingRead) {
	for _, r := range reads {
		o.reads = append(o.reads, Read{ID: r.id, Refused: true})
	}
}

// Ready takes everything that is due. What it returns is the host's; the core will not repeat it.
func (c *Core) Ready() Ready {
	if c.role == Leader {
		c.replicate()
	}
	rd := Ready{Write: c.takeWrite(), Messages: c.takeMessages()}
	rd.Restore = c.takeRestore()
	rd.Committed = c.takeCommitted()
	rd.Reads, c.out.reads = c.out.reads, nil
	rd.Offer, c.out.offer = c.out.offer, nil
	return rd
}

// takeWrite gathers what is not yet on its way to the disk into one Write.
func (c *Core) takeWrite() *Write {
	entries := c.log.slice(c.log.unwritten, c.log.lastIndex(), maxWriteBytes)
	if c.hard == c.out.writtenHard && c.out.install == nil && len(entries) == 0 {
		return nil
	}
	c.out.writeSeq++
	w := &Write{Seq: c.out.writeSeq, Install: c.out.install, Entries: entries}
	if c.hard != c.out.writtenHard {
		hard := c.hard
		w.HardState, c.out.writtenHard, c.out.hardSeq = &hard, hard, w.Seq
	}
	stableTo := c.log.unwritten - 1
	if n := len(entries); n > 0 {
		stableTo = entries[n-1].Index
	}
	c.out.install = nil
	c.log.unwritten = stableTo + 1
	c.log.writes = append(c.log.writes, pendingWrite{seq: w.Seq, stableTo: stableTo})
	return w
}

// maxWriteBytes bounds the payloads of one Write; what does not fit goes into the next.
const maxWriteBytes = 16 << 20

// maxHeld bounds the messages that await a hard state's write: past it the oldest are dropped, as the
// network might have done.
const maxHeld = 4096

// takeMessages returns what may leave now and holds the rest until its hard state is durable.
func (c *Core) takeMessages() []Envelope {
	var free []Envelope
	for len(c.out.held) > 0 && c.out.held[0].seq <= c.out.doneSeq {
		free = append(free, c.out.held[0].envelope)
		c.out.held = c.out.held[1:]
	}
	if c.out.hardSeq <= c.out.doneSeq {
		free = append(free, c.out.messages...)
	} else {
		for _, m := range c.out.messages {
			c.out.held = append(c.out.held, heldMessage{c.out.hardSeq, m})
		}
		if n := len(c.out.held) - maxHeld; n > 0 {
			c.out.held = c.out.held[n:]
		}
	}
	c.out.messages = nil
	return free
}

func (c *Core) takeRestore() *SnapshotMeta {
	if !c.out.restore || c.log.stable < c.log.base.Index {
		return nil
	}
	c.out.restore = false
	c.log.handed = c.snapshot.Anchor.Index
	return c.snapshot
}

func (c *Core) takeCommitted() []LogEntry {
	if c.out.restore {
		return nil // the machine's state is about to be replaced
	}
	entries := c.log.slice(c.log.handed+1, min(c.log.commit, c.log.stable), c.cfg.MaxApplyBytes)
	if n := len(entries); n > 0 {
		c.log.handed = entries[n-1].Index
	}
	return entries
}

// HasReady reports whether Ready would return anything.
func (c *Core) HasReady() bool {
	o := &c.out
	switch {
	case len(o.messages) > 0 && o.hardSeq <= o.doneSeq, len(o.held) > 0 && o.held[0].seq <= o.doneSeq:
		return true
	case c.hard != o.writtenHard, o.install != nil, c.log.unwritten <= c.log.lastIndex():
		return true
	case len(o.reads) > 0, o.offer != nil, o.restore && c.log.stable >= c.log.base.Index:
		return true
	case !o.restore && c.log.handed < min(c.log.commit, c.log.stable):
		return true
	}
	return c.role == Leader && c.wantsToSend()
}

// Persisted reports that the Write seq, and with it every earlier one, is durable.
func (c *Core) Persisted(seq uint64) {
	if seq > c.out.writeSeq || seq <= c.out.doneSeq {
		return
	}
	c.out.doneSeq = seq
	if c.out.hardSeq <= seq {
		c.out.durableHard = c.out.writtenHard
	}
	c.log.persisted(seq)
	switch c.role {
	case Leader:
		c.advanceCommit()
	case Candidate:
		if c.out.durableHard == c.hard {
			c.takeVote(c.cfg.ID, Granted)
		}
	case Follower:
		c.acknowledge(false)
	}
}
