package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// lane is a succession of faults. Lanes run beside each other, so that faults come singly and together.
// Which faults come when, for how long, and to whom, is decided by the seed alone; who leads, and how
// fast anything goes, is not.
type lane struct {
	name string
	// kinds are dealt like cards: each comes once before any comes again.
	kinds []kind
	// pause bounds the rest between two faults.
	least, most time.Duration
}

// kind is a kind of fault.
type kind struct {
	name string
	// do carries one out and undoes it. It reports whether the fault came about.
	do func(context.Context, *storm, draw) (bool, error)
}

// draw is what the seed decided about one fault.
type draw struct {
	// target is a number that chooses a host.
	target int
	// part, from 0 to 1, says how long or how much; detail is for what else there is to choose.
	part, detail float64
}

// between is the length from least to most that the seed decided; short ones come more often.
func (d draw) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.part*d.part*float64(most-least))
}

// storm is a cluster under faults.
type storm struct {
	*cluster
	lanes []lane
	// lastLeader is the last host that said it leads a group, "" if none has.
	lastLeader func(group string) string

	mu sync.Mutex
	// done counts the faults that came about, tried all.
	done, tried map[string]int
	// active is the number of faults that go on, since when, and together how long there were so many.
	active   int
	since    time.Time
	together []time.Duration
}

func newStorm(c *cluster, lanes []lane, lastLeader func(string) string) *storm {
	return &storm{cluster: c, lanes: lanes, lastLeader: lastLeader, done: map[string]int{}, tried: map[string]int{}, together: make([]time.Duration, len(lanes)+1)}
}

// going notes that a fault began, or ended.
func (s *storm) going(change int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.together[s.active] += time.Since(s.since)
	s.active += change
	s.since = time.Now()
}

// rage carries out the schedule until ctx ends. All faults are undone on return.
func (s *storm) rage(ctx context.Context, seed uint64) {
	var running sync.WaitGroup
	s.since = time.Now()
	defer s.going(0)
	for i, l := range s.lanes {
		rng := rand.New(rand.NewPCG(seed, uint64(10+i)))
		running.Go(func() { s.run(ctx, l, rng) })
	}
	running.Wait()
}

func (s *storm) run(ctx context.Context, l lane, rng *rand.Rand) {
	for {
		for _, i := range rng.Perm(len(l.kinds)) {
			k := l.kinds[i]
			rest := l.least + time.Duration(rng.Int64N(int64(l.most-l.least)))
			d := draw{target: rng.IntN(len(s.hosts)), part: rng.Float64(), detail: rng.Float64()}
			if !pause(ctx, rest) {
				return
			}
			s.going(+1)
			happened, err := k.do(ctx, s, d)
			s.going(-1)
			if err != nil {
				s.fail(err)
			}
			s.mu.Lock()
			s.tried[k.name]++
			if happened {
				s.done[k.name]++
			}
			s.mu.Unlock()
		}
	}
}

// pause is part of the schedule of faults, not a wait for anything. It returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
