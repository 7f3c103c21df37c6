package nats

import (
	"fmt"

	"github.com/ugorji/go/codec"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
)

// The body of a frame is a row of msgpack values: the group's ID, then for each message its type and
// its array. It ends where the frame ends.

const (
	// maxWireDepth is enough for an array of byte strings within a message.
	maxWireDepth = 3
	// maxInitElements bounds what the codec allocates on the strength of a length alone.
	maxInitElements = 1024
	// fixArray is the tag of a msgpack array of up to 15 elements, whose low bits are the length.
	fixArray = 0x90
)

// Every size below is an upper bound of what encoding adds to the bytes that a message carries.
const (
	bodyBaseBytes    = 9
	messageBaseBytes = 128
	sliceBytes       = 5
	entryBytes       = sliceBytes + 1
	termRunBytes     = 18
)

var wireHandle = newWireHandle()

func newWireHandle() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{}
	h.WriteExt = true
	h.ZeroCopy = true
	h.StructToArray = true
	h.MaxDepth = maxWireDepth
	h.MaxInitLen = maxInitElements
	return h
}

// bodyWriter writes the bodies of frames, one after the other, into one buffer.
type bodyWriter struct {
	encoder *codec.Encoder
	body    []byte
}

func newBodyWriter() *bodyWriter {
	w := &bodyWriter{}
	w.encoder = codec.NewEncoderBytes(&w.body, wireHandle)
	return w
}

// start begins a body; the former one is overwritten.
func (w *bodyWriter) start(group host.GroupID) error {
	w.encoder.ResetBytes(&w.body)
	return w.encode(uint64(group))
}

// add appends a message. After an error the body is useless.
func (w *bodyWriter) add(kind uint8, m wireMessage) error {
	if err := w.encode(kind); err != nil {
		return err
	}
	return w.encode(m)
}

func (w *bodyWriter) encode(value any) error {
	if err := w.encoder.Encode(value); err != nil {
		return fmt.Errorf("%w: %w", ErrBadMessage, err)
	}
	return nil
}

// bodyReader reads the bodies of frames. It is not safe for concurrent use.
type bodyReader struct {
	decoder *codec.Decoder
	scratch []consensus.Envelope
}

func newBodyReader() *bodyReader {
	return &bodyReader{decoder: codec.NewDecoderBytes(nil, wireHandle)}
}

// read returns the messages of a body. They point into it; the slice itself is the reader's until
// the next read.
//
// # Errors
//
// ErrBadFrame when any byte of the body does not belong to a well-formed message of this group.
func (r *bodyReader) read(body []byte, group host.GroupID) ([]consensus.Envelope, error) {
	clear(r.scratch)
	r.scratch = r.scratch[:0]
	r.decoder.ResetBytes(body)
	var id uint64
	if err := r.decoder.Decode(&id); err != nil {
		return nil, fmt.Errorf("%w: group: %w", ErrBadFrame, err)
	}
	if host.GroupID(id) != group {
		return nil, fmt.Errorf("%w: it is of group %d, not %d", ErrBadFrame, id, group)
	}
	for at := r.decoder.NumBytesRead(); at < len(body); at = r.decoder.NumBytesRead() {
		envelope, err := r.message(body, at)
		if err != nil {
			return nil, fmt.Errorf("message %d at byte %d: %w", len(r.scratch), at, err)
		}
		r.scratch = append(r.scratch, envelope)
	}
	return r.scratch, nil
}

// message reads the message that begins at byte at.
func (r *bodyReader) message(body []byte, at int) (consensus.Envelope, error) {
	kind := body[at]
	if int(kind) >= len(fieldCount) || fieldCount[kind] == 0 {
		return consensus.Envelope{}, fmt.Errorf("%w: unknown type %d", ErrBadFrame, kind)
	}
	if at+1 >= len(body) || body[at+1] != fixArray|fieldCount[kind] {
		return consensus.Envelope{}, fmt.Errorf("%w: type %d is not followed by its array of %d", ErrBadFrame, kind, fieldCount[kind])
	}
	var read uint8
	if err := r.decoder.Decode(&read); err != nil {
		return consensus.Envelope{}, fmt.Errorf("%w: %w", ErrBadFrame, err)
	}
	m := newWireMessage(kind)
	if err := r.decoder.Decode(m); err != nil {
		return consensus.Envelope{}, fmt.Errorf("%w: type %d: %w", ErrBadFrame, kind, err)
	}
	return m.envelope()
}

// messageBytes is an upper bound of a message's size in a body.
func messageBytes(m consensus.Message) int {
	size := messageBaseBytes
	switch m := m.(type) {
	case *consensus.AppendEntries:
		return appendBytes(m.Entries)
	case *consensus.StateSyncOffer:
		s := &m.Snapshot
		size += len(s.Manifest) + 8*(len(s.Configuration.Voters)+len(s.Configuration.Outgoing)+len(s.Configuration.Observers))
	case *consensus.ForwardCommand:
		for _, command := range m.Commands {
			size += len(command) + sliceBytes
		}
	case *consensus.ForwardQuery:
		size += len(m.Query)
	case *consensus.QueryResponse:
		size += len(m.Result)
	case *consensus.StateDigest:
		size += len(m.Digest) + len(m.Agreed)
	}
	return size
}

// appendBytes is messageBytes for an AppendEntries with these entries.
func appendBytes(entries []consensus.LogEntry) int {
	size := messageBaseBytes
	var term consensus.Term
	for i := range entries {
		size += len(entries[i].Payload) + entryBytes
		if i == 0 || entries[i].Term != term {
			term = entries[i].Term
			size += termRunBytes
		}
	}
	return size
}

// splitAppend cuts an AppendEntries into parts of at most limit bytes each. Each part is a right
// message of its own. A part with one entry may be over the limit: nothing smaller can carry it.
func splitAppend(m *consensus.AppendEntries, limit int) []*consensus.AppendEntries {
	var parts []*consensus.AppendEntries
	rest, prev := m.Entries, m.PrevLogPosition
	for len(rest) > 0 {
		n := entriesWithin(rest, limit)
		part := *m
		part.PrevLogPosition, part.Entries = prev, rest[:n:n]
		parts = append(parts, &part)
		prev, rest = rest[n-1].Position(), rest[n:]
	}
	return parts
}

// entriesWithin is how many of the first entries fit into limit, at least one.
func entriesWithin(entries []consensus.LogEntry, limit int) int {
	size := messageBaseBytes
	var term consensus.Term
	for i := range entries {
		size += len(entries[i].Payload) + entryBytes
		if i == 0 || entries[i].Term != term {
			term = entries[i].Term
			size += termRunBytes
		}
		if size > limit && i > 0 {
			return i
		}
	}
	return len(entries)
}
