package host

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// maxSources bounds the sources of a group.
const maxSources = 16

// streamOp is what a command is about that comes from the host and not from a client. The numbers are stored: never
// renumber them.
type streamOp uint8

const (
	// opNone is a client's command.
	opNone streamOp = 0
	// opBind binds a source: the payload is a packed source. Its ID is the entry's index.
	opBind streamOp = 1
	// opUnbind ends the source.
	opUnbind streamOp = 2
	// opMessage is a message of the source: the payload is a command for the machine.
	opMessage streamOp = 3
	// opSkip is a message of the source that can be no command. There is no payload.
	opSkip streamOp = 4
	// opSink binds the group's events to the stream that the payload names, or to none.
	opSink streamOp = 5
	// opPublished carries how far the events are published, as every command does, and nothing else.
	opPublished streamOp = 6
	lastOp               = opPublished
)

// streamMark is the part of a command that is about streams. All but Op is zero where it has no meaning.
type streamMark struct {
	Op streamOp
	// Source is the source's ID.
	Source consensus.Index
	// After and Seq are the sequences of the message before this one, and of this one, in the stream. The message
	// counts only where the source stands at After.
	After, Seq uint64
	// Missing is how many messages the stream has lost between the two, or may have, see StreamMessage.
	Missing uint64
}

// source is a stream that is bound to a group: each of its messages is one command. It is replicated state.
type source struct {
	// ID is the index of the entry that bound it, Name what operators call it.
	ID   consensus.Index `codec:"i"`
	Name string          `codec:"n"`
	// Stream is the stream's name and BornNanos when it was made: one that is made anew has other sequences.
	Stream    string `codec:"s"`
	BornNanos int64  `codec:"b"`
	// Filter is the subject of the messages, with wildcards, "" for all.
	Filter string `codec:"f"`
	// Position is the sequence of the last message that was consumed.
	Position uint64 `codec:"p"`
	// Applied, Refused and Trapped count the messages by how the machine ended, Skipped those that could be no
	// command, and Missing those that the stream had lost.
	Applied uint64 `codec:"ca"`
	Refused uint64 `codec:"cr"`
	Trapped uint64 `codec:"ct"`
	Skipped uint64 `codec:"cs"`
	Missing uint64 `codec:"cm"`
}

// bindings are the streams of a group. The applier changes them, anyone may read.
type bindings struct {
	mu      sync.Mutex
	sources []source // in the order of their IDs
	sink    string
}

// all returns copies of the sources.
func (b *bindings) all() []source {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sources)
}

// source returns a copy of one; false when it is not bound any more.
func (b *bindings) source(id consensus.Index) (source, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.find(id); i >= 0 {
		return b.sources[i], true
	}
	return source{}, false
}

// target is the stream of the events, "" for none.
func (b *bindings) target() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sink
}

// find is called with mu held.
func (b *bindings) find(id consensus.Index) int {
	return slices.IndexFunc(b.sources, func(s source) bool { return s.ID == id })
}

// set replaces everything.
func (b *bindings) set(sources []source, sink string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sources, b.sink = sources, sink
}

// bind adds a source.
func (b *bindings) bind(s source) *Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.sources, func(other source) bool { return other.Name == s.Name }); i >= 0 {
		return fault(api.CodeExists, "there is a source %s already, of stream %s: remove it first, or choose another name", s.Name, b.sources[i].Stream)
	}
	if len(b.sources) >= maxSources {
		return fault(api.CodeRefused, "the group has %d sources, the most it can: remove one first", maxSources)
	}
	b.sources = append(b.sources, s)
	return nil
}

// unbind removes a source.
func (b *bindings) unbind(id consensus.Index) *Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.find(id)
	if i < 0 {
		return unboundFault()
	}
	b.sources = slices.Delete(b.sources, i, i+1)
	return nil
}

// direct makes a stream the target of the events, "" for none.
func (b *bindings) direct(stream string) *Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if stream != "" && b.sink != "" && b.sink != stream {
		return fault(api.CodeExists, "the events go to stream %s already: remove that sink first", b.sink)
	}
	b.sink = stream
	return nil
}

// due decides about a message before it is applied: whether it was consumed before, or an error when it is not the next.
func (b *bindings) due(m *streamMark) (again bool, refusal *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.find(m.Source)
	switch {
	case i < 0:
		return false, unboundFault()
	case m.Seq <= b.sources[i].Position:
		return true, nil
	case m.After != b.sources[i].Position:
		return false, fault(api.CodeOutOfOrder, "message %d of source %s follows message %d, the source stands at %d: nothing happened",
			m.Seq, b.sources[i].Name, m.After, b.sources[i].Position)
	}
	return false, nil
}

// consume moves a source on to a message that due let through.
func (b *bindings) consume(m *streamMark, kind OutcomeKind) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.sources[b.find(m.Source)]
	s.Position = m.Seq
	s.Missing += m.Missing
	switch {
	case m.Op == opSkip:
		s.Skipped++
	case kind == Refused:
		s.Refused++
	case kind == Trapped:
		s.Trapped++
	default:
		s.Applied++
	}
}

func unboundFault() *Error {
	return fault(api.CodeNotFound, "the source is not bound any more: nothing happened")
}

// checkSources refuses what no group can have stored.
//
// # Errors
//
// ErrCorrupt.
func checkSources(sources []source) error {
	if len(sources) > maxSources {
		return fmt.Errorf("%w bindings: %d sources", ErrCorrupt, len(sources))
	}
	if !slices.IsSortedFunc(sources, func(a, b source) int { return cmp.Compare(a.ID, b.ID) }) {
		return fmt.Errorf("%w bindings: the sources are not in their order", ErrCorrupt)
	}
	return nil
}

// applyStream applies a command that is about streams.
func (r *replica) applyStream(c *command, e consensus.LogEntry) (Reply, error) {
	reply := Reply{Index: e.Index, Term: e.Term}
	switch c.Stream.Op {
	case opBind:
		bound := source{}
		if err := unpack(c.Payload, &bound); err != nil {
			return reply, err
		}
		bound.ID = e.Index
		reply.Err = r.bindings.bind(bound)
		r.rebound = reply.Err == nil
	case opUnbind:
		reply.Err = r.bindings.unbind(c.Stream.Source)
		r.rebound = reply.Err == nil
	case opSink:
		reply.Err = r.bindings.direct(string(c.Payload))
		r.rebound = reply.Err == nil
	case opMessage, opSkip:
		return reply, r.applyMessage(c, e, &reply)
	}
	return reply, nil
}

// applyMessage applies a message of a source, if it is the next one.
func (r *replica) applyMessage(c *command, e consensus.LogEntry, reply *Reply) error {
	if reply.Duplicate, reply.Err = r.bindings.due(&c.Stream); reply.Duplicate || reply.Err != nil {
		return nil
	}
	if c.Stream.Op == opMessage {
		outcome, err := r.execute(c, e)
		if err != nil {
			return err
		}
		r.outbox.add(e.Index, outcome.Events)
		outcome.Events = nil
		reply.Outcome = outcome
	}
	r.bindings.consume(&c.Stream, reply.Outcome.Kind)
	return nil
}
