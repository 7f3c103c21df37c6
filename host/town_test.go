package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// town is a cluster of whole hosts in one process, with a clock that tests move.
type town struct {
	t     *testing.T
	dir   string
	names []string
	clock *townClock
	hall  *hall
	river *river
	homes map[string]*home
	// sessions counts the sessions of clients.
	sessions int

	// mu guards receivers and cut. It is held while messages are handed over.
	mu        sync.RWMutex
	receivers map[townAddress]func(consensus.Envelope)
	cut       map[[2]string]bool
	// frames counts the messages between members of groups, the catalog's left out.
	frames atomic.Int64
	// over are members whose disk was lost: no message may come from them.
	over []consensus.MemberID
}

type townAddress struct {
	host  string
	group string
	id    GroupID
}

// home is a host and what outlives its process.
type home struct {
	town     *town
	name     string
	store    *memStore
	host     *Host
	machines *registers
	// mu guards open, published and refuse.
	mu        sync.Mutex
	open      map[string]int
	published []Emitted
	refuse    error
	withdrawn atomic.Bool
}

func newTown(t *testing.T, names ...string) *town {
	w := &town{
		t: t, dir: t.TempDir(), names: names, clock: &townClock{now: time.Unix(1_700_000_000, 0), tickers: map[*townTicker]bool{}},
		hall: newHall(), river: &river{}, homes: map[string]*home{}, receivers: map[townAddress]func(consensus.Envelope){}, cut: map[[2]string]bool{},
	}
	for _, name := range names {
		w.homes[name] = &home{town: w, name: name, store: newMemStore(), open: map[string]int{}}
	}
	t.Cleanup(w.close)
	w.start(names...)
	return w
}

func (w *town) close() {
	for _, h := range w.homes {
		if h.host != nil {
			h.stop()
		}
	}
}

// make opens a host's folder, without starting it.
func (h *home) make() error {
	h.machines = &registers{}
	made, err := New(Config{
		Name: h.name, Peers: h.town.names, Dir: filepath.Join(h.town.dir, h.name), Version: "0.0.0", Store: h.store, Transport: h, Streams: h.town.river,
		Hello: h.town.hall, Endpoints: h, Machines: h.machines, Clock: h.town.clock, Timing: townTiming(), Logger: simLogger(h.name),
	})
	h.town.mu.Lock()
	defer h.town.mu.Unlock()
	h.host = made
	return err
}

func townTiming() Timing {
	timing := simTiming()
	timing.RequestTimeout = 5 * time.Second
	timing.SnapshotBytes = 1500
	timing.QuietTicks = 20
	timing.DozeAfter = 7 * napTicks * timing.Tick
	return timing
}

// start starts hosts together: none is ready before all have met.
func (w *town) start(names ...string) {
	w.t.Helper()
	results := make(chan error, len(names))
	for _, name := range names {
		h := w.homes[name]
		if err := h.make(); err != nil {
			w.t.Fatal(err)
		}
		go func() { results <- h.host.Start(w.t.Context()) }()
	}
	for range names {
		w.until("the hosts start", func() bool { return len(results) > 0 })
		if err := <-results; err != nil {
			w.t.Fatal(err)
		}
	}
}

// stop closes the host; what its log had completed is there at the next start.
func (h *home) stop() {
	h.town.t.Helper()
	if err := h.host.Close(); err != nil {
		h.town.t.Errorf("closing %s: %v", h.name, err)
	}
	if n := h.machines.open(); n != 0 {
		h.town.t.Errorf("%d machines of %s were not closed, or twice", n, h.name)
	}
	if open := h.opened(); len(open) != 0 {
		h.town.t.Errorf("%s left the endpoints of %v", h.name, open)
	}
	h.town.mu.Lock()
	defer h.town.mu.Unlock()
	h.host, h.store = nil, h.store.reopen()
}

func (w *town) all() []*home {
	var out []*home
	for _, name := range w.names {
		if h := w.homes[name]; h.host != nil {
			out = append(out, h)
		}
	}
	return out
}

// until moves the clock until the condition holds.
func (w *town) until(what string, condition func() bool) {
	w.t.Helper()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for deadline := time.Now().Add(patience); !condition(); w.step() {
		if (<-pace.C).After(deadline) {
			for _, h := range w.all() {
				w.t.Logf("%+v", h.host.Status())
			}
			w.t.Fatalf("in vain for %s: %s", patience, what)
		}
	}
}

// step moves the clock by one tick of the groups, and lets the logs, the appliers and the hellos go on,
// so that time does not run away from those who have work to do.
func (w *town) step() {
	w.clock.advance(50 * time.Millisecond)
	w.hall.tick()
	for _, h := range w.all() {
		h.store.settle()
		for _, g := range h.groups() {
			// As far as its status says, and not for ever: a machine may be held on purpose.
			for i := 0; i < 100 && g.applier.applied.Load() < uint64(g.status.Load().Commit); i++ {
				runtime.Gosched()
			}
		}
	}
}

// groups are the members that run.
func (h *home) groups() []*group {
	h.host.mu.RLock()
	defer h.host.mu.RUnlock()
	var out []*group
	for _, held := range h.host.groups {
		if held.group != nil {
			out = append(out, held.group)
		}
	}
	return out
}

// settle waits until no write is under way that nobody holds.
func (s *memStore) settle() {
	s.mu.Lock()
	logs := slices.Collect(maps.Values(s.logs))
	s.mu.Unlock()
	for _, l := range logs {
		for busy := true; busy; {
			l.mu.Lock()
			busy = l.running && !l.manual
			l.mu.Unlock()
			runtime.Gosched()
		}
	}
}

// wait runs do on a goroutine of its own while the clock goes on.
func wait[T any](w *town, what string, do func(context.Context) (T, error)) (T, error) {
	w.t.Helper()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	ctx, cancel := context.WithTimeout(w.t.Context(), patience/2)
	defer cancel()
	go func() {
		value, err := do(ctx)
		done <- result{value, err}
	}()
	w.until(what, func() bool { return len(done) > 0 })
	r := <-done
	return r.value, r.err
}

func codeOf(err error) api.Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return "?"
	}
	return ""
}

// upload stores a module through a host.
func (h *home) upload(module string) (Digest, error) {
	h.town.t.Helper()
	digest := digestOf([]byte(module))
	for offset := 0; offset < len(module); offset += 3 {
		piece := UploadPiece{Digest: digest, Offset: int64(offset), Size: int64(len(module)), Data: []byte(module[offset:min(len(module), offset+3)])}
		_, err := wait(h.town, "the upload", func(ctx context.Context) (api.UploadReply, error) { return h.host.Upload(ctx, piece) })
		if err != nil {
			return digest, err
		}
	}
	return digest, nil
}

func (h *home) deploy(request api.DeployRequest) (api.GroupInfo, error) {
	h.town.t.Helper()
	return wait(h.town, "the deployment", func(ctx context.Context) (api.GroupInfo, error) { return h.host.Deploy(ctx, request) })
}

func (h *home) change(verb, group, to string) error {
	h.town.t.Helper()
	_, err := wait(h.town, verb, func(ctx context.Context) (int, error) {
		return 0, h.host.Change(ctx, verb, api.TransferRequest{Group: group, Host: to})
	})
	return err
}

// run uploads a module and deploys it, and waits until every host runs it and clients can reach it.
func (w *town) run(group string) api.GroupInfo {
	w.t.Helper()
	first := w.all()[0]
	digest, err := first.upload("module of " + group)
	if err != nil {
		w.t.Fatal(err)
	}
	info, err := first.deploy(api.DeployRequest{Group: group, Module: hexDigest(digest)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.until("every host runs the group", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool { return !slices.Contains(h.opened(), group) })
	})
	return info
}

// ask executes a command through a host and waits for the answer.
func (h *home) ask(request CommandRequest) Reply {
	h.town.t.Helper()
	answer := make(chan Reply, 2)
	h.host.Execute(request, func(r Reply) { answer <- r })
	h.town.until("an answer", func() bool { return len(answer) > 0 })
	return <-answer
}

func (h *home) query(request QueryRequest) Reply {
	h.town.t.Helper()
	answer := make(chan Reply, 2)
	h.host.Query(request, func(r Reply) { answer <- r })
	h.town.until("an answer", func() bool { return len(answer) > 0 })
	return <-answer
}

// add adds to a counter of a group, once however often it has to try, and returns the sum.
func (h *home) add(group, counter string, n int) string {
	h.town.t.Helper()
	h.town.sessions++
	request := CommandRequest{
		Group: group, Session: fmt.Sprint("s", h.town.sessions), Seq: 1, Payload: fmt.Appendf(nil, "add %s %d", counter, n),
	}
	for range 20 {
		r := h.ask(request)
		if r.Err == nil {
			return string(r.Outcome.Output)
		}
		if r.Err.Code != api.CodeNoLeader && r.Err.Code != api.CodeUnknown {
			h.town.t.Fatalf("add to %s of %s through %s: %v", counter, group, h.name, r.Err)
		}
	}
	h.town.t.Fatalf("no leader of %s takes commands", group)
	return ""
}

// The home is the host's Endpoints and Transport.

func (h *home) AddGroup(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return h.refuse
	}
	if h.open[name]++; h.open[name] > 1 {
		return fmt.Errorf("%s is open already", name)
	}
	return nil
}

func (h *home) RemoveGroup(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, name)
	return nil
}

func (h *home) Withdraw() error {
	h.withdrawn.Store(true)
	return nil
}

func (h *home) opened() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.open))
}

func (h *home) Send(group GroupRef, messages []Addressed) {
	h.town.mu.RLock()
	defer h.town.mu.RUnlock()
	if group.ID != 0 {
		h.town.frames.Add(int64(len(messages)))
	}
	for _, a := range messages {
		if slices.Contains(h.town.over, a.Envelope.From) {
			h.town.t.Errorf("%s sent %T as member %s, whose disk is lost", h.name, a.Envelope.Message, a.Envelope.From)
		}
		deliver := h.town.receivers[townAddress{a.Host, group.Name, group.ID}]
		if deliver == nil || h.town.cut[link(h.name, a.Host)] {
			continue
		}
		if f, ok := a.Envelope.Message.(*consensus.ForwardCommand); ok {
			own := &consensus.ForwardCommand{RequestID: f.RequestID, Term: f.Term}
			for _, c := range f.Commands {
				own.Commands = append(own.Commands, slices.Clone(c))
			}
			a.Envelope.Message = own
		}
		deliver(a.Envelope)
	}
}

func (h *home) Receive(group GroupRef, deliver func(consensus.Envelope)) (func(), error) {
	h.town.mu.Lock()
	defer h.town.mu.Unlock()
	at := townAddress{h.name, group.Name, group.ID}
	for other := range h.town.receivers {
		if other.host == h.name && other.group == group.Name {
			return nil, fmt.Errorf("%s receives for %s already", h.name, group.Name)
		}
	}
	h.town.receivers[at] = deliver
	return func() {
		h.town.mu.Lock()
		defer h.town.mu.Unlock()
		delete(h.town.receivers, at)
	}, nil
}

func (h *home) Fetch(ctx context.Context, from string, request BlobRequest) ([]byte, int64, error) {
	h.town.mu.RLock()
	defer h.town.mu.RUnlock()
	source := h.town.homes[from]
	if source == nil || source.host == nil || h.town.cut[link(h.name, from)] || ctx.Err() != nil {
		return nil, 0, errLost
	}
	return source.host.Piece(request)
}

func (h *home) Publish(_ GroupRef, events []Emitted) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.published = append(h.published, events...)
	return nil
}

func (w *town) isolate(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, other := range w.names {
		w.cut[link(name, other)] = true
	}
}

func (w *town) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.cut)
}

// townClock is a Clock that stands still until it is moved. A ticker with the groups' period waits
// until its tick is taken, so that time never runs away from the groups.
type townClock struct {
	mu      sync.Mutex
	now     time.Time
	tickers map[*townTicker]bool
}

type townTicker struct {
	period  time.Duration
	next    time.Time
	ticks   chan time.Time
	stopped chan struct{}
}

func (c *townClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *townClock) Tick(period time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &townTicker{period: period, next: c.now.Add(period), stopped: make(chan struct{})}
	k.ticks = make(chan time.Time, 1)
	if period == townTiming().Tick {
		k.ticks = make(chan time.Time)
	}
	c.tickers[k] = true
	return k.ticks, sync.OnceFunc(func() {
		close(k.stopped)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.tickers, k)
	})
}

func (c *townClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	now, due := c.now, []*townTicker{}
	for k := range c.tickers {
		if !now.Before(k.next) {
			k.next = now.Add(k.period)
			due = append(due, k)
		}
	}
	c.mu.Unlock()
	for _, k := range due {
		if cap(k.ticks) == 0 {
			select {
			case k.ticks <- now:
			case <-k.stopped:
			}
			continue
		}
		select {
		case k.ticks <- now:
		default:
		}
	}
}

// noLeaks fails the test when more goroutines are left than there were.
func noLeaks(t *testing.T, before int) {
	t.Helper()
	eventually(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}
