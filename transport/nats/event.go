package nats

import (
	"errors"
	"fmt"
	"strconv"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// eventCursor is the place of the latest event of a group.
type eventCursor struct {
	index   consensus.Index
	ordinal int
}

// Publish implements host.Transport. The event carries Grout-Index, and a Nats-Msg-Id by which a
// JetStream stream recognises it when another leader publishes it again:
// "<group>-<group ID>-<index>-<ordinal>". The ordinal is the event's place among those of its index,
// counted over consecutive calls; so the events of an entry have to be published in their order,
// all of them, by one goroutine, and after an error again from the first.
//
// # Errors
//
// ErrBadName for a suffix that cannot end a subject, ErrTooLarge, or that the connection is down.
func (t *Transport) Publish(group host.GroupRef, index consensus.Index, event host.Event) error {
	err := t.publish(group, index, t.nextOrdinal(group, index), event)
	if err != nil {
		t.mu.Lock()
		delete(t.events, group.ID)
		t.mu.Unlock()
	}
	return err
}

func (t *Transport) publish(group host.GroupRef, index consensus.Index, ordinal int, event host.Event) error {
	if err := checkSuffix(event.Suffix); err != nil {
		return err
	}
	msg := natsgo.NewMsg(api.Event(group.Name, event.Suffix))
	msg.Data = event.Payload
	at := strconv.FormatUint(uint64(index), 10)
	msg.Header[api.HeaderIndex] = []string{at}
	msg.Header[api.HeaderMsgID] = []string{fmt.Sprintf("%s-%d-%s-%d", group.Name, group.ID, at, ordinal)}
	err := t.clients.PublishMsg(msg)
	if errors.Is(err, natsgo.ErrMaxPayload) {
		return fmt.Errorf("%w: event %q of %d bytes", ErrTooLarge, event.Suffix, len(event.Payload))
	}
	if err != nil {
		return fmt.Errorf("nats: publishing event %q: %w", event.Suffix, err)
	}
	return nil
}

// nextOrdinal counts the events of an index. Groups without a receiver are not remembered.
func (t *Transport) nextOrdinal(group host.GroupRef, index consensus.Index) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, seen := t.events[group.ID]
	if seen && c.index == index {
		c.ordinal++
	} else {
		c = eventCursor{index: index}
	}
	if t.members[group.Name] != nil {
		t.events[group.ID] = c
	}
	return c.ordinal
}

// PublishHello sends data to every host that listens with SubscribeHello, this one included. It is
// neither sealed nor confirmed: the receiver has to judge it.
func (t *Transport) PublishHello(data []byte) error {
	if err := t.clients.Publish(api.Control(helloVerb, ""), data); err != nil {
		return fmt.Errorf("nats: publishing a hello: %w", err)
	}
	return nil
}

// SubscribeHello delivers the data of every hello, one after the other, until stop is called.
// deliver must not block; the data is its own.
func (t *Transport) SubscribeHello(deliver func(data []byte)) (stop func(), err error) {
	subject := api.Control(helloVerb, "")
	sub, err := t.clients.Subscribe(subject, func(msg *natsgo.Msg) { deliver(msg.Data) })
	if err != nil {
		return nil, fmt.Errorf("nats: subscribing to %s: %w", subject, err)
	}
	if err := sub.SetPendingLimits(maxPendingMessages, t.config.PendingBytes); err != nil {
		return nil, fmt.Errorf("nats: limiting %s: %w", subject, err)
	}
	if err := t.clients.FlushTimeout(connectTimeout); err != nil {
		return nil, fmt.Errorf("nats: subscribing to %s: %w", subject, err)
	}
	return func() {
		if err := sub.Unsubscribe(); err != nil && !t.clients.IsClosed() {
			t.config.Log.Warn("cannot unsubscribe", "subject", subject, "error", err)
		}
	}, nil
}
