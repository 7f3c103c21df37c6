package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

const (
	// pullMessages and pullBytes bound what one source has in the group's log and not applied.
	pullMessages = 256
	pullBytes    = 256 << 10
	// pullRetry is the pause after a stream could not be read, proposeRetry that after the group took no commands.
	pullRetry    = time.Second
	proposeRetry = 50 * time.Millisecond
)

var (
	// errUnbound ends a puller whose source is gone.
	errUnbound = errors.New("host: the source is not bound any more")
	// errMoved has a puller open its stream anew, because the source stands elsewhere than what was pulled.
	errMoved = errors.New("host: the source stands elsewhere: an earlier leader's messages were still under way")
)

// pullers turn the messages of a group's sources into commands while this member leads.
//
// A message says which one it follows, and the group applies it only where its source stands there. So nothing that
// is repeated here, and nothing that a former leader has still under way, can be applied twice or out of order: this
// side only has to go on from where the source stands.
type pullers struct {
	group   *group
	mu      sync.Mutex
	leading bool
	closed  bool
	running map[consensus.Index]*puller
	done    sync.WaitGroup
}

// lead begins or ends the work.
func (p *pullers) lead(leading bool) {
	p.mu.Lock()
	changed := p.leading != leading
	p.leading = leading
	p.mu.Unlock()
	if changed {
		p.review()
	}
}

// review starts and stops pullers as the group's sources are.
func (p *pullers) review() {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := map[consensus.Index]bool{}
	if p.leading && !p.closed && p.group.streams != nil {
		for _, s := range p.group.applier.replica.bindings.all() {
			wanted[s.ID] = true
		}
	}
	for id, running := range p.running {
		if !wanted[id] {
			running.cancel()
			delete(p.running, id)
		}
	}
	for id := range wanted {
		if p.running[id] != nil {
			continue
		}
		started := &puller{group: p.group, id: id}
		var ctx context.Context
		ctx, started.cancel = context.WithCancel(p.group.lifetime)
		p.running[id] = started
		p.done.Go(func() { started.run(ctx) })
	}
}

// close ends all of them and waits for that.
func (p *pullers) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.review()
	p.done.Wait()
}

// puller returns that of a source, nil for none.
func (p *pullers) puller(id consensus.Index) *puller {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running[id]
}

// puller works for one source.
type puller struct {
	group  *group
	id     consensus.Index
	cancel context.CancelFunc

	mu sync.Mutex
	// stream is nil while none is open, for the problem if there is one. inHand are the messages that it has returned
	// and the group has not consumed.
	stream  StreamPull
	inHand  []StreamMessage
	problem error
	// reading counts the looks at stream: it is closed when there are none.
	reading sync.WaitGroup
}

// run pulls until ctx ends or the source is gone.
func (p *puller) run(ctx context.Context) {
	defer p.cancel()
	for {
		err := p.pull(ctx)
		if ctx.Err() != nil || errors.Is(err, errUnbound) {
			return
		}
		if errors.Is(err, errMoved) {
			continue
		}
		p.set(nil, err)
		p.group.logger.Warn("a source is not read for now", "group", p.group.ref.Name, "source", p.name(), "error", err)
		if !p.pause(ctx, pullRetry) {
			return
		}
	}
}

// pull opens the stream where the source stands and feeds what comes to the group.
func (p *puller) pull(ctx context.Context) error {
	at, ok := p.group.applier.replica.bindings.source(p.id)
	if !ok {
		return errUnbound
	}
	stream, err := p.group.streams.Pull(ctx, PullRequest{
		Stream: at.Stream, Filter: at.Filter, BornNanos: at.BornNanos, After: at.Position,
	})
	if err != nil {
		return err
	}
	p.set(stream, nil)
	err = p.feedAll(ctx, stream)
	p.set(nil, err)
	p.reading.Wait()
	return errors.Join(err, stream.Close())
}

func (p *puller) feedAll(ctx context.Context, stream StreamPull) error {
	for {
		messages, err := stream.Next(ctx, pullMessages, pullBytes)
		if err != nil {
			return err
		}
		if err := p.feed(ctx, messages); err != nil {
			return err
		}
	}
}

// feed proposes messages until the group has consumed them.
func (p *puller) feed(ctx context.Context, messages []StreamMessage) error {
	for {
		at, ok := p.group.applier.replica.bindings.source(p.id)
		if !ok {
			return errUnbound
		}
		for len(messages) > 0 && messages[0].Seq <= at.Position {
			messages = messages[1:]
		}
		p.hold(messages)
		if len(messages) == 0 {
			return nil
		}
		if messages[0].After != at.Position {
			return errMoved
		}
		reply, err := p.propose(ctx, messages)
		if err != nil {
			return err
		}
		p.report(messages, reply)
		if failed(reply) && !p.pause(ctx, proposeRetry) {
			return ctx.Err()
		}
	}
}

// failed reports whether a command of a batch has no outcome.
func failed(reply Reply) bool {
	if reply.Err != nil {
		return true
	}
	for i := range reply.Batch {
		if reply.Batch[i].Err != nil {
			return true
		}
	}
	return false
}

// propose has the group take messages as one batch, and waits for what becomes of it.
func (p *puller) propose(ctx context.Context, messages []StreamMessage) (Reply, error) {
	request := CommandRequest{Batch: make([][]byte, len(messages)), marks: make([]streamMark, len(messages)), callers: make([]string, len(messages))}
	limit := p.group.running.Load().spec.commandLimit()
	for i := range messages {
		m := &messages[i]
		request.marks[i] = streamMark{Op: opMessage, Source: p.id, After: m.After, Seq: m.Seq, Missing: m.Missing}
		request.callers[i] = m.Subject[:min(len(m.Subject), maxNameBytes)]
		request.Batch[i] = m.Data
		if len(m.Data) > limit {
			request.marks[i].Op, request.Batch[i] = opSkip, nil
		}
	}
	answer := make(chan Reply, 1)
	p.group.execute(request, func(r Reply) { answer <- r })
	select {
	case reply := <-answer:
		return reply, nil
	case <-ctx.Done():
		return Reply{}, ctx.Err()
	}
}

// report logs what an operator may want to know of consumed messages: one line for each kind.
func (p *puller) report(messages []StreamMessage, reply Reply) {
	limit := p.group.running.Load().spec.commandLimit()
	var unwanted, skipped, missing tally
	for i := range reply.Batch {
		r, m := &reply.Batch[i], &messages[i]
		if r.Err != nil || r.Duplicate {
			continue
		}
		if m.Missing > 0 {
			missing.add(m.Seq, m.Missing, fmt.Sprintf("the stream has lost messages after %d", m.After))
		}
		switch {
		case len(m.Data) > limit:
			skipped.add(m.Seq, 1, fmt.Sprintf("%d bytes are too large for a command", len(m.Data)))
		case r.Outcome.Kind != Applied:
			unwanted.add(m.Seq, 1, ending(r.Outcome))
		}
	}
	unwanted.log(p, "messages of a source were refused by the machine, or trapped")
	skipped.log(p, "messages of a source were skipped")
	missing.log(p, "messages of a source are missing")
}

// tally counts messages and remembers what was said of the first.
type tally struct {
	count, first uint64
	text         string
}

func (t *tally) add(seq, count uint64, text string) {
	if t.count == 0 {
		t.first, t.text = seq, text
	}
	t.count += count
}

func (t *tally) log(p *puller, what string) {
	if t.count > 0 {
		p.group.logger.Warn(what, "group", p.group.ref.Name, "source", p.name(), "messages", t.count, "sequence", t.first, "first", t.text)
	}
}

func (p *puller) name() string {
	s, _ := p.group.applier.replica.bindings.source(p.id)
	return s.Name
}

// pause waits; it reports false when ctx ends first.
func (p *puller) pause(ctx context.Context, period time.Duration) bool {
	ticks, stop := p.group.clock.Tick(period)
	defer stop()
	select {
	case <-ticks:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *puller) set(stream StreamPull, problem error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream, p.problem, p.inHand = stream, problem, nil
}

func (p *puller) hold(messages []StreamMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inHand = messages
}

// lag is how many messages of the stream the source has not consumed.
func (p *puller) lag(ctx context.Context) (uint64, error) {
	p.mu.Lock()
	stream, inHand, problem := p.stream, len(p.inHand), p.problem
	if stream != nil {
		p.reading.Add(1)
		defer p.reading.Done()
	}
	p.mu.Unlock()
	if stream == nil {
		if problem == nil {
			problem = fault(api.CodeNoLeader, "the stream is being opened")
		}
		return 0, problem
	}
	ahead, err := stream.Lag(ctx)
	return ahead + uint64(inHand), err
}

// recordPublished has the group know how far the events are published. Whether it came to be shows in the outbox.
func (g *group) recordPublished() {
	g.execute(CommandRequest{Mode: ModeForget, marks: []streamMark{{Op: opPublished}}}, func(Reply) {})
}
