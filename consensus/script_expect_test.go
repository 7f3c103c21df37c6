package consensus

import (
	"fmt"
	"slices"
	"strings"
)

// expectations are the words that may follow "expect". An error says what was found instead.
var expectations = map[string]func(s *script, args []string) error{
	"leader": expectLeader, "role": expectRole, "term": expectTerm, "knows": expectKnows,
	"commit": expectCommit, "stable": expectStable, "base": expectBase,
	"log": expectLog, "disk": expectDisk, "config": expectConfig,
	"applied": expectApplied, "state": expectState, "never": expectNever,
	"read": expectRead, "offered": expectOffered, "snapshot": expectSnapshot,
	"in-flight": expectInFlight, "sent": expectSent, "quiet": expectQuiet,
}

func actExpect(s *script, args []string) error {
	want(args, 2, 99)
	check, known := expectations[args[0]]
	if !known {
		misuse("unknown expectation %q", args[0])
	}
	s.expectations++
	return check(s, args[1:])
}

func compare(got, want string) error {
	if got != want {
		return fmt.Errorf("got %s", got)
	}
	return nil
}

// expectLeader names the leader of the highest term among those alive: expect leader 1, expect leader none.
func expectLeader(s *script, args []string) error {
	want(args, 1, 1)
	got := "none"
	var best Term
	for _, n := range s.some("all") {
		if n.core.Role() == Leader && n.core.hard.Term > best {
			got, best = fmt.Sprint(uint64(n.id)), n.core.hard.Term
		}
	}
	return compare(got, args[0])
}

func expectRole(s *script, args []string) error {
	want(args, 2, 2)
	return compare(s.member(args).core.Role().String(), args[1])
}

// expectQuiet lists the members that are quiet: expect quiet 1 2 3, expect quiet none.
func expectQuiet(s *script, args []string) error {
	got := []string{}
	for _, n := range s.some("all") {
		if n.core.Quiet() {
			got = append(got, fmt.Sprint(uint64(n.id)))
		}
	}
	if len(got) == 0 {
		got = []string{"none"}
	}
	return compare(strings.Join(got, " "), strings.Join(args, " "))
}

func expectTerm(s *script, args []string) error {
	want(args, 2, 2)
	return compare(fmt.Sprint(s.member(args).core.hard.Term), args[1])
}

// expectKnows names whom a member takes for the leader: expect knows 2 leader 1.
func expectKnows(s *script, args []string) error {
	want(args, 3, 3)
	leader, _ := s.member(args).core.Leader()
	if leader == NoMember {
		return compare("none", args[2])
	}
	return compare(fmt.Sprint(uint64(leader)), args[2])
}

func expectCommit(s *script, args []string) error {
	want(args, 2, 2)
	return compare(fmt.Sprint(s.member(args).core.Commit()), args[1])
}

func expectStable(s *script, args []string) error {
	want(args, 2, 2)
	return compare(fmt.Sprint(s.member(args).core.log.stable), args[1])
}

func expectBase(s *script, args []string) error {
	want(args, 2, 2)
	return compare(s.member(args).core.log.base.String(), args[1])
}

// expectLog lists the log above its base as term/index: expect log 1 1/1 2/2, expect log 1 empty.
func expectLog(s *script, args []string) error {
	return comparePositions(s.member(args).core.log.entries, args[1:])
}

func expectDisk(s *script, args []string) error {
	return comparePositions(s.member(args).disk.Entries, args[1:])
}

func comparePositions(entries []LogEntry, wanted []string) error {
	got := []string{}
	for _, e := range entries {
		got = append(got, e.Position().String())
	}
	if len(got) == 0 {
		got = []string{"empty"}
	}
	return compare(strings.Join(got, " "), strings.Join(wanted, " "))
}

// expectConfig gives the configuration in force: expect config 1 voters 1 2 outgoing 1 observers 3.
func expectConfig(s *script, args []string) error {
	wanted := lists(args[1:], "voters", "outgoing", "observers")
	got := s.member(args).core.Configuration()
	if !got.Equal(Configuration{Voters: wanted["voters"], Outgoing: wanted["outgoing"], Observers: wanted["observers"]}) {
		return fmt.Errorf("got %s", got)
	}
	return nil
}

// expectApplied lists the commands that make up a member's state: expect applied 1 a b.
func expectApplied(s *script, args []string) error {
	n := s.member(args)
	got := slices.Clone(s.histories[n.state])
	if len(got) == 0 {
		got = []string{"nothing"}
	}
	return compare(strings.Join(got, " "), strings.Join(args[1:], " "))
}

// expectState demands that members are in one state: expect state equal, expect state equal 1 2.
func expectState(s *script, args []string) error {
	if args[0] != "equal" {
		misuse("want: expect state equal")
	}
	ids := memberIDs(args[1:])
	if len(ids) == 0 {
		ids = s.ids
	}
	first := s.nodes[ids[0]]
	for _, id := range ids[1:] {
		if n := s.nodes[id]; n.state != first.state || n.applied != first.applied {
			return fmt.Errorf("member %d applied %d (%v), member %d applied %d (%v)", first.id, first.applied,
				s.histories[first.state], id, n.applied, s.histories[n.state])
		}
	}
	if first.applied == 0 {
		return fmt.Errorf("nobody has applied anything")
	}
	return nil
}

// expectNever demands that nobody has ever applied a command: expect never X.
func expectNever(s *script, args []string) error {
	want(args, 1, 1)
	for _, e := range s.commits {
		if text(e) == args[0] {
			return fmt.Errorf("it was applied as %s", e.Position())
		}
	}
	return nil
}

// expectRead gives a read's end: expect read 1 77 at 5, expect read 1 77 refused, ... pending.
func expectRead(s *script, args []string) error {
	want(args, 3, 4)
	got := "pending"
	if read, answered := s.member(args).answered[number(args[1])]; answered {
		got = fmt.Sprintf("at %d", read.Index)
		if read.Refused {
			got = "refused"
		}
	}
	return compare(got, strings.Join(args[2:], " "))
}

// expectOffered counts the snapshots that a member was offered and has not fetched.
func expectOffered(s *script, args []string) error {
	want(args, 2, 2)
	return compare(fmt.Sprint(len(s.member(args).offers)), args[1])
}

// expectSnapshot gives the anchor of the snapshot on a member's disk: expect snapshot 1 2/5.
func expectSnapshot(s *script, args []string) error {
	want(args, 2, 2)
	if snapshot := s.member(args).disk.Snapshot; snapshot != nil {
		return compare(snapshot.Anchor.String(), args[1])
	}
	return compare("none", args[1])
}

// expectInFlight counts messages in flight: expect in-flight 1>2 3, expect in-flight 1>* 0 Vote.
func expectInFlight(s *script, args []string) error {
	want(args, 2, 3)
	got := s.pick(append([]string{args[0]}, args[2:]...))
	if len(got) != int(number(args[1])) {
		return fmt.Errorf("got %d of %s", len(got), s.inFlight())
	}
	return nil
}

// expectSent counts messages ever sent from one member to another: expect sent 1>2 3 /n=1/.
func expectSent(s *script, args []string) error {
	want(args, 3, 3)
	head, got := strings.Replace(args[0], ">", " -> ", 1)+" ", 0
	for line := range strings.Lines(s.trace.String()) {
		if strings.HasPrefix(line, head) && strings.Contains(line, args[2]) {
			got++
		}
	}
	return compare(fmt.Sprint(got), args[1])
}
