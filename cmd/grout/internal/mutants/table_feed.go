package main

// feeding are those of batches, strict order, commands that are fed or forgotten, and the waits for them.
var feeding = []mutation{
	{
		name: "order-not-checked", breaks: "R7", file: "host/sessions.go", tests: members,
		edits: []edit{{"if c.Ordered && c.Seq", "if c.Ordered && false && c.Seq"}},
	},
	{
		name: "batch-without-order", breaks: "R7", file: "host/request.go", tests: members,
		edits: []edit{{"(r.Ordered || n > 0)", "r.Ordered"}},
	},
	{
		name: "batch-split-on-its-way", breaks: "R7", file: "host/forward.go", tests: members,
		edits: []edit{{"if i+1 == len(commands) || !commands[i+1].joined {", "if i >= 0 {"}},
	},
	{
		name: "forgotten-taken-twice", breaks: "R7 M14", file: "host/forward.go", tests: members,
		edits: []edit{{"if number == 0 || !recent.fresh(number) {", "if number == 0 || m.RequestID != 0 && !recent.fresh(number) {"}},
	},
	{
		name: "refused-forward-goes-last", breaks: "R7", file: "host/forward.go", tests: members,
		edits: []edit{{"	g.resting = true\n", ""}},
	},
	{
		name: "lost-entry-not-noticed", breaks: "R7 M13", file: "host/terms.go", tests: members,
		edits: []edit{{"return n < len(h) && h[n].Index <= c.Index", "return n < len(h) && h[n].Index < 0"}},
	},
	{
		name: "wait-ignores-the-term", breaks: "R7 M13", file: "host/member.go", tests: members,
		edits: []edit{{"case term == c.Term:", "case term > 0:"}},
	},
	{
		name: "replaceable-entry-called-lost", breaks: "R7 M13", file: "host/member.go", tests: inHost("TestAWaitForWhatAnotherLeaderHas"),
		edits: []edit{{"case c.Index <= commit:", "default:"}, {"	return false, nil // the leader of another term may still replace it\n", ""}},
	},
	{
		name: "online-under-an-unconfirmed-leader", breaks: "R5", file: "host/watch.go", tests: members,
		edits: []edit{{"case committed == term:", "case committed <= term:"}},
	},
	{
		name: "apply-wakes-no-wait", breaks: "R5", file: "host/group.go", tests: members,
		edits: []edit{{"	if g.watch.active.Load() > 0 {\n		g.inbox.ring()\n", "	if g.watch.active.Load() > 0 {\n"}},
	},
	{
		name: "lost-query-not-asked-again", breaks: "R5", file: "host/asked.go", tests: members,
		edits: []edit{{"(leader != asked.leader || !now.Before(asked.again))", "leader != asked.leader"}},
	},
}
