package host

import (
	"testing"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// TestEveryMemberTakesCommands shows that a command may be given to any member, and that its result
// comes back through it.
func TestEveryMemberTakesCommands(t *testing.T) {
	s := newSim(t, 1, 3, simTiming())
	s.leader()
	for i, m := range s.all() {
		if got := s.apply(m, "add A 2"); got != []string{"2", "4", "6"}[i] {
			t.Errorf("through %s: %s", m.name, got)
		}
	}
	s.level()
	for _, m := range s.all() {
		if m.machine.cells[0] != 6 {
			t.Errorf("%s has %d", m.name, m.machine.cells[0])
		}
	}
}

// TestAForwardWhoseLeaderDies shows M13: a command that a leader acknowledged, and lost with its
// office, is never reported as done, even though another command gets its slot.
func TestAForwardWhoseLeaderDies(t *testing.T) {
	s := newSim(t, 2, 3, simTiming())
	leader := s.leader()
	origin := s.others(leader)[0]
	third := s.others(leader)[1]
	lost := origin.execute(CommandRequest{Payload: []byte("add A 1")})
	origin.turn()
	frames := s.net
	s.net = nil
	for _, f := range frames {
		s.arrive(f)
	}
	leader.turn() // proposes, sends the ack and the entries
	for _, f := range s.net {
		if _, ok := f.envelope.Message.(*consensus.CommandAck); ok {
			s.arrive(f) // the ack arrives, the entries do not
		}
	}
	s.net = nil
	origin.turn()
	leader.crash()
	next := s.leader()
	other := third.execute(CommandRequest{Payload: []byte("add B 1")})
	s.until("both answers", func() bool { return lost.done() && other.done() })
	if r := lost.one(t); r.Err == nil || r.Err.Code != api.CodeNoLeader && r.Err.Code != api.CodeUnknown {
		t.Fatalf("the lost command is reported as %+v", r)
	}
	if r := other.one(t); r.Err != nil {
		t.Fatal(r.Err)
	}
	if next.machine.cells[0] != 0 || next.machine.cells[1] != 1 {
		t.Fatalf("A is %d and B %d", next.machine.cells[0], next.machine.cells[1])
	}
}
