package host

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// simWorld runs a whole group under one seed: production's loops, appliers, publishers, savers,
// fetchers and logs, on simulated clocks, links and disks. Everything that happens is an event of its
// queue, one goroutine at a time works it off, and every choice comes from the seed. So equal seeds
// give equal runs, step by step.
type simWorld struct {
	seed    uint64
	profile simProfile
	rng     *rand.Rand
	// now is the true time in nanoseconds since the run began. Members see it through their clocks.
	now    int64
	events simQueue
	placed uint64
	steps  int
	// current is the background work that is running, nil while a loop or the world itself is.
	current *simTask

	nodes    []*simNode
	net      simNet
	truth    simTruth
	clients  simClients
	operator simOperator
	// calm is set when no fault and no new request comes any more.
	calm    bool
	failure error
	stats   simStats
	trace   simTrace
}

// simEvent is something that happens at a time.
type simEvent struct {
	at  int64
	seq uint64
	// kind names it in the trace.
	kind string
	// life is the process that it happens in, nil for the world's own events. It happens only while
	// that lives, and unless device is set only while it is not paused.
	life   *simLife
	device bool
	about  fmt.Stringer
	do     func()
}

// simQueue is a heap of events by time, then by their order of placement.
type simQueue []*simEvent

func (q simQueue) Len() int { return len(q) }
func (q simQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q simQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *simQueue) Push(x any)   { *q = append(*q, x.(*simEvent)) }
func (q *simQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}

func newSimWorld(seed uint64, steps int) *simWorld {
	w := &simWorld{seed: seed, rng: rand.New(rand.NewPCG(seed, 11))}
	w.profile = newSimProfile(w.rng, steps)
	w.truth.init(w)
	var voters []consensus.MemberID
	for i := range w.profile.members {
		n := &simNode{w: w, index: i, name: string(rune('a' + i)), id: memberID(simGroup, i), rate: 1, disk: newSimDisk(w), modules: map[Digest]bool{{1}: true}}
		w.nodes = append(w.nodes, n)
		voters = append(voters, n.id)
	}
	w.truth.initial = consensus.Configuration{Voters: voters}
	w.net.init(w)
	w.operator.init(w)
	for _, n := range w.nodes {
		n.boot()
	}
	w.clients.init(w)
	w.after(w.between(5*simTick, 10*simTick), "faults", w.faults)
	w.after(simTick, "operator", w.operator.act)
	return w
}

// simTick is the length of a core's tick, of the members' own clocks.
const simTick = int64(50 * time.Millisecond)

// between returns a random duration.
func (w *simWorld) between(low, high int64) int64 { return low + w.rng.Int64N(high-low+1) }

// chance reports true once in n times.
func (w *simWorld) chance(n int) bool { return w.rng.IntN(n) == 0 }

func (w *simWorld) place(e *simEvent) {
	w.placed++
	e.seq = w.placed
	heap.Push(&w.events, e)
}

// after places an event of the world.
func (w *simWorld) after(delay int64, kind string, do func()) {
	w.place(&simEvent{at: w.now + delay, kind: kind, do: do})
}

// fail records the first violation; it ends the run.
func (w *simWorld) fail(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
		w.trace.note("FAILED: %v", w.failure)
	}
}

// step lets the next event happen.
func (w *simWorld) step() {
	e := heap.Pop(&w.events).(*simEvent)
	w.now = max(w.now, e.at)
	if e.life != nil {
		if e.life.dead {
			return
		}
		if n := e.life.node; n.paused && !e.device {
			n.parked = append(n.parked, e)
			return
		}
	}
	w.steps++
	w.trace.event(w, e)
	e.do()
	if e.life != nil && !e.life.dead {
		e.life.attend()
	}
	w.clients.settle()
}

// run lets the storm rage, and then everything converge.
func (w *simWorld) run() error {
	for w.failure == nil && w.steps < w.profile.steps {
		w.step()
	}
	if w.failure == nil {
		w.beCalm()
		bound := w.now + w.profile.calmTicks()*simTick
		for w.failure == nil && (w.steps%20 != 0 || !w.converged()) {
			if w.now > bound {
				w.fail("no convergence within %d ticks: %s", w.profile.calmTicks(), w.unconverged())
				break
			}
			w.step()
		}
	}
	if w.failure == nil {
		w.judge()
	}
	w.stats.steps, w.stats.ticks = w.steps, int(w.now/simTick)
	w.stats.seeds = 1
	for _, n := range w.nodes {
		n.kill(false)
	}
	return w.failure
}

// lives returns the processes that run, stopped members included.
func (w *simWorld) lives() []*simLife {
	var out []*simLife
	for _, n := range w.nodes {
		if n.life != nil {
			out = append(out, n.life)
		}
	}
	return out
}

// leader returns the running leader of the highest term, nil when nobody leads.
func (w *simWorld) leader() *simLife {
	var found *simLife
	var best consensus.Term
	for _, l := range w.lives() {
		if _, term := l.g.core.Leader(); l.up() && l.g.core.Role() == consensus.Leader && term > best {
			found, best = l, term
		}
	}
	return found
}

func (w *simWorld) node(name string) *simNode { return w.nodes[name[0]-'a'] }
