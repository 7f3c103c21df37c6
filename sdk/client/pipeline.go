package client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
)

// PipelineConfig bounds a pipeline.
type PipelineConfig struct {
	// Window is how many commands may be without a result that was taken, 1 to 1,024; 0 means 256.
	Window int
}

const defaultWindow = 256

func (c *PipelineConfig) validate() error {
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	if c.Window < 1 || c.Window > windowSequences {
		return fmt.Errorf("%w: Window is %d, 1 to %d are possible", ErrBadConfig, c.Window, windowSequences)
	}
	return nil
}

// Pipeline keeps many commands under way at once. It has a session of its own, and every command a
// sequence of its own, so that each is applied at most once.
//
// Results come in the order of Submit, and the machine applies the commands in that order, whatever is lost,
// sent again or refused for a while on the way. A command that ends with an error other than the machine's is
// left out: those after it go on. When ErrUnknownOutcome is among its errors it may have been applied, but then it
// was in its place.
//
// One goroutine may call Submit while another calls Next; neither may be called by two at once.
type Pipeline struct {
	group   *Group
	courier *courier
	// detach stops the watch over the pipeline's context.
	detach func() bool
	ctx    context.Context

	// places has an element for every command whose result was not taken.
	places chan struct{}
	// ready wakes Next.
	ready chan struct{}

	mu sync.Mutex
	// ring holds the results from taken to submitted, at their number modulo its length.
	ring             []pipelined
	taken, submitted uint64
	closed           bool
}

// pipelined is a place of the ring.
type pipelined struct {
	done   bool
	result BatchResult
}

// Pipeline starts a pipeline. It ends when Close was called and the last result was taken; when ctx
// ends, everything still under way ends with its error, and ErrUnknownOutcome where that is so.
func (g *Group) Pipeline(ctx context.Context, config PipelineConfig) (*Pipeline, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	if g.broken != nil {
		return nil, g.broken
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, ErrClosed
	}
	courier, err := newCourier(g.client, g.name, g.route, uint64(config.Window))
	if err != nil {
		return nil, err
	}
	courier.ordered = true
	p := &Pipeline{group: g, courier: courier, ctx: ctx, places: make(chan struct{}, config.Window),
		ready: make(chan struct{}, 1), ring: make([]pipelined, config.Window)}
	if g.pipes == nil {
		g.pipes = map[*Pipeline]struct{}{}
	}
	g.pipes[p] = struct{}{}
	p.detach = context.AfterFunc(ctx, func() { p.stop(context.Cause(ctx)) })
	return p, nil
}

// Submit sends a command and returns its number, from 1. It waits while the window is full, until
// ctx or the pipeline's own context ends. The command must not be changed before its result is taken.
func (p *Pipeline) Submit(ctx context.Context, command []byte) (uint64, error) {
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return 0, fmt.Errorf("client: the command was not sent: %w", context.Cause(ctx))
	case <-p.ctx.Done():
		return 0, fmt.Errorf("client: the pipeline has ended: %w", context.Cause(p.ctx))
	}
	number, err := p.enter()
	if err != nil {
		<-p.places
		return 0, err
	}
	_, err = p.courier.submit(ctx, command, func(r Result, err error) { p.finish(number, BatchResult{r, err}) })
	if err != nil {
		// The place is taken: its result says that the command was not sent.
		p.finish(number, BatchResult{Err: err})
	}
	return number, nil
}

// enter takes the next place of the ring.
func (p *Pipeline) enter() (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, fmt.Errorf("%w: the pipeline takes no more commands", ErrClosed)
	}
	p.submitted++
	p.ring[p.submitted%uint64(len(p.ring))] = pipelined{}
	return p.submitted, nil
}

// finish stores a result.
func (p *Pipeline) finish(number uint64, result BatchResult) {
	p.mu.Lock()
	p.ring[number%uint64(len(p.ring))] = pipelined{done: true, result: result}
	first := number == p.taken+1
	p.mu.Unlock()
	if first {
		p.wake()
	}
}

func (p *Pipeline) wake() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// Next returns the result of the oldest command whose result was not taken yet. It waits for it
// until ctx ends.
//
// # Errors
//
// io.EOF after Close, when every result was taken; ctx's error. A command's own error is in the BatchResult.
func (p *Pipeline) Next(ctx context.Context) (BatchResult, error) {
	for {
		result, ok, err := p.take()
		if err != nil {
			p.end()
		}
		if ok || err != nil {
			return result, err
		}
		select {
		case <-p.ready:
		case <-ctx.Done():
			return BatchResult{}, fmt.Errorf("client: waiting for a result: %w", context.Cause(ctx))
		}
	}
}

// take returns the next result if there is one, and io.EOF if there never will be.
func (p *Pipeline) take() (BatchResult, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == p.submitted {
		if p.closed {
			return BatchResult{}, false, io.EOF
		}
		return BatchResult{}, false, nil
	}
	place := &p.ring[(p.taken+1)%uint64(len(p.ring))]
	if !place.done {
		return BatchResult{}, false, nil
	}
	result := place.result
	*place = pipelined{}
	p.taken++
	<-p.places
	return result, true, nil
}

// Results returns the results in the order of Submit, until the pipeline has ended or ctx does.
func (p *Pipeline) Results(ctx context.Context) iter.Seq[BatchResult] {
	return func(yield func(BatchResult) bool) {
		for {
			result, err := p.Next(ctx)
			if err != nil || !yield(result) {
				return
			}
		}
	}
}

// Close takes no more commands. Those under way go on, and their results are to be taken with Next.
func (p *Pipeline) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wake()
}

// stop ends every command under way with cause. Their results can still be taken.
func (p *Pipeline) stop(cause error) {
	p.courier.close(cause)
	p.Close()
}

// end gives the pipeline's resources back, once everything was taken.
func (p *Pipeline) end() {
	p.detach()
	p.courier.close(ErrClosed)
	p.group.mu.Lock()
	delete(p.group.pipes, p)
	p.group.mu.Unlock()
}
