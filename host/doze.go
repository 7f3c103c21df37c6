package host

import "time"

// A machine that nobody has used for a while dozes, if it is a Dozer. The group's loop knows when that is: once it sleeps it waits for
// some ticks of a slow clock, which all groups of the host share, and then has the applier do it, behind whatever that has to do.

// nap is the wait of a loop that sleeps. It belongs to the loop.
type nap struct {
	// ticks is nil while nothing is waited for.
	ticks <-chan time.Time
	stop  func()
	left  int
}

// napTicks is how many ticks make a period.
const napTicks = 8

// begin starts to wait for one to two periods; 0 is for ever. A thousand groups that fall asleep at once do not all have the same wait.
func (n *nap) begin(clock Clock, period time.Duration, group GroupID) {
	n.end()
	if period > 0 {
		n.ticks, n.stop = clock.Tick(period / napTicks)
		n.left = 1 + napTicks + int(group%napTicks) // the first comes early
	}
}

// end waits no longer.
func (n *nap) end() {
	if n.ticks != nil {
		n.stop()
		n.ticks, n.stop = nil, nil
	}
}

// over counts a tick, and reports whether the wait is over.
func (n *nap) over() bool {
	if n.left--; n.left > 0 {
		return false
	}
	n.end()
	return true
}

// doze has the machine doze, if it can. In quarantine there is none.
func (r *replica) doze() error {
	if dozer, ok := r.machine.(Dozer); ok {
		return dozer.Doze()
	}
	return nil
}
