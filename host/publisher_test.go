package host

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// wire is a Transport that only publishes, and a Clock that ticks when told to.
type wire struct {
	Transport
	mu    sync.Mutex
	seen  []string
	fail  error
	ticks chan time.Time
	asked chan struct{}
}

func newWire() *wire { return &wire{ticks: make(chan time.Time), asked: make(chan struct{}, 100)} }

func (w *wire) Publish(_ GroupRef, events []Emitted) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		w.seen = append(w.seen, fmt.Sprintf("%d%s", e.Index, e.Payload))
	}
	return w.fail
}

func (w *wire) Now() time.Time { return time.Unix(0, 0) }

// Tick is asked for when a publication has failed.
func (w *wire) Tick(time.Duration) (<-chan time.Time, func()) {
	w.asked <- struct{}{}
	return w.ticks, func() {}
}

func (w *wire) set(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

func (w *wire) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := strings.Join(w.seen, " ")
	w.seen = nil
	return out
}

func newTestPublisher(w *wire) *publisher {
	return newPublisher(&groupConfig{transport: w, clock: w, logger: slog.New(slog.DiscardHandler)})
}

func eventsAt(indices ...consensus.Index) []Emitted {
	var out []Emitted
	for i, index := range indices {
		out = append(out, Emitted{Index: index, Payload: []byte{byte('a' + i)}})
	}
	return out
}

// drain publishes what is queued, on the test's goroutine.
func drain(p *publisher) {
	for events := p.take(); len(events) > 0; events = p.take() {
		p.publish(events, nil)
	}
}

// TestPublisherOrder shows that a leader publishes each event once and in order, that a member which
// does not lead publishes none, and that one which takes office again publishes everything again that is
// not known to be out.
func TestPublisherOrder(t *testing.T) {
	w := newWire()
	p := newTestPublisher(w)
	p.offer(eventsAt(1, 1, 2), 1)
	drain(p)
	if got := w.take(); got != "" || p.publishedTo() != 0 {
		t.Fatalf("a follower published %q", got)
	}
	p.lead(true, 1)
	p.offer(eventsAt(1, 1, 2), 1)
	p.offer(eventsAt(1, 1, 2, 3), 1)
	drain(p)
	p.offer(eventsAt(1, 1, 2, 3), 1)
	p.lead(true, 1)
	drain(p)
	if got := w.take(); got != "1a 1b 2c 3d" || p.publishedTo() != 3 {
		t.Fatalf("published %q up to %d", got, p.publishedTo())
	}
	p.lead(false, 1)
	p.offer(eventsAt(2, 3, 4), 1)
	p.lead(true, 1)
	p.offer(eventsAt(2, 3, 4), 1)
	drain(p)
	if got := w.take(); got != "2a 3b 4c" || p.publishedTo() != 4 {
		t.Fatalf("a new office published %q up to %d", got, p.publishedTo())
	}
}

// TestPublicationIsRetried shows that what failed is published again from its first event, until it is
// out or leadership is lost, and that the end of the member ends it.
func TestPublicationIsRetried(t *testing.T) {
	w := newWire()
	p := newTestPublisher(w)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); p.run(quit) }()
	p.lead(true, 1)
	w.set(errors.New("no connection"))
	p.offer(eventsAt(1, 2), 1)
	<-w.asked
	if p.publishedTo() != 0 {
		t.Fatal("a failed publication counts")
	}
	w.ticks <- time.Time{}
	<-w.asked
	w.set(nil)
	w.ticks <- time.Time{}
	eventually(t, "the events are out", func() bool { return p.publishedTo() == 2 })
	if got := w.take(); got != "1a 2b 1a 2b 1a 2b" {
		t.Fatalf("published %q", got)
	}
	w.set(errors.New("no connection"))
	p.offer(eventsAt(3), 1)
	<-w.asked
	p.lead(false, 1)
	w.ticks <- time.Time{} // gives up: another leader publishes it
	p.lead(true, 1)
	p.offer(eventsAt(3), 1)
	<-w.asked
	close(quit)
	<-ended
	if p.publishedTo() != 2 {
		t.Fatalf("published up to %d", p.publishedTo())
	}
}

// TestOutbox shows that the replicated outbox forgets what a leader published, and never because of an
// older mark.
func TestOutbox(t *testing.T) {
	var o outbox
	o.add(1, []Event{{Suffix: "a"}, {Suffix: "b"}})
	o.add(3, []Event{{Suffix: "c"}})
	o.published(2)
	o.published(1)
	o.published(0)
	if len(o.events) != 1 || o.events[0].Index != 3 || o.done != 2 {
		t.Fatalf("%v, done %d", o.events, o.done)
	}
	o.published(9)
	if len(o.events) != 0 || o.done != 9 {
		t.Fatalf("%v, done %d", o.events, o.done)
	}
}

// TestBackPressureEnds shows that a leader takes no commands while too many events await publication,
// that it takes them again as soon as they are out though no command could say so to the others, and
// that members which do not lead never hold up commands on account of events.
func TestBackPressureEnds(t *testing.T) {
	for name, offered := range map[string][]Emitted{
		"by number": eventsAt(slices.Repeat([]consensus.Index{1}, maxOutboxEvents+1)...),
		"by bytes":  {{Index: 1, Payload: make([]byte, maxOutboxBytes+1)}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire()
			p := newTestPublisher(w)
			p.offer(offered, 1)
			if p.full() {
				t.Error("a follower is full")
			}
			p.lead(true, 1)
			p.offer(offered, 1)
			if !p.full() {
				t.Error("the bound does not hold")
			}
			events := p.take()
			if !p.full() {
				t.Error("what is being published does not count")
			}
			p.publish(events, nil)
			drain(p)
			if p.full() {
				t.Error("published events still count")
			}
			p.offer(offered, 1) // the outbox still holds them, until a command carries the mark
			if p.full() {
				t.Error("published events count again")
			}
		})
	}
}

// patience is how long a test waits for what must come.
const patience = time.Minute

// eventually waits for a condition that other goroutines bring about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("in vain for %s: %s", patience, what)
		}
	}
}

// TestPublisherWaitsForItsTerm shows that a new leader publishes nothing before it has applied an entry of its own term:
// until then it may not know of the stream that the events are bound to.
func TestPublisherWaitsForItsTerm(t *testing.T) {
	w := newWire()
	p := newTestPublisher(w)
	p.lead(true, 2)
	p.offer(eventsAt(1, 2), 1)
	drain(p)
	if got := w.take(); got != "" {
		t.Errorf("%q is published in the term before", got)
	}
	p.offer(eventsAt(1, 2), 2)
	drain(p)
	if got := w.take(); got != "1a 2b" {
		t.Errorf("%q is published", got)
	}
}
