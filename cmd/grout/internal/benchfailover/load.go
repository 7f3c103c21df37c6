package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/groutlabs/grout/sdk/client"
)

// acknowledged is a command that was applied, and when its client heard of it.
type acknowledged struct {
	at          time.Time
	term, index uint64
}

// load is clients that write without a pause.
type load struct {
	cancel  context.CancelCauseFunc
	ctx     context.Context
	clients sync.WaitGroup
	mu      sync.Mutex
	// changed is closed when last changes.
	changed chan struct{}
	last    acknowledged
}

var errStopped = errors.New("the load was stopped")

func startLoad(ctx context.Context, g *client.Group, clients int) *load {
	l := &load{changed: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	for n := range clients {
		l.clients.Go(func() {
			for i := 0; l.ctx.Err() == nil; i++ {
				result, err := g.Execute(l.ctx, fmt.Appendf(nil, "put k%03d-%04d %0100d", n, i%1000, i))
				if err != nil {
					l.cancel(err) // the first cause counts
					return
				}
				l.took(acknowledged{time.Now(), result.Term, result.Index})
			}
		})
	}
	return l
}

func (l *load) took(a acknowledged) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = a
	close(l.changed)
	l.changed = make(chan struct{})
}

// next waits for an acknowledgement of this term or a later one that comes from now on.
func (l *load) next(ctx context.Context, term uint64) (acknowledged, error) {
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return acknowledged{}, context.Cause(ctx)
		case <-l.ctx.Done():
			return acknowledged{}, context.Cause(l.ctx)
		}
		l.mu.Lock()
		last := l.last
		l.mu.Unlock()
		if last.term >= term {
			return last, nil
		}
	}
}

// stop ends the clients. It returns what ended one before.
func (l *load) stop() error {
	l.cancel(errStopped)
	l.clients.Wait()
	if err := context.Cause(l.ctx); !errors.Is(err, errStopped) {
		return fmt.Errorf("a command failed: %w", err)
	}
	return nil
}
