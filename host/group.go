package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// groupConfig is what a member of a group is made of.
type groupConfig struct {
	ref  GroupRef
	self consensus.MemberID
	// hosts are the names of the members' hosts at the start: see group.setHosts.
	hosts   map[consensus.MemberID]string
	initial consensus.Configuration
	// spec is what the group's first machine is made of, by machines. Where machines is nil, machine is the
	// only one that the group ever has.
	spec     machineSpec
	machines machineMaker
	machine  Machine
	log      Log
	chunks   *BlobStore
	// records keep the member's note, see memberNote.
	records   Records
	transport Transport
	// streams is nil where there are none.
	streams Streams
	clock   Clock
	timing  Timing
	// reluctance is how little this member should lead, demoteAfter how long a voter may be silent before
	// it is demoted, 0 for ever, and voterFloor how many voters stay in any case.
	reluctance  int
	demoteAfter time.Duration
	voterFloor  int
	// seed drives the jitter of the core.
	seed   uint64
	logger *slog.Logger
	// background runs work beside the loop, on a goroutine of its own when nil. A simulator decides
	// when it goes on.
	background func(work func())
	// share is how much of its time the saving of a snapshot works, in percent: snapshotShare when 0.
	share int
	// fetchers is how many chunks are fetched at a time, fetchWorkers when 0.
	fetchers int
	// onUpgrade, when set, is called from the applier after the machine has changed.
	onUpgrade func()
	// stopped is told, from a goroutine of the group, that the member has failed.
	stopped func(error)
	// pulse is nil save in the group whose members keep the hosts in sight of each other. unsettled is called when this member
	// may have given up its office without a word, from its loop.
	pulse     *pulse
	unsettled func()
}

// fillIn sets what a simulator alone sets otherwise.
func (c *groupConfig) fillIn() {
	if c.background == nil {
		c.background = func(work func()) { go work() }
	}
	if c.machines == nil {
		c.machines = fixedMachine{c.machine}
	}
	if c.share == 0 {
		c.share = snapshotShare
	}
	if c.fetchers == 0 {
		c.fetchers = fetchWorkers
	}
	if c.unsettled == nil {
		c.unsettled = func() {}
	}
}

// group is one member: the core, its log and its machine, around one loop. Fields without a comment
// on sharing belong to the loop.
type group struct {
	groupConfig
	core    *consensus.Core
	inbox   *inbox
	waiters *waiters
	watch   *watch
	applier *applier
	events  *publisher
	pullers *pullers

	forwards forwards
	reads    map[uint64][]pendingQuery
	nextRead uint64
	waiting  []pendingCommand
	asking   []pendingQuery
	// asked are the queries that were forwarded and not answered.
	asked map[uint64]*askedQuery
	// resting is set when a member refused commands: the next tick tries again.
	resting   bool
	forgotten forgotten
	sweepTick int
	// sweeps counts the looks at deadlines.
	sweeps int
	// lacking is the module that the applier waits for, nil for none, and obtaining is set while it is fetched.
	lacking   *lackError
	obtaining bool
	// running is what the machine is made of. Anyone may read it.
	running atomic.Pointer[runningMachine]
	// lifetime ends with the member.
	lifetime context.Context
	endLife  context.CancelFunc

	saving *replicaImage
	fetch  fetchState
	// markerAt is the index of the last snapshot marker that this member proposed.
	markerAt consensus.Index
	// kept are the bytes of the log that the last snapshot covers, or that there were at the last marker.
	kept int
	// handed is the index of the last entry that the applier was given.
	handed consensus.Index
	hashes hashes
	// comparison is nil on a member that does not lead, or has no snapshot.
	comparison *comparison
	// disputed is why this member and its leader cannot both be right, "" when they agree.
	disputed string
	// pleaSweep is when this leader last proposed a marker for the sake of a quarantined member.
	pleaSweep int
	// quarantine is nil while the member's state is not known to be wrong; refusing says the same to clients.
	quarantine *quarantine
	refusing   atomic.Pointer[Error]
	// ticks counts them, and heard has the tick of each member's last answer to this leader.
	ticks int
	heard map[consensus.MemberID]int

	// changing is what a change of the members waits for. Anyone may read it.
	changing atomic.Pointer[string]
	// names are the members' hosts now. Anyone may read the map, which is never changed.
	names atomic.Pointer[map[consensus.MemberID]string]

	// status is read by anyone.
	status atomic.Pointer[groupStatus]
	quit   chan struct{}
	done   sync.WaitGroup
	// stopReceive ends the delivery of messages.
	stopReceive func()
}

// groupStatus is a copy of what others may know of a group.
type groupStatus struct {
	consensus.Status
	snapshot consensus.Index
	hash     Digest
	problem  string
	alarms   []string
}

// newGroup loads a member from its log. Messages and requests gather from here on, until start.
func newGroup(cfg groupConfig) (*group, error) {
	cfg.fillIn()
	restored, err := cfg.log.Load()
	if err != nil {
		return nil, fmt.Errorf("host: loading the log of group %s: %w", cfg.ref.Name, err)
	}
	note, err := readNote(cfg.records, cfg.ref.ID)
	if err != nil {
		return nil, err
	}
	replica, err := openReplica(&cfg, restored.Snapshot, note.Quarantined)
	if err != nil {
		return nil, fmt.Errorf("host: restoring group %s: %w", cfg.ref.Name, err)
	}
	core, err := consensus.New(cfg.coreConfig(), restored)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("host: starting group %s: %w", cfg.ref.Name, err), replica.close())
	}
	numbers := rand.New(rand.NewPCG(cfg.seed, uint64(cfg.ref.ID)))
	g := &group{
		groupConfig: cfg, core: core, inbox: newInbox(), waiters: newWaiters(numbers.Uint64()),
		reads: map[uint64][]pendingQuery{}, forwards: newForwards(numbers.Uint64()), watch: newWatch(), quit: make(chan struct{}),
		heard: map[consensus.MemberID]int{}, asked: map[uint64]*askedQuery{},
	}
	g.names.Store(&cfg.hosts)
	g.lifetime, g.endLife = context.WithCancel(context.Background())
	g.running.Store(&runningMachine{spec: replica.spec, at: replica.upgraded})
	if restored.Snapshot != nil {
		g.knowSnapshot(restored.Snapshot, note.Copied)
	}
	g.applier = newApplier(cfg.self, replica, g, cfg.clock.Now)
	g.events = newPublisher(&cfg)
	g.events.lifetime, g.events.recorded, g.events.record = g.lifetime, &replica.published, g.recordPublished
	g.pullers = &pullers{group: g, running: map[consensus.Index]*puller{}}
	g.rebound()
	if note.Quarantined {
		g.isolateSelf(note.quarantine())
	}
	g.publishStatus("")
	g.observe()
	stop, err := cfg.transport.Receive(cfg.ref, g.inbox.message)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("host: receiving for group %s: %w", cfg.ref.Name, err), replica.close())
	}
	g.stopReceive = sync.OnceFunc(stop)
	return g, nil
}

// openReplica makes a member's replica as its snapshot has it. In quarantine it has no machine: that comes
// with the repair.
func openReplica(cfg *groupConfig, snapshot *consensus.SnapshotMeta, quarantined bool) (*replica, error) {
	r := newReplica(cfg.machines, cfg.spec)
	switch {
	case quarantined:
		return r, nil
	case snapshot == nil:
		return r, r.begin()
	}
	return r, restoreSnapshot(r, cfg.chunks, snapshot)
}

// start begins the member's goroutines; close ends them.
func (g *group) start() {
	g.done.Add(3)
	go func() { defer g.done.Done(); g.applier.run() }()
	go func() { defer g.done.Done(); g.events.run(g.quit) }()
	go func() { defer g.done.Done(); g.run() }()
}

// run is the loop that owns the core.
func (g *group) run() {
	ticks, stop := g.clock.Tick(g.timing.Tick)
	var rest nap
	defer func() { stop(); rest.end() }()
	for {
		select {
		case <-g.quit:
			return
		case <-ticks:
			g.tick()
		case <-rest.ticks:
			if rest.over() {
				g.applier.add(work{doze: true})
			}
		case <-g.inbox.wake:
		}
		if err := g.turn(); err != nil {
			g.fail(err)
			return
		}
		switch idle := g.idle(); {
		case idle && ticks != nil:
			stop()
			ticks = nil
			g.publishStatus("")
			rest.begin(g.clock, g.timing.DozeAfter, g.ref.ID)
		case !idle && ticks == nil:
			rest.end()
			ticks, stop = g.clock.Tick(g.timing.Tick)
		}
	}
}

// turn takes what arrived, then persists, sends, applies and replies, in this order. The write goes
// on in the background: the core holds back every message that has to wait for it.
func (g *group) turn() error {
	if err := g.intake(g.inbox.take()); err != nil {
		return err
	}
	for g.core.HasReady() {
		rd := g.core.Ready()
		g.persist(rd.Write)
		g.send(rd.Messages)
		if err := g.apply(rd); err != nil {
			return err
		}
		g.answerReads(rd.Reads)
		if rd.Offer != nil {
			g.offered(*rd.Offer)
		}
	}
	g.takeOffice()
	g.forwardAgain()
	g.propose()
	g.keepLogShort()
	if s := g.status.Load(); s.Leader != g.leaderID() || s.Role != g.core.Role() {
		g.publishStatus("")
	}
	g.observe()
	if g.core.HasReady() {
		g.inbox.ring() // what was proposed last does not wait for a tick
	}
	return nil
}

// takeOffice tells the parts of the host that work for a leader whether this member is one.
func (g *group) takeOffice() {
	leads := g.core.Role() == consensus.Leader
	_, term := g.core.Leader()
	g.events.lead(leads, term)
	g.pullers.lead(leads && g.applier.terms.Load().office().Term == term)
	if leads {
		g.forwards.lead(term)
	}
}

// intake hands everything that arrived since the last turn to the core.
func (g *group) intake(in *batch) error {
	if in.failure != nil {
		return in.failure
	}
	if in.persisted > 0 {
		g.core.Persisted(in.persisted)
	}
	for _, m := range in.messages {
		if err := g.step(m); err != nil {
			return err
		}
	}
	for _, do := range in.calls {
		do()
	}
	g.waiting = append(g.waiting, g.waiters.keep(in.commands)...)
	g.asking = append(g.asking, in.queries...)
	if g.quarantine != nil {
		g.refuseRequests()
	}
	g.propose()
	g.ask()
	return nil
}

func (g *group) persist(w *consensus.Write) {
	if w == nil {
		return
	}
	seq := w.Seq
	g.log.Append(*w, func(err error) { g.inbox.written(seq, err) })
}

func (g *group) apply(rd consensus.Ready) error {
	if rd.Restore != nil {
		g.fetch.installing = false
		image, err := g.installedImage(rd.Restore)
		if err != nil {
			return err
		}
		if g.quarantine != nil {
			if err := g.release(*rd.Restore); err != nil {
				return err
			}
		}
		g.applier.add(work{restore: &image})
		g.handed = rd.Restore.Anchor.Index
	}
	if n := len(rd.Committed); n > 0 {
		g.handed = rd.Committed[n-1].Index
		g.applier.add(work{entries: rd.Committed})
	}
	return nil
}

// tick moves time on, and does a few times a second what is due then.
func (g *group) tick() {
	g.ticks++
	if g.quarantine == nil {
		g.core.Tick()
	}
	if g.pulse != nil {
		g.beat()
	}
	g.resting = false
	if len(g.asked) > 0 {
		g.askAgain(g.clock.Now())
	}
	g.sweepTick++
	if g.sweepTick%sweepTicks != 0 {
		return
	}
	g.sweeps++
	g.publishStatus("")
	if g.quarantine != nil {
		g.repair()
	} else {
		g.compareStates()
	}
	g.obtainLacking()
	now := g.clock.Now()
	g.waiters.expire(now)
	g.watch.expire(now, g.memberStatus)
	g.forwards.expire(now)
	g.dropLate(now)
	g.applier.views.trim()
	if g.applier.holding.Load() > 0 {
		g.applier.add(work{}) // lets it drop the queries that are late
	}
}

// sweepTicks is how many ticks pass between two looks at the deadlines.
const sweepTicks = 4

// dropLate forgets queued requests whose waiters have been answered as late.
func (g *group) dropLate(now time.Time) {
	g.asking = slices.DeleteFunc(g.asking, func(q pendingQuery) bool { return !now.Before(q.deadline) })
	g.waiting = g.forgotten.dropLate(g.waiters.keep(g.waiting), now)
}

// fail stops the member for good and answers everybody who waits.
func (g *group) fail(err error) {
	g.logger.Error("member stopped", "group", g.ref.Name, "member", g.self, "error", err)
	g.stopReceive() // nobody empties the inbox any more
	g.unsettled()
	g.events.lead(false, 0)
	g.pullers.lead(false)
	g.publishStatus(err.Error())
	g.waiters.close(fault(api.CodeInternal, "this member of group %s has stopped: %v", g.ref.Name, err))
	g.endWatch(fmt.Errorf("%w: %w", ErrStopped, err))
	g.stopped(err)
}

func (g *group) publishStatus(problem string) {
	if problem == "" {
		problem = g.trouble()
	}
	s := &groupStatus{Status: g.core.Status(), snapshot: g.fetch.snapshot, hash: g.fetch.current, problem: problem}
	s.alarms = alarms(g.ref.Name, g.applier.replica.gauge.used(), g.running.Load().spec.Limits)
	if before := g.status.Load(); len(s.alarms) > 0 && (before == nil || len(before.alarms) == 0) {
		g.logger.Warn("the machine is near its limits", "group", g.ref.Name, "alarms", s.alarms)
	}
	g.status.Store(s)
}

func (g *group) leaderID() consensus.MemberID {
	leader, _ := g.core.Leader()
	return leader
}

// close stops the member and waits for its goroutines. The log stays open.
func (g *group) close() {
	g.stopReceive()
	close(g.quit)
	g.endLife()
	g.pullers.close()
	g.applier.stop()
	g.done.Wait()
	g.fetch.cancelFetch()
	g.waiters.close(fault(api.CodeNoLeader, "this host is stopping"))
	g.endWatch(ErrStopped)
	if err := g.applier.replica.close(); err != nil {
		g.logger.Warn("closing the machine", "group", g.ref.Name, "error", err)
	}
}

// The applier's events, called from its goroutine.

func (g *group) answered(request uint64, reply Reply) {
	reply.Leader = g.leaderName()
	g.waiters.finish(request, reply)
}

func (g *group) emitted(events []Emitted) {
	g.events.offer(events, g.applier.terms.Load().office().Term)
}

func (g *group) rebound() {
	g.events.direct(g.applier.replica.bindings.target())
	g.pullers.review()
}

func (g *group) moved(terms termHistory) {
	g.waiters.moved(terms)
	if g.watch.active.Load() > 0 {
		g.inbox.ring()
	}
}

func (g *group) marked(image replicaImage) {
	g.inbox.call(func() { g.beginSnapshot(image) })
}

func (g *group) failed(err error) { g.inbox.fail(err) }

// leaderName returns the leader's host, "" when unknown. Anyone may call it.
func (g *group) leaderName() string { return g.hostOf(g.status.Load().Leader) }
