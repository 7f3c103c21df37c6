package nats

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

const (
	// sinkWindow is how many events are on their way to a stream and not acknowledged.
	sinkWindow = 256
	// sinkSearch is how many messages of others at a stream's end are passed over to find the group's last event.
	sinkSearch = 1024
)

// errMovedOn has a sink opened anew: somebody else has written to the stream, a former leader maybe.
var errMovedOn = errors.New("nats: the stream has moved on")

// place is where an event stands among those of its group.
type place struct {
	index   uint64
	ordinal int
}

func (p place) before(other place) bool {
	return p.index < other.index || p.index == other.index && p.ordinal < other.ordinal
}

// sink writes to a stream at a known end. Each message is accepted by the server only where the stream ends at the
// sequence that it names, so two sinks of one group cannot write the same event, however long one of them slept.
type sink struct {
	streams *Streams
	group   host.GroupRef
	stream  string
	// maxBytes is what the stream takes of one message, with its headers; -1 for no bound of its own.
	maxBytes int
	// end is the stream's last sequence, last the place of the last event in it.
	end  uint64
	last place
}

// CheckSink implements host.Streams.
//
// # Errors
//
// *host.Error when there is no such stream, or one that is not for this group's events alone.
func (s *Streams) CheckSink(ctx context.Context, stream string, group host.GroupRef) error {
	info, err := s.info(ctx, stream)
	if err != nil {
		return err
	}
	subject := api.Event(group.Name, ">")
	c := &info.Config
	switch {
	case len(c.Subjects) != 1 || c.Subjects[0] != subject:
		return refuse("stream %s has the subjects %v: the sink of group %s needs one of its own, with the subject %s alone ('nats stream add %s --subjects %q')",
			stream, c.Subjects, group.Name, subject, stream, subject)
	case c.Mirror != nil || len(c.Sources) > 0 || c.Sealed || c.SubjectTransform != nil || c.NoAck:
		return refuse("stream %s is a mirror, has sources, is sealed, renames subjects or does not acknowledge: a sink needs one without any of that", stream)
	}
	return nil
}

// Sink implements host.Streams.
func (s *Streams) Sink(ctx context.Context, stream string, group host.GroupRef) (host.StreamSink, error) {
	if err := s.CheckSink(ctx, stream, group); err != nil {
		return nil, err
	}
	info, err := s.info(ctx, stream)
	if err != nil {
		return nil, err
	}
	k := &sink{streams: s, group: group, stream: stream, maxBytes: int(info.Config.MaxMsgSize), end: info.State.LastSeq}
	if info.State.Msgs == 0 {
		return k, nil
	}
	return k, k.find(ctx, info.State.FirstSeq)
}

// find reads the place of the last event from the stream's end. What is written behind that meanwhile shows in the
// sequence, and has the first write refused.
func (k *sink) find(ctx context.Context, first uint64) error {
	at, passed := k.end, 0
	m, err := k.streams.message(ctx, k.stream, messageRequest{Seq: at})
	if errors.Is(err, jetstream.ErrMsgNotFound) { // removed by hand
		m, err = k.streams.message(ctx, k.stream, messageRequest{LastFor: api.Event(k.group.Name, ">")})
	}
	for ; err == nil; m, err = k.streams.message(ctx, k.stream, messageRequest{Seq: at}) {
		at = m.seq
		life, where, ok := parseEventID(k.group.Name, m.id)
		if ok && life == k.group.ID {
			k.last = where
		}
		if ok {
			return nil // of this life of the group, or of one before it, which this one has written nothing to
		}
		if passed++; passed > sinkSearch || at <= first {
			break
		}
		at--
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("nats: reading the end of stream %s: %w", k.stream, err)
	}
	k.streams.transport.config.Log.Error("the end of a sink's stream holds no event of the group: others write to it, and what the group has not noted may be in it twice",
		"group", k.group.Name, "stream", k.stream, "sequence", k.end)
	return nil
}

// Write implements host.StreamSink. Events that no stream can take are logged and left out.
//
// # Errors
//
// That the stream has moved on, that it refused an event, or that it did not confirm in time.
func (k *sink) Write(ctx context.Context, events []host.Emitted) error {
	var due []placed
	ordinal := 0
	for i := range events {
		if i > 0 && events[i].Index == events[i-1].Index {
			ordinal++
		} else {
			ordinal = 0
		}
		where := place{uint64(events[i].Index), ordinal}
		if !k.last.before(where) {
			continue
		}
		msg, err := k.message(&events[i], ordinal)
		if err != nil {
			k.streams.transport.config.Log.Error("an event cannot be published", "group", k.group.Name, "index", events[i].Index, "error", err)
			continue
		}
		due = append(due, placed{msg, where})
	}
	for len(due) > 0 {
		n, err := k.writeSome(ctx, due[:min(len(due), sinkWindow)])
		if due = due[n:]; err != nil {
			return err
		}
	}
	return nil
}

// placed is an event's message and its place.
type placed struct {
	msg   *natsgo.Msg
	where place
}

// message makes the message of an event.
//
// # Errors
//
// ErrBadName, ErrTooLarge.
func (k *sink) message(event *host.Emitted, ordinal int) (*natsgo.Msg, error) {
	msg, err := eventMsg(k.group, event, ordinal)
	if err != nil {
		return nil, err
	}
	msg.Header[jetstream.ExpectedStreamHeader] = []string{k.stream}
	msg.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(^uint64(0), 10)} // as long as any
	most := int(k.streams.transport.clients.MaxPayload())
	if k.maxBytes >= 0 {
		most = min(most, k.maxBytes)
	}
	if size := msg.Size() - len(msg.Subject) - len(msg.Reply); size > most {
		return nil, fmt.Errorf("%w: event %q takes %d bytes with its headers, stream %s takes %d", ErrTooLarge, event.Suffix, size, k.stream, most)
	}
	return msg, nil
}

// writeSome sends events and awaits each acknowledgement. It returns how many of the first are in the stream.
func (k *sink) writeSome(ctx context.Context, due []placed) (int, error) {
	acks := make([]jetstream.PubAckFuture, 0, len(due))
	for i := range due {
		msg := due[i].msg
		msg.Reply = ""
		msg.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(k.end+uint64(i), 10)}
		ack, err := k.streams.js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0))
		if err != nil {
			return 0, fmt.Errorf("nats: writing to stream %s: %w", k.stream, err)
		}
		acks = append(acks, ack)
	}
	written := 0
	for ; written < len(acks); written++ {
		ack, err := await(ctx, acks[written])
		switch {
		case err != nil:
			return written, k.writeError(err)
		case ack.Sequence == k.end+1:
			k.end = ack.Sequence
		case !ack.Duplicate:
			return written, errMovedOn
		case ack.Sequence > k.end:
			return written, errMovedOn
		default:
			// It was there, and has been removed since. Those after it name a sequence too high.
			k.last = due[written].where
			return written + 1, nil
		}
		k.last = due[written].where
	}
	return written, nil
}

func await(ctx context.Context, ack jetstream.PubAckFuture) (*jetstream.PubAck, error) {
	select {
	case ok := <-ack.Ok():
		return ok, nil
	case err := <-ack.Err():
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (k *sink) writeError(err error) error {
	var told *jetstream.APIError
	if errors.As(err, &told) && told.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return errMovedOn
	}
	return fmt.Errorf("nats: writing to stream %s: %w", k.stream, err)
}

// messageRequest asks for one message of a stream: by its sequence, or the last of a subject.
type messageRequest struct {
	Seq     uint64 `json:"seq,omitempty"`
	LastFor string `json:"last_by_subj,omitempty"`
}

// storedMessage is what a sink has to know of one.
type storedMessage struct {
	seq uint64
	id  string
}

// message reads one message from the leader of a stream. The library would ask any replica where the stream allows it,
// and one that lags does not know the last message.
//
// # Errors
//
// jetstream.ErrMsgNotFound.
func (s *Streams) message(ctx context.Context, stream string, request messageRequest) (storedMessage, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return storedMessage{}, err
	}
	answer, err := s.transport.clients.RequestWithContext(ctx, jetstream.DefaultAPIPrefix+"STREAM.MSG.GET."+stream, body)
	if err != nil {
		return storedMessage{}, err
	}
	var reply struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq    uint64 `json:"seq"`
			Header []byte `json:"hdrs"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &reply); err != nil {
		return storedMessage{}, fmt.Errorf("nats: a message of stream %s: %w", stream, err)
	}
	if reply.Error != nil && reply.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return storedMessage{}, jetstream.ErrMsgNotFound
	}
	if reply.Error != nil {
		return storedMessage{}, reply.Error
	}
	m := storedMessage{seq: reply.Message.Seq}
	if _, lines, ok := bytes.Cut(reply.Message.Header, []byte("\r\n")); ok {
		header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(lines))).ReadMIMEHeader()
		if err == nil {
			m.id = header.Get(api.HeaderMsgID)
		}
	}
	return m, nil
}

// parseEventID reads the ID of a group's event; false for any other.
func parseEventID(group, id string) (life host.GroupID, where place, ok bool) {
	rest, ok := strings.CutPrefix(id, group+"-")
	if !ok {
		return 0, place{}, false
	}
	parts := strings.Split(rest, "-")
	if len(parts) != 3 {
		return 0, place{}, false
	}
	numbers := [3]uint64{}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 63)
		if err != nil {
			return 0, place{}, false
		}
		numbers[i] = n
	}
	return host.GroupID(numbers[0]), place{numbers[1], int(numbers[2])}, true
}
