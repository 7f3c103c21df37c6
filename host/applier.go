package host

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// maxBacklogBytes is how many payload bytes may await applying before a leader takes no more commands.
const maxBacklogBytes = 64 << 20

// work is one item of an applier's queue. The items are done in their order.
type work struct {
	// epoch is the applier's when the work was added: it is dropped when that has ended.
	epoch   uint64
	restore *replicaImage
	entries []consensus.LogEntry
	queries []pendingQuery
	// rehearse is nil in most.
	rehearse *rehearsal
	// doze has the machine doze.
	doze bool
}

// applier owns a group's replica and runs it on a goroutine of its own, so that a slow machine does
// not hold up the protocol.
type applier struct {
	self    consensus.MemberID
	replica *replica
	wake    chan struct{}
	mu      sync.Mutex
	queue   []work
	// halted is set while all work is dropped, and epoch counts the times that it was. Both are changed under mu.
	halted bool
	// lacking is set while the applier waits for a module, until supplied is: the work that needs it, and what came
	// after it, is parked.
	lacking  bool
	supplied bool
	parked   []work
	epoch    atomic.Uint64
	backlog  atomic.Int64
	// restores counts those that were queued and are neither done nor dropped.
	restores atomic.Int64
	// asked counts the queries that were queued and not yet run or dropped.
	asked atomic.Int64
	// applied is the index of the last applied entry. terms are stored before it and so never behind it;
	// office is the last of them.
	applied atomic.Uint64
	terms   atomic.Pointer[termHistory]
	office  consensus.Cursor
	// held are queries that wait for an index. They leave when it is applied, or when they are late.
	held    []pendingQuery
	holding atomic.Int64
	views   *views
	// quit ends the goroutine, done is closed when it has ended.
	quit, done chan struct{}
	events     applierEvents
	machines   machineEvents
	now        func() time.Time
}

// applierEvents is what an applier tells its group, from its goroutine.
type applierEvents interface {
	answered(request uint64, reply Reply)
	emitted(events []Emitted)
	// moved is called when something was applied, with the terms up to there.
	moved(terms termHistory)
	// rebound is called when the group has other streams than before.
	rebound()
	marked(image replicaImage)
	failed(error)
}

// groupEvents is what an applier tells its group.
type groupEvents interface {
	applierEvents
	machineEvents
}

func newApplier(self consensus.MemberID, replica *replica, events groupEvents, now func() time.Time) *applier {
	a := &applier{
		self: self, replica: replica, events: events, machines: events, now: now, wake: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	a.views = a.newViews()
	replica.rest = a.views.rest
	a.reached(replica.applied.Index)
	return a
}

// reached tells everyone that the replica has applied up to index.
func (a *applier) reached(index consensus.Index) {
	terms := a.replica.terms
	if office := terms.office(); office != a.office || a.terms.Load() == nil {
		a.office = office
		a.terms.Store(&terms)
	}
	a.applied.Store(uint64(index))
}

// add queues work and returns. The entries' memory is that of the log, which is bounded.
func (a *applier) add(w work) {
	if w.restore != nil {
		a.supersede()
		a.restores.Add(1)
	}
	size := 0
	for _, e := range w.entries {
		size += len(e.Payload)
	}
	a.backlog.Add(int64(size))
	a.asked.Add(int64(len(w.queries)))
	a.mu.Lock()
	halted := a.halted
	if w.epoch = a.epoch.Load(); !halted {
		a.queue = append(a.queue, w)
	}
	a.mu.Unlock()
	if halted {
		a.drop(&w)
		return
	}
	a.ring()
}

func (a *applier) ring() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// halt drops all work, the entry under way excepted, and what comes until resume.
func (a *applier) halt() {
	a.mu.Lock()
	queue := a.queue
	a.queue, a.halted, a.supplied = nil, true, true
	a.epoch.Add(1)
	a.mu.Unlock()
	for i := range queue {
		a.drop(&queue[i])
	}
	a.ring() // what is parked is dropped, too
}

// resume takes work again. The first has to be a restore.
func (a *applier) resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.halted = false
}

// drop forgets work that is not to be done.
func (a *applier) drop(w *work) {
	for _, e := range w.entries {
		a.backlog.Add(-int64(len(e.Payload)))
	}
	a.asked.Add(-int64(len(w.queries)))
	if w.restore != nil {
		a.restores.Add(-1)
	}
}

// restoring reports whether the chunks of a snapshot that this applier was given are still needed. They are not
// when the snapshot waits for a module: another one may take its place.
func (a *applier) restoring() bool { return a.restores.Load() > 0 && !a.waits() }

// busy reports whether a leader should take no more commands for now.
func (a *applier) busy() bool { return a.backlog.Load() > maxBacklogBytes }

// swamped reports whether a follower should take no more entries for now. A majority may be faster
// than this member, so the leader's bound does not bound its queue.
func (a *applier) swamped() bool { return a.backlog.Load() > 4*maxBacklogBytes }

func (a *applier) run() {
	defer close(a.done)
	for {
		select {
		case <-a.quit:
			return
		case <-a.wake:
		}
		todo := a.take()
		for i := range todo {
			if a.stopping() {
				return
			}
			if err := a.do(&todo[i]); err != nil {
				a.events.failed(err)
				return
			}
		}
	}
}

// take empties the queue. While a module is lacking there is nothing to do.
func (a *applier) take() []work {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lacking && !a.supplied {
		return nil
	}
	todo := append(a.parked, a.queue...)
	a.queue, a.parked, a.lacking = nil, nil, false
	return todo
}

func (a *applier) stopping() bool {
	select {
	case <-a.quit:
		return true
	default:
		return false
	}
}

// stop ends the goroutine after the entry under way.
func (a *applier) stop() {
	close(a.quit)
	<-a.done
}

func (a *applier) do(w *work) error {
	if w.epoch != a.epoch.Load() {
		a.drop(w)
		return nil
	}
	if a.park(w) {
		return nil
	}
	var lack *lackError
	if w.restore != nil {
		if err := a.replica.restore(*w.restore); errors.As(err, &lack) {
			a.stall(*w, lack.module)
			return nil
		} else if err != nil {
			return err
		}
		a.restores.Add(-1)
		terms := a.replica.terms // an equal office says nothing about what came before it
		a.terms.Store(&terms)
		a.reached(w.restore.anchor.Index)
		a.tellRebound()
		a.machines.upgraded(a.replica.spec, a.replica.upgraded)
	}
	for i, e := range w.entries {
		if a.stopping() {
			return nil
		}
		if w.epoch != a.epoch.Load() {
			a.drop(&work{entries: w.entries[i:], queries: w.queries})
			return nil
		}
		if err := a.applyOne(e, w.epoch); errors.As(err, &lack) {
			a.stall(work{epoch: w.epoch, entries: w.entries[i:], queries: w.queries}, lack.module)
			return nil
		} else if err != nil {
			return err
		}
	}
	if len(a.replica.outbox.events) > 0 {
		a.events.emitted(a.replica.outbox.events)
	}
	if w.rehearse != nil {
		w.rehearse.done(a.replica.rehearse(w.rehearse.spec))
	}
	if w.doze {
		if err := a.replica.doze(); err != nil {
			return err
		}
	}
	a.held = append(a.held, w.queries...)
	a.runHeld()
	if w.restore != nil || len(w.entries) > 0 {
		a.events.moved(a.replica.terms)
	}
	return nil
}

func (a *applier) applyOne(e consensus.LogEntry, epoch uint64) error {
	done, err := a.replica.apply(e)
	if err != nil {
		return err
	}
	a.backlog.Add(-int64(len(e.Payload)))
	a.reached(e.Index)
	a.tellRebound()
	if a.replica.upgraded == e.Index {
		a.machines.upgraded(a.replica.spec, a.replica.upgraded)
	}
	switch {
	case done.origin == a.self:
		a.events.answered(done.request, done.reply)
	case e.Kind == consensus.EntrySnapshotMarker:
		image, err := a.replica.image()
		if err != nil {
			return err
		}
		image.epoch = epoch
		a.events.marked(image)
	}
	return nil
}

// tellRebound says that the group has other streams, if it has.
func (a *applier) tellRebound() {
	if a.replica.rebound {
		a.replica.rebound = false
		a.events.rebound()
	}
}

// runHeld has the queries run whose index is applied, and drops those that are late.
func (a *applier) runHeld() {
	kept, now := a.held[:0], a.now()
	var due []pendingQuery
	late := 0
	for _, q := range a.held {
		switch {
		case !now.Before(q.deadline):
			late++
		case q.index <= a.replica.applied.Index:
			due = append(due, q)
		default:
			kept = append(kept, q)
		}
	}
	a.asked.Add(-int64(late))
	clear(a.held[len(kept):])
	a.held = kept
	a.holding.Store(int64(len(kept)))
	a.answer(due)
}
