package host

import (
	"slices"
	"testing"

	"github.com/groutlabs/grout/consensus"
)

// TestAWithheldOfferKeepsItsReceiverQuiet shows that a member which lags behind its leader's log follows
// it and catches up, although no majority is there to confirm the leader's snapshot: as long as that
// may not be offered, the leader still gives a sign of life.
func TestAWithheldOfferKeepsItsReceiverQuiet(t *testing.T) {
	s := newSim(t, 70, 3, snapshotTiming())
	leader := s.leader()
	lags, away := s.others(leader)[0], s.others(leader)[1]
	lags.crash()
	s.fill(leader, leader.g.core.Last().Index+s.timing.RetainEntries)
	away.crash()
	leader.crash()
	leader.start()
	lags.start()
	if s.leader() != leader {
		t.Fatal("the lagging member leads")
	}
	_, term := leader.g.core.Leader()
	s.level()
	if _, now := leader.g.core.Leader(); now != term || leader.stopped != nil {
		t.Errorf("it took the terms %d to %d until the lagging member had caught up", term, now)
	}
}

// TestAForwardIsForOneLeadership shows that a copy of a forwarded command which arrives after its leader has
// restarted, and leads again, is not applied again: the command has no session that would notice.
func TestAForwardIsForOneLeadership(t *testing.T) {
	s := newSim(t, 71, 3, simTiming())
	leader := s.leader()
	member := s.others(leader)[0]
	var copies []simFrame
	s.watch = func(f simFrame) bool {
		if forward, ok := f.envelope.Message.(*consensus.ForwardCommand); ok {
			own := *forward
			own.Commands = [][]byte{slices.Clone(forward.Commands[0])}
			f.envelope.Message = &own
			copies = append(copies, f)
		}
		return true
	}
	s.apply(member, "add A 1")
	s.watch = nil
	leader.crash()
	leader.start()
	s.until("the same leader", func() bool {
		if now := s.leader(); now != leader {
			return now.g.core.TransferLeadership(leader.id) != nil
		}
		return true
	})
	if len(copies) != 1 || copies[0].to != leader.name {
		t.Fatalf("%d forwards", len(copies))
	}
	acks := 0
	s.watch = func(f simFrame) bool {
		if _, ok := f.envelope.Message.(*consensus.CommandAck); ok {
			acks++
		}
		return true
	}
	s.arrive(copies[0])
	s.apply(leader, "add B 1")
	if acks != 0 {
		t.Error("a leader that has restarted denies what it may have taken before")
	}
	s.level()
	if !equalTo(s.cell('A'), 1) {
		t.Errorf("a command was applied again: %v", s.cell('A'))
	}
}
