package nats

import (
	"errors"
	"fmt"
	"strconv"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// Publish implements host.Transport. Each event carries Grout-Index, and a Nats-Msg-Id by which a
// JetStream stream recognises it when it is published again: "<group>-<group ID>-<index>-<ordinal>",
// where the ordinal is its place among the events of its index. An event that no subject or no
// server takes can never be published: it is logged and left out.
//
// # Errors
//
// That the connection is down, or that the server did not confirm in time.
func (t *Transport) Publish(group host.GroupRef, events []host.Emitted) error {
	ordinal := 0
	for i := range events {
		if i > 0 && events[i].Index == events[i-1].Index {
			ordinal++
		} else {
			ordinal = 0
		}
		err := t.publish(group, &events[i], ordinal)
		if errors.Is(err, ErrBadName) || errors.Is(err, ErrTooLarge) {
			t.config.Log.Error("an event cannot be published", "group", group.Name, "index", events[i].Index, "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	if err := t.clients.FlushTimeout(connectTimeout); err != nil {
		return fmt.Errorf("nats: confirming %d events: %w", len(events), err)
	}
	return nil
}

// eventMsg makes the message of an event.
//
// # Errors
//
// ErrBadName.
func eventMsg(group host.GroupRef, event *host.Emitted, ordinal int) (*natsgo.Msg, error) {
	if err := checkSuffix(event.Suffix); err != nil {
		return nil, err
	}
	msg := natsgo.NewMsg(api.Event(group.Name, event.Suffix))
	msg.Data = event.Payload
	at := strconv.FormatUint(uint64(event.Index), 10)
	msg.Header[api.HeaderIndex] = []string{at}
	msg.Header[api.HeaderMsgID] = []string{fmt.Sprintf("%s-%d-%s-%d", group.Name, group.ID, at, ordinal)}
	return msg, nil
}

func (t *Transport) publish(group host.GroupRef, event *host.Emitted, ordinal int) error {
	msg, err := eventMsg(group, event, ordinal)
	if err != nil {
		return err
	}
	err = t.clients.PublishMsg(msg)
	if errors.Is(err, natsgo.ErrMaxPayload) {
		return fmt.Errorf("%w: event %q of %d bytes", ErrTooLarge, event.Suffix, len(event.Payload))
	}
	if err != nil {
		return fmt.Errorf("nats: publishing event %q: %w", event.Suffix, err)
	}
	return nil
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
