package host

import "testing"

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
