package host

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/groutlabs/grout/consensus"
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

	mu      sync.Mutex
	leading bool
	queue   []Emitted
	// queueBytes are the sizes of the queue's events. flying and flyingBytes say the same of those that
	// were taken from it and are being published.
	queueBytes, flyingBytes int
	flying                  int
	// taken is the index of the last event that was queued in this leadership.
	taken consensus.Index
}

func newPublisher(cfg *groupConfig) *publisher {
	return &publisher{
		ref: cfg.ref, transport: cfg.transport, clock: cfg.clock, logger: cfg.logger, wake: make(chan struct{}, 1),
	}
}

// lead begins or ends a leadership. A new leader publishes everything again that it does not know to
// be published.
func (p *publisher) lead(leading bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leading != leading {
		p.leading, p.queue, p.taken = leading, nil, 0
		p.queueBytes = 0
	}
}

// offer takes the replica's outbox; what was taken before is skipped.
func (p *publisher) offer(events []Emitted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.leading {
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
		select {
		case <-quit:
			return
		case <-p.wake:
		}
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

// publishRetry is the pause after a publication that failed.
const publishRetry = 500 * time.Millisecond

// publish publishes events until all are out or leadership is lost. It reports false at the end of
// the member.
func (p *publisher) publish(events []Emitted, quit <-chan struct{}) bool {
	for {
		err := p.transport.Publish(p.ref, events)
		if err == nil {
			p.done.Store(max(p.done.Load(), uint64(events[len(events)-1].Index)))
			return true
		}
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
