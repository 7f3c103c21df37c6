package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

// hall is where hosts hear each other's hellos. It is also the Clock of its hosts: tick moves it on.
type hall struct {
	mu   sync.Mutex
	ears map[int]func([]byte)
	next int
	said int
	// under is how many hellos are on their way.
	under  int
	deaf   bool
	fail   error
	ticks  map[chan time.Time]bool
	silent func(data []byte) bool
}

func newHall() *hall {
	return &hall{ears: map[int]func([]byte){}, ticks: map[chan time.Time]bool{}}
}

func (h *hall) PublishHello(data []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said++
	if h.fail != nil || (h.silent != nil && h.silent(data)) {
		return h.fail
	}
	for _, hear := range h.ears {
		h.under++
		go func() {
			hear(data)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.under--
		}()
	}
	return nil
}

func (h *hall) SubscribeHello(deliver func([]byte)) (func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deaf {
		return nil, errLost
	}
	h.next++
	id := h.next
	h.ears[id] = deliver
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.ears, id)
	}, nil
}

func (h *hall) listeners() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ears)
}

func (h *hall) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said
}

// silence waits until every hello was heard.
func (h *hall) silence(t *testing.T) {
	t.Helper()
	eventually(t, "every hello is heard", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.under == 0
	})
}

func (h *hall) Now() time.Time { return time.Unix(0, 0) }

func (h *hall) Tick(time.Duration) (<-chan time.Time, func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := make(chan time.Time, 1)
	h.ticks[c] = true
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.ticks, c)
	}
}

// tick lets every host that waits say hello again.
func (h *hall) tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.ticks {
		select {
		case c <- time.Time{}:
		default:
		}
	}
}

// guest is a host on its way into a cluster.
type guest struct {
	boot   *bootstrap
	store  *memStore
	record *clusterRecord
	err    error
	ended  chan struct{}
	cancel context.CancelFunc
}

// enter starts a host with a folder.
func (h *hall) enter(t *testing.T, store *memStore, name string, peers ...string) *guest {
	t.Helper()
	g := &guest{store: store, ended: make(chan struct{})}
	g.boot, g.err = newBootstrap(&Config{Name: name, Peers: peers, Store: store, Hello: h, Clock: h, Logger: slog.New(slog.DiscardHandler)})
	if g.err != nil {
		close(g.ended)
		return g
	}
	var ctx context.Context
	ctx, g.cancel = context.WithCancel(context.Background())
	t.Cleanup(func() { g.cancel(); <-g.ended })
	go func() {
		defer close(g.ended)
		g.record, g.err = g.boot.run(ctx)
	}()
	return g
}

// wait lets time pass until all of the guests have ended.
func (h *hall) wait(t *testing.T, guests ...*guest) {
	t.Helper()
	eventually(t, "the hosts come to an end", func() bool {
		h.tick()
		for _, g := range guests {
			select {
			case <-g.ended:
			default:
				return false
			}
		}
		return true
	})
}

// greets makes a host that has a cluster answer the others.
func (g *guest) greets(t *testing.T) {
	t.Helper()
	entrance := door{bootstrap: g.boot, replaced: func() { t.Errorf("%s was replaced", g.boot.name) }}
	stop, err := entrance.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
}

func (h *hall) form(t *testing.T) []*guest {
	t.Helper()
	guests := []*guest{}
	for _, name := range []string{"b", "c", "a"} {
		guests = append(guests, h.enter(t, newMemStore(), name, "a", "b", "c"))
	}
	h.wait(t, guests...)
	for _, g := range guests {
		if g.err != nil || g.record.ID != guests[0].record.ID || len(g.record.Hosts) != 3 || len(g.record.Key) != 32 {
			t.Fatalf("%+v, %v", g.record, g.err)
		}
	}
	return guests
}

// TestHostsMeet shows that hosts which were started for each other form one cluster, that each is in it
// again after a restart without a word to the others, and that a host alone forms its own.
func TestHostsMeet(t *testing.T) {
	h := newHall()
	guests := h.form(t)
	before := h.count()
	for _, g := range guests {
		again := h.enter(t, g.store.reopen(), g.boot.name, "a", "b", "c")
		h.wait(t, again)
		if again.err != nil || again.record.ID != g.record.ID {
			t.Errorf("%s: %+v, %v", g.boot.name, again.record, again.err)
		}
	}
	if h.count() != before {
		t.Error("a host that has a cluster asked for one")
	}
	if ref := guests[0].record.catalogRef(); ref.Name != catalogGroup || ref.ID != 0 || ref.Key == [32]byte{} {
		t.Errorf("%+v", ref)
	}
	empty := newHall()
	alone := empty.enter(t, newMemStore(), "a", "a")
	empty.wait(t, alone)
	if alone.err != nil || alone.record == nil || len(alone.record.Hosts) != 1 {
		t.Errorf("%+v, %v", alone.record, alone.err)
	}
}

// TestHellosAreQuiet shows that a host which waits says hello once for each tick, however much it hears.
func TestHellosAreQuiet(t *testing.T) {
	h := newHall()
	a := h.enter(t, newMemStore(), "a", "a", "b", "c")
	b := h.enter(t, newMemStore(), "b", "a", "b", "c")
	eventually(t, "both listen", func() bool { return h.listeners() == 2 && h.count() >= 2 })
	if n := h.count(); n != 2 {
		t.Fatalf("%d hellos before any time has passed", n)
	}
	for i := range 5 {
		h.tick()
		eventually(t, "the hosts say hello", func() bool { return h.count() >= 4+2*i })
	}
	a.cancel()
	b.cancel()
	<-a.ended
	<-b.ended
	if n := h.count(); n != 12 {
		t.Errorf("%d hellos of two hosts in five ticks", n)
	}
	if a.err == nil || !errors.Is(a.err, context.Canceled) || !strings.Contains(a.err.Error(), "has met 2 of 3 hosts") {
		t.Errorf("%v", a.err)
	}
}

// TestDifferentPeers shows that hosts which were started for different clusters do not form one, and
// say why.
func TestDifferentPeers(t *testing.T) {
	h := newHall()
	a := h.enter(t, newMemStore(), "a", "a", "b")
	b := h.enter(t, newMemStore(), "b", "a", "b", "c")
	first := a // whoever hears of the other first
	eventually(t, "a host refuses", func() bool {
		h.tick()
		select {
		case <-a.ended:
		case <-b.ended:
			first = b
		default:
			return false
		}
		return true
	})
	if !errors.Is(first.err, ErrBadConfig) || !strings.Contains(first.err.Error(), "[a b c]") {
		t.Errorf("%v", first.err)
	}
	a.cancel()
	b.cancel()
	<-a.ended
	<-b.ended
	if a.boot.record != nil || b.boot.record != nil {
		t.Error("a cluster was formed")
	}
}

// TestALostFolder shows that a host whose folder was lost hears of the cluster from the others, waits,
// says once what it waits for, and never makes a second cluster, not even when most of the folders are
// lost; and that a folder under another name is refused.
func TestALostFolder(t *testing.T) {
	h := newHall()
	guests := h.form(t)
	b := guests[0]
	// All but one lost their folders, and that one is down: nobody can form anything.
	a2 := h.enter(t, newMemStore(), "a", "a", "b", "c")
	c2 := h.enter(t, newMemStore(), "c", "a", "b", "c")
	for range 20 {
		said := h.count()
		h.tick()
		eventually(t, "the hosts say hello", func() bool { return h.count() >= said+2 })
	}
	if a2.boot.known() != nil || c2.boot.known() != nil {
		t.Fatal("a second cluster was formed")
	}
	again := h.enter(t, b.store.reopen(), "b", "a", "b", "c")
	h.wait(t, again)
	again.greets(t)
	b2 := h.enter(t, newMemStore(), "b", "a", "b", "c") // now all three of them wait
	round := func() {
		said := h.count()
		h.tick()
		eventually(t, "the three say hello", func() bool { return h.count() >= said+3 }) // a flood of hellos would be dropped
		h.silence(t)
	}
	eventually(t, "all of them are heard", func() bool { round(); return len(again.boot.waiting()) == 3 })
	eventually(t, "all of them are told", func() bool { round(); return a2.boot.heard() && b2.boot.heard() && c2.boot.heard() })
	for _, g := range []*guest{a2, c2, b2} {
		g.cancel()
		<-g.ended
		if !errors.Is(g.err, ErrIdentity) || !strings.Contains(g.err.Error(), "grout hosts admit "+g.boot.name) {
			t.Errorf("%s: %v", g.boot.name, g.err)
		}
		if stored, err := g.store.Meta(metaCluster); stored != nil || err != nil {
			t.Errorf("%s stored a cluster", g.boot.name)
		}
	}
	if g := h.enter(t, b.store.reopen(), "c", "a", "b", "c"); !errors.Is(g.err, ErrIdentity) {
		t.Errorf("the folder of b under the name c: %v", g.err)
	}
	if g := h.enter(t, b.store.reopen(), "d", "d"); !errors.Is(g.err, ErrIdentity) {
		t.Errorf("the folder of b under the name d: %v", g.err)
	}
}

// TestCutFolders shows that a folder of which a part was lost is refused, or, where nothing was promised
// yet, used.
func TestCutFolders(t *testing.T) {
	h := newHall()
	guests := h.form(t)
	store := guests[0].store.reopen()
	delete(store.meta, metaHostID)
	if g := h.enter(t, store, "b", "a", "b", "c"); !errors.Is(g.err, ErrIdentity) {
		t.Errorf("without the host's ID: %v", g.err)
	}
	store = guests[0].store.reopen()
	store.meta[metaCluster] = store.meta[metaCluster][:20]
	if g := h.enter(t, store, "b", "a", "b", "c"); !errors.Is(g.err, ErrCorrupt) {
		t.Errorf("with half a record: %v", g.err)
	}
	guests[1].greets(t)
	store = guests[0].store.reopen()
	delete(store.meta, metaCluster)
	g := h.enter(t, store, "b", "a", "b", "c") // it had not stored the record yet
	h.wait(t, g)
	if g.err != nil || g.record.ID != guests[0].record.ID {
		t.Errorf("without the record: %+v, %v", g.record, g.err)
	}
}

// TestAMissedRecord shows that a host which did not hear of the cluster that was formed with it gets
// the record from any of the others.
func TestAMissedRecord(t *testing.T) {
	h := newHall()
	h.silent = func(data []byte) bool { return strings.Contains(string(data), `"cluster"`) }
	a := h.enter(t, newMemStore(), "a", "a", "b")
	b := h.enter(t, newMemStore(), "b", "a", "b")
	h.wait(t, a)
	if a.err != nil || b.boot.record != nil {
		t.Fatalf("%v", a.err)
	}
	h.mu.Lock()
	h.silent = nil
	h.mu.Unlock()
	a.greets(t)
	h.wait(t, b)
	if b.err != nil || b.record.ID != a.record.ID {
		t.Errorf("%+v, %v", b.record, b.err)
	}
}

// TestTheWrongPeers shows that a host which was started with a new folder beside a cluster, alone or with peers that
// the cluster does not know, forms no second one: it waits to be admitted.
func TestTheWrongPeers(t *testing.T) {
	h := newHall()
	guests := h.form(t)
	guests[0].greets(t)
	d := h.enter(t, newMemStore(), "d", "d")
	x := h.enter(t, newMemStore(), "x", "x", "y")
	y := h.enter(t, newMemStore(), "y", "x", "y")
	for _, g := range []*guest{d, x, y} {
		eventually(t, g.boot.name+" hears of the cluster", func() bool {
			said := h.count()
			h.tick()
			eventually(t, "somebody says hello", func() bool { return h.count() > said })
			h.silence(t)
			return g.boot.heard()
		})
		g.cancel()
		<-g.ended
		if !errors.Is(g.err, ErrIdentity) || g.boot.known() != nil {
			t.Errorf("%s: %v, %+v", g.boot.name, g.err, g.boot.known())
		}
	}
	empty := newHall()
	e := empty.enter(t, newMemStore(), "e", "e")
	empty.wait(t, e)
	if e.err != nil || empty.count() < formingHellos {
		t.Errorf("%v after %d hellos", e.err, empty.count())
	}
}

// TestStrangersInTheHall shows that hellos of hosts with this host's name, of other hosts without a cluster, and
// such that do not decode change nothing; and that a host hears of its own second life.
func TestStrangersInTheHall(t *testing.T) {
	h := newHall()
	a := h.enter(t, newMemStore(), "a", "a", "b")
	eventually(t, "the host listens", func() bool { return h.listeners() == 1 })
	for _, m := range []helloMessage{
		{From: clusterHost{Name: "x", ID: "1"}, Peers: []string{"x", "y"}, Cluster: &clusterRecord{ID: "other", Hosts: []clusterHost{{Name: "x", ID: "1"}, {Name: "y", ID: "2"}}}},
		{From: clusterHost{Name: "x", ID: "1"}, Peers: []string{"x", "y"}},
		{From: clusterHost{Name: "a", ID: "not me"}, Peers: []string{"a", "b"}},
	} {
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.PublishHello(data), h.PublishHello([]byte("{"))); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 { // more than it can take at a time
		if err := h.PublishHello([]byte(`{"from":{"name":"x"}}`)); err != nil {
			t.Fatal(err)
		}
	}
	first := h.enter(t, newMemStore(), "b", "a", "b")
	h.wait(t, a, first)
	if a.err != nil || first.err != nil || a.record.Hosts[0].ID != a.boot.self.ID || a.record.ID != first.record.ID {
		t.Errorf("%+v, %v, %v", a.record, a.err, first.err)
	}
}

// TestHallFailures shows that what keeps a host from hearing or saying hello is an error or is tried
// again, and that names which cannot form a cluster are refused.
func TestHallFailures(t *testing.T) {
	h := newHall()
	h.deaf = true
	a := h.enter(t, newMemStore(), "a", "a", "b")
	<-a.ended
	if !errors.Is(a.err, errLost) {
		t.Errorf("a host that cannot listen: %v", a.err)
	}
	h.deaf, h.fail = false, errLost
	a = h.enter(t, newMemStore(), "a", "a", "b")
	b := h.enter(t, newMemStore(), "b", "a", "b")
	eventually(t, "both try to say hello", func() bool { return h.count() >= 2 })
	h.mu.Lock()
	h.fail = nil
	h.mu.Unlock()
	h.wait(t, a, b)
	if a.err != nil || b.err != nil {
		t.Errorf("%v, %v", a.err, b.err)
	}
	for _, peers := range [][]string{{}, {"b"}, {"a", "b", "a"}, {"a", "b c"}, {"a", strings.Repeat("x", api.MaxNameBytes+1)}} {
		if err := checkPeers("a", peers); !errors.Is(err, ErrBadConfig) {
			t.Errorf("%v: %v", peers, err)
		}
	}
	if err := checkPeers("a", []string{"b", "a"}); err != nil {
		t.Error(fmt.Errorf("good names: %w", err))
	}
}
