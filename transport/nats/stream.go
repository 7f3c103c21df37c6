package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// Streams are the JetStream streams that a host reaches. It implements host.Streams.
type Streams struct {
	transport *Transport
	js        jetstream.JetStream
}

var _ host.Streams = (*Streams)(nil)

// Streams returns the host's access to JetStream. It ends with the transport.
func (t *Transport) Streams() (*Streams, error) {
	js, err := jetstream.New(t.clients, jetstream.WithPublishAsyncTimeout(connectTimeout))
	if err != nil {
		return nil, fmt.Errorf("nats: JetStream: %w", err)
	}
	return &Streams{transport: t, js: js}, nil
}

// Source implements host.Streams.
//
// # Errors
//
// *host.Error when there is no JetStream, no such stream, or one that cannot be a source.
func (s *Streams) Source(ctx context.Context, stream, filter string) (host.StreamState, error) {
	info, err := s.info(ctx, stream)
	if err != nil {
		return host.StreamState{}, err
	}
	c := &info.Config
	if c.Retention != jetstream.LimitsPolicy {
		return host.StreamState{}, refuse("stream %s has the retention %s and drops messages once they are read, but a source has to be able to read them again: use one with the retention limits",
			stream, c.Retention)
	}
	foreign := c.Mirror != nil || len(c.Sources) > 0 || c.SubjectTransform != nil || c.RePublish != nil
	if filter != "" && !foreign && !slices.ContainsFunc(c.Subjects, func(subject string) bool { return subjectsMeet(subject, filter) }) {
		return host.StreamState{}, refuse("no message of stream %s can have the subject %s: its subjects are %v", stream, filter, c.Subjects)
	}
	state := stateOf(info)
	trial, err := s.consumer(ctx, host.PullRequest{Stream: stream, Filter: filter, After: state.Last})
	if err != nil {
		return host.StreamState{}, err
	}
	return state, s.deleteConsumer(ctx, stream, trial.CachedInfo().Name)
}

// stateOf is what a stream holds. One without messages has its First after its Last.
func stateOf(info *jetstream.StreamInfo) host.StreamState {
	state := host.StreamState{BornNanos: info.Created.UnixNano(), First: info.State.FirstSeq, Last: info.State.LastSeq}
	if info.State.Msgs == 0 {
		state.First = state.Last + 1
	}
	return state
}

// info describes a stream.
func (s *Streams) info(ctx context.Context, stream string) (*jetstream.StreamInfo, error) {
	handle, err := s.js.Stream(ctx, stream)
	if err != nil {
		return nil, streamError(stream, err)
	}
	return handle.CachedInfo(), nil
}

// streamError is what JetStream said, as an operator should read it.
func streamError(stream string, err error) error {
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return &host.Error{Code: api.CodeNotFound, Text: fmt.Sprintf("there is no JetStream stream %q: 'nats stream ls' lists those that there are", stream)}
	case errors.Is(err, jetstream.ErrInvalidStreamName):
		return badRequest("stream: %q cannot be the name of a stream", stream)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, natsgo.ErrNoResponders):
		return refuse("this NATS server has no JetStream, or none for this account: enable it there, or use a server that has it")
	}
	var told *jetstream.APIError
	if errors.As(err, &told) && told.Code == 400 {
		return badRequest("stream %s: %s", stream, told.Description)
	}
	return fmt.Errorf("nats: stream %s: %w", stream, err)
}

func refuse(format string, args ...any) *host.Error {
	return &host.Error{Code: api.CodeRefused, Text: fmt.Sprintf(format, args...)}
}

// subjectsMeet reports whether some subject matches both patterns.
func subjectsMeet(a, b string) bool {
	for {
		left, restA, moreA := strings.Cut(a, ".")
		right, restB, moreB := strings.Cut(b, ".")
		switch {
		case left == ">" || right == ">":
			return true
		case left != right && left != "*" && right != "*":
			return false
		case !moreA || !moreB:
			return moreA == moreB
		}
		a, b = restA, restB
	}
}
