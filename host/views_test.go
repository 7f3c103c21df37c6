package host

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// gallery is a register with views. Its views see the cells of the last Show.
type gallery struct {
	*register
	mu    sync.Mutex
	shown [26]int64
	entry EntryContext
	// open counts the views, most is the most that there ever were.
	open, most int
	failure    error
	// began gets a token for each query that waits.
	began chan struct{}
}

func newGallery() *gallery {
	return &gallery{register: newRegister(), began: make(chan struct{}, 100)}
}

func (g *gallery) Show(entry EntryContext) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shown, g.entry = g.cells, entry
	return nil
}

func (g *gallery) View() (View, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failure != nil {
		return nil, g.failure
	}
	g.open++
	g.most = max(g.most, g.open)
	return &galleryView{g: g}, nil
}

func (g *gallery) views() (open, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open, g.most
}

type galleryView struct {
	g    *gallery
	held bool
}

func (v *galleryView) Hold()    { v.hold(true) }
func (v *galleryView) Release() { v.hold(false) }

// hold panics when a view is held twice, or released without need.
func (v *galleryView) hold(held bool) {
	if v.held == held {
		panic("a view was held or released twice")
	}
	v.held = held
}

func (v *galleryView) Query(caller string, query []byte) (Outcome, EntryContext, error) {
	if !v.held {
		panic("the view is not held")
	}
	v.g.mu.Lock()
	state, entry := &register{cells: v.g.shown, gate: v.g.gate}, v.g.entry
	v.g.mu.Unlock()
	switch string(query) {
	case "break":
		return Outcome{}, entry, errBroken
	case "wait":
		v.g.began <- struct{}{}
	}
	entry.Caller = caller
	outcome, err := state.Query(entry, query)
	return outcome, entry, err
}

func (v *galleryView) Close() error {
	if v.held {
		panic("the view is held")
	}
	v.g.mu.Lock()
	defer v.g.mu.Unlock()
	v.g.open--
	return nil
}

// bench is an applier on its own goroutine, with a gallery.
type bench struct {
	*testing.T
	g       *gallery
	a       *applier
	mu      sync.Mutex
	changed sync.Cond
	replies map[uint64]Reply
	index   consensus.Index
}

func newBench(t *testing.T, views int) *bench {
	b := &bench{T: t, g: newGallery(), replies: map[uint64]Reply{}}
	b.changed.L = &b.mu
	b.a = newApplier(1, begun(b.g), b, func() time.Time { return time.Unix(0, 0) })
	b.a.views.limit = views
	go b.a.run()
	t.Cleanup(func() {
		b.a.stop()
		if err := b.a.replica.close(); err != nil {
			t.Error(err)
		}
		if open, _ := b.g.views(); open != 0 {
			t.Errorf("%d views are left", open)
		}
	})
	return b
}

func (b *bench) answered(request uint64, reply Reply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, again := b.replies[request]; again {
		b.Errorf("request %d is answered twice", request)
	}
	b.replies[request] = reply
	b.changed.Broadcast()
}

func (b *bench) emitted([]Emitted)                     {}
func (b *bench) moved(termHistory)                     {}
func (b *bench) rebound()                              {}
func (b *bench) marked(replicaImage)                   {}
func (b *bench) failed(err error)                      { b.Error(err) }
func (b *bench) upgraded(machineSpec, consensus.Index) {}
func (b *bench) lacks(Digest)                          {}

// command has a command applied, as the request of its index.
func (b *bench) command(text string) {
	b.index++
	b.a.add(work{entries: []consensus.LogEntry{entryOf(int(b.index), command{Origin: 1, Request: uint64(b.index), Payload: []byte(text)})}})
}

func (b *bench) query(request uint64, text string) {
	b.a.add(work{queries: []pendingQuery{{request: request, payload: []byte(text), index: b.index, deadline: time.Unix(1, 0)}}})
}

// reply waits for an answer.
func (b *bench) reply(request uint64) Reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if reply, ok := b.replies[request]; ok {
			return reply
		}
		b.changed.Wait()
	}
}

func (b *bench) want(request uint64, output string, index consensus.Index) {
	b.Helper()
	if reply := b.reply(request); reply.Err != nil || string(reply.Outcome.Output) != output || reply.Index != index {
		b.Errorf("request %d: %+v %v, want %q at %d", request, reply, reply.Err, output, index)
	}
}

// TestQueriesRunBesideCommands shows that a query which takes long holds up neither commands nor other queries, and
// that each answer says which state it is of.
func TestQueriesRunBesideCommands(t *testing.T) {
	b := newBench(t, 2)
	b.command("add A 5")
	b.query(100, "wait")
	<-b.g.began
	b.command("add A 1")
	b.query(101, "get A")
	b.want(2, "6", 2)
	b.want(101, "6", 2)
	close(b.g.gate)
	b.want(100, "", 1)
	eventually(t, "no query is counted any more", func() bool { return b.a.asked.Load() == 0 })
}

// TestViewsAreBounded shows that there are no more views than allowed, that a query whose deadline passes in the
// queue is dropped, and that views nobody needs are closed.
func TestViewsAreBounded(t *testing.T) {
	b := newBench(t, 2)
	b.command("add A 5")
	for i := range uint64(10) {
		b.query(100+i, "wait")
	}
	b.a.add(work{queries: []pendingQuery{{request: 99, payload: []byte("wait"), deadline: time.Unix(0, 1)}}})
	<-b.g.began
	<-b.g.began
	b.a.views.mu.Lock()
	b.a.views.now = func() time.Time { return time.Unix(0, 500) }
	b.a.views.mu.Unlock()
	close(b.g.gate)
	for i := range uint64(10) {
		b.want(100+i, "", 1)
	}
	eventually(t, "no query is counted any more", func() bool { return b.a.asked.Load() == 0 })
	b.mu.Lock()
	_, late := b.replies[99]
	b.mu.Unlock()
	if late {
		t.Error("the late query was answered")
	}
	if _, most := b.g.views(); most != 2 {
		t.Errorf("there were %d views", most)
	}
	for range 2 * trimSweeps {
		b.a.views.trim()
	}
	eventually(t, "all views are closed", func() bool { open, _ := b.g.views(); return open == 0 })
	b.query(200, "get A")
	b.want(200, "5", 1)
}

// TestViewsRestForARestore shows that a restore waits for the queries under way, and that those behind it see the
// restored state.
func TestViewsRestForARestore(t *testing.T) {
	b := newBench(t, 1)
	b.command("add A 5")
	b.query(100, "get A")
	b.want(100, "5", 1)
	image, err := func() (replicaImage, error) {
		other := begun(newRegister())
		if _, err := other.apply(entryOf(1, command{Payload: []byte("add A 70")})); err != nil {
			return replicaImage{}, err
		}
		return other.image()
	}()
	if err != nil {
		t.Fatal(err)
	}
	b.query(101, "wait")
	<-b.g.began
	b.query(102, "get A") // in the queue of the one view
	b.a.add(work{restore: &image})
	eventually(t, "the restore waits", func() bool {
		b.a.views.mu.Lock()
		defer b.a.views.mu.Unlock()
		return b.a.views.machine == nil
	})
	if open, _ := b.g.views(); open != 1 {
		t.Fatalf("%d views", open)
	}
	close(b.g.gate)
	b.want(101, "", 1)
	b.want(102, "70", 1)
}

// TestQueriesWithoutViews shows that queries are answered between commands when no view can be made, and that a
// view that fails costs its query alone.
func TestQueriesWithoutViews(t *testing.T) {
	b := newBench(t, 2)
	b.command("add A 5")
	b.query(100, "break")
	if reply := b.reply(100); reply.Err == nil {
		t.Errorf("the broken view answered %+v", reply)
	}
	b.query(101, "get A")
	b.want(101, "5", 1)

	b.g.mu.Lock()
	b.g.failure = errors.New("no room")
	b.g.mu.Unlock()
	b.a.views.rest()
	for i := range uint64(20) {
		b.query(200+i, "get A")
	}
	b.command("add A 1")
	for i := range uint64(20) {
		if reply := b.reply(200 + i); reply.Err != nil || string(reply.Outcome.Output) != "5" && string(reply.Outcome.Output) != "6" {
			t.Errorf("%+v", reply)
		}
	}
	eventually(t, "no query is counted any more", func() bool { return b.a.asked.Load() == 0 })
}
