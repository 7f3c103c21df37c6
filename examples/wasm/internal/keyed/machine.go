package keyed

import (
	"bytes"
	"encoding/binary"

	"github.com/groutlabs/grout/examples/wasm/internal/feed"
	"github.com/groutlabs/grout/examples/wasm/internal/ordered"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// Rules tell the collections apart.
type Rules struct {
	// Name begins refusals and exports.
	Name string
	// Values says that entries have values and versions.
	Values bool
	// Single says that the empty key is the only one.
	Single bool
	// Once says that an entry stays as it is: a later put has no effect, and a removal is refused.
	Once bool
}

// The collections.
var (
	Map  = Rules{Name: "map", Values: true}
	Set  = Rules{Name: "set"}
	Cell = Rules{Name: "cell", Values: true, Single: true}
	Once = Rules{Name: "once", Values: true, Single: true, Once: true}
)

// versionBytes is what the tree has before each value.
const versionBytes = 8

// Machine is a collection. It implements sdk.Machine, and can be upgraded.
type Machine struct {
	rules Rules
	tree  ordered.Tree
	feed  feed.Feed

	// What follows is used again by every call.
	commit        protocol.Commit
	reply, stored []byte
	answer        protocol.CommitReply
}

// New returns an empty collection.
func New(rules Rules) *Machine { return &Machine{rules: rules} }

// Init implements sdk.Initializer: the argument is empty or protocol.Quiet.
func (m *Machine) Init(_ *sdk.Context, arg []byte) error {
	return m.feed.Init(m.rules.Name, arg)
}

func (m *Machine) refuse(code int32, format string, args ...any) error {
	return sdk.Refuse(code, m.rules.Name+": "+format, args...)
}

// Apply implements sdk.Machine.
func (m *Machine) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	if len(command) > protocol.MaxRequestBytes {
		return nil, m.refuse(protocol.CodeTooLarge, "a command of %d bytes: the limit is %d", len(command), protocol.MaxRequestBytes)
	}
	r := protocol.Read(command)
	if op := r.Byte(); op != protocol.OpCommit {
		return nil, m.refuse(protocol.CodeBadRequest, "%.40q is no command of this collection", command)
	}
	if err := m.commit.Parse(&r); err != nil {
		return nil, m.refuse(protocol.CodeBadRequest, "%v", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	m.answer.Failed, m.answer.Before = -1, m.answer.Before[:0]
	if !m.holds() {
		m.reply = m.answer.Append(m.reply[:0], false)
		return m.reply, nil
	}
	if m.commit.Old {
		m.answer.Old = m.entry(m.commit.Writes[0].Key)
		m.answer.Old.Value = bytes.Clone(m.answer.Old.Value) // the write uses the buffer again
	}
	m.write(ctx)
	m.reply = m.answer.Append(m.reply[:0], m.commit.Old)
	m.answer.Old = protocol.Entry{}
	return m.reply, nil
}

// check refuses a commit that the rules or limits exclude.
func (m *Machine) check() error {
	for i := range m.commit.Conditions {
		c := &m.commit.Conditions[i]
		if !m.rules.Values && c.Kind != protocol.Absent && c.Kind != protocol.Present {
			return m.refuse(protocol.CodeBadRequest, "condition %d: there are no values to compare", i)
		}
		if err := m.checkKey(c.Key); err != nil {
			return err
		}
	}
	for i := range m.commit.Writes {
		if err := m.checkWrite(i, &m.commit.Writes[i]); err != nil {
			return err
		}
	}
	if m.commit.Old && (len(m.commit.Writes) != 1 || m.commit.Writes[0].Kind == protocol.RemoveRange) {
		return m.refuse(protocol.CodeBadRequest, "the old entry is that of a single key: this commit has %d writes, or one of a range", len(m.commit.Writes))
	}
	return nil
}

func (m *Machine) checkWrite(i int, w *protocol.Write) error {
	switch {
	case w.Kind != protocol.Put && m.rules.Once:
		return m.refuse(protocol.CodeBadRequest, "write %d: what was set once stays", i)
	case w.Kind == protocol.RemoveRange && m.rules.Single:
		return m.refuse(protocol.CodeBadRequest, "write %d: there are no ranges", i)
	case w.Kind == protocol.RemoveRange:
		return nil // bounds may be longer than keys
	case w.Kind == protocol.Put && !m.rules.Values && len(w.Value) > 0:
		return m.refuse(protocol.CodeBadRequest, "write %d: there are no values", i)
	case w.Kind == protocol.Put && len(w.Value) > protocol.MaxValueBytes:
		return m.refuse(protocol.CodeTooLarge, "write %d: the value for key %.40q has %d bytes, the limit is %d", i, w.Key, len(w.Value), protocol.MaxValueBytes)
	}
	return m.checkKey(w.Key)
}

func (m *Machine) checkKey(key []byte) error {
	switch {
	case m.rules.Single && len(key) > 0:
		return m.refuse(protocol.CodeBadRequest, "key %.40q: the only one is empty", key)
	case len(key) > protocol.MaxKeyBytes:
		return m.refuse(protocol.CodeTooLarge, "key %.40q has %d bytes, the limit is %d", key, len(key), protocol.MaxKeyBytes)
	}
	return nil
}

// holds reports whether all conditions hold, and notes the first that does not in the answer.
func (m *Machine) holds() bool {
	for i := range m.commit.Conditions {
		c := &m.commit.Conditions[i]
		e := m.entry(c.Key)
		ok := false
		switch c.Kind {
		case protocol.Absent:
			ok = !e.Present
		case protocol.Present:
			ok = e.Present
		case protocol.Equals:
			ok = e.Present && bytes.Equal(e.Value, c.Value)
		case protocol.Unchanged:
			ok = e.Version == c.Version
		}
		if !ok {
			m.answer.Failed, m.answer.Found = i, e
			return false
		}
	}
	return true
}

// entry looks a key up. The value is good until the next look-up or write.
func (m *Machine) entry(key []byte) protocol.Entry {
	stored, found := m.tree.Get(m.stored[:0], key)
	m.stored = stored
	return m.decode(stored, found)
}

// decode reads what the tree has for a key.
func (m *Machine) decode(stored []byte, found bool) protocol.Entry {
	if !found || !m.rules.Values {
		return protocol.Entry{Present: found}
	}
	return protocol.Entry{Present: true, Version: binary.LittleEndian.Uint64(stored), Value: stored[versionBytes:]}
}

// write makes all writes, and emits those that changed something.
func (m *Machine) write(ctx *sdk.Context) {
	m.feed.Begin()
	for i := range m.commit.Writes {
		w := &m.commit.Writes[i]
		before, changed := m.writeOne(ctx, w)
		m.answer.Before = append(m.answer.Before, before)
		if changed {
			m.feed.Event = protocol.AppendWrite(m.feed.Event, w)
		}
	}
	m.feed.End(ctx)
}

// writeOne returns how many entries it found, and whether it changed any.
func (m *Machine) writeOne(ctx *sdk.Context, w *protocol.Write) (before uint64, changed bool) {
	switch w.Kind {
	case protocol.Remove:
		removed := m.tree.Delete(w.Key)
		return count(removed), removed
	case protocol.RemoveRange:
		from, to := m.between(w.Key, w.Value)
		m.tree.DeleteRange(from, to)
		return uint64(to - from), to > from
	}
	if m.rules.Once && m.tree.Len() > 0 {
		return 1, false
	}
	m.stored = m.stored[:0]
	if m.rules.Values {
		m.stored = append(binary.LittleEndian.AppendUint64(m.stored, ctx.Index()), w.Value...)
	}
	created := m.tree.Put(w.Key, m.stored)
	return count(!created), created || m.rules.Values
}

func count(one bool) uint64 {
	if one {
		return 1
	}
	return 0
}

// between returns the positions of a range of keys, whose end is open if to is empty.
func (m *Machine) between(from, to []byte) (first, end int) {
	first, _ = m.tree.Rank(from)
	if end = m.tree.Len(); len(to) > 0 {
		end, _ = m.tree.Rank(to)
	}
	return first, max(first, end)
}
