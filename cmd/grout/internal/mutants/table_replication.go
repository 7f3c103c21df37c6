package main

// replication are those of the log: matching, committing, retransmission.
var replication = []mutation{
	{
		name: "commit-old-term-by-counting", breaks: "R3 M5 B1", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"if term, ok := c.log.term(index); !ok || index <= c.log.commit || term != c.hard.Term {", "if _, ok := c.log.term(index); !ok || index <= c.log.commit {"}},
	},
	{
		name: "ack-before-durable", breaks: "R6 M7", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"min(max(c.verified, c.log.commit), c.log.stable)", "max(c.verified, c.log.commit)"}},
	},
	{
		name: "ack-where-the-log-ends", breaks: "R3 M15", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"min(max(c.verified, c.log.commit), c.log.stable)", "c.log.stable"}},
	},
	{
		name: "completion-of-replaced-writes", breaks: "R6 B18", file: "consensus/log.go", tests: scripted,
		edits: []edit{{`	l.stable = min(l.stable, first-1)
`, `	return
	l.stable = min(l.stable, first-1)
`}},
	},
	{
		name: "old-completion-vouches-for-new-entry", breaks: "R6 B18", file: "consensus/log.go", tests: scripted,
		edits: []edit{{"l.writes[i].stableTo = min(l.writes[i].stableTo, first-1)", "_ = i"}},
	},
	{
		name: "replaced-entries-stay-durable", breaks: "R6 B18", file: "consensus/log.go", tests: scripted,
		edits: []edit{{"l.stable = min(l.stable, first-1)", ""}},
	},
	{
		name: "replaced-entries-not-written", breaks: "R6", file: "consensus/log.go", tests: scripted,
		edits: []edit{{"l.unwritten = min(l.unwritten, first)", ""}},
	},
	{
		name: "log-truncates-below-commit", breaks: "R3 M2", file: "consensus/log.go", tests: unit,
		edits: []edit{{"if first <= l.commit {", "if false {"}},
	},
	{
		name: "differing-committed-entry-taken", breaks: "R3 M2", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"known && term != e.Term", "known && term != e.Term && false"}},
	},
	{
		name: "leader-replaces-its-own", breaks: "R3", file: "consensus/follower.go", tests: unit,
		edits: []edit{{"if first <= c.verified {", "if false {"}},
	},
	{
		name: "observers-count-in-commits", breaks: "R1", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"lowest := majorityValue(c.Voters, value)", "lowest := majorityValue(append(append([]MemberID(nil), c.Voters...), c.Observers...), value)"}},
	},
	{
		name: "observers-outvote-voters", breaks: "R1 R5", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"lowest := majorityValue(c.Voters, value)", `lowest := majorityValue(c.Voters, value)
	if obs := majorityValue(c.Observers, value); obs > lowest { lowest = obs }`}},
	},
	{
		name: "even-groups-commit-by-half", breaks: "R3", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"values[(len(values)-1)/2]", "values[len(values)/2]"}},
	},
	{
		name: "duplicates-below-prefix-lag", breaks: "M18", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"prev, entries, err := c.skipCommitted(m.PrevLogPosition, m.Entries)", "prev, entries, err := m.PrevLogPosition, m.Entries, error(nil)"}},
	},
	{
		name: "lost-appends-not-resent", breaks: "R3 M9", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"if p.stalled++; p.stalled > stalledHeartbeats && len(p.inflight) > 0 {", "if false {"}},
	},
	{
		name: "commit-unverified-tail", breaks: "R3 M8 M15", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"min(m.LeaderCommit, c.verified)", "min(m.LeaderCommit, c.log.lastIndex())"}},
	},
	{
		name: "commit-past-the-log", breaks: "R3 M15", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"min(m.LeaderCommit, c.verified)", "m.LeaderCommit"}},
	},
	{
		name: "verified-where-the-log-ends", breaks: "R3 M15", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"c.verified = max(c.verified, prev.Index+Index(len(entries)))", "c.verified = c.log.lastIndex()"}},
	},
	{
		name: "verified-outlives-the-term", breaks: "R3 M8", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.verified, c.ackedIndex, c.ackedRound, c.leaderRound = 0, 0, 0, 0", "c.ackedIndex, c.ackedRound, c.leaderRound = 0, 0, 0"}},
	},
	{
		name: "acks-outlive-the-term", breaks: "R3", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.verified, c.ackedIndex, c.ackedRound, c.leaderRound = 0, 0, 0, 0", "c.verified, c.leaderRound = 0, 0"}},
	},
	{
		name: "batches-unchecked", breaks: "R3 M15", file: "consensus/follower.go", tests: unit,
		edits: []edit{{`	for _, e := range entries {
		if e.Index != prev.Index+1`, `	for _, e := range entries[:0] {
		if e.Index != prev.Index+1`}},
	},
	{
		name: "own-bytes-of-predecessors", breaks: "", file: "consensus/leader.go", tests: unit,
		edits: []edit{{"if e.Term == c.hard.Term {", "if true {"}},
	},
	{
		name: "uncommitted-bytes-never-fall", breaks: "", file: "consensus/leader.go", tests: unit,
		edits: []edit{{"c.uncommitted -= len(e.Payload)", "_ = e"}},
	},
	{
		name: "uncommitted-bytes-unbounded", breaks: "", file: "consensus/leader.go", tests: unit,
		edits: []edit{{"c.uncommitted > 0 && c.uncommitted+size > c.cfg.MaxUncommittedBytes", "false"}},
	},
	{
		name: "leader-counts-its-log", breaks: "R3 R6", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"return uint64(c.log.stable)", "return uint64(c.log.lastIndex())"}},
	},
	{
		name: "window-unbounded", breaks: "", file: "consensus/progress.go", tests: scripted,
		edits: []edit{{"return len(p.inflight) < window", "return true"}},
	},
	{
		name: "repeated-appends-unanswered", breaks: "M18", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"c.acknowledge(len(m.Entries) > 0 && c.verified <= c.log.stable)", "c.acknowledge(false)"}},
	},
	{
		name: "applies-before-durable", breaks: "R6", file: "consensus/ready.go", tests: scripted,
		edits: []edit{{"min(c.log.commit, c.log.stable), c.cfg.MaxApplyBytes", "c.log.commit, c.cfg.MaxApplyBytes"}},
	},
	{
		name: "match-falls", breaks: "R3 M15", file: "consensus/progress.go", tests: scripted,
		edits: []edit{{`	if index <= p.match {
		return false
	}
`, ""}},
	},
	{
		name: "old-abstentions-count", breaks: "R3 M10", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"m.LastLogIndex <= p.match || p.state == syncing", "p.state == syncing"}},
	},
	{
		name: "old-probe-answers-count", breaks: "R3 M10", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"p.state == probing && m.LastLogIndex != p.next-1", "false"}},
	},
	{
		name: "no-no-op", breaks: "R3", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"c.appendOwn(LogEntry{Kind: EntryNoOp})", ""}},
	},
	{
		name: "match-beyond-the-log", breaks: "R3", file: "consensus/leader.go", tests: unit,
		edits: []edit{{"if m.LastLogIndex > c.log.lastIndex() {", "if false {"}},
	},
	{
		name: "held-messages-unbounded", breaks: "", file: "consensus/ready.go", tests: unit,
		edits: []edit{{"n := len(c.out.held) - maxHeld; n > 0", "n := len(c.out.held) - maxHeld; n > 1<<40"}},
	},
	{
		name: "abstention-ignored", breaks: "R2 M10", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"p.probe(min(at.Index+1, m.LastLogIndex))", "_ = at; p.probe(m.LastLogIndex+1)"}},
	},
	{
		name: "lost-probes-not-repeated", breaks: "M9 M10", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"p.probeSent = false", ""}},
	},
	{
		name: "commit-not-told", breaks: "R3", file: "consensus/leader.go", tests: unit,
		edits: []edit{{`	if p.state == replicating && p.match > p.commitSent && c.log.commit > p.commitSent {
		c.sendHeartbeat(id, p)
	}
`, ""}},
	},
	{
		name: "apply-batch-unbounded", breaks: "", file: "consensus/ready.go", tests: unit,
		edits: []edit{{"min(c.log.commit, c.log.stable), c.cfg.MaxApplyBytes", "min(c.log.commit, c.log.stable), 1<<40"}},
	},
	{
		name: "message-unbounded", breaks: "", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"c.log.lastIndex(), c.cfg.MaxMessageBytes", "c.log.lastIndex(), 1<<40"}},
	},
	{
		name: "shared-entries-overwritten", breaks: "R6 B18", file: "consensus/log.go", tests: scripted,
		edits: []edit{{"l.entries = append([]LogEntry(nil), l.entries[:cut]...)", "l.entries = l.entries[:cut]"}},
	},
	{
		name: "silent-voters-left-out-of-commits", breaks: "R1 R4 M2", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{`			return uint64(p.match)
		}
		return 0
	}))
	if term`, `			if !p.active {
				return uint64(c.log.stable)
			}
			return uint64(p.match)
		}
		return 0
	}))
	if term`}},
	},
	{
		name: "commit-by-three-of-seven", breaks: "R3 M4", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"values[(len(values)-1)/2]", "values[min((len(values)+1)/2, len(values)-1)]"}},
	},
	{
		name: "conflicts-kept-by-index", breaks: "R3 M8 M15", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{`held && term == e.Term {
			continue`, `held && term > 0 {
			continue`}},
	},
	{
		name: "acks-count-beyond-batch", breaks: "R3 M15", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"c.verified = max(c.verified, prev.Index+Index(len(entries)))", "c.verified = max(c.verified, prev.Index+Index(len(entries))+1)"}},
	},
	{
		name: "slow-disk-taken-for-loss", breaks: "R3", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"len(p.inflight) == 0 || p.inflight[0] <= m.Hint.Index", "len(p.inflight) == 0"}},
	},
	{
		name: "any-answer-vouches-for-the-window", breaks: "M9", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"p.inflight[0] <= m.Hint.Index", "p.inflight[0] <= m.Hint.Index+1"}},
	},
	{
		name: "entries-below-the-base", breaks: "", file: "consensus/core.go", tests: unit,
		edits: []edit{{"first <= c.log.base.Index ||", "first < c.log.base.Index ||"}},
	},
}
