package host

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// faults lets one thing go wrong, and places the next.
func (w *simWorld) faults() {
	if w.calm {
		return
	}
	w.after(w.between(1, 2*w.profile.faultEvery), "faults", w.faults)
	f, any := w.profile.pick(w.rng)
	if !any {
		return
	}
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if leader := w.leader(); leader != nil && w.chance(2) {
		n = leader.node // what happens to leaders matters most
	}
	w.trace.note("fault: %s at %s", f, n.name)
	switch {
	case f <= faultClockRate:
		w.processFault(f, n)
	case f <= faultNoise:
		w.netFault(f, n)
	case f <= faultLostDisk:
		w.diskFault(f, n)
	default:
		w.otherFault(f, n)
	}
}

func (w *simWorld) processFault(f simFault, n *simNode) {
	w.stats.count(f)
	switch f {
	case faultKill, faultPower:
		strike := func() {
			n.kill(f == faultPower)
			w.operator.restartLater(n)
		}
		if w.chance(3) {
			strike()
			return
		}
		n.ambush = strike
	case faultBlackout:
		for _, n := range w.nodes {
			n.kill(true)
			w.operator.restartLater(n)
		}
	case faultPause:
		n.pause(w.between(2, 60))
	case faultClockJump:
		n.offset += w.between(-int64(20*time.Second), int64(20*time.Second))
		if w.chance(8) {
			n.offset += int64(2 * time.Hour)
		}
	case faultClockRate:
		rate := 0.8 + 0.4*w.rng.Float64()
		n.offset += int64(float64(w.now) * (n.rate - rate))
		n.rate = rate
	}
}

func (w *simWorld) netFault(f simFault, n *simNode) {
	w.stats.count(f)
	d := w.between(2, 80) * simTick
	other := w.nodes[w.rng.IntN(len(w.nodes))]
	switch f {
	case faultOneWay:
		w.net.sever([][2]int{{n.index, other.index}}, d)
	case faultPair:
		w.net.sever(both(n, other), d)
	case faultIsolate:
		var links [][2]int
		for _, other := range w.nodes {
			links = append(links, both(n, other)...)
		}
		w.net.sever(links, d)
		for at := int64(0); at < d && n.life != nil; at += 3 * simTick {
			l := n.life
			w.after(at, "probe", func() {
				if l.up() && l.g.core.Role() == consensus.Leader {
					w.clients.probe(l)
				}
			})
		}
	case faultSplit:
		w.split(d)
	case faultFlap:
		for i := range int64(8) {
			w.after(i*4*simTick, "flap", func() { w.net.sever(both(n, other), 2*simTick) })
		}
	case faultNoise:
		w.net.noise = 1 + w.rng.IntN(10)
		w.after(d, "quiet", func() { w.net.noise = 1 })
	}
}

func both(a, b *simNode) [][2]int { return [][2]int{{a.index, b.index}, {b.index, a.index}} }

// split parts the nodes in two.
func (w *simWorld) split(d int64) {
	var links [][2]int
	side := w.rng.Uint64()
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if side>>a.index&1 != side>>b.index&1 {
				links = append(links, [2]int{a.index, b.index})
			}
		}
	}
	w.net.sever(links, d)
}

func (w *simWorld) diskFault(f simFault, n *simNode) {
	d, disk := w.between(4, 60)*simTick, n.disk
	switch f {
	case faultSlowDisk:
		w.stats.count(f)
		disk.slow = w.between(10, 100)
		w.after(d, "disk is fast", func() { disk.slow = 1 })
	case faultSyncFails:
		disk.syncFails = true
		w.after(d, "disk syncs", func() { disk.syncFails = false })
	case faultFull:
		disk.full = true
		w.after(d, "disk has room", func() { disk.full = false })
	default:
		w.damage(f, n)
	}
}

// damage breaks what is stored, where the group survives that.
func (w *simWorld) damage(f simFault, n *simNode) {
	if n.disk.damaged() || !w.operator.mayLose(n) {
		return
	}
	switch f {
	case faultFlipLog:
		if n.disk.flipLog() {
			w.stats.count(f)
			n.disk.logDamaged = true
			n.kill(false)
			w.operator.restartLater(n)
		}
	case faultFlipChunk:
		if n.disk.flipChunk() {
			w.stats.count(f)
		}
	case faultLostDisk:
		w.stats.count(f)
		n.kill(true)
		w.operator.replace(n)
		w.operator.restartLater(n)
	}
}

// flipLog damages a log that holds anything, while its process runs: after a power failure, damage to the last
// batch cannot be told from a torn one (see the durable log's doc.go).
func (d *simDisk) flipLog() bool {
	if d.log.hard.Term == 0 || d.folderOf == nil || d.folderOf.dead {
		return false
	}
	if d.device != nil {
		return d.device.flip()
	}
	d.log.damaged = true
	return true
}

func (w *simWorld) otherFault(f simFault, n *simNode) {
	d := w.between(4, 60) * simTick
	switch f {
	case faultMembers:
		w.operator.change()
	case faultTransfer:
		if l := w.leader(); l != nil {
			voters := w.truth.membership.Voters
			to := voters[w.rng.IntN(len(voters))]
			w.stats.count(f)
			l.place(1, "transfer", func() {
				l.g.inbox.call(func() { _ = l.g.core.TransferLeadership(to) }) // refused unless it still leads: both are fine here
			})
		}
	case faultSlowApply:
		w.stats.count(f)
		n.applySlow = w.between(20, 400)
		w.after(d, "machine is fast", func() { n.applySlow = 1 })
	case faultDuel:
		if leader := w.leader(); leader != nil {
			n = leader.node
		}
		w.duel(n)
	case faultSpoil:
		w.spoil(n)
	case faultUpgrade:
		w.upgrade()
	case faultPublish:
		n.publishFails = true
		w.after(d, "server is back", func() { n.publishFails = false })
	}
}

// beCalm ends all faults. Damaged disks come to light now.
func (w *simWorld) beCalm() {
	w.calm = true
	w.trace.note("calm")
	w.net.mend()
	for _, n := range w.nodes {
		n.disk.full, n.disk.syncFails, n.disk.slow = false, false, 1
		n.applySlow, n.publishFails = 1, false
		n.offset += int64(float64(w.now) * (n.rate - 1))
		n.rate = 1
		if n.paused {
			n.resume()
		}
		if n.disk.damaged() {
			n.kill(false)
		}
		if n.life == nil {
			w.operator.restartLater(n)
		}
	}
}

// converged reports whether all is as it should be some time after the last fault: one leader whom all
// follow, all members of the wanted configuration at the same index, no client and no event waiting.
func (w *simWorld) converged() bool { return w.unconverged() == "" }

func (w *simWorld) unconverged() string {
	leader := w.leader()
	if leader == nil {
		return "nobody leads" + w.describe()
	}
	if !w.operator.settled() {
		return fmt.Sprintf("the configuration is %s, wanted are %+v; %s", w.truth.membership, w.operator.target, w.operator.waiting)
	}
	for _, c := range w.clients.all {
		if len(c.ops) > 0 {
			return fmt.Sprintf("client %s waits for %q", c.name, c.ops[0].command.Payload)
		}
	}
	for _, n := range w.nodes {
		l := n.life
		if l == nil || !l.up() {
			return n.name + " is down"
		}
		if id, _ := l.g.core.Leader(); id != leader.g.self {
			return n.name + " follows another" + w.describe()
		}
		if l.g.quarantine != nil {
			return n.name + " is quarantined"
		}
		if l.g.applier.replica.applied.Index < w.truth.lastChosen() || l.g.core.Last() != leader.g.core.Last() {
			return n.name + " is behind" + w.describe()
		}
	}
	if states, err := w.states(); w.spoiled() && (err != nil || len(states) != 1) {
		return fmt.Sprintf("the states differ: %v, %v", states, err)
	}
	for _, e := range w.truth.chosen {
		if e.out < e.emitted {
			return fmt.Sprintf("the events of entry %d are not published", e.Index)
		}
	}
	return ""
}

func (w *simWorld) describe() string {
	var out strings.Builder
	for _, n := range w.nodes {
		if n.life != nil {
			fmt.Fprintf(&out, "\n    %s %+v applied=%s", n.name, n.life.g.core.Status(), n.life.g.applier.replica.applied)
		}
	}
	return out.String()
}

// judge compares what can only be compared in the end.
func (w *simWorld) judge() {
	w.clients.history.judge()
	if states, err := w.states(); err != nil || len(states) != 1 {
		w.fail("the members' states differ: %v, %v", states, err)
	}
	w.stats.leaders += len(w.truth.leaders)
	w.stats.entries += len(w.truth.chosen)
}

// unanswered yields the attempts whose outcome no client knows, one for each command.
func (c *simClients) unanswered() func(func(*simAttempt) bool) {
	return func(yield func(*simAttempt) bool) {
		seen := map[*simOp]bool{}
		keys := make([]simRequest, 0, len(c.byRequest))
		for key := range c.byRequest {
			keys = append(keys, key)
		}
		slices.SortFunc(keys, func(a, b simRequest) int { return c.byRequest[a].number - c.byRequest[b].number })
		for _, key := range keys {
			a := c.byRequest[key]
			if seen[a.op] || a.ruled || a.op.answered {
				continue
			}
			seen[a.op] = true
			if !yield(a) {
				return
			}
		}
	}
}

// duel has several members stand for election at once, as when the leader is cut off and their timers end
// together. Whoever gives a vote dies soon after, and may be asked again when it is back.
func (w *simWorld) duel(leader *simNode) {
	w.stats.count(faultDuel)
	var links [][2]int
	for _, n := range w.nodes {
		if n != leader {
			links = append(links, both(leader, n)...)
		}
	}
	w.net.sever(links, 6*simTick)
	for _, n := range w.nodes {
		n.duelling = w.chance(2)
		if l := n.life; l != nil && n != leader && !w.chance(4) {
			delay := w.between(1, w.profile.netDelay)
			for range 5 * w.profile.timing.ElectionTicks { // enough for a reluctant member too
				l.place(delay, "early", func() {
					if l.up() && l.g.core.Role() == consensus.Follower {
						l.g.tick()
						l.turn()
					}
				})
			}
		}
	}
	w.after(8*simTick, "duel over", func() {
		for _, n := range w.nodes {
			n.duelling = false
		}
	})
}

// voted is told that a vote left.
func (n *simNode) voted() {
	if !n.duelling {
		return
	}
	n.duelling = false
	n.w.after(n.w.between(0, n.w.profile.netDelay), "dies after its vote", func() {
		n.kill(n.w.chance(2))
		n.w.operator.restartLater(n)
	})
}
