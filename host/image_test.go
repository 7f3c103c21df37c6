package host

import (
	"testing"
	"time"
)

// TestAnImageIsWhole shows that a replica which was restored from an image does what the one that made it does: its
// clock does not fall, what awaits publication still does, and repeated commands are recognised.
func TestAnImageIsWhole(t *testing.T) {
	b := newTable(t)
	b.now = time.Hour
	b.apply(command{Session: "s", Seq: 1, Payload: []byte("emit A x")})
	b.apply(command{MsgID: "m", Payload: []byte("emit A y"), Published: 1})
	image, err := b.r.image()
	if err != nil {
		t.Fatal(err)
	}
	again := newTable(t)
	again.index = b.index
	if err := again.r.restore(image); err != nil {
		t.Fatal(err)
	}
	for _, one := range []*table{b, again} {
		one.now = time.Minute
		one.want(one.apply(command{Session: "s", Seq: 1, Payload: []byte("emit A x")}), "", "1", true)
		one.want(one.apply(command{MsgID: "m", Payload: []byte("emit A y")}), "", "2", true)
		one.want(one.session("s", 2, 1), "", "3", false)
		if one.r.timeNanos != int64(time.Hour) {
			t.Errorf("the clock stands at %d", one.r.timeNanos)
		}
		if events := one.r.outbox.events; one.r.outbox.done != 1 || len(events) != 2 || events[0].Index != 2 {
			t.Errorf("published up to %d, waiting: %+v", one.r.outbox.done, events)
		}
	}
	first, err := b.r.image()
	if err != nil {
		t.Fatal(err)
	}
	second, err := again.r.image()
	if err != nil {
		t.Fatal(err)
	}
	if string(first.state) != string(second.state) || first.anchor != second.anchor {
		t.Errorf("the images differ: at %s %x, at %s %x", first.anchor, first.state, second.anchor, second.state)
	}
}

// TestASwampedMemberKeepsItsLeader shows that a member whose machine is far behind takes no more entries, hears its
// leader all the same, and gets what it missed when there is room again.
func TestASwampedMemberKeepsItsLeader(t *testing.T) {
	s := newSim(t, 9, 3, simTiming())
	leader := s.leader()
	slow := s.others(leader)[0]
	_, term := leader.g.core.Leader()
	slow.g.applier.backlog.Add(4*maxBacklogBytes + 1)
	last := slow.g.core.Last()
	for range 5 {
		s.apply(leader, "add A 1")
	}
	for range 60 {
		s.round()
	}
	if id, now := slow.g.core.Leader(); id != leader.id || now != term || slow.g.core.Last() != last {
		t.Errorf("it follows %s in term %d and ends at %s", id, now, slow.g.core.Last())
	}
	slow.g.applier.backlog.Add(-4*maxBacklogBytes - 1)
	s.level()
	if !equalTo(s.cell('A'), 5) {
		t.Errorf("the members have %v", s.cell('A'))
	}
}
