package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// Group is a replicated machine.
type Group struct {
	client *Client
	name   string
	route  *route
	// broken is what every method returns, nil for a usable group.
	broken error

	mu      sync.Mutex
	closed  bool
	courier *courier
	// pipes are the pipelines that are not finished.
	pipes map[*Pipeline]struct{}
	// events are those that are not closed.
	events map[*Events]struct{}
}

// Name is the group's name.
func (g *Group) Name() string { return g.name }

// Leader is the host that was last known to lead the group, "" when unknown.
func (g *Group) Leader() string { return g.route.target() }

// post returns the courier for Execute and ExecuteMany.
func (g *Group) post() (*courier, error) {
	if g.broken != nil {
		return nil, g.broken
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, ErrClosed
	}
	if g.courier == nil {
		c, err := newCourier(g.client, g.name, g.route, windowSequences)
		if err != nil {
			return nil, err
		}
		g.courier = c
	}
	return g.courier, nil
}

func (g *Group) close() {
	g.mu.Lock()
	courier, pipes, events := g.courier, g.pipes, g.events
	g.closed, g.courier, g.pipes, g.events = true, nil, nil, nil
	g.mu.Unlock()
	if courier != nil {
		courier.close(ErrClosed)
	}
	for p := range pipes {
		p.stop(ErrClosed)
	}
	for e := range events {
		_ = unsubscribed(e.subscription) // it is at its end either way, and the client with it
	}
}

// BatchResult is the end of one command of a batch or pipeline.
type BatchResult struct {
	Result Result
	// Err is nil, *RefusedError, *TrappedError, or why there was no answer.
	Err error
}

// Execute sends a command and waits for its result. It tries again until ctx ends, under one
// session and sequence, so that the command is applied at most once. The command is not copied and
// must not be changed before Execute returns.
//
// # Errors
//
// *RefusedError, *TrappedError, *Error for what trying again cannot help, ErrUnknownOutcome when the
// command may have been applied, and ctx's error. See the package's description of exactly-once.
func (g *Group) Execute(ctx context.Context, command []byte) (Result, error) {
	return g.execute(ctx, call{payload: command, count: 1})
}

// execute waits for the end of one call.
func (g *Group) execute(ctx context.Context, template call) (Result, error) {
	courier, err := g.post()
	if err != nil {
		return Result{}, err
	}
	ended := make(chan BatchResult, 1)
	template.done = func(r Result, err error) { ended <- BatchResult{r, err} }
	k, err := courier.submitCall(ctx, template)
	if err != nil {
		return Result{}, err
	}
	select {
	case r := <-ended:
		return r.Result, r.Err
	case <-ctx.Done():
	}
	courier.abandon(k, context.Cause(ctx)) // unless it has just ended
	r := <-ended
	return r.Result, r.Err
}

// Consistency says how fresh a query's answer has to be.
type Consistency uint8

// The levels of consistency.
const (
	// Linearizable sees every command that was answered before the query was sent.
	Linearizable Consistency = iota
	// Stale sees some earlier state: that of the host which took the query.
	Stale
	// AtLeast sees every command up to QueryOptions.AtLeast, on any host.
	AtLeast
)

// QueryOptions refine a query.
type QueryOptions struct {
	Consistency Consistency
	// AtLeast is the index for the consistency AtLeast, such as a Result's.
	AtLeast uint64
	// Host asks one host alone, "" the leader or any.
	Host string
}

// consistency is the value of the header, "" for the default.
func (o QueryOptions) consistency() (string, error) {
	switch o.Consistency {
	case Linearizable:
		if o.AtLeast != 0 {
			return "", fmt.Errorf("%w: QueryOptions.AtLeast needs the consistency AtLeast", ErrBadConfig)
		}
		return "", nil
	case Stale:
		return "stale", nil
	case AtLeast:
		return "at-least=" + strconv.FormatUint(o.AtLeast, 10), nil
	}
	return "", fmt.Errorf("%w: no such consistency: %d", ErrBadConfig, o.Consistency)
}

// Query asks the machine and changes nothing. It tries again until ctx ends.
//
// # Errors
//
// *RefusedError, *TrappedError, *Error for what trying again cannot help, and ctx's error together
// with that of the last attempt.
func (g *Group) Query(ctx context.Context, query []byte, options QueryOptions) (Result, error) {
	msg, err := g.queryMsg(query, options)
	if err != nil {
		return Result{}, err
	}
	config := &g.client.config
	for attempt := 1; ; attempt++ {
		target := options.Host
		if target == "" && options.Consistency == Linearizable {
			target = g.route.target()
		}
		msg.Subject = api.Query(g.name, target)
		r, err := g.ask(ctx, msg, attempt)
		if err == nil || !transient(err) {
			return r, err
		}
		if options.Host == "" {
			g.route.forget(target)
		}
		if attempt > 1 || target == "" || !errors.Is(err, ErrNoHosts) {
			pause(ctx, config.backoff(attempt))
		}
		if ctx.Err() != nil {
			return Result{}, fmt.Errorf("client: the query was not answered: %w (attempt %d: %w)", context.Cause(ctx), attempt, err)
		}
	}
}

func (g *Group) queryMsg(query []byte, options QueryOptions) (*natsgo.Msg, error) {
	if g.broken != nil {
		return nil, g.broken
	}
	consistency, err := options.consistency()
	if err != nil {
		return nil, err
	}
	if options.Host != "" {
		if err := api.CheckName(options.Host); err != nil {
			return nil, fmt.Errorf("%w: host: %w", ErrBadName, err)
		}
	}
	msg := &natsgo.Msg{Data: query, Header: natsgo.Header{}}
	if consistency != "" {
		msg.Header[api.HeaderConsistency] = []string{consistency}
	}
	if caller := g.client.config.Caller; caller != "" {
		msg.Header[api.HeaderCaller] = []string{caller}
	}
	return msg, nil
}

// ask makes one attempt of a query.
func (g *Group) ask(ctx context.Context, msg *natsgo.Msg, attempt int) (Result, error) {
	g.client.counters.sent.Add(1)
	if attempt > 1 {
		g.client.counters.retries.Add(1)
	}
	limited, cancel := context.WithTimeout(ctx, g.client.config.patience(attempt))
	defer cancel()
	reply, err := g.client.conn.RequestMsgWithContext(limited, msg)
	if err != nil {
		return Result{}, requestError(err, g.client.conn)
	}
	r, err := parseReply(reply)
	g.route.learn(r.Leader)
	return r, err
}

// requestError names what can go wrong before there is a reply.
func requestError(err error, conn *natsgo.Conn) error {
	switch {
	case errors.Is(err, natsgo.ErrNoResponders):
		return ErrNoHosts
	case errors.Is(err, natsgo.ErrMaxPayload):
		return &Error{Code: api.CodeTooLarge, Text: fmt.Sprintf("the request is over the server's max_payload of %d", conn.MaxPayload())}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, natsgo.ErrTimeout):
		return ErrNoAnswer
	}
	return connError(err)
}

// transient reports whether another attempt of something harmless may help.
func transient(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Code == api.CodeBusy || e.Code == api.CodeNoLeader || e.Code == api.CodeUnknown
	}
	return errors.Is(err, ErrNoHosts) || errors.Is(err, ErrNoAnswer) || errors.Is(err, natsgo.ErrReconnectBufExceeded) ||
		errors.Is(err, natsgo.ErrConnectionReconnecting) || errors.Is(err, natsgo.ErrDisconnected)
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
