package host

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// hand delivers the frames on their way that are of the wanted kind and drops the others.
func (s *sim) hand(wanted func(consensus.Message) bool) {
	frames := s.net
	s.net = nil
	for _, f := range frames {
		if wanted(f.envelope.Message) {
			s.arrive(f)
		}
	}
}

func isForward(m consensus.Message) bool { _, ok := m.(*consensus.ForwardCommand); return ok }
func isAck(m consensus.Message) bool     { _, ok := m.(*consensus.CommandAck); return ok }

// cell returns a counter of every member.
func (s *sim) cell(name byte) []int64 {
	var out []int64
	for _, m := range s.all() {
		out = append(out, m.machine.cells[name-'A'])
	}
	return out
}

func equalTo(cells []int64, n int64) bool {
	return !slices.ContainsFunc(cells, func(c int64) bool { return c != n })
}

// TestEveryMemberTakesCommands shows that a command may be given to any member, and that its result
// comes back through it.
func TestEveryMemberTakesCommands(t *testing.T) {
	s := newSim(t, 1, 3, simTiming())
	leader := s.leader()
	for i, m := range s.all() {
		if got := s.apply(m, "add A 2"); got != []string{"2", "4", "6"}[i] {
			t.Errorf("through %s: %s", m.name, got)
		}
		r := m.execute(CommandRequest{Payload: []byte("refuse")})
		s.until("an answer", r.done)
		if got := r.one(t); got.Err != nil || got.Outcome.Kind != Refused || got.Outcome.Code != 7 || got.Leader != leader.name {
			t.Errorf("through %s: %+v", m.name, got)
		}
	}
	s.level()
	if !equalTo(s.cell('A'), 6) {
		t.Errorf("the members have %v", s.cell('A'))
	}
}

// TestForwardsAreCut shows that commands are forwarded in messages of a bounded size, save that one
// always fits, and that no more messages are under way than a member may have: the rest waits.
func TestForwardsAreCut(t *testing.T) {
	s := newSim(t, 3, 3, simTiming())
	origin := s.others(s.leader())[0]
	answers := []*answered{}
	for _, size := range []int{2 * maxForwardBytes, 100, maxForwardBytes / 2, maxForwardBytes / 2, 100, 100} {
		answers = append(answers, origin.execute(CommandRequest{Payload: []byte("add A 1" + strings.Repeat(" ", size))}))
	}
	origin.turn()
	sizes := []int{}
	for _, f := range s.net {
		sizes = append(sizes, len(f.envelope.Message.(*consensus.ForwardCommand).Commands))
	}
	if !slices.Equal(sizes, []int{1, 2, 3}) {
		t.Errorf("the messages have %v commands", sizes)
	}
	for range maxForwards + 10 {
		answers = append(answers, origin.execute(CommandRequest{Payload: []byte("add A 1")}))
		origin.turn()
	}
	if sent, waiting := len(origin.g.forwards.sent), len(origin.g.waiting); sent != maxForwards || waiting != 13 {
		t.Errorf("%d forwards are under way, %d commands wait", sent, waiting)
	}
	s.until("every answer", func() bool { return !slices.ContainsFunc(answers, func(a *answered) bool { return !a.done() }) })
	for i, a := range answers {
		if r := a.one(t); r.Err != nil {
			t.Fatalf("command %d: %v", i, r.Err)
		}
	}
	s.level()
	if !equalTo(s.cell('A'), int64(len(answers))) {
		t.Errorf("the members have %v", s.cell('A'))
	}
}

// TestAForwardWhoseLeaderDies shows M13: a command that a leader acknowledged, and lost with its
// office, is never reported as done, even though another command gets its slot.
func TestAForwardWhoseLeaderDies(t *testing.T) {
	s := newSim(t, 2, 3, simTiming())
	leader := s.leader()
	origin, third := s.others(leader)[0], s.others(leader)[1]
	lost := origin.execute(CommandRequest{Payload: []byte("add A 1")})
	origin.turn()
	s.hand(isForward)
	leader.turn() // proposes, sends the ack and the entries
	s.hand(isAck)
	origin.turn()
	leader.crash()
	next := s.leader()
	other := third.execute(CommandRequest{Payload: []byte("add B 1")})
	s.until("both answers", func() bool { return lost.done() && other.done() })
	if r := lost.one(t); r.Err == nil || r.Err.Code != api.CodeNoLeader {
		t.Fatalf("the lost command is reported as %+v", r)
	}
	if r := other.one(t); r.Err != nil {
		t.Fatal(r.Err)
	}
	if next.machine.cells[0] != 0 || next.machine.cells[1] != 1 {
		t.Fatalf("A is %d and B %d", next.machine.cells[0], next.machine.cells[1])
	}
}

// TestForwardsToADeadLeader shows that commands which were on their way to a leader that is dead go to the next one, if
// they cannot be applied twice. What becomes of another one is unknown.
func TestForwardsToADeadLeader(t *testing.T) {
	s := newSim(t, 6, 3, simTiming())
	leader := s.leader()
	origin := s.others(leader)[0]
	leader.crash()
	session := origin.execute(CommandRequest{Session: "s", Seq: 1, Payload: []byte("add A 1"), Timeout: time.Minute})
	named := origin.execute(CommandRequest{MsgID: "m", Payload: []byte("add A 10"), Timeout: time.Minute})
	batch := origin.execute(CommandRequest{Session: "b", Seq: 1, Batch: [][]byte{[]byte("add A 100"), []byte("add A 1000")}, Timeout: time.Minute})
	plain := origin.execute(CommandRequest{Payload: []byte("add B 1"), Timeout: time.Second})
	origin.turn()
	if n := len(origin.g.forwards.sent); n == 0 {
		t.Fatal("nothing is on its way to the dead leader")
	}
	s.hand(func(consensus.Message) bool { return false })
	s.until("the answers", func() bool { return session.done() && named.done() && batch.done() && plain.done() })
	for name, r := range map[string]Reply{"session": session.one(t), "message id": named.one(t), "batch": batch.one(t)} {
		if r.Err != nil {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	if r := plain.one(t); r.Err == nil || r.Err.Code != api.CodeUnknown {
		t.Errorf("without either: %+v", r)
	}
	if next := s.leader(); next.machine.cells[0] != 1111 || next.machine.cells[1] != 0 {
		t.Errorf("A is %d and B %d", next.machine.cells[0], next.machine.cells[1])
	}
}

// TestALostAck shows M14: when the acknowledgement is lost and no answer comes, the client is told that
// the outcome is unknown; the command is applied once however often it is sent again, with one result.
func TestALostAck(t *testing.T) {
	s := newSim(t, 4, 3, simTiming())
	leader := s.leader()
	origin := s.others(leader)[0]
	request := CommandRequest{Session: "s", Seq: 1, Payload: []byte("add A 5"), Timeout: time.Second}
	first := origin.execute(request)
	origin.turn()
	s.hand(isForward)
	leader.turn()
	s.hand(func(m consensus.Message) bool { return !isAck(m) })
	s.isolate(origin)
	s.until("an answer", first.done)
	if r := first.one(t); r.Err == nil || r.Err.Code != api.CodeUnknown {
		t.Fatalf("%+v", r)
	}
	s.heal()
	for i, m := range s.all() {
		again := m.execute(request)
		s.until("an answer", again.done)
		if r := again.one(t); r.Err != nil || string(r.Outcome.Output) != "5" || !r.Duplicate {
			t.Errorf("attempt %d: %+v", i, r)
		}
	}
	s.level()
	if !equalTo(s.cell('A'), 5) {
		t.Errorf("the members have %v", s.cell('A'))
	}
}

// TestRepeatedForwards shows that a forwarded command which arrives twice is proposed once, also when
// the member refused it the first time and leads by the second.
func TestRepeatedForwards(t *testing.T) {
	s := newSim(t, 5, 3, simTiming())
	leader := s.leader()
	origin, third := s.others(leader)[0], s.others(leader)[1]
	answer := origin.execute(CommandRequest{Payload: []byte("add A 1")})
	origin.turn()
	frame := s.net[slices.IndexFunc(s.net, func(f simFrame) bool { return isForward(f.envelope.Message) })]
	// The same frame, to another member: it does not lead, and refuses.
	stray := frame
	stray.to, stray.envelope.To = third.name, third.id
	s.arrive(stray)
	third.turn()
	s.hand(func(m consensus.Message) bool {
		ack, ok := m.(*consensus.CommandAck)
		return !ok || ack.Refused == consensus.NotRefused
	})
	s.until("an answer", answer.done)
	for range 3 {
		s.arrive(frame)
	}
	s.round()
	if err := leader.g.core.TransferLeadership(third.id); err != nil {
		t.Fatal(err)
	}
	s.until("the transfer", func() bool { return s.leader() == third })
	s.arrive(stray)
	s.round()
	s.apply(origin, "add B 1")
	s.level()
	if !equalTo(s.cell('A'), 1) || answer.one(t).Err != nil {
		t.Errorf("the members have %v, the answer is %+v", s.cell('A'), answer.replies)
	}
}

// TestARefusedForward shows that a command which a member refused is tried again, applied once, and
// that nothing happens to it when its client has been answered meanwhile.
func TestARefusedForward(t *testing.T) {
	s := newSim(t, 6, 3, simTiming())
	leader := s.leader()
	origin := s.others(leader)[0]
	leader.g.applier.backlog.Add(maxBacklogBytes + 1) // refuses as busy
	patient := origin.execute(CommandRequest{Payload: []byte("add A 1")})
	hasty := origin.execute(CommandRequest{Payload: []byte("add B 1"), Timeout: 200 * time.Millisecond})
	s.until("an answer", hasty.done)
	if r := hasty.one(t); r.Err == nil || r.Err.Code != api.CodeNoLeader {
		t.Errorf("the hasty command: %+v", r)
	}
	leader.g.applier.backlog.Add(-maxBacklogBytes - 1)
	s.until("an answer", patient.done)
	if r := patient.one(t); r.Err != nil {
		t.Errorf("the patient command: %v", r.Err)
	}
	s.apply(leader, "add C 1")
	s.level()
	if !equalTo(s.cell('A'), 1) || !equalTo(s.cell('B'), 0) {
		t.Errorf("A is %v and B %v", s.cell('A'), s.cell('B'))
	}
}

// TestALateRefusal shows that a refusal which arrives after its command was given up changes nothing:
// the client was told that the outcome is unknown, and the command is not tried again.
func TestALateRefusal(t *testing.T) {
	s := newSim(t, 7, 3, simTiming())
	leader := s.leader()
	origin := s.others(leader)[0]
	leader.g.applier.backlog.Add(maxBacklogBytes + 1)
	answer := origin.execute(CommandRequest{Payload: []byte("add A 1"), Timeout: time.Second})
	origin.turn()
	s.hand(isForward)
	leader.turn()
	late := slices.DeleteFunc(slices.Clone(s.net), func(f simFrame) bool { return !isAck(f.envelope.Message) })
	s.hand(func(m consensus.Message) bool { return !isAck(m) })
	s.until("an answer", answer.done)
	if r := answer.one(t); r.Err == nil || r.Err.Code != api.CodeUnknown {
		t.Errorf("%+v", r)
	}
	leader.g.applier.backlog.Add(-maxBacklogBytes - 1)
	if len(late) != 1 {
		t.Fatalf("%d acks are on their way", len(late))
	}
	s.arrive(late[0])
	s.arrive(late[0])
	s.round()
	s.apply(leader, "add B 1")
	s.level()
	if !equalTo(s.cell('A'), 0) {
		t.Errorf("the members have %v", s.cell('A'))
	}
}

// TestForwardsOfStrangers shows that what does not decode, or comes from no member, leaves no trace.
func TestForwardsOfStrangers(t *testing.T) {
	s := newSim(t, 8, 3, simTiming())
	leader := s.leader()
	member := s.others(leader)[0].id
	s.round()
	last := leader.g.core.Last()
	_, term := leader.g.core.Leader()
	for _, e := range []consensus.Envelope{
		{From: 999, Message: &consensus.ForwardCommand{RequestID: 1, Term: term, Commands: [][]byte{encodeCommand(command{})}}},
		{From: 999, Message: &consensus.ForwardQuery{RequestID: 1, Query: encodeCommand(command{})}},
		{From: member, Message: &consensus.ForwardCommand{RequestID: 1, Term: term, Commands: [][]byte{[]byte("?")}}},
		{From: member, Message: &consensus.ForwardCommand{RequestID: 2, Term: term - 1, Commands: [][]byte{encodeCommand(command{})}}},
		{From: member, Message: &consensus.ForwardQuery{RequestID: 1, Query: []byte("?")}},
		{From: member, Message: &consensus.CommandAck{RequestID: 1, Term: 1, First: 1}},
		{From: member, Message: &consensus.QueryResponse{RequestID: 1, Result: []byte("?")}},
		{From: member, Message: &consensus.QueryResponse{RequestID: 2, Refused: consensus.RefusedNotLeader}},
	} {
		e.To = leader.id
		leader.deliver(e)
		e.To = 12345
		leader.deliver(e)
	}
	s.round()
	if leader.g.core.Last() != last || len(leader.g.forwards.taken) > 1 || leader.stopped != nil {
		t.Errorf("the log ends at %s, was %s; %d members are remembered; stopped: %v",
			leader.g.core.Last(), last, len(leader.g.forwards.taken), leader.stopped)
	}
}

// TestForwardMemory shows that a leader remembers the latest forwards of a member, and no more.
func TestForwardMemory(t *testing.T) {
	r := recentIDs{known: map[uint64]bool{}}
	for id := range uint64(3 * forwardMemory) {
		if !r.fresh(id) || r.fresh(id) {
			t.Fatalf("%d", id)
		}
	}
	if r.fresh(2*forwardMemory) || !r.fresh(0) || len(r.known) != forwardMemory || len(r.order) != forwardMemory {
		t.Errorf("%d are known, %d in order", len(r.known), len(r.order))
	}
}

// TestATransfer shows that commands wait while leadership is handed over, and are applied then.
func TestATransfer(t *testing.T) {
	s := newSim(t, 9, 3, simTiming())
	leader := s.leader()
	next := s.others(leader)[1]
	if err := leader.g.core.TransferLeadership(next.id); err != nil {
		t.Fatal(err)
	}
	answers := []*answered{}
	for _, m := range s.all() {
		answers = append(answers, m.execute(CommandRequest{Payload: []byte("add A 1")}))
		m.turn()
	}
	s.until("every answer", func() bool { return answers[0].done() && answers[1].done() && answers[2].done() })
	for i, a := range answers {
		if r := a.one(t); r.Err != nil {
			t.Errorf("%d: %v", i, r.Err)
		}
	}
	if s.leader() != next || fmt.Sprint(s.cell('A')) == "[0 0 0]" {
		t.Errorf("%s leads, the members have %v", s.leader().name, s.cell('A'))
	}
}
