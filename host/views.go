package host

import (
	"runtime"
	"sync"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

// views answers a group's queries beside its commands, on views of its machine. The applier offers
// queries whose index is applied once the machine shows that state; each sees that state or a later one.
//
// Views are made as they are needed, up to a limit, and closed when they are not. The queue is bounded by
// the waiters behind it.
type views struct {
	limit    int
	answered func(request uint64, reply Reply)
	gauge    *gauge
	// left is told how many queries were answered or dropped, returned gets those that no view can be made for.
	left     func(n int)
	returned func([]pendingQuery)
	now      func() time.Time

	mu sync.Mutex
	// machine is nil while queries have to wait: before the first offer, and while the machine changes.
	machine Viewer
	queue   []pendingQuery
	idle    []View
	// low is how many of idle were never needed since the last trim, looks how many sweeps ago that was.
	low, looks int
	// busy counts the goroutines that have a view, or make or close one. quiet is signalled when there is none.
	busy  int
	quiet sync.Cond
	// useless is set when no view could be made.
	useless bool
}

// trimSweeps is how many sweeps a view is kept that nobody needs.
const trimSweeps = 50

// setUp completes a value whose configuration is set.
func (v *views) setUp() *views {
	v.quiet.L = &v.mu
	return v
}

// serves reports whether a machine's queries go to views.
func (v *views) serves(machine Machine) (Viewer, bool) {
	viewer, ok := machine.(Viewer)
	if !ok {
		return nil, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return viewer, !v.useless
}

// drain takes the queue back.
func (v *views) drain() []pendingQuery {
	v.mu.Lock()
	defer v.mu.Unlock()
	queue := v.queue
	v.queue = nil
	return queue
}

// waiting reports whether queries wait for a machine that is shown again.
func (v *views) waiting() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.machine == nil && len(v.queue) > 0
}

// none reports whether there is neither a view nor a query for one.
func (v *views) none() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.idle) == 0 && v.busy == 0 && len(v.queue) == 0
}

// offer queues queries. The machine shows a state that all of them may see.
func (v *views) offer(machine Viewer, queries []pendingQuery) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.machine = machine
	v.queue = append(v.queue, queries...)
	for n := min(len(v.queue), v.limit-v.busy); n > 0; n-- {
		v.busy++
		go v.work(v.pick())
	}
}

// pick takes an idle view, nil when there is none. The caller holds the lock.
func (v *views) pick() View {
	last := len(v.idle) - 1
	if last < 0 {
		return nil
	}
	view := v.idle[last]
	v.idle = v.idle[:last]
	v.low = min(v.low, last)
	return view
}

// work answers queries until there is none left. It has a view, or makes one.
func (v *views) work(view View) {
	if view != nil {
		view.Hold()
	}
	for {
		q, machine, ok := v.next(view)
		if !ok {
			return
		}
		if view == nil {
			var err error
			if view, err = machine.View(); err != nil {
				v.giveUp(q)
				return
			}
			view.Hold()
		}
		if !v.answer(view, q) {
			view.Release()
			_ = view.Close() // the query has the reason
			view = nil
		}
	}
}

// next takes a query, or ends the work.
func (v *views) next(view View) (pendingQuery, Viewer, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	late := 0
	defer func() { v.left(late) }()
	for v.machine != nil && len(v.queue) > 0 {
		q := v.queue[0]
		v.queue[0] = pendingQuery{}
		v.queue = v.queue[1:]
		if v.now().Before(q.deadline) {
			return q, v.machine, true
		}
		late++
	}
	if view != nil {
		view.Release()
		v.idle = append(v.idle, view)
	}
	v.endWork()
	return pendingQuery{}, nil, false
}

// endWork counts a goroutine out. The caller holds the lock.
func (v *views) endWork() {
	if v.busy--; v.busy == 0 {
		v.quiet.Broadcast()
	}
}

// answer runs one query. It reports false when the view is of no use any more.
func (v *views) answer(view View, q pendingQuery) bool {
	outcome, entry, err := view.Query(q.caller, q.payload)
	v.gauge.query(&outcome)
	outcome.Events = nil
	reply := Reply{Outcome: outcome, Index: entry.Index, Term: entry.Term}
	if err != nil {
		reply = Reply{Err: fault(api.CodeInternal, "the query could not run: %v", err)}
	}
	v.answered(q.request, reply)
	v.left(1)
	return err == nil
}

// giveUp returns all queries, to be answered between commands from now on.
func (v *views) giveUp(q pendingQuery) {
	v.mu.Lock()
	queries := append([]pendingQuery{q}, v.queue...)
	v.queue, v.useless = nil, true
	v.endWork()
	v.mu.Unlock()
	v.left(len(queries))
	v.returned(queries)
}

// rest waits for the queries under way and closes all views: the machine is about to be another, or to have
// another state. The queue waits for the next offer.
func (v *views) rest() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.machine = nil
	for v.busy > 0 {
		v.quiet.Wait()
	}
	for _, view := range v.idle {
		_ = view.Close() // whatever it could not free, nobody uses
	}
	v.idle, v.low, v.useless = nil, 0, false
}

// trim closes the views that nobody needed for a while. It is called at every sweep.
func (v *views) trim() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.looks++; v.looks < trimSweeps {
		return
	}
	spare := v.idle[:v.low]
	v.idle, v.looks = append([]View(nil), v.idle[v.low:]...), 0
	v.low = len(v.idle)
	if len(spare) == 0 {
		return
	}
	v.busy++
	go func() {
		for _, view := range spare {
			_ = view.Close()
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.endWork()
	}()
}

// show has views see the replica's present state.
func (r *replica) show(viewer Viewer) error {
	return viewer.Show(EntryContext{Index: r.applied.Index, Term: r.applied.Term, TimeNanos: r.timeNanos})
}

// answer runs queries whose index is applied: on views, or here between commands when the machine has none.
func (a *applier) answer(due []pendingQuery) {
	viewer, ok := a.views.serves(a.replica.machine)
	switch {
	case len(due) == 0 && !a.views.waiting():
		return
	case !ok:
		due = append(a.views.drain(), due...) // of a machine before this one
		for _, q := range due {
			a.events.answered(q.request, a.replica.query(q.payload, q.caller))
		}
		a.asked.Add(-int64(len(due)))
		return
	}
	if err := a.replica.show(viewer); err != nil {
		for _, q := range due {
			a.events.answered(q.request, Reply{Err: fault(api.CodeInternal, "the query could not run: %v", err), Index: a.replica.applied.Index})
		}
		a.asked.Add(-int64(len(due)))
		return
	}
	a.views.offer(viewer, due)
}

// newViews makes the applier's views.
func (a *applier) newViews() *views {
	v := &views{
		limit: runtime.GOMAXPROCS(0), answered: a.events.answered, gauge: &a.replica.gauge, now: a.now,
		left:     func(n int) { a.asked.Add(-int64(n)) },
		returned: func(queries []pendingQuery) { a.add(work{queries: queries}) },
	}
	return v.setUp()
}
