package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// feedPatience is how many times Config.AttemptTimeout a fed command waits for its answer: longer than
// hosts take to give up.
const feedPatience = 4

// Position is a place in a group's log.
type Position struct {
	Index, Term uint64
}

// String returns it as term/index.
func (p Position) String() string { return fmt.Sprintf("%d/%d", p.Term, p.Index) }

// Feed sends a command and waits until the leader has appended it to its log. That is an acknowledgement and
// no promise: when that leader is lost before a majority has stored the command, the command is lost with it.
// Group.AwaitApplied with the position tells whether it was applied or lost; what the machine made
// of it nobody tells. Feed tries again, until ctx ends, only what certainly was not appended.
//
// # Errors
//
// *Error for what trying again cannot help, ErrUnknownOutcome when it may have been appended, and ctx's error.
func (g *Group) Feed(ctx context.Context, command []byte) (Position, error) {
	r, err := g.feed(ctx, &natsgo.Msg{Data: command, Header: natsgo.Header{}}, 1)
	return Position{r.Index, r.Term}, err
}

// FeedMany is Feed for 1 to 1,024 commands in one request, all of which are appended or none, in their order
// and in consecutive places. A later loss can cut their end off. It returns their positions.
func (g *Group) FeedMany(ctx context.Context, commands [][]byte) ([]Position, error) {
	body, err := batchBody(commands)
	if err != nil {
		return nil, err
	}
	n := uint64(len(commands))
	msg := &natsgo.Msg{Data: body, Header: natsgo.Header{api.HeaderBatch: {strconv.FormatUint(n, 10)}}}
	r, err := g.feed(ctx, msg, n)
	if err != nil {
		return nil, err
	}
	positions := make([]Position, n)
	for i := range positions {
		positions[i] = Position{r.Index + uint64(i), r.Term}
	}
	return positions, nil
}

// feed sends a request of n commands until it is certain what became of it.
func (g *Group) feed(ctx context.Context, msg *natsgo.Msg, n uint64) (Result, error) {
	if g.broken != nil {
		return Result{}, g.broken
	}
	msg.Header[api.HeaderMode] = []string{"feed"}
	if caller := g.client.config.Caller; caller != "" {
		msg.Header[api.HeaderCaller] = []string{caller}
	}
	for attempt := 1; ; attempt++ {
		target := g.route.target()
		msg.Subject = api.Command(g.name, target)
		r, err := g.feedOnce(ctx, msg, attempt, n)
		if err == nil {
			return r, nil
		}
		g.route.forget(target)
		if !nothingHappened(err) {
			return Result{}, feedEnd(ctx, err)
		}
		if attempt > 1 || target == "" || !errors.Is(err, ErrNoHosts) {
			pause(ctx, g.client.config.backoff(attempt))
		}
		if ctx.Err() != nil {
			return Result{}, fmt.Errorf("client: the command was not sent: %w (attempt %d: %w)", context.Cause(ctx), attempt, err)
		}
	}
}

// feedEnd names an error after which the request may have been taken.
func feedEnd(ctx context.Context, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Code != api.CodeUnknown && e.Code != api.CodeInternal {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w (%w)", ErrUnknownOutcome, err, context.Cause(ctx))
	}
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}

func (g *Group) feedOnce(ctx context.Context, msg *natsgo.Msg, attempt int, n uint64) (Result, error) {
	g.client.counters.sent.Add(1)
	if attempt > 1 {
		g.client.counters.retries.Add(1)
	}
	limited, cancel := context.WithTimeout(ctx, feedPatience*g.client.config.AttemptTimeout)
	defer cancel()
	reply, err := g.client.conn.RequestMsgWithContext(limited, msg)
	if err != nil {
		return Result{}, requestError(err, g.client.conn)
	}
	r, err := parseReply(reply)
	g.route.learn(r.Leader)
	if err != nil {
		return r, err
	}
	count, err := number(reply.Header, api.HeaderBatch)
	if err != nil || max(count, 1) != n || r.Index == 0 || get(reply.Header, api.HeaderMode) != "feed" {
		return r, fmt.Errorf("%w: %d positions from %d/%d on for %d commands", ErrBadReply, count, r.Term, r.Index, n)
	}
	return r, nil
}
