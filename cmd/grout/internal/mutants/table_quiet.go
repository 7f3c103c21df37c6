package main

// quiet are the mutations of groups that fall quiet, and of what wakes them.
var quiet = []mutation{
	{
		name: "quiet-while-one-lags", breaks: "R5", file: "consensus/quiet.go", tests: scripted,
		edits: []edit{{"p.state != replicating || p.match != last || p.commitSent != last || p.round != c.round", "p.state != replicating"}},
	},
	{
		name: "quiet-before-all-is-synced", breaks: "R5", file: "consensus/quiet.go", tests: scripted,
		edits: []edit{{"p.match != last || p.commitSent != last || ", ""}},
	},
	{
		name: "quiet-again-unanswered", breaks: "R5", file: "consensus/quiet.go", tests: scripted,
		edits: []edit{{"	c.round++                                 // that nobody has answered yet\n", ""}},
	},
	{
		name: "proposals-do-not-wake", breaks: "R5", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"	c.Wake()\n", ""}},
	},
	{
		name: "reads-do-not-wake", breaks: "R5", file: "consensus/reads.go", tests: scripted,
		edits: []edit{{"	c.Wake()\n", ""}},
	},
	{
		name: "requests-for-votes-do-not-wake", breaks: "R5", file: "consensus/quiet.go", tests: scripted,
		edits: []edit{{"	m, answer := message.(*AppendEntriesResponse)\n", "	if _, asked := message.(*RequestVote); asked {\n		return false\n	}\n	m, answer := message.(*AppendEntriesResponse)\n"}},
	},
	{
		name: "strangers-wake", breaks: "R5", file: "consensus/quiet.go", tests: scripted,
		edits: []edit{{"if !c.configuration().IsMember(from) {", "if !c.configuration().IsMember(from) && false {"}},
	},
	{
		name: "observers-do-not-call", breaks: "R5", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"			c.callLeader()\n", ""}},
	},
	{
		name: "suspected-leader-protected", breaks: "R5", file: "consensus/quiet.go", tests: scripted,
		edits: []edit{{"	c.electionElapsed = c.cfg.ElectionTicks\n	soon", "	soon"}},
	},
	{
		name: "late-suspicion-ignored", breaks: "R5", file: "consensus/quiet.go", tests: scripted,
		edits: []edit{{"	c.wakeUp()\n	if c.role == Leader ||", "	if !c.quiet {\n		return\n	}\n	c.wakeUp()\n	if c.role == Leader ||"}},
	},
	{
		name: "quiet-without-a-majority", breaks: "R5", file: "consensus/quiet.go", tests: scripted,
		edits: []edit{{"return c.configuration().decided(func(id MemberID) bool { return !c.suspected[id] })", "return true"}},
	},
	{
		name: "returning-member-unheard", breaks: "R5", file: "consensus/quiet.go", tests: scripted,
		edits: []edit{{"		delete(c.suspected, id)\n		c.wakeUp()\n", "		delete(c.suspected, id)\n"}},
	},
	{
		name: "silent-hosts-unnoticed", breaks: "R5", file: "host/pulse.go", tests: inHost("TestAQuietLeaderDies"),
		edits: []edit{{"if other.silent++; other.silent%g.timing.ElectionTicks == 0 {", "if other.silent++; false {"}},
	},
	{
		name: "stopped-members-unnoticed", breaks: "R5", file: "host/group.go", tests: inHost("TestAQuietLeaderDies"),
		edits: []edit{{"	g.unsettled()\n", ""}},
	},
	{
		name: "epochs-unread", breaks: "R5", file: "host/pulse.go", tests: inHost("TestAQuietLeaderDies"),
		edits: []edit{{"	if changed {\n", "	if changed && false {\n"}},
	},
	{
		name: "sleep-over-a-deadline", breaks: "R7", file: "host/pulse.go", tests: inHost("TestQuietGroups"),
		edits: []edit{{"g.waiters.none() && ", ""}},
	},
	{
		name: "naps-never-end", file: "host/doze.go", tests: inHost("TestQuietMachinesDoze"),
		edits: []edit{{"		return false\n	}\n	n.end()\n", "		return false\n	}\n"}},
	},
	{
		name: "machines-doze-in-groups-that-woke", file: "host/group.go", tests: inHost("TestQuietMachinesDoze"),
		edits: []edit{{"			rest.end()\n", ""}},
	},
}
