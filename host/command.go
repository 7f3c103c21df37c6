package host

import (
	"encoding/binary"
	"fmt"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// command is the payload of an EntryCommand: a command and what must be replicated beside it.
//
//	1 byte  version (1)
//	8 bytes time in nanoseconds since the Unix epoch, big-endian; stamped by the leader
//	8 bytes published: the index up to which the leader had published all events
//	8 bytes origin: the member that took the command from the client
//	8 bytes request: the origin's number for it
//	1 byte  flags: 1 a session follows, 2 a message ID follows, 4 the session's order is strict, 8 it is about a stream
//	uvarint length, caller
//	[uvarint length, session; uvarint sequence; uvarint acked]
//	[uvarint length, message ID]
//	[1 byte what it is about; uvarint source; uvarint after; uvarint sequence; uvarint missing]
//	the rest is the command
type command struct {
	TimeNanos int64
	Published consensus.Index
	Origin    consensus.MemberID
	Request   uint64
	Caller    string
	Session   string
	Seq       uint64
	Acked     uint64
	// Ordered means that the sequence before this one has to be applied, or acknowledged, before.
	Ordered bool
	MsgID   string
	// Stream is set where the command is not a client's.
	Stream  streamMark
	Payload []byte
}

const (
	commandVersion = 1
	commandFixed   = 1 + 8 + 8 + 8 + 8 + 1
	flagSession    = 1
	flagMsgID      = 2
	flagOrdered    = 4
	flagStream     = 8
	// maxNameBytes bounds callers, sessions and message IDs.
	maxNameBytes = 256
	// MaxCommandBytes bounds a command or a query, and CommandOverhead what is replicated beside it.
	MaxCommandBytes = api.MaxCommandBytes
	commandOverhead = commandFixed + 3*(maxNameBytes+2) + 6*binary.MaxVarintLen64 + 1
)

func encodeCommand(c command) []byte {
	out := make([]byte, commandFixed, commandFixed+len(c.Caller)+len(c.Session)+len(c.MsgID)+len(c.Payload)+40)
	out[0] = commandVersion
	binary.BigEndian.PutUint64(out[17:], uint64(c.Origin))
	binary.BigEndian.PutUint64(out[25:], c.Request)
	stampCommand(out, c.TimeNanos, c.Published)
	out = appendText(out, c.Caller)
	if c.Session != "" {
		out[33] |= flagSession
		out = appendText(out, c.Session)
		out = binary.AppendUvarint(out, c.Seq)
		out = binary.AppendUvarint(out, c.Acked)
	}
	if c.Ordered && c.Session != "" {
		out[33] |= flagOrdered
	}
	if c.MsgID != "" {
		out[33] |= flagMsgID
		out = appendText(out, c.MsgID)
	}
	if c.Stream.Op != opNone {
		out[33] |= flagStream
		out = append(out, byte(c.Stream.Op))
		for _, n := range []uint64{uint64(c.Stream.Source), c.Stream.After, c.Stream.Seq, c.Stream.Missing} {
			out = binary.AppendUvarint(out, n)
		}
	}
	return append(out, c.Payload...)
}

// once reports whether the command is applied once, however often it is proposed.
func (c *command) once() bool {
	return c.Session != "" || c.MsgID != "" || c.Stream.Op == opMessage || c.Stream.Op == opSkip
}

// stampCommand writes the leader's part into an encoded command that is not yet proposed.
func stampCommand(encoded []byte, timeNanos int64, published consensus.Index) {
	binary.BigEndian.PutUint64(encoded[1:], uint64(timeNanos))
	binary.BigEndian.PutUint64(encoded[9:], uint64(published))
}

func appendText(out []byte, text string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(text))), text...)
}

// decodeCommand reads what encodeCommand wrote. Payload shares data.
//
// # Errors
//
// ErrCorrupt, naming what is wrong.
func decodeCommand(data []byte) (command, error) {
	if len(data) < commandFixed || data[0] != commandVersion {
		return command{}, fmt.Errorf("%w command: %d bytes, version byte missing or not %d", ErrCorrupt, len(data), commandVersion)
	}
	c := command{
		TimeNanos: int64(binary.BigEndian.Uint64(data[1:])),
		Published: consensus.Index(binary.BigEndian.Uint64(data[9:])),
		Origin:    consensus.MemberID(binary.BigEndian.Uint64(data[17:])),
		Request:   binary.BigEndian.Uint64(data[25:]),
	}
	flags := data[33]
	r := reader{rest: data[commandFixed:]}
	c.Caller = r.text()
	if flags&flagSession != 0 {
		c.Session, c.Seq, c.Acked = r.text(), r.uvarint(), r.uvarint()
	}
	if flags&flagMsgID != 0 {
		c.MsgID = r.text()
	}
	if flags&flagStream != 0 {
		c.Stream = r.mark()
	}
	c.Ordered = flags&flagOrdered != 0
	if r.failed || flags&^(flagSession|flagMsgID|flagOrdered|flagStream) != 0 || (c.Ordered && c.Session == "") {
		return command{}, fmt.Errorf("%w command: %d bytes, cut short or with unknown flags %#x", ErrCorrupt, len(data), flags)
	}
	c.Payload = r.rest
	return c, nil
}

// reader takes fields off the front of a byte slice and remembers whether one was missing.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) uvarint() uint64 {
	value, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return value
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > maxNameBytes || n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return ""
	}
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}

// mark takes the part that is about a stream. What there cannot be is as if it were missing.
func (r *reader) mark() streamMark {
	var m streamMark
	if len(r.rest) == 0 {
		r.failed = true
		return m
	}
	m.Op, r.rest = streamOp(r.rest[0]), r.rest[1:]
	m.Source, m.After, m.Seq, m.Missing = consensus.Index(r.uvarint()), r.uvarint(), r.uvarint(), r.uvarint()
	r.failed = r.failed || m.Op == opNone || m.Op > lastOp
	return m
}
