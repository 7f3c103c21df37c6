package host

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// publisher publishes a group's events, in order, while this member leads.
type publisher struct {
	ref       GroupRef
	transport Transport
	clock     Clock
	logger    *slog.Logger
	wake      chan struct{}
	// done is the index up to which this member knows everything to be published.
	done atomic.Uint64
	// streams, lifetime, recorded and record are for events that go to a stream: recorded is the index up to which
	// the group knows everything to be published, and record has it know what this member does.
	streams  Streams
	lifetime context.Context
	recorded *atomic.Uint64
	record   func()
	// sink is open while events go to a stream, sinkName. Both belong to the goroutine that publishes.
	sink     StreamSink
	sinkName string
	// problem is why the last publication failed, nil when it did not.
	problem atomic.Pointer[string]

	mu      sync.Mutex
	leading bool
	// term is the one that is led.
	term consensus.Term
	// target is the stream that the events go to, "" for none.
	target string
	queue  []Emitted
	// queueBytes are the sizes of the queue's events. flying and flyingBytes say the same of those that
	// were taken from it and are being published.
	queueBytes, flyingBytes int
	flying                  int
	// taken is the index of the last event that was queued in this leadership.
	taken consensus.Index
}

func newPublisher(cfg *groupConfig) *publisher {
	return &publisher{
		ref: cfg.ref, transport: cfg.transport, streams: cfg.streams, clock: cfg.clock, logger: cfg.logger, wake: make(chan struct{}, 1),
	}
}

// lead begins or ends a leadership. A new leader publishes everything again that it does not know to
// be published.
func (p *publisher) lead(leading bool, term consensus.Term) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leading != leading {
		p.leading, p.queue, p.taken = leading, nil, 0
		p.queueBytes = 0
	}
	p.term = term
}

// direct has the events go to a stream, or with "" to whoever listens.
func (p *publisher) direct(stream string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = stream
	p.ring()
}

// offer takes the replica's outbox; what was taken before is skipped. term is that of the last applied entry: before it
// is the one that is led, this member may not know of a stream that the events are bound to.
func (p *publisher) offer(events []Emitted, term consensus.Term) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.leading || term < p.term {
		return
	}
	n := 0
	for n < len(events) && events[n].Index <= p.taken {
		n++
	}
	if n == len(events) {
		return
	}
	for i := range events[n:] {
		p.queueBytes += events[n+i].bytes()
	}
	p.queue = append(p.queue, events[n:]...)
	p.taken = events[len(events)-1].Index
	p.ring()
}

func (p *publisher) ring() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// full reports whether so many events await publication by this member that it should take no command.
// What others hold does not count: only a command can tell them that it was published.
func (p *publisher) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)+p.flying > maxOutboxEvents || p.queueBytes+p.flyingBytes > maxOutboxBytes
}

// publishedTo is the index that the leader's next commands carry.
func (p *publisher) publishedTo() consensus.Index { return consensus.Index(p.done.Load()) }

// run publishes until quit is closed. What fails is tried again after publishRetry.
func (p *publisher) run(quit <-chan struct{}) {
	for {
		unrecorded, stop := p.unrecorded()
		select {
		case <-quit:
			stop()
			return
		case <-unrecorded:
			p.record()
		case <-p.wake:
		}
		stop()
		if !p.drain(quit) {
			return
		}
	}
}

// drain publishes what is queued. It reports false at the end of the member.
func (p *publisher) drain(quit <-chan struct{}) bool {
	for events := p.take(); len(events) > 0; events = p.take() {
		if !p.publish(events, quit) {
			return false
		}
	}
	return true
}

// take empties the queue; what was taken before counts as published, or is given up.
func (p *publisher) take() []Emitted {
	p.mu.Lock()
	defer p.mu.Unlock()
	events := p.queue
	p.flying, p.flyingBytes = len(events), p.queueBytes
	p.queue, p.queueBytes = nil, 0
	return events
}

// unrecorded ticks while something went to a stream and no command has told the group so. Without that, a leader
// after this one would have to find it in the stream, which need not keep it.
func (p *publisher) unrecorded() (ticks <-chan time.Time, stop func()) {
	p.mu.Lock()
	due := p.leading && p.target != "" && p.done.Load() > p.recorded.Load()
	p.mu.Unlock()
	if !due {
		return nil, func() {}
	}
	return p.clock.Tick(publishRetry)
}

// send publishes events where they are to go now.
func (p *publisher) send(events []Emitted) error {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	if target == "" {
		p.sink = nil
		return p.transport.Publish(p.ref, events)
	}
	if p.streams == nil {
		return fault(api.CodeInternal, "the events are bound to stream %s, and this host has no access to streams", target)
	}
	ctx, cancel := context.WithTimeout(p.lifetime, sinkTimeout)
	defer cancel()
	if p.sink == nil || p.sinkName != target {
		sink, err := p.streams.Sink(ctx, target, p.ref)
		if err != nil {
			return err
		}
		p.sink, p.sinkName = sink, target
	}
	err := p.sink.Write(ctx, events)
	if err != nil {
		p.sink = nil
	}
	return err
}

// sinkTimeout bounds one attempt to write events to a stream.
const sinkTimeout = 10 * time.Second

// publishRetry is the pause after a publication that failed.
const publishRetry = 500 * time.Millisecond

// publish publishes events until all are out or leadership is lost. It reports false at the end of
// the member.
func (p *publisher) publish(events []Emitted, quit <-chan struct{}) bool {
	for {
		err := p.send(events)
		if err == nil {
			p.problem.Store(nil)
			p.done.Store(max(p.done.Load(), uint64(events[len(events)-1].Index)))
			return true
		}
		problem := err.Error()
		p.problem.Store(&problem)
		p.logger.Warn("events are not published yet", "group", p.ref.Name, "error", err)
		retry, stop := p.clock.Tick(publishRetry)
		select {
		case <-quit:
			stop()
			return false
		case <-retry:
			stop()
		}
		p.mu.Lock()
		leading := p.leading
		p.mu.Unlock()
		if !leading {
			return true
		}
	}
}
