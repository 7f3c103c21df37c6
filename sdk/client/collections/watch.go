package collections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// probeEvery is how long a watch hears nothing before it asks whether it missed something. What it then learns of, and does not hear of
// for as long again, was missed.
const probeEvery = 2 * time.Second

// feed follows the events of a collection, each of which names the one before it.
type feed struct {
	reader reader
	events *client.Events
	// last is the index of the last change that was seen, or that is known to be missed.
	last uint64
	// announced is a later one that the machine told of, 0 if there is none.
	announced uint64
	// held is an event that came behind missed ones.
	held *client.Event
	wait time.Duration
}

// follow begins at the present state.
func follow(ctx context.Context, r reader) (*feed, error) {
	events, err := r.group.Events(protocol.EventSuffix)
	if err != nil {
		return nil, err
	}
	f := &feed{reader: reader{group: r.group}, events: events, wait: probeEvery}
	status, err := f.status(ctx)
	if err == nil && status.Quiet {
		err = ErrQuiet
	}
	if err != nil {
		return nil, errors.Join(err, events.Close())
	}
	f.last = status.Last
	return f, nil
}

func (f *feed) status(ctx context.Context) (protocol.Status, error) {
	result, err := f.reader.ask(ctx, []byte{protocol.OpStatus})
	if err != nil {
		return protocol.Status{}, err
	}
	status, err := protocol.ParseStatus(result.Output)
	if err != nil {
		return status, badReply(err)
	}
	return status, nil
}

// next returns the index and changes of the next event, or *MissedError.
func (f *feed) next(ctx context.Context) (uint64, protocol.Reader, error) {
	for {
		event, err := f.receive(ctx)
		if err != nil {
			return 0, protocol.Reader{}, err
		}
		if event == nil || event.Index <= f.last {
			continue // nothing came, or it came before
		}
		parsed, err := protocol.ParseEvent(event.Payload)
		if err != nil {
			f.last = event.Index
			return 0, protocol.Reader{}, badReply(err)
		}
		if parsed.Previous > f.last {
			missed := &MissedError{f.last, parsed.Previous}
			f.held, f.last = event, parsed.Previous
			return 0, protocol.Reader{}, missed
		}
		f.last = event.Index
		return event.Index, parsed.Changes, nil
	}
}

// receive returns the next event, or nil for none within the time between probes. Whether events were missed is found here only where no later
// one tells.
func (f *feed) receive(ctx context.Context) (*client.Event, error) {
	if event := f.held; event != nil {
		f.held = nil
		return event, nil
	}
	limited, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	event, err := f.events.Next(limited)
	switch {
	case err == nil:
		return &event, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, client.ErrMissedEvents):
		return nil, nil // the next event, or a probe, tells which
	case !errors.Is(err, context.DeadlineExceeded):
		return nil, err
	}
	if f.announced > f.last {
		missed := &MissedError{f.last, f.announced}
		f.last = f.announced
		return nil, missed
	}
	status, err := f.status(ctx)
	if err != nil {
		return nil, err
	}
	f.announced = status.Last
	return nil, nil
}

// Watch receives changes of type C. One goroutine at a time may call Next.
type Watch[C any] struct {
	feed *feed
	// read reads the next change of an event, and reports whether it is watched.
	read func(index uint64, r *protocol.Reader) (C, bool, error)
	// index and rest are of the present event.
	index uint64
	rest  protocol.Reader
}

func watch[C any](ctx context.Context, r reader, read func(uint64, *protocol.Reader) (C, bool, error)) (*Watch[C], error) {
	f, err := follow(ctx, r)
	if err != nil {
		return nil, err
	}
	return &Watch[C]{feed: f, read: read}, nil
}

// Index is that of the last change that was seen, of any key: at first that of the last one before the watch.
func (w *Watch[C]) Index() uint64 { return w.feed.last }

// Next waits for the next change. Those of one command come one after the other, with the same index.
//
// # Errors
//
// *MissedError where changes were missed; the watch goes on behind them. client.ErrBadReply for a change that the codecs cannot
// read; the watch goes on behind its command. client.ErrClosed after Close, and ctx's error.
func (w *Watch[C]) Next(ctx context.Context) (C, error) {
	for {
		for w.rest.More() {
			change, watched, err := w.read(w.index, &w.rest)
			if err != nil {
				index := w.index
				w.rest = protocol.Reader{}
				return change, fmt.Errorf("%w (in the change at index %d)", err, index)
			}
			if watched {
				return change, nil
			}
		}
		var err error
		if w.index, w.rest, err = w.feed.next(ctx); err != nil {
			return *new(C), err
		}
	}
}

// Close ends the watch.
func (w *Watch[C]) Close() error { return w.feed.events.Close() }
