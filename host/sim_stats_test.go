package host

import (
	"fmt"
	"slices"
	"strings"

	"github.com/groutlabs/grout/consensus"
)

// simStats counts what runs did. All but the last field are single numbers.
type simStats struct {
	seeds           int
	steps           int
	ticks           int
	elected         int
	leaders         int
	entries         int
	messages        int
	lostMessages    int
	doubled         int
	late            int
	markers         int
	snapshots       int
	installs        int
	fetches         int
	fetchesLost     int
	lostWrites      int
	lostNames       int
	found           int
	lostDisks       int
	promoted        int
	demoted         int
	added           int
	removed         int
	joint           int
	acknowledged    int
	duplicates      int
	ruled           int
	refusedSessions int
	reads           int
	linearizable    int
	porcupine       int
	opened          int
	storesFailed    int
	tornWrites      int
	quarantined     int
	repaired        int
	upgraded        int
	dozes           int
	faults          [faultKinds]int
}

func (s *simStats) count(f simFault) { s.faults[f]++ }

// membership counts what a committed configuration changes.
func (s *simStats) membership(before, after consensus.Configuration) {
	if after.Joint() {
		s.joint++
	}
	for _, id := range after.Members() {
		switch {
		case !before.IsMember(id):
			s.added++
		case slices.Contains(after.Voters, id) && !before.IsVoter(id):
			s.promoted++
		case !after.IsVoter(id) && before.IsVoter(id):
			s.demoted++
		}
	}
	for _, id := range before.Members() {
		if !after.IsMember(id) {
			s.removed++
		}
	}
}

func (s *simStats) add(other *simStats) {
	for _, c := range simCounters {
		*c.of(s) += *c.of(other)
	}
	for f := range s.faults {
		s.faults[f] += other.faults[f]
	}
}

// simCounters names the counters.
var simCounters = []struct {
	name string
	of   func(*simStats) *int
}{
	{"seeds", func(s *simStats) *int { return &s.seeds }},
	{"steps", func(s *simStats) *int { return &s.steps }},
	{"ticks", func(s *simStats) *int { return &s.ticks }},
	{"elected", func(s *simStats) *int { return &s.elected }},
	{"leaders", func(s *simStats) *int { return &s.leaders }},
	{"entries", func(s *simStats) *int { return &s.entries }},
	{"messages", func(s *simStats) *int { return &s.messages }},
	{"lostMessages", func(s *simStats) *int { return &s.lostMessages }},
	{"doubled", func(s *simStats) *int { return &s.doubled }},
	{"late", func(s *simStats) *int { return &s.late }},
	{"markers", func(s *simStats) *int { return &s.markers }},
	{"snapshots", func(s *simStats) *int { return &s.snapshots }},
	{"installs", func(s *simStats) *int { return &s.installs }},
	{"fetches", func(s *simStats) *int { return &s.fetches }},
	{"fetchesLost", func(s *simStats) *int { return &s.fetchesLost }},
	{"lostWrites", func(s *simStats) *int { return &s.lostWrites }},
	{"lostNames", func(s *simStats) *int { return &s.lostNames }},
	{"found", func(s *simStats) *int { return &s.found }},
	{"lostDisks", func(s *simStats) *int { return &s.lostDisks }},
	{"promoted", func(s *simStats) *int { return &s.promoted }},
	{"demoted", func(s *simStats) *int { return &s.demoted }},
	{"added", func(s *simStats) *int { return &s.added }},
	{"removed", func(s *simStats) *int { return &s.removed }},
	{"joint", func(s *simStats) *int { return &s.joint }},
	{"acknowledged", func(s *simStats) *int { return &s.acknowledged }},
	{"duplicates", func(s *simStats) *int { return &s.duplicates }},
	{"ruled", func(s *simStats) *int { return &s.ruled }},
	{"refusedSessions", func(s *simStats) *int { return &s.refusedSessions }},
	{"reads", func(s *simStats) *int { return &s.reads }},
	{"linearizable", func(s *simStats) *int { return &s.linearizable }},
	{"opened", func(s *simStats) *int { return &s.opened }},
	{"storesFailed", func(s *simStats) *int { return &s.storesFailed }},
	{"tornWrites", func(s *simStats) *int { return &s.tornWrites }},
	{"quarantined", func(s *simStats) *int { return &s.quarantined }},
	{"repaired", func(s *simStats) *int { return &s.repaired }},
	{"upgraded", func(s *simStats) *int { return &s.upgraded }},
	{"dozes", func(s *simStats) *int { return &s.dozes }},
	{"porcupine", func(s *simStats) *int { return &s.porcupine }},
}

func (s *simStats) String() string {
	var out strings.Builder
	for _, c := range simCounters {
		fmt.Fprintf(&out, "%s %d, ", c.name, *c.of(s))
	}
	out.WriteString("\nfaults: ")
	for f, n := range s.faults {
		fmt.Fprintf(&out, "%s %d, ", simFault(f), n)
	}
	return out.String()
}

// unreached names what never happened.
func (s *simStats) unreached() []string {
	var out []string
	for _, c := range simCounters {
		if *c.of(s) == 0 {
			out = append(out, c.name)
		}
	}
	for f, n := range s.faults {
		if n == 0 {
			out = append(out, simFault(f).String())
		}
	}
	return out
}
