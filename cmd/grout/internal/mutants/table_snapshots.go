package main

// snapshots are those of snapshots and of what a restart finds.
var snapshots = []mutation{
	{
		name: "install-keeps-configurations", breaks: "R8 B8", file: "consensus/statesync.go", tests: scripted,
		edits: []edit{{"c.configs = []placedConfiguration{{meta.ConfigurationIndex, meta.Configuration}}", ""}},
	},
	{
		name: "install-drops-acknowledged-entries", breaks: "R8 M11", file: "consensus/statesync.go", tests: scripted,
		edits: []edit{{"if c.log.matches(meta.Anchor) {", "if false {"}},
	},
	{
		name: "install-below-commit", breaks: "R8 M11", file: "consensus/statesync.go", tests: unit,
		edits: []edit{{"meta.Anchor.Index <= c.log.commit || ", ""}},
	},
	{
		name: "install-by-a-leader", breaks: "R8", file: "consensus/statesync.go", tests: unit,
		edits: []edit{{" || c.role == Leader", ""}},
	},
	{
		name: "restored-anchor-unchecked", breaks: "R6 B9", file: "consensus/core.go", tests: unit,
		edits: []edit{{"c.snapshot != nil && !c.log.matches(c.snapshot.Anchor)", "false"}},
	},
	{
		name: "restored-snapshot-unchecked", breaks: "R6", file: "consensus/core.go", tests: unit,
		edits: []edit{{"err != nil || meta.Anchor.Term > c.hard.Term", "false"}},
	},
	{
		name: "restored-log-begins-at-1", breaks: "B9", file: "consensus/core.go", tests: scripted,
		edits: []edit{{"c.log.base = meta.Anchor", ""}},
	},
	{
		name: "offer-below-commit-taken", breaks: "R8 M11", file: "consensus/statesync.go", tests: scripted,
		edits: []edit{{"case anchor.Index <= c.log.commit:", "case false:"}},
	},
	{
		name: "offer-above-leader-commit-taken", breaks: "R8", file: "consensus/statesync.go", tests: scripted,
		edits: []edit{{"anchor.Index > m.LeaderCommit || ", ""}},
	},
	{
		name: "offer-of-held-anchor-taken", breaks: "R8 M11", file: "consensus/statesync.go", tests: scripted,
		edits: []edit{{"case c.log.matches(anchor):", "case false:"}},
	},
	{
		name: "restores-before-durable", breaks: "R6 R8", file: "consensus/ready.go", tests: scripted,
		edits: []edit{{"!c.out.restore || c.log.stable < c.log.base.Index", "!c.out.restore"}},
	},
	{
		name: "compaction-drops-configuration", breaks: "R1 R8", file: "consensus/statesync.go", tests: byChance,
		edits: []edit{{"c.configs = c.configs[n:]", "c.configs = c.configs[:1]"}},
	},
	{
		name: "snapshot-of-latest-configuration", breaks: "R8 B10", file: "consensus/statesync.go", tests: unit,
		edits: []edit{{"if placed.index <= index {", "if true {"}},
	},
	{
		name: "snapshot-of-unapplied", breaks: "R8", file: "consensus/statesync.go", tests: unit,
		edits: []edit{{"!ok || index > c.log.handed", "!ok"}},
	},
	{
		name: "compacts-past-the-anchor", breaks: "R8", file: "consensus/statesync.go", tests: unit,
		edits: []edit{{"min(keepAfter, meta.Anchor.Index)", "keepAfter"}},
	},
	{
		name: "catch-up-never-ends", breaks: "R8 M10", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"p.state == syncing && p.match >= c.log.base.Index", "false"}},
	},
	{
		name: "lost-offers-not-repeated", breaks: "R8 M10", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{`			c.offerSnapshot(id, p)
			continue
`, `			continue
`}},
	},
}
