package consensus

import "fmt"

func (c *Core) handleAppendEntries(from MemberID, m *AppendEntries) error {
	if follows, err := c.followLeader(from, m.Leader); !follows {
		return err
	}
	if err := contiguous(m.PrevLogPosition, m.Entries, c.hard.Term); err != nil {
		return err
	}
	c.leaderRound = max(c.leaderRound, m.Round)
	prev, entries, err := c.skipCommitted(m.PrevLogPosition, m.Entries)
	if err != nil {
		return err
	}
	if !c.log.matches(prev) {
		c.send(from, &AppendEntriesResponse{
			Term: c.hard.Term, Vote: Abstained, LastLogIndex: prev.Index, Hint: c.log.hint(prev), Round: m.Round,
		})
		return nil
	}
	if err := c.acceptEntries(entries); err != nil {
		return err
	}
	c.verified = max(c.verified, prev.Index+Index(len(entries)))
	c.log.commit = max(c.log.commit, min(m.LeaderCommit, c.verified))
	c.followQuiet(m)
	c.acknowledge(len(m.Entries) > 0 && c.verified <= c.log.stable)
	return nil
}

// contiguous tests that a log of term can hold entries right after prev.
func contiguous(prev Cursor, entries []LogEntry, term Term) error {
	for _, e := range entries {
		if e.Index != prev.Index+1 || e.Term < prev.Term || e.Term > term {
			return fmt.Errorf("%w: entry %s cannot follow %s in term %d", ErrInvariant, e, prev, term)
		}
		prev = e.Position()
	}
	return nil
}

// followLeader follows the leader of the present term. It reports false for a message that is not
// the leader's own.
func (c *Core) followLeader(from, leader MemberID) (bool, error) {
	if from != leader {
		return false, nil
	}
	if c.leader != NoMember && c.leader != leader {
		return false, fmt.Errorf("%w: both %s and %s lead term %d", ErrInvariant, c.leader, leader, c.hard.Term)
	}
	if c.role != Follower {
		c.becomeFollower(c.hard.Term, leader)
	}
	c.leader, c.electionElapsed = leader, 0
	return true, nil
}

// skipCommitted drops what lies at or below the commit index: it equals the leader's, since every
// leader holds every committed entry, and it may be compacted here (M18).
func (c *Core) skipCommitted(prev Cursor, entries []LogEntry) (Cursor, []LogEntry, error) {
	if prev.Index >= c.log.commit {
		return prev, entries, nil
	}
	skip := min(int(c.log.commit-prev.Index), len(entries))
	for _, e := range entries[:skip] {
		if term, known := c.log.term(e.Index); known && term != e.Term {
			return prev, nil, fmt.Errorf("%w: the leader's entry %s differs from the committed one of term %d",
				ErrInvariant, e, term)
		}
	}
	term, _ := c.log.term(c.log.commit)
	return Cursor{Term: term, Index: c.log.commit}, entries[skip:], nil
}

// acceptEntries stores entries that follow a position which matches. Those already there stay; from the first
// conflict on, the leader's replace ours.
func (c *Core) acceptEntries(entries []LogEntry) error {
	for i, e := range entries {
		term, held := c.log.term(e.Index)
		if held && term == e.Term {
			continue
		}
		if held {
			if err := c.truncate(e.Index); err != nil {
				return err
			}
		}
		for _, added := range entries[i:] {
			if err := c.noteConfiguration(added); err != nil {
				return fmt.Errorf("%w: %w", ErrInvariant, err)
			}
		}
		c.log.append(entries[i:]...)
		return nil
	}
	return nil
}

// truncate forgets the entries from first on, and the configurations that they carried.
func (c *Core) truncate(first Index) error {
	if first <= c.verified {
		return fmt.Errorf("%w: the leader of term %d replaces index %d of its own log", ErrInvariant, c.hard.Term, first)
	}
	if err := c.log.truncate(first); err != nil {
		return err
	}
	n := len(c.configs)
	for n > 1 && c.configs[n-1].index >= first {
		n--
	}
	c.configs = c.configs[:n]
	return nil
}

// acknowledge tells the leader how far the durable log is known to equal its own. It stays silent
// when neither that nor the round is news, unless the leader sent durable entries again: it missed
// the first answer.
func (c *Core) acknowledge(again bool) {
	if c.leader == NoMember || c.leader == c.cfg.ID {
		return
	}
	last := min(max(c.verified, c.log.commit), c.log.stable)
	if last == c.ackedIndex && c.leaderRound == c.ackedRound && !again {
		return
	}
	c.ackedIndex, c.ackedRound = last, c.leaderRound
	c.send(c.leader, &AppendEntriesResponse{
		Term: c.hard.Term, Vote: Granted, LastLogIndex: last, Hint: Cursor{Index: c.verified}, Round: c.leaderRound,
	})
}
