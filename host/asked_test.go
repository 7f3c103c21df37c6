package host

import (
	"slices"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

func isQuery(m consensus.Message) bool { _, ok := m.(*consensus.ForwardQuery); return ok }
func isQueryResponse(m consensus.Message) bool {
	_, ok := m.(*consensus.QueryResponse)
	return ok
}

// roundWithout is a round in which the frames of a kind are lost. It returns how many were.
func (s *sim) roundWithout(kind func(consensus.Message) bool) int {
	s.now = s.now.Add(s.timing.Tick)
	for _, m := range s.all() {
		m.tick()
	}
	lost := 0
	for range 20 {
		n := len(s.net)
		s.net = slices.DeleteFunc(s.net, func(f simFrame) bool { return kind(f.envelope.Message) })
		lost += n - len(s.net)
		s.flush()
	}
	return lost
}

// TestALostQuery shows that a forwarded query whose message, or answer, is lost is asked again within its
// deadline, and answered once; and that the attempts are bounded and leave nothing behind when none arrives.
func TestALostQuery(t *testing.T) {
	for name, kind := range map[string]func(consensus.Message) bool{"the query": isQuery, "the answer": isQueryResponse} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 1, 3, simTiming())
			leader := s.leader()
			s.apply(leader, "add A 1")
			s.level()
			follower := s.others(leader)[0]
			a := follower.query(QueryRequest{Payload: []byte("get A")})
			if lost := s.roundWithout(kind); lost != 1 || a.done() {
				t.Fatalf("%d were lost, answered %v", lost, a.done())
			}
			s.until("an answer", a.done)
			if r := a.one(t); r.Err != nil || string(r.Outcome.Output) != "1" {
				t.Errorf("%+v", r)
			}
			never := follower.query(QueryRequest{Payload: []byte("get A"), Timeout: 10 * time.Second})
			lost := 0
			for !never.done() {
				lost += s.roundWithout(kind)
			}
			if r := never.one(t); r.Err == nil || r.Err.Code != api.CodeNoLeader || lost < 5 || lost > 9 {
				t.Errorf("after %d attempts: %+v", lost, r)
			}
			s.round()
			if len(follower.g.asked) != 0 {
				t.Errorf("%d are remembered", len(follower.g.asked))
			}
		})
	}
}

// TestAQueryWhoseLeaderDies shows that a forwarded query survives its leader: the next one answers it, also
// when that is the member that took it.
func TestAQueryWhoseLeaderDies(t *testing.T) {
	s := newSim(t, 3, 3, simTiming())
	leader := s.leader()
	s.apply(leader, "add A 1")
	s.level()
	var answers []*answered
	for _, m := range s.others(leader) {
		answers = append(answers, m.query(QueryRequest{Payload: []byte("get A")}))
		m.turn()
	}
	leader.crash()
	s.until("the answers", func() bool { return answers[0].done() && answers[1].done() })
	for i, a := range answers {
		if r := a.one(t); r.Err != nil || string(r.Outcome.Output) != "1" {
			t.Errorf("%d: %+v", i, r)
		}
	}
}

// TestARefusedQuery shows that a query which a former leader refuses goes to the next one.
func TestARefusedQuery(t *testing.T) {
	s := newSim(t, 4, 3, simTiming())
	leader := s.leader()
	s.apply(leader, "add A 1")
	s.level()
	asker, next := s.others(leader)[0], s.others(leader)[1]
	a := asker.query(QueryRequest{Payload: []byte("get A")})
	asker.turn()
	query := s.net[len(s.net)-1]
	s.net = nil
	if err := leader.g.core.TransferLeadership(next.id); err != nil {
		t.Fatal(err)
	}
	s.until("the transfer", func() bool { return next.g.core.Role() == consensus.Leader })
	s.arrive(query)
	packed, err := pack(storedReply{Err: noLeaderFault("sim")})
	if err != nil {
		t.Fatal(err)
	}
	late := &consensus.QueryResponse{RequestID: query.envelope.Message.(*consensus.ForwardQuery).RequestID, Result: packed}
	s.arrive(simFrame{leader.name, asker.name, consensus.Envelope{From: leader.id, To: asker.id, Message: late}})
	s.until("an answer", a.done)
	if r := a.one(t); r.Err != nil || string(r.Outcome.Output) != "1" {
		t.Errorf("%+v", r)
	}
}
