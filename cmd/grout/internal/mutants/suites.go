package main

// The suites that catch what concerns the core alone. Scripts come first, since they say best what is
// wrong; random faults last, since they take longest.
var (
	scripts = suite{pkg: "./consensus", run: "^TestScenarios$"}
	units   = suite{pkg: "./consensus", skip: "^(TestScenarios|TestRandomFaults|TestDeterminism|TestExplore)$"}
	chance  = suite{pkg: "./consensus", run: "^(TestRandomFaults|TestDeterminism)$"}

	scripted = []suite{scripts, units, chance}
	unit     = []suite{units, scripts, chance}
	byChance = []suite{chance, scripts, units}
)

// The suites of the log on disk and of the host: the test that is meant to notice, and then all.
var (
	logs = []suite{
		{pkg: "./consensus/durable", skip: "^(TestCompactReclaims|TestFlippedBits|TestKill|TestPowerLoss)$"},
		{pkg: "./consensus/durable", run: "^(TestFlippedBits|TestPowerLoss)$"},
		{pkg: "./consensus/durable", run: "^TestKill$"},
	}
	members = []suite{{pkg: "./host"}}
)

func inLogs(test string) []suite {
	return append([]suite{{pkg: "./consensus/durable", run: "^" + test + "$"}}, logs...)
}

func inHost(test string) []suite {
	return append([]suite{{pkg: "./host", run: "^" + test + "$"}}, members...)
}

// The suites of the sandbox. That the preparer's output is another one is said by every mutation of it, and shows nothing.
var (
	inPreparer = []suite{{pkg: "./wasmsm/prepare", skip: "^TestVersionNamesTheOutput$"}}
	inSandbox  = []suite{{pkg: "./wasmsm"}, {pkg: "./wasmsm/check"}}
)
