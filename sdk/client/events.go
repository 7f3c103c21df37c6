package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// The bounds of the events that were received and not taken; what comes beyond them is dropped, and Events.Next says so.
const (
	maxWaitingEvents     = 16 << 10
	maxWaitingEventBytes = 64 << 20
)

// Event is what a machine emitted.
type Event struct {
	// Suffix is what it was emitted under.
	Suffix  string
	Payload []byte
	// Index is that of the command that emitted it.
	Index uint64
	// ID is the same whenever the same event comes again.
	ID string
}

// Events receives what a machine emits. Events come in order and at least once: after a change of leader some come
// again. What is emitted while the connection is down never comes. One goroutine at a time may call Next.
type Events struct {
	group        *Group
	subscription *natsgo.Subscription
}

// Events receives what the group's machine emits under suffix from now on: everything that was emitted after it returned comes, unless
// the connection is lost. suffix may have the wildcards of NATS. Close ends it.
//
// # Errors
//
// ErrBadName, ErrClosed, and what NATS said.
func (g *Group) Events(suffix string) (*Events, error) {
	if g.broken != nil {
		return nil, g.broken
	}
	if suffix == "" || strings.ContainsAny(suffix, " \t\r\n") {
		return nil, fmt.Errorf("%w: event suffix %q: give tokens joined by dots, or > for all", ErrBadName, suffix)
	}
	subscription, err := g.client.conn.SubscribeSync(api.Event(g.name, suffix))
	if err != nil {
		return nil, connError(err)
	}
	err = subscription.SetPendingLimits(maxWaitingEvents, maxWaitingEventBytes)
	if err == nil {
		err = g.client.conn.FlushTimeout(connectTimeout)
	}
	if err != nil {
		return nil, errors.Join(connError(err), unsubscribed(subscription))
	}
	e := &Events{g, subscription}
	if !g.follow(e) {
		return nil, errors.Join(ErrClosed, unsubscribed(subscription))
	}
	return e, nil
}

// follow notes what has to end with the group, and reports false if that has ended.
func (g *Group) follow(e *Events) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.events == nil {
		g.events = map[*Events]struct{}{}
	}
	g.events[e] = struct{}{}
	return true
}

// Next waits for the next event.
//
// # Errors
//
// ErrMissedEvents once for events that were dropped because they were not taken in time: later ones follow. ErrClosed, and ctx's error.
func (e *Events) Next(ctx context.Context) (Event, error) {
	msg, err := e.subscription.NextMsgWithContext(ctx)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return Event{}, context.Cause(ctx)
	case errors.Is(err, natsgo.ErrSlowConsumer):
		return Event{}, ErrMissedEvents
	case errors.Is(err, natsgo.ErrBadSubscription):
		return Event{}, ErrClosed
	default:
		return Event{}, connError(err)
	}
	index, err := number(msg.Header, api.HeaderIndex)
	if err != nil {
		return Event{}, err
	}
	suffix := strings.TrimPrefix(msg.Subject, api.Event(e.group.name, ""))
	return Event{Suffix: suffix, Payload: msg.Data, Index: index, ID: get(msg.Header, api.HeaderMsgID)}, nil
}

// Close ends Next with ErrClosed.
func (e *Events) Close() error {
	e.group.mu.Lock()
	delete(e.group.events, e)
	e.group.mu.Unlock()
	return unsubscribed(e.subscription)
}

// unsubscribed ends a subscription; it may have ended with its connection.
func unsubscribed(s *natsgo.Subscription) error {
	err := s.Unsubscribe()
	if err == nil || errors.Is(err, natsgo.ErrConnectionClosed) || errors.Is(err, natsgo.ErrBadSubscription) {
		return nil
	}
	return fmt.Errorf("client: ending the subscription to %s: %w", s.Subject, err)
}
