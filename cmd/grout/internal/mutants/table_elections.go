package main

// elections are the mutations of terms, votes and leadership.
var elections = []mutation{
	{
		name: "own-vote-before-durable", breaks: "R6 B5", file: "consensus/election.go", tests: scripted,
		edits: []edit{{`	if preVote {
		c.takeVote(c.cfg.ID, Granted)
	}`, `	c.takeVote(c.cfg.ID, Granted)`}},
	},
	{
		name: "messages-before-hard-state", breaks: "R6 M6", file: "consensus/ready.go", tests: scripted,
		edits: []edit{{`	if c.out.hardSeq <= c.out.doneSeq {
		free`, `	if true {
		free`}},
	},
	{
		name: "vote-for-a-shorter-log", breaks: "R2 M4", file: "consensus/election.go", tests: scripted,
		edits: []edit{{`	case m.LogPosition.before(mine):
		return Denied
`, `	case m.LogPosition.before(mine):
		return Granted
`}},
	},
	{
		name: "logs-compared-by-length", breaks: "R2 M5", file: "consensus/types.go", tests: scripted,
		edits: []edit{{`	if c.Term != other.Term {
		return c.Term < other.Term
	}
`, ""}},
	},
	{
		name: "second-vote-in-a-term", breaks: "R2 M3", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"c.role == Leader || (c.hard.VotedFor != NoMember && c.hard.VotedFor != m.Candidate)", "c.role == Leader"}},
	},
	{
		name: "abstention-is-no-promise", breaks: "R2 M3", file: "consensus/election.go", tests: scripted,
		edits: []edit{{`	if vote != Denied {
		c.hard.VotedFor`, `	if vote == Granted {
		c.hard.VotedFor`}},
	},
	{
		name: "vote-lost-on-restart", breaks: "R6 M6", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"hard: restored.HardState,", "hard: HardState{Term: restored.HardState.Term},"}},
	},
	{
		name: "term-lost-on-restart", breaks: "R6 M6", file: "consensus/core.go", tests: scripted,
		edits: []edit{{`	if err := c.restore(restored); err != nil {
		return nil, err
	}`, `	if err := c.restore(restored); err != nil {
		return nil, err
	}
	c.hard = HardState{Term: c.log.last().Term}`}},
	},
	{
		name: "observers-vote", breaks: "R1", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"return majority(c.Voters, yes) &&", "return majority(append(append([]MemberID(nil), c.Voters...), c.Observers...), yes) &&"}},
	},
	{
		name: "half-is-a-majority", breaks: "R1 M2", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"count > len(voters)/2", "2*count >= len(voters)"}},
	},
	{
		name: "leader-unprotected", breaks: "R5 B12", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"return c.role == Leader || (c.leader != NoMember && c.electionElapsed < c.cfg.ElectionTicks)", "return false"}},
	},
	{
		name: "leader-unprotected-from-votes", breaks: "R5 B12 B13", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"if !m.Transfer && c.hearsLeader() {", "if false {"}},
	},
	{
		name: "leader-unprotected-from-pre-votes", breaks: "R5 B13", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"(!m.Transfer && c.hearsLeader())", "false"}},
	},
	{
		name: "silent-leader-protected-for-ever", breaks: "R5 B13", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.leader = NoMember // those", "// those"}},
	},
	{
		name: "observers-stand", breaks: "R1 B10", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"func (c *Core) promotable() bool {", `func (c *Core) promotable() bool {
	if true { return true }`}},
	},
	{
		name: "no-pre-vote", breaks: "R5 B13", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.startElection(true, false)", "c.startElection(false, false)"}},
	},
	{
		name: "no-check-quorum", breaks: "R5", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"if !c.checkQuorum() {", "if false {"}},
	},
	{
		name: "check-quorum-never-forgets", breaks: "R5", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"p.active = false", "_ = p"}},
	},
	{
		name: "abstentions-do-not-count", breaks: "R2 M3", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"v, ok := c.votes[id]; return ok && v != Denied", "v, ok := c.votes[id]; return ok && v == Granted"}},
	},
	{
		name: "transfer-before-caught-up", breaks: "", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"to == c.transferee && c.peers[to].match == c.log.lastIndex()", "to == c.transferee"}},
	},
	{
		name: "transfer-refused-by-followers", breaks: "R5", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"Transfer: transfer,", "Transfer: false,"}},
	},
	{
		name: "proposals-during-transfer", breaks: "", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"if c.transferee != NoMember {", "if false {"}},
	},
	{
		name: "transfer-never-given-up", breaks: "", file: "consensus/core.go", tests: scripted,
		edits: []edit{{`		c.transferee = NoMember
		if`, `		if`}},
	},
	{
		name: "any-term-followed", breaks: "R5 M16", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"term-c.hard.Term > maxTermLeap || ", ""}},
	},
	{
		name: "stale-terms-unanswered", breaks: "R5 M16 B11", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.answerStale(from, message)", ""}},
	},
	{
		name: "old-pre-votes-count", breaks: "R2", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"m.PreVote && m.Vote != Denied && m.Term != c.hard.Term+1", "false"}},
	},
	{
		name: "pre-votes-count-as-votes", breaks: "R2", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"m.PreVote != (c.role == PreCandidate) || (!m.PreVote && c.role != Candidate)", "c.role != PreCandidate && c.role != Candidate"}},
	},
	{
		name: "hard-state-durable-too-early", breaks: "R6 B3", file: "consensus/ready.go", tests: scripted,
		edits: []edit{{"if c.out.hardSeq <= seq {", "{"}},
	},
	{
		name: "two-leaders-tolerated", breaks: "R2", file: "consensus/follower.go", tests: unit,
		edits: []edit{{"c.leader != NoMember && c.leader != leader", "false"}},
	},
	{
		name: "timeout-now-from-anybody", breaks: "R5", file: "consensus/election.go", tests: unit,
		edits: []edit{{"from != m.Leader || c.role == Leader || !c.promotable()", "!c.promotable()"}},
	},
	{
		name: "forged-candidate", breaks: "R2", file: "consensus/election.go", tests: unit,
		edits: []edit{{`	if from != m.Candidate {
		return
	}
`, ""}},
	},
	{
		name: "jitter-not-from-seed", breaks: "", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"+ c.rng.IntN(", "+ rand.IntN("}},
	},
	{
		name: "no-jitter", breaks: "R5", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"*c.cfg.ElectionTicks + c.rng.IntN(c.cfg.ElectionTicks)", "*c.cfg.ElectionTicks"}},
	},
	{
		name: "silence-is-a-vote", breaks: "R1 M1", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"v, ok := c.votes[id]; return ok && v != Denied", "v, ok := c.votes[id]; return !ok || v != Denied"}},
	},
	{
		name: "vote-in-a-write-of-its-own", breaks: "R6 B3", file: "consensus/ready.go", tests: scripted,
		edits: []edit{{`		hard := c.hard
`, `		hard := c.hard
		if hard.Term != c.out.writtenHard.Term {
			hard.VotedFor = NoMember
		}
`}},
	},
	{
		name: "hard-state-never-written", breaks: "R6 B4", file: "consensus/ready.go", tests: scripted,
		edits: []edit{{"w.HardState, c.out.writtenHard, c.out.hardSeq = &hard, hard, w.Seq", "c.out.writtenHard, c.out.hardSeq = hard, w.Seq"}},
	},
	{
		name: "candidate-does-not-vote", breaks: "R2 R6 B5", file: "consensus/election.go", tests: scripted,
		edits: []edit{{"c.hard.VotedFor = c.cfg.ID", ""}},
	},
	{
		name: "pre-vote-refusal-teaches-nothing", breaks: "R5 B11", file: "consensus/core.go", tests: scripted,
		edits: []edit{{`		if m.PreVote && m.Vote != Denied {
			return true`, `		if m.PreVote {
			return true`}},
	},
	{
		name: "pre-vote-refusal-keeps-its-term", breaks: "R5 B11", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.send(from, &RequestVoteResponse{Term: c.hard.Term, Vote: Denied, PreVote: m.PreVote})", "c.send(from, &RequestVoteResponse{Term: m.Term, Vote: Denied, PreVote: m.PreVote})"}},
	},
	{
		name: "answers-of-removed-followed", breaks: "R5 B12", file: "consensus/core.go", tests: scripted,
		edits: []edit{{`	if !c.configuration().IsMember(from) {
		return false
	}
`, ""}},
	},
	{
		name: "reluctance-ignored", breaks: "", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"max(1, c.cfg.Reluctance)*c.cfg.ElectionTicks", "c.cfg.ElectionTicks"}},
	},
	{
		name: "reluctance-protects-longer", breaks: "R5 B13", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.electionElapsed < c.cfg.ElectionTicks)", "c.electionElapsed < c.electionTimeout)"}},
	},
	{
		name: "resigned-leader-still-leads", breaks: "R5", file: "consensus/election.go", tests: scripted,
		edits: []edit{{`	if c.role == Leader {
		c.becomeFollower(c.hard.Term, NoMember)
	}
}

// TransferLeadership`, `	if c.role == Leader {
		c.becomeFollower(c.hard.Term, c.cfg.ID)
	}
}

// TransferLeadership`}},
	},
	{
		name: "followers-resign", breaks: "", file: "consensus/election.go", tests: scripted,
		edits: []edit{{`	if c.role == Leader {
		c.becomeFollower(c.hard.Term, NoMember)
	}
}

// TransferLeadership`, `	c.becomeFollower(c.hard.Term, NoMember)
}

// TransferLeadership`}},
	},
}
