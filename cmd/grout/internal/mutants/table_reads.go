package main

// reads are those of linearizable reads.
var reads = []mutation{
	{
		name: "read-before-own-term-commit", breaks: "R5 M12 B14", file: "consensus/reads.go", tests: scripted,
		edits: []edit{{"c.reads[0].round == 0 && c.committedInTerm()", "c.reads[0].round == 0"}},
	},
	{
		name: "read-unconfirmed", breaks: "R5 M12", file: "consensus/reads.go", tests: scripted,
		edits: []edit{{"c.reads[n].round <= confirmed", "(confirmed >= 0)"}},
	},
	{
		name: "read-shares-an-old-round", breaks: "R5", file: "consensus/reads.go", tests: scripted,
		edits: []edit{{"c.round++", ""}},
	},
	{
		name: "read-index-at-release", breaks: "R5", file: "consensus/reads.go", tests: scripted,
		edits: []edit{{"Index: c.reads[n].index}", "Index: c.log.commit}"}},
	},
	{
		name: "read-index-zero", breaks: "R5", file: "consensus/reads.go", tests: scripted,
		edits: []edit{{"r.round, r.index = c.round, c.log.commit", "r.round, r.index = c.round, 0"}},
	},
	{
		name: "rounds-outlive-the-term", breaks: "R5", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.verified, c.ackedIndex, c.ackedRound, c.leaderRound = 0, 0, 0, 0", "c.verified, c.ackedIndex, c.ackedRound = 0, 0, 0"}},
	},
	{
		name: "reads-of-deposed-leader-hang", breaks: "R5", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.out.refuseReads(c.reads)", ""}},
	},
	{
		name: "future-rounds-count", breaks: "R5", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{" || m.Round > c.round", ""}},
	},
	{
		name: "rounds-made-up", breaks: "R5", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"Round: c.leaderRound,", "Round: c.leaderRound + 1,"}},
	},
	{
		name: "reads-unbounded", breaks: "", file: "consensus/reads.go", tests: unit,
		edits: []edit{{"len(c.reads) >= c.cfg.MaxPendingReads", "false"}},
	},
	{
		name: "reads-under-a-lease", breaks: "R5 M12 B15", file: "consensus/reads.go", tests: scripted,
		edits: []edit{{`	n := 0
	for n < len(c.reads)`, `	if c.electionElapsed < c.cfg.ElectionTicks {
		confirmed = c.round
	}
	n := 0
	for n < len(c.reads)`}},
	},
}
