package host

import (
	"errors"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// simNode is a host: what outlives a process.
type simNode struct {
	w     *simWorld
	index int
	name  string
	// id is the member that the disk belongs to.
	id   consensus.MemberID
	disk *simDisk
	life *simLife
	// modules are those that the host has.
	modules map[Digest]bool
	// The node's clock runs at rate, and offset nanoseconds before the true one.
	rate   float64
	offset int64
	// paused stops the process but not the clock; parked are the events that wait for its end.
	paused bool
	parked []*simEvent
	// applySlow makes the machine slower by this factor, when above 1.
	applySlow int64
	// publishFails makes publications fail.
	publishFails bool
	// duelling ends the process right after it has given a vote.
	duelling bool
	// spoiled is set once the machine's state went wrong on this host.
	spoiled bool
	// ambush, when not nil, ends the process in the middle of its next write to the log.
	ambush func()
}

// simLife is one run of a host's process: one member and its surroundings.
type simLife struct {
	node    *simNode
	g       *group
	log     *simLog
	deliver func(consensus.Envelope)
	tasks   []*simTask
	dead    bool
	// stopped is why the member stopped.
	stopped error
	// A turn, some applying, and the publisher have been placed as events.
	turning, applying, publishing bool
	// applies counts the runs of the applier.
	applies int
	// seen is what the last check of the member saw.
	seen simSeen
}

func (l *simLife) up() bool { return !l.dead && l.stopped == nil }

// place puts an event of this process into the queue.
func (l *simLife) place(delay int64, kind string, do func()) {
	l.node.w.place(&simEvent{at: l.node.w.now + delay, kind: kind, life: l, do: do})
}

// boot starts the process. A disk that cannot be read any more is the operator's to replace.
func (n *simNode) boot() {
	w := n.w
	l := &simLife{node: n}
	n.disk.folderOf = l
	chunks, err := openFolder(n.name, simFolder{life: l, disk: n.disk}, simPack)
	if err != nil {
		w.fail("%s: opening the chunks: %v", n.name, err)
		return
	}
	chunks.failed = func(err error) {
		if !l.dead {
			l.stop(err) // a host whose storage has failed ends
		}
	}
	l.log = &simLog{life: l, disk: n.disk}
	config := groupConfig{
		ref: GroupRef{Name: "sim", ID: simGroup}, self: n.id, hosts: w.operator.names(),
		initial: w.truth.initial, machines: simMaker{l}, spec: machineSpec{Module: Digest{1}}, log: l.log, records: l.log, chunks: chunks, share: 100, transport: l, clock: l,
		timing: w.profile.timing, seed: w.rng.Uint64(), logger: simLogger(n.name),
		background: l.background, fetchers: 1, stopped: func(err error) { l.stop(err) },
		pulse: newPulse(w.rng.Uint64(),
			func(id consensus.MemberID) { l.g.core.Suspect(id) }, func(id consensus.MemberID) { l.g.core.Heard(id) }),
	}
	config.unsettled = func() { config.pulse.epoch.Add(1) }
	if w.profile.demote > 0 {
		config.demoteAfter = time.Duration(int64(w.profile.demote*w.profile.timing.ElectionTicks) * simTick)
		config.voterFloor = w.profile.voterFloor()
	}
	if w.profile.reluctant>>n.index&1 == 1 {
		config.reluctance = 3
	}
	n.life = l
	l.g, err = newGroup(config)
	var lack *lackError
	if errors.As(err, &lack) {
		w.trace.note("%s lacks %x", n.name, lack.module[0])
		n.life, l.dead, n.modules[lack.module] = nil, true, true // the host fetches it, and starts the member again
		l.log.abandon()
		w.operator.restartLater(n)
		return
	}
	if err != nil {
		n.life, l.dead = nil, true
		l.log.abandon()
		w.trace.note("%s does not start: %v", n.name, err)
		w.operator.unreadable(n, err)
		return
	}
	n.disk.logDamaged = false
	l.seen.start(l)
	l.place(l.tickAfter(w.rng.Int64N(simTick)), "tick", l.tick)
	l.attend()
}

func (l *simLife) stop(err error) {
	if l.stopped != nil {
		return
	}
	l.stopped = err
	l.node.w.trace.note("%s stops: %v", l.node.name, err)
	l.node.w.operator.memberStopped(l, err)
}

// kill ends the process. With power set the disk forgets what was not synced.
func (n *simNode) kill(power bool) {
	if n.life == nil {
		return
	}
	l := n.life
	l.dead, n.life, n.paused, n.parked = true, nil, false, nil
	close(l.g.quit)
	for _, t := range l.tasks {
		t.finish()
	}
	l.log.crash(power)
	n.disk.crash(power)
	n.applySlow, n.ambush = 0, nil
}

func (n *simNode) pause(ticks int64) {
	if n.life == nil || n.paused {
		return
	}
	n.paused = true
	l := n.life
	n.w.after(ticks*simTick, "resume", func() {
		if n.life == l && !l.dead {
			n.resume()
		}
	})
}

// resume continues the process: what arrived meanwhile arrives at once.
func (n *simNode) resume() {
	n.paused = false
	n.w.clients.probe(n.life)
	for _, e := range n.parked {
		e.at = n.w.now
		n.w.place(e)
	}
	n.parked = nil
}

// tickAfter is how long d of the node's own time takes.
func (l *simLife) tickAfter(d int64) int64 { return int64(float64(d) / l.node.rate) }

func (l *simLife) tick() {
	l.place(l.tickAfter(simTick), "tick", l.tick)
	if l.up() {
		l.g.tick()
		l.turn()
	}
}

// simKilled is thrown by a disk operation in whose middle the process dies.
type simKilled struct{ power bool }

// turn gives the loop one turn.
func (l *simLife) turn() {
	if !l.up() {
		return
	}
	defer func() {
		if killed, ok := recover().(simKilled); ok {
			l.node.w.trace.note("%s dies in a turn", l.node.name)
			l.node.kill(killed.power)
			l.node.w.operator.restartLater(l.node)
		}
	}()
	select {
	case <-l.g.inbox.wake:
	default:
	}
	if err := l.g.turn(); err != nil {
		l.g.fail(err)
		return
	}
	if l.g.core.HasReady() && len(l.g.inbox.wake) == 0 {
		l.node.w.fail("%s sleeps over what it has to do", l.node.name)
	}
}

// attend places what the member's goroutines would do next.
func (l *simLife) attend() {
	w := l.node.w
	w.truth.check(l)
	if l.up() && !l.turning && len(l.g.inbox.wake) > 0 {
		l.turning = true
		l.place(w.between(1, w.profile.netDelay/4+2), "turn", func() {
			l.turning = false
			l.turn()
		})
	}
	if l.up() && !l.applying && len(l.g.applier.wake) > 0 {
		l.applying = true
		l.place(w.between(1, w.profile.applyDelay*max(1, l.node.applySlow)), "apply", l.apply)
	}
	if l.up() && !l.publishing && len(l.g.events.wake) > 0 {
		l.publishing = true
		<-l.g.events.wake
		l.background(func() {
			if !l.dead {
				l.g.events.drain(l.g.quit)
			}
			l.publishing = false
		})
	}
}

// simDoze is how many runs of an applier end with a machine that dozes.
const simDoze = 3

// apply lets the applier do some of its queue.
func (l *simLife) apply() {
	l.applying = false
	select {
	case <-l.g.applier.wake:
	default:
	}
	todo := l.g.applier.take()
	limit := 1 + l.node.w.rng.IntN(12)
	for i := range todo {
		rest := todo[i+1:]
		if n := len(todo[i].entries); n > limit {
			left := todo[i]
			left.restore, left.entries = nil, left.entries[limit:]
			todo[i].entries, todo[i].queries = todo[i].entries[:limit], nil
			rest = append([]work{left}, rest...)
		}
		limit -= len(todo[i].entries)
		if err := l.g.applier.do(&todo[i]); err != nil {
			l.g.failed(err)
			return
		}
		if limit <= 0 {
			l.g.applier.queue = append(rest, l.g.applier.queue...)
			break
		}
	}
	l.node.w.checkState(l)
	if l.applies++; l.applies%simDoze == 0 {
		if err := l.g.applier.do(&work{epoch: l.g.applier.epoch.Load(), doze: true}); err != nil {
			l.g.failed(err)
			return
		}
	}
	if len(l.g.applier.queue) > 0 {
		select {
		case l.g.applier.wake <- struct{}{}:
		default:
		}
	}
}

// Now and Tick make the process its own Clock.

func (l *simLife) Now() time.Time {
	n := l.node
	return time.Unix(1_700_000_000, 0).Add(time.Duration(float64(n.w.now)*n.rate) + time.Duration(n.offset))
}

// Tick is what the publisher waits with: the first tick has come when it returns.
func (l *simLife) Tick(period time.Duration) (<-chan time.Time, func()) {
	ticks := make(chan time.Time, 1)
	if t := l.node.w.current; t != nil {
		t.sleep(int64(period), "retry")
	}
	if !l.dead {
		ticks <- time.Time{}
	}
	return ticks, func() {}
}

var errDead = errors.New("the process is dead")

// simTask is background work of a process: a goroutine that runs only while the world waits for it.
type simTask struct {
	life           *simLife
	resume, parked chan struct{}
	ended          bool
}

// background implements groupConfig.background.
func (l *simLife) background(work func()) {
	t := &simTask{life: l, resume: make(chan struct{}), parked: make(chan struct{})}
	l.tasks = append(l.tasks, t)
	go func() {
		<-t.resume
		work()
		t.ended = true
		t.parked <- struct{}{}
	}()
	l.place(l.node.w.between(1, l.node.w.profile.diskDelay), "begin", t.goOn)
}

// goOn lets the work run until it waits again, or ends.
func (t *simTask) goOn() {
	w := t.life.node.w
	before := w.current
	w.current = t
	t.resume <- struct{}{}
	<-t.parked
	w.current = before
	if t.ended {
		l := t.life
		for i, other := range l.tasks {
			if other == t {
				l.tasks = append(l.tasks[:i:i], l.tasks[i+1:]...)
				break
			}
		}
	}
}

// finish runs the work of a dead process to its end: nothing that it does has an effect.
func (t *simTask) finish() {
	for !t.ended {
		t.goOn()
	}
}

// sleep lets the work wait.
func (t *simTask) sleep(d int64, kind string) {
	if !t.life.dead {
		t.life.place(d, kind, t.goOn)
		t.wait()
	}
}

// wait lets the work wait until somebody calls goOn.
func (t *simTask) wait() {
	if !t.life.dead {
		t.parked <- struct{}{}
		<-t.resume
	}
}
