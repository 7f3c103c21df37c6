package consensus

import (
	"cmp"
	"slices"
)

// promises is what a cluster remembers of its members' words, to hold them to it. It outlives their
// restarts.
type promises struct {
	// votes holds whom a member supported in a term (R2).
	votes map[memberTerm]MemberID
	// chosen holds the term of every committed entry, from index 1 on, and chosenIn the term of the leader
	// that committed it: only leaders of later terms have to hold it.
	chosen, chosenIn []Term
	// outside is set when a script made up messages: they may speak for a leader that does not run here.
	outside bool
}

type memberTerm struct {
	member MemberID
	term   Term
}

func newPromises() promises { return promises{votes: map[memberTerm]MemberID{}} }

// committed is the highest index that any leader has committed.
func (p *promises) committed() Index { return Index(len(p.chosen)) }

// checkMember tests what must hold of a member after every step.
func (c *cluster) checkMember(n *node) {
	l := &n.core.log
	if l.stable > l.lastIndex() || l.handed > l.commit || l.commit > l.lastIndex() || l.base.Index > l.commit {
		c.fail("member %d: base %s handed %d commit %d stable %d last %d",
			n.id, l.base, l.handed, l.commit, l.stable, l.lastIndex())
		return
	}
	c.checkConfigurations(n)
	if n.core.Role() != Leader && (n.core.peers != nil || n.core.reads != nil || n.core.transferee != NoMember) {
		c.fail("member %d is no leader and has peers, reads or a transfer", n.id)
	}
	c.checkDisk(n)
	c.checkLeader(n)
	c.checkCommit(n)
	n.inForce = n.core.Configuration()
}

// checkConfigurations tests that the configuration in force is the latest in the log (R1).
func (c *cluster) checkConfigurations(n *node) {
	for _, e := range slices.Backward(n.core.log.entries) {
		if e.Kind != EntryConfiguration {
			continue
		}
		if latest := n.core.configs[len(n.core.configs)-1]; latest.index != e.Index {
			c.fail("member %d holds a configuration at %d, but the one of %d is in force", n.id, e.Index, latest.index)
		}
		return
	}
	if latest := n.core.configs[len(n.core.configs)-1]; latest.index > n.core.log.commit {
		c.fail("member %d has the configuration of %d in force, which its log does not hold", n.id, latest.index)
	}
}

// checkDisk tests that what the core believes to be durable is on the disk (the ABA race breaks it).
func (c *cluster) checkDisk(n *node) {
	l := &n.core.log
	for _, e := range n.disk.Entries {
		if term, ok := l.term(e.Index); ok && e.Index <= l.stable && e.Index > l.base.Index && term != e.Term {
			c.fail("member %d believes that %d is durable in term %d, the disk has term %d", n.id, e.Index, term, e.Term)
		}
	}
	if last := diskEnd(n.disk); l.stable > last {
		c.fail("member %d believes that %d is durable, the disk ends at %d", n.id, l.stable, last)
	}
	if n.core.out.durableHard.Term > n.disk.HardState.Term {
		c.fail("member %d believes in hard state %+v, the disk has %+v", n.id, n.core.out.durableHard, n.disk.HardState)
	}
}

// checkLeader tests election safety and leader completeness (Raft, section 5.2 and 5.4), and that a
// leader's vote for itself is on its disk.
func (c *cluster) checkLeader(n *node) {
	if n.core.Role() != Leader {
		return
	}
	_, term := n.core.Leader()
	other, known := c.leaders[term]
	if known && other != n.id {
		c.fail("members %d and %d both lead term %d", other, n.id, term)
	}
	if known {
		return
	}
	c.leaders[term] = n.id
	c.logf("%d leads term %d", n.id, term)
	if want := (HardState{Term: term, VotedFor: n.id}); n.disk.HardState != want {
		c.fail("member %d leads term %d, but its disk has %+v", n.id, term, n.disk.HardState)
	}
	if c.outside {
		return
	}
	if c.checkElected(n, term); c.failure != nil {
		return
	}
	for i, chosen := range c.chosen {
		at := Index(i + 1)
		got, held := n.core.log.term(at)
		if c.chosenIn[i] < term && at > n.core.log.base.Index && (!held || got != chosen) {
			c.fail("member %d leads term %d without the committed entry %d/%d", n.id, term, chosen, at)
			return
		}
	}
}

// checkElected counts who promised this leader its term, in the configuration that it stood for.
func (c *cluster) checkElected(n *node, term Term) {
	for _, half := range [][]MemberID{n.inForce.Voters, n.inForce.Outgoing} {
		promised := 0
		for _, id := range half {
			if id == n.id || c.votes[memberTerm{id, term}] == n.id {
				promised++
			}
		}
		if len(half) > 0 && 2*promised <= len(half) {
			c.fail("member %d leads term %d by the votes of %d of %v", n.id, term, promised, half)
		}
	}
}

// checkCommit tests that what a leader commits is on a majority's disks, and that nobody commits
// anything else.
func (c *cluster) checkCommit(n *node) {
	commit := n.core.Commit()
	if commit > c.committed() {
		if leads := n.core.Role() == Leader || n.ledCommit(); !leads && !c.outside {
			c.fail("member %d commits %d before any leader did", n.id, commit)
			return
		}
		for at := c.committed() + 1; at <= commit; at++ {
			term, _ := n.core.log.term(at)
			c.chosen, c.chosenIn = append(c.chosen, term), append(c.chosenIn, n.core.hard.Term)
		}
		if !c.outside {
			c.checkMajority(n, Cursor{Term: c.chosen[commit-1], Index: commit})
		}
	}
	if commit > 0 {
		if term, ok := n.core.log.term(commit); ok && term != c.chosen[commit-1] {
			c.fail("member %d commits %d/%d, but %d/%d was chosen", n.id, term, commit, c.chosen[commit-1], commit)
		}
	}
}

// ledCommit reports whether the member has just left office by committing its own removal.
func (n *node) ledCommit() bool {
	latest := n.core.configs[len(n.core.configs)-1]
	return latest.index != 0 && latest.index <= n.core.Commit() && !latest.configuration.IsVoter(n.id)
}

// checkMajority counts disks by hand, in the configuration that was in force before this step: the
// step may have moved on to the next one.
func (c *cluster) checkMajority(n *node, at Cursor) {
	for _, half := range [][]MemberID{n.inForce.Voters, n.inForce.Outgoing} {
		holders := 0
		for _, id := range half {
			if c.nodes[id] != nil && diskHolds(c.nodes[id].disk, at) {
				holders++
			}
		}
		if len(half) > 0 && 2*holders <= len(half) {
			c.fail("member %d commits %s, which is on the disks of %d of %v", n.id, at, holders, half)
		}
	}
}

func diskEnd(disk Restored) Index {
	if n := len(disk.Entries); n > 0 {
		return disk.Entries[n-1].Index
	}
	if disk.Snapshot != nil {
		return disk.Snapshot.Anchor.Index
	}
	return 0
}

func diskHolds(disk Restored, at Cursor) bool {
	if disk.Snapshot != nil && disk.Snapshot.Anchor.Index >= at.Index {
		return true
	}
	i, found := slices.BinarySearchFunc(disk.Entries, at.Index, func(e LogEntry, index Index) int {
		return cmp.Compare(e.Index, index)
	})
	return found && disk.Entries[i].Term == at.Term
}

// checkWord tests a message as it leaves: what it promises must be on the disk by then (R2, R6), and
// no member may support two candidates in one term.
func (c *cluster) checkWord(n *node, m Envelope) {
	switch word := m.Message.(type) {
	case *RequestVote:
		if !word.PreVote {
			c.checkVote(n, word.Term, word.Candidate, m)
		}
		return
	case *RequestVoteResponse:
		if word.PreVote {
			return
		}
		if word.Vote != Denied {
			c.checkVote(n, word.Term, m.To, m)
		}
	case *AppendEntriesResponse:
		c.checkAcknowledgement(n, m.To, word)
	}
	if term, _ := m.Message.MessageTerm(); term > n.disk.HardState.Term {
		c.fail("member %d sends %s, but its disk is at term %d", n.id, m.Message, n.disk.HardState.Term)
	}
}

func (c *cluster) checkVote(n *node, term Term, candidate MemberID, m Envelope) {
	key := memberTerm{n.id, term}
	if other, voted := c.votes[key]; voted && other != candidate {
		c.fail("member %d supports both %d and %d in term %d", n.id, other, candidate, term)
	}
	c.votes[key] = candidate
	disk := n.disk.HardState
	if disk.Term < term || (disk.Term == term && disk.VotedFor != candidate) {
		c.fail("member %d sends %s to %d, but its disk has %+v", n.id, m.Message, m.To, disk)
	}
}

// checkAcknowledgement tests that an acknowledged prefix is durable and equal to the leader's.
func (c *cluster) checkAcknowledgement(n *node, to MemberID, word *AppendEntriesResponse) {
	if word.Vote != Granted || word.Term != n.core.hard.Term {
		return // an old word: its term's entries may have been replaced since
	}
	if last := diskEnd(n.disk); word.LastLogIndex > last {
		c.fail("member %d acknowledges %d, but its disk ends at %d", n.id, word.LastLogIndex, last)
	}
	lead := c.nodes[to]
	if lead == nil || lead.core.Role() != Leader || lead.core.hard.Term != word.Term {
		return
	}
	mine, held := n.core.log.term(word.LastLogIndex)
	if theirs, ok := lead.core.log.term(word.LastLogIndex); held && ok && mine != theirs {
		c.fail("member %d acknowledges %d/%d to leader %d, which has %d/%d",
			n.id, mine, word.LastLogIndex, to, theirs, word.LastLogIndex)
	}
}
