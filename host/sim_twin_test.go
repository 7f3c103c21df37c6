package host

import (
	"sort"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// simTwin applies the committed commands once, in their order: a deliberately simple copy of what every
// member's replica has to do.
type simTwin struct {
	w        *simWorld
	machine  *simMachine
	spec     machineSpec
	upgraded consensus.Index
	now      int64
	// aged is now without leaps of more than maxAging from one command to the next, last the stamp of the last.
	aged, last int64
	sessions   map[string]*simSession
	messages   map[string]*simRemembered
	// values has every value that a cell ever had, and the index from which on.
	values [16][]simValue
	// unpublished are the entries with events that no command has said to be published.
	unpublished []*simEntry
	published   consensus.Index
}

type simSession struct {
	used    int64
	acked   uint64
	results map[uint64]*simEntry
}

type simRemembered struct {
	at    int64
	entry *simEntry
}

type simValue struct {
	from  consensus.Index
	value int64
}

func (t *simTwin) init(w *simWorld) {
	t.w, t.machine, t.spec = w, newSimMachine(), machineSpec{Module: Digest{1}}
	t.sessions, t.messages = map[string]*simSession{}, map[string]*simRemembered{}
}

// apply decides what a command must do, and does it.
func (t *simTwin) apply(e *simEntry) {
	c, err := decodeCommand(e.Payload)
	if err != nil {
		t.w.fail("entry %s: %v", e.LogEntry, err)
		return
	}
	e.command = c
	t.now = max(t.now, c.TimeNanos)
	if leap := t.now - t.last; leap < int64(maxAging) {
		t.aged += leap
	} else {
		t.aged += int64(maxAging)
	}
	t.last = t.now
	t.publishedTo(c.Published)
	t.expire()
	known, refused := t.recall(&c, e)
	switch {
	case refused:
		e.reply = Reply{Err: &Error{Code: api.CodeSession}, Index: e.Index, Term: e.Term}
	case known != nil:
		t.w.stats.duplicates++
		e.reply = known.reply
		e.reply.Duplicate = true
	default:
		e.runs = true
		out, err := t.machine.Apply(EntryContext{Index: e.Index, Term: e.Term, TimeNanos: t.now, Caller: c.Caller}, c.Payload)
		if err != nil {
			t.w.fail("entry %s: %v", e.LogEntry, err)
		}
		if e.emitted = len(out.Events); e.emitted > 0 {
			t.unpublished = append(t.unpublished, e)
		}
		out.Events = nil
		e.reply = Reply{Outcome: out, Index: e.Index, Term: e.Term}
		t.note(e.Index)
	}
	e.digest = t.machine.digest
}

// publishedTo tests a leader's word that all events up to an index are out.
func (t *simTwin) publishedTo(index consensus.Index) {
	t.published = max(t.published, index)
	for len(t.unpublished) > 0 && t.unpublished[0].Index <= t.published {
		if e := t.unpublished[0]; e.out < e.emitted {
			t.w.fail("%d of %d events of entry %d are out, but a leader says that all up to %d are", e.out, e.emitted, e.Index, t.published)
		}
		t.unpublished = t.unpublished[1:]
	}
}

func (t *simTwin) expire() {
	for name, s := range t.sessions {
		if t.aged-s.used > int64(sessionLife) {
			delete(t.sessions, name)
		}
	}
	for id, m := range t.messages {
		if t.aged-m.at > int64(msgIDLife) {
			delete(t.messages, id)
		}
	}
}

// recall returns the entry whose result a command repeats, or that its session refuses it.
func (t *simTwin) recall(c *command, e *simEntry) (known *simEntry, refused bool) {
	switch {
	case c.MsgID != "":
		if m := t.messages[c.MsgID]; m != nil {
			return m.entry, false
		}
		t.messages[c.MsgID] = &simRemembered{t.aged, e}
		return nil, false
	case c.Session == "":
		return nil, false
	}
	s := t.sessions[c.Session]
	if s == nil {
		if c.Seq != 1 {
			return nil, true
		}
		t.sessions[c.Session] = &simSession{used: t.aged, results: map[uint64]*simEntry{1: e}}
		return nil, false
	}
	s.used = t.aged
	s.acked = max(s.acked, c.Acked)
	for seq := range s.results {
		if seq <= s.acked {
			delete(s.results, seq)
		}
	}
	if known := s.results[c.Seq]; known != nil {
		return known, false
	}
	if c.Seq <= s.acked || c.Seq > s.acked+sessionWindow {
		return nil, true
	}
	s.results[c.Seq] = e
	return nil, false
}

// note keeps the cells' new values.
func (t *simTwin) note(index consensus.Index) {
	for i, value := range t.machine.cells {
		if n := len(t.values[i]); n == 0 && value != 0 || n > 0 && t.values[i][n-1].value != value {
			t.values[i] = append(t.values[i], simValue{index, value})
		}
	}
}

// valueAt is what a cell held after the entry at an index.
func (t *simTwin) valueAt(cell int, index consensus.Index) int64 {
	values := t.values[cell]
	i := sort.Search(len(values), func(i int) bool { return values[i].from > index })
	if i == 0 {
		return 0
	}
	return values[i-1].value
}
