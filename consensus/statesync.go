package consensus

import "fmt"

// handleStateSyncOffer decides whether the offered snapshot is needed (R8). It is, when its anchor
// is above the local commit index, not above the leader's, and not in the log already.
func (c *Core) handleStateSyncOffer(from MemberID, m *StateSyncOffer) error {
	if follows, err := c.followLeader(from, m.Leader); !follows {
		return err
	}
	c.leaderRound = max(c.leaderRound, m.Round)
	anchor := m.Snapshot.Anchor
	switch {
	case anchor.Index > m.LeaderCommit || anchor.Term > m.Term || m.Snapshot.Configuration.valid() != nil:
		return nil // no leader makes such an offer
	case anchor.Index <= c.log.commit:
		c.acknowledge(true) // what we hold is newer (M11): say so
		return nil
	case c.log.matches(anchor):
		c.verified = max(c.verified, anchor.Index)
		c.log.commit = anchor.Index
		c.acknowledge(true)
		return nil
	}
	c.send(from, &AppendEntriesResponse{
		Term: c.hard.Term, Vote: Abstained, LastLogIndex: anchor.Index, Hint: c.log.last(), Round: m.Round,
	})
	offer := *m
	c.out.offer = &offer
	return nil
}

// Install replaces the log by a snapshot that the host has fetched after an Offer. It reports
// whether the snapshot was still wanted; if so, the next Ready persists and restores it.
//
// # Errors
//
// ErrBadConfiguration when the snapshot's configuration breaks an invariant.
func (c *Core) Install(meta SnapshotMeta) (bool, error) {
	if meta.Anchor.Index <= c.log.commit || c.role == Leader {
		return false, nil
	}
	if err := meta.Configuration.valid(); err != nil {
		return false, fmt.Errorf("snapshot at %s: %w", meta.Anchor, err)
	}
	if c.log.matches(meta.Anchor) {
		// The log has caught up meanwhile, and what lies beyond the anchor may be acknowledged: keep it.
		c.log.commit = meta.Anchor.Index
		return false, nil
	}
	c.log.reset(meta.Anchor)
	c.configs = []placedConfiguration{{meta.ConfigurationIndex, meta.Configuration}}
	c.snapshot = &meta
	c.out.install, c.out.restore = &meta, true
	return true, nil
}

// SnapshotAt describes a snapshot that the host took after applying the entry at index, for the
// durable log and for SnapshotTaken.
//
// # Errors
//
// ErrBadState when the log does not reach from its base to index.
func (c *Core) SnapshotAt(index Index, manifest []byte) (SnapshotMeta, error) {
	term, ok := c.log.term(index)
	if !ok || index > c.log.handed {
		return SnapshotMeta{}, fmt.Errorf("%w: no snapshot is possible at %d, the log holds %d to %d and %d is applied",
			ErrBadState, index, c.log.base.Index, c.log.lastIndex(), c.log.handed)
	}
	meta := SnapshotMeta{Anchor: Cursor{Term: term, Index: index}, Manifest: manifest}
	for _, placed := range c.configs {
		if placed.index <= index {
			meta.Configuration, meta.ConfigurationIndex = placed.configuration, placed.index
		}
	}
	return meta, nil
}

// SnapshotTaken tells the core that meta is durable, and lets it forget the entries up to and
// including keepAfter, which must not be above the anchor. Another snapshot at the same anchor takes
// the place of the one before, which was wrong.
func (c *Core) SnapshotTaken(meta SnapshotMeta, keepAfter Index) {
	if c.snapshot != nil && meta.Anchor.Index < c.snapshot.Anchor.Index {
		return
	}
	c.snapshot = &meta
	c.log.compact(min(keepAfter, meta.Anchor.Index))
	n := 0
	for n+1 < len(c.configs) && c.configs[n+1].index <= meta.Anchor.Index {
		n++
	}
	c.configs = c.configs[n:]
}
