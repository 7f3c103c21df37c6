package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// river is Streams in memory: one stream to read, R, and one for events, E. What it is told to, it fails at.
type river struct {
	mu       sync.Mutex
	messages []StreamMessage
	last     uint64
	// woken is closed when there are more messages, and replaced.
	woken chan struct{}
	born  int64
	// broken fails every call, and open counts what was opened and not closed.
	broken error
	open   int
	// events are those that were written, opened numbers their writers: only the last may write.
	events []Emitted
	opened int
	// tear has the next write end with an error after so many events, if it is above 0.
	tear int
}

var errDry = errors.New("the river is dry")

// put adds messages. A message "-" is missing from the stream.
func (r *river) put(texts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range texts {
		if r.last++; text != "-" {
			r.messages = append(r.messages, StreamMessage{Subject: "r.s", Data: []byte(text), Seq: r.last})
		}
	}
	r.wake()
}

func (r *river) wake() {
	if r.woken != nil {
		close(r.woken)
	}
	r.woken = nil
}

// set breaks the river, or with nil mends it.
func (r *river) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
	r.wake()
}

func (r *river) Source(_ context.Context, stream, _ string) (StreamState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stream != "R" {
		return StreamState{}, fault(api.CodeNotFound, "there is no stream %s", stream)
	}
	return StreamState{BornNanos: r.born, First: 1, Last: r.last}, r.broken
}

func (r *river) Pull(_ context.Context, q PullRequest) (StreamPull, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil || q.BornNanos != r.born {
		return nil, fmt.Errorf("%s, born %d: %w", q.Stream, q.BornNanos, errors.Join(r.broken, errDry))
	}
	r.open++
	return &boat{river: r, after: q.After}, nil
}

func (r *river) CheckSink(_ context.Context, stream string, _ GroupRef) error {
	if stream != "E" {
		return fault(api.CodeNotFound, "there is no stream %s", stream)
	}
	return nil
}

func (r *river) Sink(_ context.Context, _ string, _ GroupRef) (StreamSink, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened++
	return &net{r, r.opened}, r.broken
}

// boat is a StreamPull.
type boat struct {
	river *river
	after uint64
}

func (b *boat) Next(ctx context.Context, count, size int) ([]StreamMessage, error) {
	for {
		batch, woken, err := b.try(count, size)
		if err != nil || len(batch) > 0 {
			return batch, err
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *boat) try(count, size int) (batch []StreamMessage, woken chan struct{}, err error) {
	r := b.river
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return nil, nil, r.broken
	}
	for _, m := range r.messages {
		if m.Seq <= b.after {
			continue
		}
		if size -= len(m.Data); len(batch) == count || size < 0 && len(batch) > 0 {
			break
		}
		m.After, m.Missing = b.after, m.Seq-b.after-1
		b.after = m.Seq
		batch = append(batch, m)
	}
	if r.woken == nil {
		r.woken = make(chan struct{})
	}
	return batch, r.woken, nil
}

func (b *boat) Lag(context.Context) (uint64, error) {
	b.river.mu.Lock()
	defer b.river.mu.Unlock()
	return b.river.last - b.after, b.river.broken
}

func (b *boat) Close() error {
	b.river.mu.Lock()
	defer b.river.mu.Unlock()
	b.river.open--
	return nil
}

// net is a StreamSink.
type net struct {
	river  *river
	number int
}

func (n *net) Write(_ context.Context, events []Emitted) error {
	r := n.river
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil || n.number != r.opened {
		return errors.Join(r.broken, errDry)
	}
	have, ordinal, before := len(r.events), 0, consensus.Index(0)
	for _, e := range events {
		if e.Index != before {
			ordinal, before = 0, e.Index
		} else {
			ordinal++
		}
		if n.has(r.events[:have], e.Index, ordinal) {
			continue
		}
		r.events = append(r.events, e)
		if r.tear--; r.tear == 0 {
			return errDry
		}
	}
	return nil
}

// has reports whether the event of an index with an ordinal is among those.
func (n *net) has(events []Emitted, index consensus.Index, ordinal int) bool {
	last := len(events) - 1
	if last < 0 || events[last].Index != index {
		return last >= 0 && events[last].Index > index
	}
	first := slices.IndexFunc(events, func(e Emitted) bool { return e.Index == index })
	return last-first >= ordinal
}

// written are the events of the sink, as text.
func (r *river) written() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []byte
	for _, e := range r.events {
		out = append(append(out, e.Payload...), '.')
	}
	return string(out)
}
