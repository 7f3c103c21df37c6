package host

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// watched is what became of a wait.
type watched struct {
	ends []waitEnd
}

func (w *watched) over() bool { return len(w.ends) > 0 }

// one returns the error of the only end.
func (w *watched) one(t *testing.T) error {
	t.Helper()
	if len(w.ends) != 1 {
		t.Fatalf("%d ends, expected one: %+v", len(w.ends), w.ends)
	}
	return w.ends[0].err
}

func (m *simMember) await(request AwaitRequest) *watched {
	w := &watched{}
	m.g.awaitFor(request, func(s MemberStatus, err error) { w.ends = append(w.ends, waitEnd{status: s, err: err}) })
	return w
}

func (m *simMember) awaitAt(until api.Until, cursor consensus.Cursor) *watched {
	return m.await(AwaitRequest{Until: until, Cursor: cursor, Timeout: time.Minute})
}

func (m *simMember) status() MemberStatus { return m.g.memberStatus() }

func below(c consensus.Cursor, n int) consensus.Cursor {
	c.Index += consensus.Index(n)
	return c
}

// threeWaits are those for the three positions of a member.
type threeWaits struct {
	t     *testing.T
	waits []*watched
}

var positions = []api.Until{api.UntilLog, api.UntilCommit, api.UntilApplied}

func (m *simMember) awaitAll(t *testing.T, at consensus.Cursor) threeWaits {
	w := threeWaits{t: t}
	for _, until := range positions {
		w.waits = append(w.waits, m.awaitAt(until, at))
	}
	return w
}

// want fails unless those waits are over, and well so.
func (w threeWaits) want(when, over string) {
	w.t.Helper()
	got := ""
	for i, one := range w.waits {
		if one.over() {
			if err := one.one(w.t); err != nil {
				w.t.Errorf("%s, %s: %v", when, positions[i], err)
			}
			got += string(positions[i]) + " "
		}
	}
	if got != over {
		w.t.Errorf("%s: over are %q, expected %q", when, got, over)
	}
}

// TestWaitsForPositions shows that a wait for the log, the commit or the applied position ends at the turn
// in which the member gets there, never before, and at once when it is there.
func TestWaitsForPositions(t *testing.T) {
	s := newSim(t, 1, 3, simTiming())
	leader := s.leader()
	s.level()
	follower := s.others(leader)[0]
	next := below(leader.g.core.Last(), 1)
	here, there := leader.awaitAll(t, next), follower.awaitAll(t, next)
	anything := follower.awaitAll(t, consensus.Cursor{Index: next.Index})
	leader.turn()
	follower.turn()
	here.want("before", "")
	leader.execute(fed("add A 1"))
	leader.turn()
	here.want("the leader appends", "log ")
	if s := leader.status(); s.Log != next || s.Commit.Index >= next.Index {
		t.Errorf("the leader is at %+v", s)
	}
	everything := func(consensus.Message) bool { return true }
	s.hand(everything)
	follower.turn()
	there.want("a follower appends", "log ")
	follower.log.complete(10)
	follower.turn()
	leader.log.complete(10)
	leader.turn()
	s.hand(everything)
	leader.turn()
	here.want("a majority has it", "log commit ")
	leader.work(0)
	if len(leader.g.inbox.wake) == 0 {
		t.Error("nobody wakes the loop when something was applied")
	}
	leader.turn()
	here.want("the leader applies", "log commit applied ")
	there.want("the follower does not know yet", "log ")
	s.round()
	there.want("a round later", "log commit applied ")
	anything.want("without a term", "log commit applied ")
	late := follower.awaitAll(t, next)
	follower.turn()
	late.want("when it is there", "log commit applied ")
	if s := follower.status(); s.Applied != next || s.Commit != next || s.Log != next || s.Host != follower.name || s.Group != "sim" {
		t.Errorf("the follower is at %+v", s)
	}
	for _, m := range s.all() {
		if n := m.g.watch.active.Load(); n != 0 || len(m.g.watch.waits) != 0 {
			t.Errorf("%s has %d waits left", m.name, n)
		}
	}
}

// TestAFedCommandThatIsLost shows M13 for fed commands: when the leader that acknowledged one dies with it,
// a wait for its position says that it is lost, on every member and for each kind of position, also when
// the wait begins later, after a snapshot, and after a restart; and a wait for the command in its place
// says that it was applied.
func TestAFedCommandThatIsLost(t *testing.T) {
	timing := simTiming()
	timing.SnapshotBytes = 600
	s := newSim(t, 2, 3, timing)
	leader := s.leader()
	s.apply(leader, "add A 1")
	s.level()
	kept := leader.status().Applied
	a := leader.execute(fed("add B 1"))
	leader.turn()
	r := a.one(t)
	lost := consensus.Cursor{Term: r.Term, Index: r.Index}
	s.net = nil
	others := s.others(leader)
	var waits []*watched
	for _, m := range others {
		for _, until := range []api.Until{api.UntilLog, api.UntilCommit, api.UntilApplied} {
			waits = append(waits, m.awaitAt(until, lost), m.awaitAt(until, below(lost, 5)))
		}
	}
	leader.crash()
	s.round()
	if slices.ContainsFunc(waits, (*watched).over) {
		t.Fatal("a wait is over before anything was decided")
	}
	s.until("every wait is over", func() bool { return !slices.ContainsFunc(waits, func(w *watched) bool { return !w.over() }) })
	for i, w := range waits {
		if err := w.one(t); !errors.Is(err, ErrLost) {
			t.Errorf("wait %d: %v", i, err)
		}
	}
	leader.start()
	for i := range 40 { // over several snapshots
		s.apply(s.leader(), "emit C tag-%d", i)
	}
	s.level()
	for _, m := range s.all() {
		if base := m.g.core.Status().Base; base.Index <= lost.Index {
			t.Fatalf("the log of %s still begins at %s", m.name, base)
		}
		m.crash()
		m.start()
	}
	s.leader()
	s.level()
	for _, m := range s.all() {
		for _, until := range []api.Until{api.UntilLog, api.UntilCommit, api.UntilApplied} {
			gone, there, bogus := m.awaitAt(until, lost), m.awaitAt(until, kept), m.awaitAt(until, consensus.Cursor{Term: 99, Index: 1})
			m.turn()
			if err := gone.one(t); !errors.Is(err, ErrLost) {
				t.Errorf("%s, %s: %v", m.name, until, err)
			}
			if err := there.one(t); err != nil {
				t.Errorf("%s, %s: the command before it: %v", m.name, until, err)
			}
			if err := bogus.one(t); !errors.Is(err, ErrLost) {
				t.Errorf("%s, %s: a position that never was: %v", m.name, until, err)
			}
		}
	}
}

// TestAWaitForWhatAnotherLeaderHas shows that a wait for a position at which this member's log holds an entry of
// another term goes on while nothing is committed there: the leader of the term that was asked for may replace it.
func TestAWaitForWhatAnotherLeaderHas(t *testing.T) {
	s := newSim(t, 3, 3, simTiming())
	old := s.leader()
	s.apply(old, "add A 1")
	s.level()
	s.isolate(old)
	for range 3 {
		old.execute(fed("add B 1"))
	}
	old.turn()
	var next *simMember
	s.until("another leader", func() bool {
		for _, m := range s.others(old) {
			if m.status().Role == consensus.Leader && m.status().Commit.Term == m.status().Term {
				next = m
			}
		}
		return next != nil
	})
	s.apply(next, "add C 1")
	there := next.status().Applied
	if held := old.status(); held.Log.Index < there.Index || held.Commit.Index >= there.Index {
		t.Fatalf("the old leader is at %+v, the new one at %s", held, there)
	}
	waits := old.awaitAll(t, there)
	old.turn()
	waits.want("while the members are apart", "")
	clear(s.cut)
	s.level()
	old.turn()
	waits.want("when they are together", "log commit applied ")
}

// TestWaitsForLeaders shows the waits for a leader, another leader, a certain one, and for being online
// and offline, over the loss of a leader and its return.
func TestWaitsForLeaders(t *testing.T) {
	s := newSim(t, 3, 3, simTiming())
	m := s.all()[0]
	m.turn()
	if s := m.status(); s.Leader != "" || s.Online || s.Role != consensus.Follower {
		t.Fatalf("at the start: %+v", s)
	}
	known, online, offline := m.await(AwaitRequest{Until: api.UntilLeader}), m.await(AwaitRequest{Until: api.UntilOnline}), m.await(AwaitRequest{Until: api.UntilOffline})
	m.turn()
	if err := offline.one(t); err != nil || known.over() || online.over() {
		t.Fatalf("offline: %v, known %v, online %v", err, known.over(), online.over())
	}
	leader := s.leader()
	s.until("all are online", func() bool {
		return !slices.ContainsFunc(s.all(), func(m *simMember) bool { return !m.status().Online })
	})
	if known.one(t) != nil || online.one(t) != nil {
		t.Errorf("known %v, online %v", known.ends, online.ends)
	}
	follower := s.others(leader)[0]
	before := follower.status()
	if before.Leader != leader.name || before.Applied.Index < before.Commit.Index {
		t.Errorf("%+v", before)
	}
	change := AwaitRequest{Until: api.UntilLeaderChange, Host: before.Leader, Cursor: consensus.Cursor{Term: before.Term}, Timeout: time.Minute}
	changed, gone := follower.await(change), follower.await(AwaitRequest{Until: api.UntilOffline})
	back := follower.await(AwaitRequest{Until: api.UntilLeaderIs, Host: s.others(leader)[1].name, Timeout: time.Minute})
	deposed := leader.await(AwaitRequest{Until: api.UntilOffline})
	s.round()
	if changed.over() || gone.over() || deposed.over() {
		t.Fatal("nothing has changed")
	}
	s.isolate(leader)
	s.until("the follower notices", gone.over)
	if gone.one(t) != nil || changed.one(t) != nil {
		t.Errorf("gone %v, changed %v", gone.ends, changed.ends)
	}
	s.until("the leader notices", deposed.over)
	if s := leader.status(); s.Online || s.Leader != "" || deposed.one(t) != nil {
		t.Errorf("%+v, %v", s, deposed.ends)
	}
	s.heal()
	other := s.others(leader)[1]
	s.until("the certain leader", func() bool {
		if next := s.leader(); next != other && next.g.core.Status().Match[other.id] == next.g.core.Last().Index {
			_ = next.g.core.TransferLeadership(other.id)
		}
		return back.over()
	})
	if err := back.one(t); err != nil || back.ends[0].status.Leader != other.name {
		t.Errorf("%+v", back.ends)
	}
}

// TestOnlineMeansCaughtUp shows that a member which returns is online only when it has applied what was
// committed when it came in touch again, and not because a leader without a majority speaks to it.
func TestOnlineMeansCaughtUp(t *testing.T) {
	s := newSim(t, 4, 3, simTiming())
	leader := s.leader()
	away := s.others(leader)[0]
	s.isolate(away)
	for range 10 {
		s.apply(leader, "add A 1")
	}
	s.until("it notices", func() bool { return away.status().Leader == "" })
	committed := leader.status().Commit.Index
	s.heal()
	online := away.await(AwaitRequest{Until: api.UntilOnline, Timeout: time.Minute})
	s.until("it is in touch and knows of the commit", func() bool {
		away.turn()
		return away.g.watch.now.target > 0
	})
	away.g.applier.mu.Lock()
	queued := len(away.g.applier.queue)
	away.g.applier.mu.Unlock()
	if away.status().Online && away.status().Applied.Index < committed || !online.over() && queued == 0 && away.status().Applied.Index >= committed {
		t.Errorf("online %v at %+v, committed were %d", online.over(), away.status(), committed)
	}
	s.until("it is online", online.over)
	if at := online.ends[0].status; !at.Online || at.Applied.Index < committed {
		t.Errorf("%+v, committed were %d", at, committed)
	}
}

// TestALeaderAloneIsNotOnline shows that nobody is online under a leader whose first entry no majority has
// confirmed, although it leads and the others follow it.
func TestALeaderAloneIsNotOnline(t *testing.T) {
	s := newSim(t, 8, 3, simTiming())
	isAppended := func(m consensus.Message) bool { _, ok := m.(*consensus.AppendEntriesResponse); return ok }
	first := s.leader()
	s.apply(first, "add A 1")
	s.level()
	first.crash()
	left := s.others(first)
	followed := func() bool {
		return !slices.ContainsFunc(left, func(m *simMember) bool { return m.status().Leader == "" || m.status().Leader == first.name })
	}
	for range 200 {
		if s.roundWithout(isAppended); followed() {
			break
		}
	}
	for _, m := range left {
		if st := m.status(); !followed() || st.Online || st.Commit.Index == 0 {
			t.Errorf("%s: %+v", m.name, st)
		}
	}
	first.start()
	s.until("all are online", func() bool {
		return !slices.ContainsFunc(s.all(), func(m *simMember) bool { return !m.status().Online })
	})
}

// TestWaitsEnd shows that a wait ends at its own deadline and not before, that there are only so many, and
// that those for a stopped member end with the reason, save that it is offline.
func TestWaitsEnd(t *testing.T) {
	s := newSim(t, 5, 3, simTiming())
	leader := s.leader()
	far := consensus.Cursor{Index: 1 << 40}
	begun := s.now
	short := leader.await(AwaitRequest{Until: api.UntilApplied, Cursor: far, Timeout: time.Second})
	usual := leader.await(AwaitRequest{Until: api.UntilApplied, Cursor: far})
	s.until("the short wait ends", short.over)
	if waited := s.now.Sub(begun); !errors.Is(short.one(t), ErrTimeout) || waited < time.Second || waited > 2*time.Second || usual.over() {
		t.Errorf("after %s: %v", waited, short.ends)
	}
	if !short.ends[0].status.Online {
		t.Errorf("%+v", short.ends[0].status)
	}
	s.until("the usual wait ends", usual.over)
	if waited := s.now.Sub(begun); waited < 5*time.Second || waited > 6*time.Second {
		t.Errorf("after %s", waited)
	}
	long := AwaitRequest{Until: api.UntilApplied, Cursor: far, Timeout: time.Minute}
	var waits []*watched
	for range maxWaits {
		waits = append(waits, leader.await(long))
	}
	if err := leader.await(long).one(t); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	leader.turn()
	leader.g.watch.expire(s.now.Add(time.Hour), leader.g.memberStatus)
	for _, w := range waits {
		if !errors.Is(w.one(t), ErrTimeout) {
			t.Fatal(w.ends)
		}
	}
	stopped, offline := leader.await(long), leader.await(AwaitRequest{Until: api.UntilOffline})
	leader.turn()
	if offline.over() {
		t.Fatal("offline too early")
	}
	leader.store.breakGroup(simGroup, errBroken)
	leader.execute(CommandRequest{Payload: []byte("add A 1")})
	s.until("it stops", func() bool { return leader.stopped != nil })
	if err := stopped.one(t); !errors.Is(err, ErrStopped) || !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
	if err := offline.one(t); err != nil {
		t.Errorf("offline: %v", err)
	}
	if err := leader.await(long).one(t); !errors.Is(err, ErrStopped) {
		t.Errorf("afterwards: %v", err)
	}
	if n := leader.g.watch.active.Load(); n != 0 {
		t.Errorf("%d waits are left", n)
	}
}

// TestAllTheChanges shows that a wait for any change sees every turn that changed something, in a random
// run, and that the status at its end is what the member has then.
func TestAllTheChanges(t *testing.T) {
	s := newSim(t, 6, 3, simTiming())
	m := s.all()[1]
	var seen []MemberStatus
	last := m.status()
	var follow func()
	follow = func() {
		one := &watcher{due: func(s MemberStatus) (bool, error) { return s != last, nil }}
		one.end = func(s MemberStatus, err error) {
			if err != nil || s == last {
				t.Fatalf("ended with %v at %+v, after %+v", err, s, last)
			}
			last = s
			seen = append(seen, s)
			follow()
		}
		if err := m.g.watch.add(one); err != nil {
			t.Fatal(err)
		}
	}
	follow()
	turns := []MemberStatus{last}
	for step := range 400 {
		if step%50 == 25 {
			s.isolate(s.all()[step/50%3])
		}
		if step%50 == 0 {
			s.heal()
		}
		if step%3 == 0 {
			m.execute(fed("add A 1"))
		}
		s.round()
		if now := m.status(); turns[len(turns)-1] != now {
			turns = append(turns, now)
		}
	}
	next := 0
	for _, want := range turns[1:] {
		for next < len(seen) && seen[next] != want {
			next++
		}
		if next == len(seen) {
			t.Fatalf("nobody was told of %+v", want)
		}
	}
	if len(turns) < 50 || len(m.g.watch.waits) != 1 {
		t.Errorf("%d changes, %d waits", len(turns), len(m.g.watch.waits))
	}
}

// TestAQuietTurnCostsNothing shows that a turn allocates nothing for the sake of those who might watch.
func TestAQuietTurnCostsNothing(t *testing.T) {
	s := newSim(t, 7, 3, simTiming())
	leader := s.leader()
	if n := testing.AllocsPerRun(100, leader.g.observe); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
