package benchkit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/groutlabs/grout/sdk/client"
)

// keys is how many keys each client writes, in turns.
const keys = 1000

// Acknowledged is a command that was applied, and when its client heard of it.
type Acknowledged struct {
	At          time.Time
	Term, Index uint64
}

// Window is what a load did in a stretch of time.
type Window struct {
	Commands   int64
	For        time.Duration
	P50, P99   time.Duration
	Elections  int
	LastAnswer time.Duration
}

// Rate is how many commands were acknowledged in a second.
func (w Window) Rate() float64 { return float64(w.Commands) / w.For.Seconds() }

// Load is clients that put values into the kv example, each the next when the last is acknowledged.
type Load struct {
	cancel  context.CancelCauseFunc
	ctx     context.Context
	group   *client.Group
	clients sync.WaitGroup
	writers []*writer

	mu sync.Mutex
	// changed is closed when last changes.
	changed   chan struct{}
	last      Acknowledged
	times     *hdrhistogram.Histogram
	since     time.Time
	elections int
}

// writer is one client. Its fields are its goroutine's until it has ended.
type writer struct {
	id int
	// acknowledged are the last number put to each key that was acknowledged, and tried the last of all.
	acknowledged [keys]int
	tried        int
}

var errStopped = errors.New("the load was stopped")

// StartLoad begins to write with so many clients.
func StartLoad(ctx context.Context, g *client.Group, clients int) *Load {
	l := &Load{group: g, changed: make(chan struct{}), since: time.Now(), times: hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 2)}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	for id := range clients {
		w := &writer{id: id}
		l.writers = append(l.writers, w)
		l.clients.Go(func() { l.run(w) })
	}
	return l
}

func (l *Load) run(w *writer) {
	for n := 1; l.ctx.Err() == nil; n++ {
		w.tried = n
		began := time.Now()
		result, err := l.group.Execute(l.ctx, fmt.Appendf(nil, "put %s %s", w.key(n), value(n)))
		if err != nil {
			l.cancel(err) // the first cause counts
			return
		}
		w.acknowledged[n%keys] = n
		l.took(Acknowledged{time.Now(), result.Term, result.Index}, time.Since(began))
	}
}

func (w *writer) key(n int) string { return fmt.Sprintf("k%03d-%04d", w.id, n%keys) }

func value(n int) string { return fmt.Sprintf("%0100d", n) }

func (l *Load) took(a Acknowledged, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.Term > l.last.Term && l.last.Term > 0 {
		l.elections++
	}
	if a.Term >= l.last.Term {
		l.last = a
	}
	_ = l.times.RecordValue(max(1, d.Microseconds())) // a time over a minute is no error of the load
	close(l.changed)
	l.changed = make(chan struct{})
}

// Take returns what happened since the last call of Take, or since the start.
func (l *Load) Take() Window {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	at := func(q float64) time.Duration { return time.Duration(l.times.ValueAtQuantile(q)) * time.Microsecond }
	w := Window{
		Commands: l.times.TotalCount(), For: now.Sub(l.since), P50: at(50), P99: at(99), Elections: l.elections, LastAnswer: now.Sub(l.last.At),
	}
	l.times.Reset()
	l.since, l.elections = now, 0
	return w
}

// Next waits for an acknowledgement of this term or a later one that comes from now on.
func (l *Load) Next(ctx context.Context, term uint64) (Acknowledged, error) {
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Acknowledged{}, context.Cause(ctx)
		case <-l.ctx.Done():
			return Acknowledged{}, context.Cause(l.ctx)
		}
		l.mu.Lock()
		last := l.last
		l.mu.Unlock()
		if last.Term >= term {
			return last, nil
		}
	}
}

// Stop ends the clients. It returns what ended one before.
func (l *Load) Stop() error {
	l.cancel(errStopped)
	l.clients.Wait()
	if err := context.Cause(l.ctx); !errors.Is(err, errStopped) {
		return fmt.Errorf("a command failed: %w", err)
	}
	return nil
}

// Check asks, after Stop, for every key that was written, and returns how many there are. One that has not the last value that
// was acknowledged, or that of the command under way at the end, is an error.
func (l *Load) Check(ctx context.Context) (checked int, err error) {
	for _, w := range l.writers {
		for slot, n := range w.acknowledged {
			if n == 0 {
				continue
			}
			got, err := l.group.Query(ctx, []byte("get "+w.key(slot)), client.QueryOptions{})
			if err != nil {
				return checked, fmt.Errorf("asking for %s: %w", w.key(slot), err)
			}
			if text := string(got.Output); text != value(n) && (w.tried%keys != slot || text != value(w.tried)) {
				return checked, fmt.Errorf("an acknowledged command is lost: %s holds %s, the last acknowledged is %s", w.key(slot), text, value(n))
			}
			checked++
		}
	}
	return checked, nil
}
