package host

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// TestADeposedLeaderAnswersNoQuery shows M12: a leader that was cut off, and whose successor applied
// another command, never answers a linearizable query from its old state, while a stale one it does.
func TestADeposedLeaderAnswersNoQuery(t *testing.T) {
	s := newSim(t, 1, 3, simTiming())
	old := s.leader()
	s.apply(old, "add A 1")
	s.level()
	s.isolate(old)
	early := old.query(QueryRequest{Payload: []byte("get A")})
	var next *simMember
	s.until("another leader", func() bool {
		for _, m := range s.others(old) {
			if m.g.core.Role() == consensus.Leader {
				next = m
			}
		}
		return next != nil
	})
	s.apply(next, "add A 1")
	late := old.query(QueryRequest{Payload: []byte("get A")})
	stale := old.query(QueryRequest{Payload: []byte("get A"), Consistency: Stale})
	s.until("every answer", func() bool { return early.done() && late.done() && stale.done() })
	for _, a := range []*answered{early, late} {
		if r := a.one(t); r.Err == nil || r.Err.Code != api.CodeNoLeader {
			t.Errorf("%+v", r)
		}
	}
	if r := stale.one(t); r.Err != nil || string(r.Outcome.Output) != "1" {
		t.Errorf("the stale query: %+v", r)
	}
	s.heal()
	again := old.query(QueryRequest{Payload: []byte("get A")})
	s.until("an answer", again.done)
	if r := again.one(t); r.Err != nil || string(r.Outcome.Output) != "2" {
		t.Errorf("after healing: %+v", r)
	}
}

// TestQueriesOfEveryLevel shows that any member answers a query at each level of consistency, and at
// which index.
func TestQueriesOfEveryLevel(t *testing.T) {
	s := newSim(t, 2, 3, simTiming())
	leader := s.leader()
	s.apply(leader, "add A 1")
	s.level()
	index := consensus.Index(leader.g.applier.applied.Load())
	for _, m := range s.all() {
		for _, level := range []Consistency{Linearizable, Stale, AtLeast} {
			a := m.query(QueryRequest{Payload: []byte("get A"), Consistency: level, AtLeastIndex: index})
			s.until("an answer", a.done)
			if r := a.one(t); r.Err != nil || string(r.Outcome.Output) != "1" || r.Index != index || r.Term == 0 {
				t.Errorf("%s at level %d: %+v, expected index %d", m.name, level, r, index)
			}
		}
		refused := m.query(QueryRequest{Payload: []byte("what?")})
		s.until("an answer", refused.done)
		if r := refused.one(t); r.Err != nil || r.Outcome.Kind != Refused {
			t.Errorf("%s: %+v", m.name, r)
		}
	}
	follower := s.others(leader)[0]
	waits := follower.query(QueryRequest{Payload: []byte("get A"), Consistency: AtLeast, AtLeastIndex: index + 1})
	never := follower.query(QueryRequest{Payload: []byte("get A"), Consistency: AtLeast, AtLeastIndex: index + 100, Timeout: time.Second})
	s.round()
	if waits.done() || never.done() {
		t.Fatal("a query ran before its index was applied")
	}
	s.apply(leader, "add A 1")
	s.until("the answers", func() bool { return waits.done() && never.done() })
	if r := waits.one(t); r.Err != nil || string(r.Outcome.Output) != "2" || r.Index != index+1 {
		t.Errorf("%+v", r)
	}
	if r := never.one(t); r.Err == nil || r.Err.Code != api.CodeNoLeader {
		t.Errorf("%+v", r)
	}
	s.until("the late query is forgotten", func() bool { return follower.g.applier.asked.Load() == 0 })
}

// TestNothingHappensAfterSayingSo shows that a command whose client was told that nothing happened is
// not proposed when the loop comes to it at last.
func TestNothingHappensAfterSayingSo(t *testing.T) {
	s := newSim(t, 3, 3, simTiming())
	for _, m := range s.all() {
		s.leader()
		a := m.execute(CommandRequest{Payload: []byte("add A 1"), Timeout: time.Millisecond})
		s.now = s.now.Add(time.Second) // the loop was held up
		for !a.done() {
			m.g.tick()
		}
		if r := a.one(t); r.Err == nil || r.Err.Code != api.CodeNoLeader {
			t.Fatalf("%+v", r)
		}
	}
	s.apply(s.leader(), "add B 1")
	s.level()
	if !equalTo(s.cell('A'), 0) {
		t.Errorf("the members have %v", s.cell('A'))
	}
}

// TestWithoutALeader shows that requests wait for a leader until their deadline and no longer, and that
// a bound on the wait is cut to the longest one, never to the default.
func TestWithoutALeader(t *testing.T) {
	s := newSim(t, 4, 3, simTiming())
	m := s.all()[0]
	m.turn()
	command := m.execute(CommandRequest{Payload: []byte("add A 1"), Timeout: time.Hour})
	query := m.query(QueryRequest{Payload: []byte("get A")})
	short := m.query(QueryRequest{Payload: []byte("get A"), Timeout: time.Second})
	s.isolate(m)
	begun := s.now
	s.until("an answer", query.done)
	if waited := s.now.Sub(begun); command.done() || !short.done() || waited < 5*time.Second || waited > 6*time.Second {
		t.Errorf("answered after %s", waited)
	}
	s.until("an answer", command.done)
	if waited := s.now.Sub(begun); waited < maxRequestTimeout || waited > maxRequestTimeout+time.Second {
		t.Errorf("answered after %s", waited)
	}
	for _, a := range []*answered{command, query, short} {
		if r := a.one(t); r.Err == nil || r.Err.Code != api.CodeNoLeader {
			t.Errorf("%+v", r)
		}
	}
	if len(m.g.waiting)+len(m.g.asking) != 0 {
		t.Errorf("%d commands and %d queries are still queued", len(m.g.waiting), len(m.g.asking))
	}
}

// TestAFailingLog shows that a member whose log fails stops, says why, answers those who wait and those
// who come later, and that the others go on without it.
func TestAFailingLog(t *testing.T) {
	s := newSim(t, 5, 3, simTiming())
	leader := s.leader()
	s.apply(leader, "add A 1")
	committed := leader.execute(CommandRequest{Payload: []byte("add B 1")})
	leader.turn()
	idle := leader.query(QueryRequest{Payload: []byte("get A"), Consistency: AtLeast, AtLeastIndex: 1000})
	leader.turn()
	leader.store.breakGroup(simGroup, errors.New("no space left"))
	leader.log.complete(1)
	leader.turn()
	if leader.stopped == nil || !strings.Contains(leader.stopped.Error(), "no space left") {
		t.Fatalf("stopped: %v", leader.stopped)
	}
	if problem := leader.g.status.Load().problem; !strings.Contains(problem, "no space left") {
		t.Errorf("the status says %q", problem)
	}
	if r := committed.one(t); r.Err == nil || r.Err.Code != api.CodeUnknown {
		t.Errorf("the command under way: %+v", r)
	}
	if r := idle.one(t); r.Err == nil || r.Err.Code != api.CodeInternal {
		t.Errorf("the query: %+v", r)
	}
	later := []*answered{leader.execute(CommandRequest{Payload: []byte("add C 1")}), leader.query(QueryRequest{Payload: []byte("get A")})}
	for _, a := range later {
		if r := a.one(t); r.Err == nil || r.Err.Code != api.CodeInternal {
			t.Errorf("a later request: %+v", r)
		}
	}
	if leader.deliver != nil {
		t.Error("a stopped member still receives")
	}
	next := s.leader()
	s.apply(next, "add C 1")
	if next == leader || next.machine.cells[0] != 1 {
		t.Errorf("%s leads and has %v", next.name, next.machine.cells)
	}
}

// TestAFailingMachine shows that a machine which cannot go on stops its member alone.
func TestAFailingMachine(t *testing.T) {
	s := newSim(t, 6, 3, simTiming())
	leader := s.leader()
	s.apply(leader, "add A 1")
	s.level()
	// One member has lost count of its entries.
	broken := s.others(leader)[0]
	broken.g.applier.replica.applied.Index--
	s.apply(leader, "add A 1")
	s.until("the member stops", func() bool { return broken.stopped != nil })
	if !errors.Is(broken.stopped, ErrCorrupt) {
		t.Errorf("stopped: %v", broken.stopped)
	}
	if got := s.apply(leader, "add A 1"); got != "3" {
		t.Errorf("the others are at %s", got)
	}
	all := leader.execute(CommandRequest{Payload: []byte("break")})
	s.until("the members stop", func() bool { return leader.stopped != nil })
	if !errors.Is(leader.stopped, errBroken) {
		t.Errorf("stopped: %v", leader.stopped)
	}
	if r := all.one(t); r.Err == nil || r.Err.Code != api.CodeUnknown {
		t.Errorf("%+v", r)
	}
}

// TestQueuesAreBounded shows that a member which cannot keep up answers "busy", and drops what other
// members send again, rather than queue without bound.
func TestQueuesAreBounded(t *testing.T) {
	s := newSim(t, 7, 3, simTiming())
	leader := s.leader()
	follower := s.others(leader)[0]
	leader.g.applier.backlog.Add(maxBacklogBytes + 1)
	if r := leader.execute(CommandRequest{Payload: []byte("add A 1")}).one(t); r.Err == nil || r.Err.Code != api.CodeBusy {
		t.Errorf("a command at a full applier: %+v", r)
	}
	leader.g.applier.backlog.Add(-maxBacklogBytes - 1)
	leader.g.applier.asked.Add(maxWaiters + 1)
	if r := leader.query(QueryRequest{Payload: []byte("get A")}).one(t); r.Err == nil || r.Err.Code != api.CodeBusy {
		t.Errorf("a query at a full applier: %+v", r)
	}
	leader.g.applier.asked.Add(-maxWaiters - 1)
	leader.g.events.lead(true, 1)
	leader.g.events.offer([]Emitted{{Index: 1, Payload: make([]byte, maxOutboxBytes+1)}}, 1)
	if r := leader.execute(CommandRequest{Payload: []byte("add A 1")}).one(t); r.Err == nil || r.Err.Code != api.CodeBusy {
		t.Errorf("a command at a full outbox: %+v", r)
	}
	leader.publish()
	follower.g.applier.backlog.Add(4*maxBacklogBytes + 1)
	s.apply(leader, "add A 1")
	last := follower.g.core.Last()
	if last.Index >= leader.g.core.Last().Index {
		t.Error("a follower that is swamped took more entries")
	}
	if id, _ := follower.g.core.Leader(); id != leader.id {
		t.Error("a follower that is swamped lost its leader")
	}
	follower.g.applier.backlog.Add(-4*maxBacklogBytes - 1)
	s.level()
	inbox := newInbox()
	big := &consensus.ForwardCommand{Commands: [][]byte{make([]byte, maxInboxBytes/4)}}
	for range 10 {
		inbox.message(consensus.Envelope{Message: big})
		inbox.message(consensus.Envelope{Message: &consensus.AppendEntries{Entries: []consensus.LogEntry{{Payload: make([]byte, 100)}}}})
		inbox.message(consensus.Envelope{Message: &consensus.ForwardQuery{Query: make([]byte, 100)}})
		inbox.message(consensus.Envelope{Message: &consensus.QueryResponse{Result: make([]byte, 100)}})
	}
	if got := inbox.take(); got.bytes > maxInboxBytes || len(got.messages) != 3+30 {
		t.Errorf("%d messages of %d bytes were kept", len(got.messages), got.bytes)
	}
}

// TestTooMuchUncommitted shows that a leader which cannot commit answers "busy" in the end, and that
// what it answered so never happens.
func TestTooMuchUncommitted(t *testing.T) {
	s := newSim(t, 8, 3, simTiming())
	leader := s.leader()
	s.round()
	s.isolate(leader)
	payload := []byte("add A 1" + strings.Repeat(" ", MaxCommandBytes/2))
	answers := []*answered{}
	for range (64<<20)/len(payload) - 1 {
		answers = append(answers, leader.execute(CommandRequest{Payload: payload}))
		leader.turn()
	}
	// The waiters' bound would come first: their clients are told, and their places are free.
	leader.g.waiters.expire(s.now.Add(time.Hour))
	busy := leader.execute(CommandRequest{Payload: append([]byte("add B 1"), payload[7:]...)})
	leader.turn()
	busier := leader.execute(CommandRequest{Payload: append([]byte("add B 1"), payload[7:]...)})
	leader.turn()
	if r := busier.one(t); r.Err == nil || r.Err.Code != api.CodeBusy {
		t.Errorf("%+v", r)
	}
	if r := answers[0].one(t); r.Err == nil || r.Err.Code != api.CodeUnknown {
		t.Errorf("%+v", r)
	}
	s.heal()
	s.until("an answer", busy.done)
	s.leader()
	s.level()
	if cells := s.cell('B'); cells[0] > 1 {
		t.Errorf("the refused command was applied: %v", cells)
	}
}
