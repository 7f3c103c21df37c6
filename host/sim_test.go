package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// sim runs the members of one group on one goroutine: nothing happens that a test, or the seed, did
// not decide. Savers and fetchers run on goroutines of their own and are waited for.
type sim struct {
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	now     time.Time
	names   []string
	members map[string]*simMember
	net     []simFrame
	cut     map[[2]string]bool
	timing  Timing
	// lose says which piece of which blob of which host is lost on its way.
	lose func(from string, r BlobRequest) bool
	// fetches counts the pieces that were asked for; other goroutines ask.
	mu      sync.Mutex
	fetches int
	// published are the events in the order of their publication.
	published []Emitted
	// digests are the manifests that members saved, by anchor.
	digests map[consensus.Cursor]Digest
	saves   int
	// spoiled is set when a test makes members' states differ: then snapshots of one position may.
	spoiled bool
	// watch sees every frame that a member sends; those that it refuses are lost.
	watch func(simFrame) bool
	// makers makes the makers of the members' machines, for groups that are upgraded.
	makers func(*simMember) machineMaker
}

type simFrame struct {
	from, to string
	envelope consensus.Envelope
}

// simMember is a member and what outlives its process.
type simMember struct {
	sim     *sim
	name    string
	id      consensus.MemberID
	dir     string
	store   *memStore
	log     *memLog
	machine *register
	g       *group
	deliver func(consensus.Envelope)
	// stopped is why the member stopped.
	stopped error
}

const simGroup = GroupID(5)

func simTiming() Timing {
	return Timing{
		Tick: 50 * time.Millisecond, ElectionTicks: 10, HeartbeatTicks: 2, RequestTimeout: 5 * time.Second,
		SnapshotBytes: 1 << 30, RetainEntries: 8, RetainBytes: 1 << 30, MaxMessageBytes: 4 << 10,
	}
}

func newSim(t *testing.T, seed uint64, members int, timing Timing) *sim {
	s := prepareSim(t, seed, members, timing)
	s.startAll()
	return s
}

// prepareSim is newSim before the members have started.
func prepareSim(t *testing.T, seed uint64, members int, timing Timing) *sim {
	s := &sim{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_700_000_000, 0), timing: timing,
		members: map[string]*simMember{}, cut: map[[2]string]bool{}, digests: map[consensus.Cursor]Digest{},
	}
	dir := t.TempDir()
	for i := range members {
		name := string(rune('a' + i))
		s.names = append(s.names, name)
		s.members[name] = &simMember{sim: s, name: name, id: memberID(simGroup, i), dir: filepath.Join(dir, name), store: newMemStore()}
	}
	return s
}

func (s *sim) startAll() {
	for _, m := range s.all() {
		m.start()
	}
	s.t.Cleanup(s.close)
}

func (s *sim) close() {
	for _, m := range s.all() {
		if m.g != nil {
			m.g.done.Wait()
			m.g.fetch.cancelFetch()
		}
	}
}

func (s *sim) all() []*simMember {
	var out []*simMember
	for _, name := range s.names {
		out = append(out, s.members[name])
	}
	return out
}

// start makes the member from what its log holds.
func (m *simMember) start() {
	m.sim.t.Helper()
	chunks, err := OpenBlobStore(m.dir, 4*PageBytes)
	if err != nil {
		m.sim.t.Fatal(err)
	}
	m.log = m.store.log(simGroup)
	m.log.manual, m.log.saved = true, m.saved
	m.machine, m.stopped = newRegister(), nil
	config := groupConfig{
		ref: GroupRef{Name: "sim", ID: simGroup}, self: m.id, hosts: map[consensus.MemberID]string{},
		machine: m.machine, log: m.log, records: m.store, chunks: chunks, share: 100, transport: m, clock: m, timing: m.sim.timing, seed: m.sim.rng.Uint64(),
		logger: simLogger(m.name), stopped: func(err error) { m.stopped = err },
	}
	if m.sim.makers != nil {
		config.machines, config.spec = m.sim.makers(m), machineSpec{Module: Digest{1}}
	}
	for _, other := range m.sim.all() {
		config.hosts[other.id] = other.name
		config.initial.Voters = append(config.initial.Voters, other.id)
	}
	if m.g, err = newGroup(config); err != nil {
		m.sim.t.Fatalf("seed %d: starting %s: %v", m.sim.seed, m.name, err)
	}
}

func simLogger(name string) *slog.Logger {
	if os.Getenv("GROUT_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("host", name)
}

// saved compares the manifests of equal anchors: the states must be equal.
func (m *simMember) saved(meta consensus.SnapshotMeta) {
	s, digest := m.sim, Digest(meta.Manifest)
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.digests[meta.Anchor]; ok && other != digest && !s.spoiled {
		s.t.Errorf("seed %d: %s saved the manifest %x at %s, another member %x", s.seed, m.name, digest[:4], meta.Anchor, other[:4])
	}
	s.digests[meta.Anchor] = digest
	s.saves++
}

// crash ends the member's process: what its log has not completed is lost.
func (m *simMember) crash() {
	if m.g == nil {
		return
	}
	m.settle()
	m.g.fetch.cancelFetch()
	m.g.stopReceive()
	m.store, m.g = m.store.reopen(), nil
}

func (m *simMember) up() bool { return m.g != nil && m.stopped == nil }

// Now, Tick, Send, Receive, Fetch and Publish make the member its own clock and transport.

func (m *simMember) Now() time.Time { return m.sim.now }

func (m *simMember) Tick(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

func (m *simMember) Send(_ GroupRef, messages []Addressed) {
	for _, a := range messages {
		if f, ok := a.Envelope.Message.(*consensus.ForwardCommand); ok {
			// The receiver stamps what it gets, so it must get bytes of its own.
			own := &consensus.ForwardCommand{RequestID: f.RequestID, Term: f.Term}
			for _, c := range f.Commands {
				own.Commands = append(own.Commands, slices.Clone(c))
			}
			a.Envelope.Message = own
		}
		if f := (simFrame{m.name, a.Host, a.Envelope}); m.sim.watch == nil || m.sim.watch(f) {
			m.sim.net = append(m.sim.net, f)
		}
	}
}

func (m *simMember) Receive(_ GroupRef, deliver func(consensus.Envelope)) (func(), error) {
	m.deliver = deliver
	return func() { m.deliver = nil }, nil
}

var errLost = errors.New("lost on the way")

func (m *simMember) Fetch(ctx context.Context, from string, request BlobRequest) ([]byte, int64, error) {
	s := m.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetches++
	source := s.members[from]
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if source == nil || source.g == nil || s.cut[link(m.name, from)] || (s.lose != nil && s.lose(from, request)) {
		return nil, 0, errLost
	}
	return source.g.chunks.Piece(request.Digest, request.Offset, request.Limit)
}

func (m *simMember) Publish(_ GroupRef, events []Emitted) error {
	m.sim.published = append(m.sim.published, events...)
	return nil
}

func link(a, b string) [2]string { return [2]string{min(a, b), max(a, b)} }

// turn gives the member's loop one turn, and waits for what it began beside the loop.
func (m *simMember) turn() {
	if !m.up() {
		return
	}
	select {
	case <-m.g.inbox.wake:
	default:
	}
	if err := m.g.turn(); err != nil {
		m.g.fail(err)
	}
	if m.up() && m.g.core.HasReady() && len(m.g.inbox.wake) == 0 {
		m.sim.t.Fatalf("seed %d: %s sleeps over what it has to do", m.sim.seed, m.name)
	}
	m.settle()
}

func (m *simMember) settle() {
	if m.g == nil {
		return
	}
	m.g.done.Wait()
	if m.g.fetch.cancel != nil {
		<-m.g.fetch.ended
	}
}

func (m *simMember) tick() {
	if m.up() {
		m.g.tick()
		m.turn()
	}
}

// work lets the applier do up to n entries, or queries, of its queue; 0 means all of it.
func (m *simMember) work(n int) {
	if m.g == nil {
		return
	}
	todo := m.g.applier.take()
	for i := range todo {
		if n > 0 && len(todo[i].entries) > n {
			rest := todo[i]
			rest.restore, rest.entries = nil, rest.entries[n:]
			todo[i].entries, todo[i].queries = todo[i].entries[:n], nil
			m.g.applier.queue = append([]work{rest}, todo[i+1:]...)
			todo = todo[:i+1]
		}
		if err := m.g.applier.do(&todo[i]); err != nil {
			m.g.failed(err)
			return
		}
		if i+1 == len(todo) {
			return
		}
	}
}

// publish lets the publisher publish what it has queued.
func (m *simMember) publish() {
	if !m.up() {
		return
	}
	for events := m.g.events.take(); len(events) > 0; events = m.g.events.take() {
		m.g.events.publish(events, nil)
	}
}

// arrive hands a frame to its receiver, unless the link is cut or nobody is there.
func (s *sim) arrive(f simFrame) {
	if m := s.members[f.to]; m.up() && m.deliver != nil && !s.cut[link(f.from, f.to)] {
		m.deliver(f.envelope)
	}
}

// round lets everything happen once, in a fixed order: a tick, and rounds of messages, writes and
// applies until all is quiet.
func (s *sim) round() {
	s.now = s.now.Add(s.timing.Tick)
	for _, m := range s.all() {
		m.tick()
	}
	for range 50 {
		s.flush()
		if len(s.net) == 0 && !s.busy() {
			return
		}
	}
}

// flush delivers every message, completes every write, and gives everyone a turn.
func (s *sim) flush() {
	frames := s.net
	s.net = nil
	for _, f := range frames {
		s.arrive(f)
	}
	for _, m := range s.all() {
		if m.up() {
			m.log.complete(1 << 20)
			m.turn()
			m.work(0)
			m.turn()
			m.publish()
		}
	}
}

func (s *sim) busy() bool {
	for _, m := range s.all() {
		if m.up() && (len(m.log.pending) > 0 || len(m.g.inbox.wake) > 0 || len(m.g.applier.queue) > 0) {
			return true
		}
	}
	return false
}

// until runs rounds until the condition holds.
func (s *sim) until(what string, condition func() bool) {
	s.t.Helper()
	for range 2000 {
		if condition() {
			return
		}
		s.round()
	}
	s.t.Fatalf("seed %d: in vain for 2000 ticks: %s", s.seed, what)
}

// leader waits for a leader that every member follows which is up and not cut off from it.
func (s *sim) leader() *simMember {
	s.t.Helper()
	var found *simMember
	s.until("a leader", func() bool {
		found = nil
		for _, m := range s.all() {
			if m.up() && m.g.core.Role() == consensus.Leader && s.followed(m) {
				found = m
			}
		}
		return found != nil
	})
	return found
}

func (s *sim) followed(leader *simMember) bool {
	followers := 0
	for _, m := range s.all() {
		if !m.up() || s.cut[link(m.name, leader.name)] {
			continue
		}
		if id, _ := m.g.core.Leader(); id != leader.id {
			return false
		}
		followers++
	}
	return followers > len(s.names)/2
}

// others are the members beside one.
func (s *sim) others(than *simMember) []*simMember {
	return slices.DeleteFunc(s.all(), func(m *simMember) bool { return m == than })
}

// isolate cuts a member off from all others, heal mends every link.
func (s *sim) isolate(m *simMember) {
	for _, other := range s.others(m) {
		s.cut[link(m.name, other.name)] = true
	}
}

func (s *sim) heal() { clear(s.cut) }

// answered is what became of a request.
type answered struct {
	replies []Reply
}

func (a *answered) done() bool { return len(a.replies) > 0 }

// one returns the only reply.
func (a *answered) one(t *testing.T) Reply {
	t.Helper()
	if len(a.replies) != 1 {
		t.Fatalf("%d replies, expected one: %v", len(a.replies), a.replies)
	}
	return a.replies[0]
}

func (a *answered) take(r Reply) { a.replies = append(a.replies, r) }

func (m *simMember) execute(request CommandRequest) *answered {
	a := &answered{}
	m.g.execute(request, a.take)
	return a
}

func (m *simMember) query(request QueryRequest) *answered {
	a := &answered{}
	m.g.query(request, a.take)
	return a
}

// apply executes a command and waits for its output.
func (s *sim) apply(m *simMember, format string, args ...any) string {
	s.t.Helper()
	a := m.execute(CommandRequest{Payload: fmt.Appendf(nil, format, args...)})
	s.until("an answer", a.done)
	r := a.one(s.t)
	if r.Err != nil || r.Outcome.Kind != Applied {
		s.t.Fatalf("seed %d: %s on %s: %+v", s.seed, fmt.Sprintf(format, args...), m.name, r)
	}
	return string(r.Outcome.Output)
}

// level waits until every member that is up has applied the same.
func (s *sim) level() {
	s.t.Helper()
	s.until("equal members", func() bool {
		var most, least uint64 = 0, 1 << 63
		for _, m := range s.all() {
			if m.up() {
				applied := m.g.applier.applied.Load()
				most, least = max(most, applied), min(least, applied)
			}
		}
		return most == least && len(s.net) == 0
	})
}

// path is the file of a blob.
// path is that of the file that a blob lies in.
func (s *BlobStore) path(d Digest) string { return filepath.Join(s.dir, s.blobs[d].at.pack.data()) }

// stateHash is the digest of the member's whole replica.
func (m *simMember) stateHash() Digest {
	m.sim.t.Helper()
	image, err := m.g.applier.replica.image()
	if err != nil {
		m.sim.t.Fatal(err)
	}
	packed, err := pack([]any{image.header, image.sums(), image.state})
	if err != nil {
		m.sim.t.Fatal(err)
	}
	return digestOf(binary.BigEndian.AppendUint64(packed, uint64(image.anchor.Index)))
}
