package host

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// maxWaits bounds the waits for one member's status.
const maxWaits = 1 << 14

// watch tells others how a member fares. The loop writes the present down at the end of every turn, and
// when somebody waits looks whether that is due: so a wait ends at the very turn that brought what
// it is for, however short that lasts. Without waits a turn costs a lock and a few words.
type watch struct {
	// active is how many waits there are.
	active atomic.Int32

	mu    sync.Mutex
	now   present
	waits map[*watcher]struct{}
	// closed is why there is nothing to wait for any more.
	closed error
}

// present is what the loop knows at the end of a turn.
type present struct {
	role     consensus.Role
	leader   consensus.MemberID
	term     consensus.Term
	log      consensus.Cursor
	commit   consensus.Cursor
	snapshot consensus.Index
	// target is what this member has to have applied to be online, 0 while it is in touch with no leader
	// that a majority follows.
	target consensus.Index
}

// watcher is one wait.
type watcher struct {
	// due reports whether the wait is over, or an error that ends it. Only the loop calls it.
	due func(MemberStatus) (bool, error)
	// deadline ends the wait with ErrTimeout; zero is none.
	deadline time.Time
	// end is called exactly once, unless the wait is taken back before. It must not block.
	end func(MemberStatus, error)
}

// waitEnd is how a wait has ended.
type waitEnd struct {
	one    *watcher
	status MemberStatus
	err    error
}

func (e *waitEnd) tell() { e.one.end(e.status, e.err) }

func newWatch() *watch { return &watch{waits: map[*watcher]struct{}{}} }

// add begins a wait. The loop has to be woken then.
//
// # Errors
//
// ErrBusy, or why the member has stopped.
func (w *watch) add(one *watcher) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed != nil {
		return w.closed
	}
	if len(w.waits) >= maxWaits {
		return ErrBusy
	}
	w.waits[one] = struct{}{}
	w.active.Add(1)
	return nil
}

// remove takes a wait back. It reports false when the wait has ended, or is just ending.
func (w *watch) remove(one *watcher) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, there := w.waits[one]
	if there {
		delete(w.waits, one)
		w.active.Add(-1)
	}
	return there
}

// take removes the waits that ended returns an end for; they are to be told without the lock.
func (w *watch) take(ended func(*watcher) *waitEnd) []*waitEnd {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ends []*waitEnd
	for one := range w.waits {
		if e := ended(one); e != nil {
			delete(w.waits, one)
			w.active.Add(-1)
			ends = append(ends, e)
		}
	}
	return ends
}

func tellEnds(ends []*waitEnd) {
	for _, e := range ends {
		e.tell()
	}
}

// observe writes down what the turn has brought, and ends the waits for it.
func (g *group) observe() {
	commit := g.core.Commit()
	term, _ := g.core.TermAt(commit)
	leader, now := g.touch(term)
	now.commit = consensus.Cursor{Term: term, Index: commit}
	now.leader, now.role, now.log, now.snapshot = leader, g.core.Role(), g.core.Last(), g.fetch.snapshot
	g.watch.mu.Lock()
	g.watch.now = now
	g.watch.mu.Unlock()
	if g.watch.active.Load() > 0 {
		g.endWaits()
	}
}

// touch follows this member's touch with its leader. A leader whose own term has committed an entry is
// followed by a majority; when it loses that, it gives up its office within an election timeout, and
// those that do not hear from it give it up.
func (g *group) touch(committed consensus.Term) (consensus.MemberID, present) {
	leader, term := g.core.Leader()
	if g.quarantine != nil {
		leader = consensus.NoMember
	}
	now := present{term: term}
	before := g.watch.now // only the loop writes it
	switch {
	case leader == consensus.NoMember:
	case before.leader == leader && before.term == term && before.target > 0:
		now.target = before.target
	case committed == term:
		now.target = g.core.Commit()
	}
	return leader, now
}

func (g *group) endWaits() {
	status := g.memberStatus()
	tellEnds(g.watch.take(func(one *watcher) *waitEnd {
		done, err := one.due(status)
		if !done && err == nil {
			return nil
		}
		return &waitEnd{one, status, err}
	}))
}

// expire ends the waits whose deadline has passed.
func (w *watch) expire(now time.Time, status func() MemberStatus) {
	if w.active.Load() == 0 {
		return
	}
	present := status()
	tellEnds(w.take(func(one *watcher) *waitEnd {
		if one.deadline.IsZero() || !now.After(one.deadline) {
			return nil
		}
		return &waitEnd{one, present, ErrTimeout}
	}))
}

// endWatch ends every wait: those for the member to be offline because it is, the others with cause. The
// loop calls it, or who has seen the loop end.
func (g *group) endWatch(cause error) {
	g.watch.mu.Lock()
	if g.watch.closed != nil {
		g.watch.mu.Unlock()
		return
	}
	g.watch.closed = cause
	g.watch.now.leader, g.watch.now.role, g.watch.now.target = consensus.NoMember, consensus.Follower, 0
	g.watch.mu.Unlock()
	g.endWaits()
	status := g.memberStatus()
	tellEnds(g.watch.take(func(one *watcher) *waitEnd { return &waitEnd{one, status, cause} }))
}
