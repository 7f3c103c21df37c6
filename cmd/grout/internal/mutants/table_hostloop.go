package main

// hostLoop are those of what happens to requests, their answers and their writes.
var hostLoop = []mutation{
	{
		name: "completion-before-the-disk", breaks: "R6", file: "host/group.go", tests: inHost("TestSimulation"),
		edits: []edit{{`	seq := w.Seq
`, `	seq := w.Seq
	g.inbox.written(seq, nil)
`}},
	},
	{
		name: "query-before-its-index", breaks: "R5 M12", file: "host/applier.go", tests: inHost("TestQueriesOfEveryLevel"),
		edits: []edit{{"case q.index <= a.replica.applied.Index:", "case q.index >= 0:"}},
	},
	{
		name: "refused-reads-run", breaks: "R5 M12", file: "host/intake.go", tests: inHost("TestADeposedLeaderAnswersNoQuery"),
		edits: []edit{{"if r.Refused {", "if r.Refused && false {"}},
	},
	{
		name: "linearizable-queries-run-locally", breaks: "R5 M12", file: "host/intake.go", tests: inHost("TestADeposedLeaderAnswersNoQuery"),
		edits: []edit{{"case q.level != Linearizable:", "case q.level <= Linearizable || q.level != Linearizable:"}},
	},
	{
		name: "ack-without-its-term", breaks: "R7 M13", file: "host/forward.go", tests: inHost("TestAForwardWhoseLeaderDies"),
		edits: []edit{{"consensus.Cursor{Term: m.Term, Index: m.First}", "consensus.Cursor{Term: g.status.Load().Term + 1, Index: m.First}"}},
	},
	{
		name: "doubt-told-as-nothing", breaks: "R7 M14", file: "host/waiters.go", tests: inHost("TestALostAck"),
		edits: []edit{{`	if w.sent {
		return fault`, `	if w.sent && false {
		return fault`}},
	},
	{
		name: "forwards-of-strangers-taken", breaks: "R7", file: "host/forward.go", tests: inHost("TestForwardsOfStrangers"),
		edits: []edit{{`func (g *group) takeForwarded(from consensus.MemberID, m *consensus.ForwardCommand) {
	if !g.core.Configuration().IsMember(from) {`, `func (g *group) takeForwarded(from consensus.MemberID, m *consensus.ForwardCommand) {
	if !g.core.Configuration().IsMember(from) && false {`}},
	},
	{
		name: "lost-folder-comes-back", breaks: "R6", file: "host/bootstrap.go", tests: inHost("TestALostFolder"),
		edits: []edit{{"case known.ID != b.self.ID:", "case known.ID != b.self.ID && false:"}},
	},
	{
		name: "ack-taken-for-success", breaks: "R7 M13", file: "host/forward.go", tests: inHost("TestAForwardWhoseLeaderDies"),
		edits: []edit{{`		g.waiters.assign(sent.commands, consensus.Cursor{Term: m.Term, Index: m.First}, g.leaderName())`, `		for i, c := range sent.commands {
			g.waiters.finish(c.request, Reply{Index: m.First + consensus.Index(i), Term: m.Term})
		}`}},
	},
	{
		name: "own-term-proves-loss", breaks: "R7 M13", file: "host/terms.go", tests: inHost("TestAForwardWhoseLeaderDies"),
		edits: []edit{{"for n > 0 && h[n-1].Term > c.Term {", "for n > 0 && h[n-1].Term >= c.Term {"}},
	},
	{
		name: "committed-taken-for-lost", breaks: "R7 M13", file: "host/terms.go", tests: inHost("TestLostCommands"),
		edits: []edit{{"return n < len(h) && h[n].Index <= c.Index", "return n < len(h)"}},
	},
	{
		name: "lost-never-told", breaks: "R7 M13", file: "host/terms.go", tests: inHost("TestAForwardWhoseLeaderDies"),
		edits: []edit{{"return n < len(h) && h[n].Index <= c.Index", "return n < 0"}},
	},
	{
		name: "forward-taken-twice", breaks: "R7 M14", file: "host/forward.go", tests: inHost("TestRepeatedForwards"),
		edits: []edit{{"number == 0 || !recent.fresh(number)", "number == 0 || !recent.fresh(number) && false"}},
	},
	{
		name: "given-up-command-proposed", breaks: "R7", file: "host/waiters.go", tests: inHost("TestARefusedForward"),
		edits: []edit{{"return !c.forgotten && w.byID[c.request] == nil })", "return !c.forgotten && w.byID[c.request] == nil && false })"}},
	},
	{
		name: "refused-forward-lost", breaks: "R7", file: "host/forward.go", tests: inHost("TestARefusedForward"),
		edits: []edit{{"g.waiting = append(g.waiters.unsent(again), g.waiting...)", "g.waiters.unsent(again)"}},
	},
	{
		name: "failed-write-ignored", breaks: "R6 B17", file: "host/inbox.go", tests: inHost("TestAFailingLog"),
		edits: []edit{{`	case err == nil:
		i.next.persisted`, `	case err == nil || seq > 0:
		i.next.persisted`}},
	},
	{
		name: "swamped-member-hears-nobody", breaks: "R5", file: "host/exchange.go", tests: inHost("TestASwampedMemberKeepsItsLeader"),
		edits: []edit{{"return g.core.Step(m.From, &heard)", "return nil"}},
	},
	{
		name: "any-command-is-forwarded-again", file: "host/forward.go", tests: inHost("TestForwardsToADeadLeader"),
		edits: []edit{{"func(c pendingCommand) bool { return !c.once }", "func(c pendingCommand) bool { return false }"}},
	},
	{
		name: "nothing-is-forwarded-again", file: "host/group.go", tests: inHost("TestForwardsToADeadLeader"),
		edits: []edit{{"	g.forwardAgain()\n", ""}},
	},
	{
		name: "snapshot-after-the-batch", breaks: "R8 M17", file: "host/applier.go", tests: inHost("TestSnapshotsAreEqual"),
		edits: []edit{
			{"case e.Kind == consensus.EntrySnapshotMarker:", "case e.Kind == consensus.EntrySnapshotMarker && epoch > 1<<62:"},
			{`	a.held = append(a.held, w.queries...)
`, `	for _, e := range w.entries {
		if e.Kind != consensus.EntrySnapshotMarker {
			continue
		}
		image, err := a.replica.image()
		if err != nil {
			return err
		}
		image.epoch = w.epoch
		a.events.marked(image)
	}
	a.held = append(a.held, w.queries...)
`},
		},
	},
}
