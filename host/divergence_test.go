package host

import (
	"fmt"
	"strings"
	"testing"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// alarm is a group of which some members' machines are damaged. It sees to it that no quarantined member
// ever sends a message of the protocol, and remembers what was acknowledged.
type alarm struct {
	*sim
	acked []string
	next  int
	// pleas, verdicts and wasQuarantined count what was seen.
	pleas, verdicts int
	wasQuarantined  map[string]bool
	// lossy says which frames are lost.
	lossy func(simFrame) bool
}

func newAlarm(t *testing.T, seed uint64, members int) *alarm {
	a := &alarm{sim: newSim(t, seed, members, snapshotTiming()), wasQuarantined: map[string]bool{}}
	a.spoiled = true
	a.watch = a.see
	return a
}

func (a *alarm) see(f simFrame) bool {
	m, protocol := a.members[f.from], false
	if _, protocol = f.envelope.Message.MessageTerm(); protocol && m.quarantined() {
		a.t.Errorf("seed %d: the quarantined member %s sends %s", a.seed, f.from, f.envelope.Message)
	}
	if d, ok := f.envelope.Message.(*consensus.StateDigest); ok {
		switch {
		case d.Quarantined:
			a.pleas++
			a.wasQuarantined[f.from] = true
		case len(d.Agreed) > 0:
			a.verdicts++
		}
	}
	return a.lossy == nil || !a.lossy(f)
}

func (m *simMember) quarantined() bool { return m.g != nil && m.g.quarantine != nil }

// flip damages a member's machine, as a flipped bit of its memory would.
func (m *simMember) flip() { m.machine.cells[25] ^= 1 << 40 }

// command has one command acknowledged, by whatever member takes it.
func (a *alarm) command() {
	a.t.Helper()
	for range 200 {
		m := a.all()[a.rng.IntN(len(a.names))]
		if !m.up() {
			continue
		}
		a.next++
		tag := fmt.Sprintf("tag%d", a.next)
		answer := m.execute(CommandRequest{Payload: fmt.Appendf(nil, "add %c 1 %s", 'A'+byte(a.next%20), tag)})
		a.until("an answer", answer.done)
		reply := answer.one(a.t)
		if reply.Err == nil {
			a.acked = append(a.acked, tag)
			return
		}
		if reply.Err.Code != api.CodeNoLeader && reply.Err.Code != api.CodeUnknown {
			a.t.Fatalf("seed %d: %s answers %v", a.seed, m.name, reply.Err)
		}
		a.round()
	}
	a.t.Fatalf("seed %d: no command is taken", a.seed)
}

// commandsUntil has commands acknowledged until the condition holds.
func (a *alarm) commandsUntil(what string, condition func() bool) {
	a.t.Helper()
	for range 500 {
		if condition() {
			return
		}
		a.command()
	}
	a.t.Fatalf("seed %d: in vain for 500 commands: %s", a.seed, what)
}

// compared reports whether the leader knows the state hash of every member at a marker after an index, and
// that they are equal. A wrong state that was found out before a crash, and not noted, is found out again there.
func (a *alarm) compared(after consensus.Index) bool {
	for _, m := range a.all() {
		if !m.up() || m.g.comparison == nil || m.g.comparison.anchor.Index <= after {
			continue
		}
		c := m.g.comparison
		if !c.decided {
			return false
		}
		for _, id := range m.g.core.Configuration().Members() {
			if answer, ok := c.answers[id]; !ok || answer.none || answer.digest != c.agreed {
				return false
			}
		}
		return true
	}
	return false
}

// healed waits until nobody is quarantined and all are level, through one more marker, and then requires
// equal states that hold whatever was acknowledged.
func (a *alarm) healed() {
	a.t.Helper()
	calm := func() bool {
		for _, m := range a.all() {
			if m.quarantined() {
				return false
			}
		}
		return true
	}
	a.until("the end of all quarantines", calm)
	last := a.leader().g.core.Last().Index
	a.commandsUntil("another snapshot that was compared on every member", func() bool {
		for _, m := range a.all() {
			if m.up() && m.g.hashes.latest().Index <= last {
				return false
			}
		}
		return calm() && a.compared(last)
	})
	a.leader()
	a.level()
	var hash Digest
	for i, m := range a.all() {
		if !m.up() {
			a.t.Fatalf("seed %d: %s stopped: %v", a.seed, m.name, m.stopped)
		}
		if i == 0 {
			hash = m.stateHash()
		}
		if m.stateHash() != hash || m.machine.cells[25] != 0 {
			a.t.Errorf("seed %d: the state of %s is not repaired", a.seed, m.name)
		}
		for _, tag := range a.acked {
			if m.machine.tags[tag] != 1 {
				a.t.Fatalf("seed %d: %s was acknowledged, and %s applied it %d times", a.seed, tag, m.name, m.machine.tags[tag])
			}
		}
	}
	a.until("no more trouble", func() bool {
		for _, m := range a.all() {
			if m.g.trouble() != "" {
				return false
			}
		}
		return true
	})
}

// TestAWrongFollower shows the alarm of R8: a follower whose state differs at a marker is quarantined,
// reported by itself and by the leader, answers no client, sends no vote and no acknowledgement, and is
// repaired from the others while commands go on.
func TestAWrongFollower(t *testing.T) {
	for seed := range uint64(5) {
		a := newAlarm(t, seed, 3)
		leader := a.leader()
		wrong := a.others(leader)[seed%2]
		a.command()
		wrong.flip()
		waiting := wrong.query(QueryRequest{Payload: []byte("get A"), Consistency: AtLeast, AtLeastIndex: 10_000, Timeout: maxRequestTimeout})
		a.lose = func(string, BlobRequest) bool { return true } // so that the quarantine lasts
		a.commandsUntil("the quarantine", wrong.quarantined)
		if reply := waiting.one(t); reply.Err == nil || reply.Err.Code != api.CodeNoLeader {
			t.Errorf("a query that waited was answered: %+v", reply)
		}
		for range 20 {
			if reply := wrong.query(QueryRequest{Payload: []byte("get A"), Consistency: Stale}).one(t); reply.Err == nil {
				t.Fatal("a quarantined member answers a query")
			}
			if reply := wrong.execute(CommandRequest{Payload: []byte("add A 1")}).one(t); reply.Err == nil || reply.Err.Code != api.CodeNoLeader {
				t.Fatalf("a quarantined member takes a command: %+v", reply)
			}
			a.command()
		}
		if p := wrong.g.status.Load().problem; !strings.Contains(p, "quarantined") {
			t.Errorf("the member reports %q", p)
		}
		if p := a.leader().g.status.Load().problem; !strings.Contains(p, "state on "+wrong.name) {
			t.Errorf("the leader reports %q", p)
		}
		a.lose = nil
		a.healed()
		if len(a.wasQuarantined) != 1 {
			t.Errorf("quarantined were %v", a.wasQuarantined)
		}
	}
}

// TestAWrongLeader shows that a leader whose own state is the wrong one gives up its office and is
// repaired like any other member.
func TestAWrongLeader(t *testing.T) {
	for seed := range uint64(5) {
		a := newAlarm(t, 10+seed, 3)
		wrong := a.leader()
		a.command()
		wrong.flip()
		a.commandsUntil("the quarantine", func() bool { return a.wasQuarantined[wrong.name] })
		a.healed()
		if len(a.wasQuarantined) != 1 {
			t.Errorf("seed %d: quarantined were %v", a.seed, a.wasQuarantined)
		}
	}
}

// TestRestartInQuarantine shows that a member which restarts in quarantine stays there, whether or not
// its own snapshot can be read, and is repaired.
func TestRestartInQuarantine(t *testing.T) {
	a := newAlarm(t, 20, 3)
	wrong := a.others(a.leader())[0]
	wrong.flip()
	a.lose = func(string, BlobRequest) bool { return true }
	a.commandsUntil("the quarantine", wrong.quarantined)
	for i := range 3 {
		if wrong.crash(); i == 2 {
			removeAll(t, wrong.dir, func(int64) bool { return true })
		}
		wrong.start()
		if !wrong.quarantined() {
			t.Fatal("a restart ended the quarantine")
		}
		for range 10 * (i + 1) {
			a.command()
		}
	}
	a.lose = nil
	a.healed()
	wrong.crash()
	wrong.start()
	if wrong.quarantined() {
		t.Error("repaired, and still quarantined after a restart")
	}
	a.healed()
}

// TestCrashesDuringRepair shows that a crash at any step of a repair leaves a member that is repaired
// after its restart.
func TestCrashesDuringRepair(t *testing.T) {
	for step := range 12 {
		a := newAlarm(t, 30+uint64(step), 3)
		wrong := a.others(a.leader())[0]
		a.command()
		wrong.flip()
		a.commandsUntil("the quarantine", func() bool { return a.wasQuarantined[wrong.name] || wrong.quarantined() })
		for range step {
			a.flush()
		}
		wrong.crash()
		for range a.rng.IntN(30) {
			a.command()
		}
		wrong.start()
		a.healed()
	}
}

// TestNoMajority shows that one against one decides nothing: both report it, nobody is quarantined, and
// no snapshot of a doubtful state is offered, until the third member is back and settles it.
func TestNoMajority(t *testing.T) {
	for _, leads := range []bool{false, true} {
		a := newAlarm(t, 50, 3)
		leader := a.leader()
		wrong, away := a.others(leader)[0], a.others(leader)[1]
		if leads {
			wrong = leader
		}
		a.command()
		a.level()
		away.crash()
		wrong.flip()
		if err := leader.g.mark(); err != nil {
			t.Fatal(err)
		}
		two := a.others(away)
		a.until("both report it", func() bool {
			return strings.Contains(two[0].g.status.Load().problem, "differ") && strings.Contains(two[1].g.status.Load().problem, "differ")
		})
		for range 100 {
			a.round()
		}
		if len(a.wasQuarantined) != 0 {
			t.Fatalf("quarantined without a majority: %v", a.wasQuarantined)
		}
		if a.leader().g.mayOffer(a.leader().g.hashes.latest()) {
			t.Error("a doubtful snapshot may be offered")
		}
		away.start()
		a.until("the decision", func() bool { return a.wasQuarantined[wrong.name] })
		a.healed()
		if len(a.wasQuarantined) != 1 {
			t.Errorf("quarantined were %v, wrong was %s alone", a.wasQuarantined, wrong.name)
		}
	}
}

// TestTwoOfFive shows that two wrong members of five, the leader among them, with different damage, are both
// repaired while three go on.
func TestTwoOfFive(t *testing.T) {
	a := newAlarm(t, 60, 5)
	leader := a.leader()
	other := a.others(leader)[2]
	a.command()
	leader.flip()
	other.machine.cells[24]++
	a.commandsUntil("both quarantines", func() bool { return a.wasQuarantined[leader.name] && a.wasQuarantined[other.name] })
	a.healed()
	if len(a.wasQuarantined) != 2 {
		t.Errorf("quarantined were %v", a.wasQuarantined)
	}
}

// TestTheAlarmOverALossyNetwork shows that lost questions, answers, verdicts and pleas delay the alarm and
// the repair, and prevent neither.
func TestTheAlarmOverALossyNetwork(t *testing.T) {
	lost := map[string]int{}
	for seed := range uint64(5) {
		a := newAlarm(t, 70+seed, 3)
		a.lossy = func(f simFrame) bool {
			d, ok := f.envelope.Message.(*consensus.StateDigest)
			if !ok || a.rng.IntN(10) > 5 {
				return false
			}
			lost[strings.SplitN(d.String(), "/", 2)[0]]++
			return true
		}
		wrong := a.all()[seed%3]
		a.leader()
		a.command()
		wrong.flip()
		a.commandsUntil("a marker", func() bool { return wrong.g.hashes.latest().Index > 0 })
		a.until("the quarantine", func() bool { return a.wasQuarantined[wrong.name] })
		a.healed()
		if len(a.wasQuarantined) != 1 {
			t.Errorf("seed %d: quarantined were %v", a.seed, a.wasQuarantined)
		}
	}
	if len(lost) < 3 {
		t.Errorf("lost were %v", lost)
	}
}
