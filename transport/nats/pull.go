package nats

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/groutlabs/grout/host"
)

const (
	// pullWindow bounds the messages of one source that wait in memory.
	pullWindow = 256
	// A pull request that is lost, or whose consumer is, is noticed after two heartbeats without a word.
	pullExpiry    = 10 * time.Second
	pullHeartbeat = time.Second
	// pullIdle is how long a quiet stream is believed before the server is asked whether it is one.
	pullIdle = 2 * time.Second
	// pullLinger is how long a batch waits for one more message that the server has sent already.
	pullLinger = 50 * time.Microsecond
	// consumerLife is how long the server keeps a consumer that nobody reads.
	consumerLife = time.Minute
	// closeTimeout bounds the removal of a consumer.
	closeTimeout = time.Second
)

// errLostDelivery has a source opened anew: the server has sent messages that have not arrived.
var errLostDelivery = errors.New("nats: messages of the stream were lost on their way")

// pull reads one stream through a consumer of its own. The consumer acknowledges nothing and remembers nothing that
// counts: where to go on is in the group's state, and whatever goes wrong is mended by another one.
type pull struct {
	streams  *Streams
	request  host.PullRequest
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	// kept is a message that did not fit into the last batch.
	kept *host.StreamMessage
	// after is the sequence of the last message that was received.
	after uint64
	// received counts the messages that came from the consumer, returned those that Next has returned.
	received, returned atomic.Uint64
	// doubt is the count of messages that the server had sent at the last look, if they had not all arrived.
	doubt uint64
}

// Pull implements host.Streams.
//
// # Errors
//
// *host.Error when there is no such stream, or one that was made at another time.
func (s *Streams) Pull(ctx context.Context, request host.PullRequest) (host.StreamPull, error) {
	consumer, err := s.consumer(ctx, request)
	if err != nil {
		return nil, err
	}
	p := &pull{streams: s, request: request, consumer: consumer, after: request.After}
	// A stream takes its consumers with it: if it is the right one now, the consumer is one of it.
	info, err := s.info(ctx, request.Stream)
	if err == nil && info.Created.UnixNano() != request.BornNanos {
		err = refuse("stream %s was made anew at %s, and its sequences are others now: remove the source and add it again",
			request.Stream, info.Created.UTC().Format(time.RFC3339))
	}
	if err == nil {
		p.messages, err = consumer.Messages(jetstream.PullMaxMessages(pullWindow), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// consumer makes a consumer that begins after a sequence.
func (s *Streams) consumer(ctx context.Context, r host.PullRequest) (jetstream.Consumer, error) {
	consumer, err := s.js.CreateConsumer(ctx, r.Stream, jetstream.ConsumerConfig{
		Description: "a source of Grout, read by host " + s.transport.config.Host, FilterSubject: r.Filter,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.After + 1,
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: consumerLife, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return nil, streamError(r.Stream, err)
	}
	return consumer, nil
}

func (s *Streams) deleteConsumer(ctx context.Context, stream, name string) error {
	err := s.js.DeleteConsumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}

// Next implements host.StreamPull.
func (p *pull) Next(ctx context.Context, count, size int) ([]host.StreamMessage, error) {
	first, err := p.first(ctx)
	if err != nil {
		return nil, err
	}
	batch, bytes := []host.StreamMessage{*first}, len(first.Data)
	for len(batch) < count && p.kept == nil {
		raw, err := p.messages.Next(jetstream.NextMaxWait(pullLinger))
		if errors.Is(err, natsgo.ErrTimeout) {
			break
		}
		m, err := p.take(raw, err)
		if err != nil {
			return nil, err
		}
		if bytes += len(m.Data); bytes > size {
			p.kept = m
			break
		}
		batch = append(batch, *m)
	}
	p.returned.Add(uint64(len(batch)))
	return batch, p.findMissing(ctx, batch)
}

// first waits for a message. While there is none it asks from time to time whether that is true.
func (p *pull) first(ctx context.Context) (*host.StreamMessage, error) {
	if m := p.kept; m != nil {
		p.kept = nil
		return m, nil
	}
	for {
		wait, cancel := context.WithTimeout(ctx, pullIdle)
		raw, err := p.messages.Next(jetstream.NextContext(wait))
		cancel()
		if err == nil || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return p.take(raw, err)
		}
		if err := p.check(ctx); err != nil {
			return nil, err
		}
	}
}

// check finds messages that were lost behind the last one that arrived. They may only be late once.
func (p *pull) check(ctx context.Context) error {
	info, err := p.consumer.Info(ctx)
	if err != nil {
		return streamError(p.request.Stream, err)
	}
	sent := info.Delivered.Consumer
	if sent > p.received.Load() && sent == p.doubt {
		return errLostDelivery
	}
	p.doubt = sent
	return nil
}

// take reads one message, which has to be the next one of the consumer.
func (p *pull) take(raw jetstream.Msg, err error) (*host.StreamMessage, error) {
	if err != nil {
		return nil, fmt.Errorf("nats: reading stream %s: %w", p.request.Stream, err)
	}
	meta, err := raw.Metadata()
	if err != nil {
		return nil, fmt.Errorf("nats: reading stream %s: %w", p.request.Stream, err)
	}
	if meta.Sequence.Consumer != p.received.Add(1) {
		return nil, errLostDelivery
	}
	m := &host.StreamMessage{Subject: raw.Subject(), Data: raw.Data(), After: p.after, Seq: meta.Sequence.Stream}
	p.after = m.Seq
	return m, nil
}

// findMissing fills in what the stream has lost between the messages. Without a filter every number has its message.
// With one, messages are missing only below the first that the stream has: it is asked after they were sent.
func (p *pull) findMissing(ctx context.Context, batch []host.StreamMessage) error {
	first := ^uint64(0)
	for i := range batch {
		m := &batch[i]
		if m.Seq == m.After+1 {
			continue
		}
		if p.request.Filter != "" && first == ^uint64(0) {
			info, err := p.streams.info(ctx, p.request.Stream)
			if err != nil {
				return err
			}
			first = stateOf(info).First
		}
		if lost := min(first, m.Seq); lost > m.After+1 {
			m.Missing = lost - m.After - 1
		}
	}
	return nil
}

// Lag implements host.StreamPull.
func (p *pull) Lag(ctx context.Context) (uint64, error) {
	info, err := p.consumer.Info(ctx)
	if err != nil {
		return 0, streamError(p.request.Stream, err)
	}
	sent, returned := info.Delivered.Consumer, p.returned.Load()
	return info.NumPending + max(sent, returned) - returned, nil
}

// Close implements host.StreamPull. A consumer that cannot be removed now goes by itself.
func (p *pull) Close() error {
	if p.messages != nil {
		p.messages.Stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := p.streams.deleteConsumer(ctx, p.request.Stream, p.consumer.CachedInfo().Name); err != nil {
		p.streams.transport.config.Log.Debug("a consumer is left to the server", "stream", p.request.Stream, "error", err)
	}
	return nil
}
