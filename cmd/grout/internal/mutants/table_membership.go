package main

// membership are those of configurations and their changes.
var membership = []mutation{
	{
		name: "joint-new-half-commits", breaks: "R1 R4", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"lowest = min(lowest, majorityValue(c.Outgoing, value))", "_ = value"}},
	},
	{
		name: "joint-new-half-elects", breaks: "R1 R4", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"(!c.Joint() || majority(c.Outgoing, yes))", "true"}},
	},
	{
		name: "joint-old-half-commits", breaks: "R1 R4", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"lowest = min(lowest, majorityValue(c.Outgoing, value))", "lowest = majorityValue(c.Outgoing, value)"}},
	},
	{
		name: "joint-old-half-elects", breaks: "R1 R4", file: "consensus/quorum.go", tests: scripted,
		edits: []edit{{"majority(c.Voters, yes) && (!c.Joint() || majority(c.Outgoing, yes))", "((c.Joint() || majority(c.Voters, yes)) && (!c.Joint() || majority(c.Outgoing, yes)))"}},
	},
	{
		name: "change-never-completed-by-removed", breaks: "R4", file: "consensus/core.go", tests: scripted,
		edits: []edit{{`		if c.configs[i].index <= c.log.commit {
			return false
		}
`, `		return false
`}},
	},
	{
		name: "removed-stand-for-ever", breaks: "R4 B12", file: "consensus/core.go", tests: scripted,
		edits: []edit{{`		if c.configs[i].index <= c.log.commit {
			return false
		}
`, ""}},
	},
	{
		name: "propose-takes-configurations", breaks: "R4", file: "consensus/leader.go", tests: unit,
		edits: []edit{{"if kind == EntryConfiguration {", "if false {"}},
	},
	{
		name: "restored-configurations-ignored", breaks: "R1", file: "consensus/core.go", tests: scripted,
		edits: []edit{{`		if err := c.noteConfiguration(e); err != nil {
			return fmt.Errorf("%w: %w", ErrBadState, err)
		}
`, ""}},
	},
	{
		name: "change-before-own-term-commit", breaks: "R4 B2", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{" && !current.configuration.Joint() && c.committedInTerm()", " && !current.configuration.Joint()"}},
	},
	{
		name: "second-change-before-commit", breaks: "R4 B7", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{"current.index <= c.log.commit && !", "!"}},
	},
	{
		name: "change-without-joint", breaks: "R4 B7", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{"next.Outgoing = current.Voters", "_ = next"}},
	},
	{
		name: "truncation-keeps-configurations", breaks: "R1", file: "consensus/follower.go", tests: scripted,
		edits: []edit{{"c.configs = c.configs[:n]", "_ = n"}},
	},
	{
		name: "received-configuration-not-in-force", breaks: "R1 B6", file: "consensus/follower.go", tests: scripted,
		edits: []edit{
			{"if err := c.noteConfiguration(added); err != nil {", "if err := error(nil); err != nil {"},
			{"for _, added := range", "for range"},
		},
	},
	{
		name: "transferee-outlives-removal", breaks: "", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{"c.transferee = NoMember", "_ = 0"}},
	},
	{
		name: "removed-leader-stays", breaks: "R4", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{"if !current.configuration.IsVoter(c.cfg.ID) {", "if false {"}},
	},
	{
		name: "joint-never-completed", breaks: "R4", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{`	if current.configuration.Joint() {
		c.append`, `	if false {
		c.append`}},
	},
	{
		name: "configuration-in-force-when-committed", breaks: "R1 B6", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{"func (c *Core) configuration() Configuration { return c.configs[len(c.configs)-1].configuration }", `func (c *Core) configuration() Configuration {
	for _, placed := range slices.Backward(c.configs) {
		if placed.index <= c.log.commit {
			return placed.configuration
		}
	}
	return c.configs[0].configuration
}`}},
	},
	{
		name: "configuration-in-force-when-applied", breaks: "R1 B6", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{"func (c *Core) configuration() Configuration { return c.configs[len(c.configs)-1].configuration }", `func (c *Core) configuration() Configuration {
	for _, placed := range slices.Backward(c.configs) {
		if placed.index <= c.log.handed {
			return placed.configuration
		}
	}
	return c.configs[0].configuration
}`}},
	},
	{
		name: "demotion-below-the-floor", breaks: "R4", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{"len(current.Voters) <= c.cfg.VoterFloor || ", ""}},
	},
	{
		name: "demotion-without-joint", breaks: "R4", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{"Outgoing:  current.Voters,", ""}},
	},
	{
		name: "demotion-before-own-term-commit", breaks: "R4 B2", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{` || !c.changePossible() {
		return
	}
	id`, ` {
		return
	}
	id`}},
	},
	{
		name: "demotion-too-early", breaks: "R4", file: "consensus/membership.go", tests: unit,
		edits: []edit{{"longest, found := c.cfg.DemoteAfterTicks-1", "longest, found := c.cfg.DemoteAfterTicks/2"}},
	},
	{
		name: "demotion-of-the-first", breaks: "R4", file: "consensus/membership.go", tests: unit,
		edits: []edit{{"p != nil && p.silent > longest", "p != nil && p.silent > min(longest, c.cfg.DemoteAfterTicks-1)"}},
	},
	{
		name: "demotion-of-those-who-answer", breaks: "R4", file: "consensus/leader.go", tests: scripted,
		edits: []edit{{"p.active, p.silent = true, 0", "p.active = true"}},
	},
	{
		name: "demotion-unasked", breaks: "R4", file: "consensus/membership.go", tests: scripted,
		edits: []edit{{"c.cfg.DemoteAfterTicks == 0 || ", ""}},
	},
}
