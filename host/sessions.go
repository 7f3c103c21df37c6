package host

import (
	"container/list"
	"fmt"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// The bounds of what a group remembers for exactly-once. All of it is replicated, so all of it is
// decided by entries alone: their order and the leader's time stamps.
const (
	// sessionLife is how long a session is remembered after its last command.
	sessionLife = time.Hour
	// sessionWindow is how many results above the acknowledged one a session keeps.
	sessionWindow = 1024
	// maxSessions bounds the sessions of a group.
	maxSessions = 65536
	// msgIDLife is how long a message ID is remembered.
	msgIDLife = 2 * time.Minute
	// maxAging is by how much one command ages what is remembered, at most. The stamps leap when the clock
	// of a leader does, and over a time without one, and neither may forget what a client is about to repeat.
	maxAging = 10 * time.Second
	// maxRememberedBytes bounds all remembered results and message IDs of a group. A command that
	// would go over it is refused as busy, never applied without its memory.
	maxRememberedBytes = 64 << 20
)

// remembered is a result that is kept for a retry.
type remembered struct {
	Outcome Outcome         `codec:"o"`
	Index   consensus.Index `codec:"i"`
	Term    consensus.Term  `codec:"t"`
}

func (r *remembered) bytes() int { return 64 + len(r.Outcome.Output) + len(r.Outcome.Message) }

// session is one client's exactly-once scope.
type session struct {
	name string
	// lastUsed is the memory's age then.
	lastUsed int64
	acked    uint64
	results  map[uint64]*remembered
}

// messageID is a remembered Nats-Msg-Id.
type messageID struct {
	id string
	// at is the memory's age then.
	at     int64
	result *remembered
}

// memory is the replicated table behind rule R7. Both lists are in the order of use, oldest first.
type memory struct {
	sessions map[string]*list.Element
	used     *list.List
	messages map[string]*list.Element
	arrived  *list.List
	bytes    int
	// age is by how many nanoseconds commands have aged the memory, stamp the highest stamp of one.
	age, stamp int64
}

func newMemory() *memory {
	return &memory{
		sessions: map[string]*list.Element{}, used: list.New(),
		messages: map[string]*list.Element{}, arrived: list.New(),
	}
}

// recall decides about a command before it is applied, at the highest stamp so far: a result means that it
// was applied before, an error that it must not be. Neither means: apply it, then call remember.
func (m *memory) recall(c *command, stamp int64) (*remembered, *Error) {
	m.age += min(stamp-m.stamp, int64(maxAging))
	m.stamp = stamp
	m.expire()
	if c.Session != "" {
		return m.recallSession(c)
	}
	if c.MsgID == "" {
		return nil, nil
	}
	if e := m.messages[c.MsgID]; e != nil {
		return e.Value.(*messageID).result, nil
	}
	return nil, m.room()
}

func (m *memory) recallSession(c *command) (*remembered, *Error) {
	e := m.sessions[c.Session]
	if e == nil {
		if c.Seq != 1 {
			return nil, fault(api.CodeSession, "session %q is unknown or expired: begin a new session at sequence 1", c.Session)
		}
		if len(m.sessions) >= maxSessions {
			return nil, fault(api.CodeBusy, "the group remembers %d sessions already, the most it can: try again later", maxSessions)
		}
		if err := m.room(); err != nil {
			return nil, err
		}
		m.addSession(&session{name: c.Session, lastUsed: m.age, results: map[uint64]*remembered{}})
		return nil, nil // sequence 1 has none before it
	}
	s := e.Value.(*session)
	s.lastUsed = m.age
	m.used.MoveToBack(e)
	m.acknowledge(s, c.Acked)
	if known := s.results[c.Seq]; known != nil {
		return known, nil
	}
	if c.Seq <= s.acked {
		return nil, fault(api.CodeSession, "sequence %d of session %q was acknowledged up to %d: its result is forgotten", c.Seq, s.name, s.acked)
	}
	if c.Seq > s.acked+sessionWindow {
		return nil, fault(api.CodeSession, "sequence %d of session %q is more than %d above the acknowledged %d: send Grout-Acked",
			c.Seq, s.name, sessionWindow, s.acked)
	}
	if c.Ordered && c.Seq > s.acked+1 && s.results[c.Seq-1] == nil {
		return nil, fault(api.CodeOutOfOrder, "sequence %d of session %q is not applied yet, so sequence %d cannot be: nothing happened, send both again in their order",
			c.Seq-1, s.name, c.Seq)
	}
	return nil, m.room()
}

func (m *memory) addSession(s *session) {
	m.sessions[s.name] = m.used.PushBack(s)
	m.bytes += 128 + len(s.name)
}

func (m *memory) room() *Error {
	if m.bytes < maxRememberedBytes {
		return nil
	}
	return fault(api.CodeBusy, "the group remembers %d MiB of results, the most it can: acknowledge sequences (Grout-Acked) or try again later",
		maxRememberedBytes>>20)
}

// remember keeps the result of a command that recall let through.
func (m *memory) remember(c *command, result *remembered) {
	switch {
	case c.Session != "":
		s := m.sessions[c.Session].Value.(*session)
		s.results[c.Seq] = result
	case c.MsgID != "":
		m.addMessage(&messageID{id: c.MsgID, at: m.age, result: result})
	default:
		return
	}
	m.bytes += result.bytes()
}

func (m *memory) addMessage(id *messageID) {
	m.messages[id.id] = m.arrived.PushBack(id)
	m.bytes += len(id.id)
}

// acknowledge forgets the results that the client has.
func (m *memory) acknowledge(s *session, acked uint64) {
	if acked <= s.acked {
		return
	}
	if acked-s.acked > uint64(len(s.results)) {
		for seq := range s.results {
			if seq <= acked {
				m.forget(s, seq)
			}
		}
	} else {
		for seq := s.acked + 1; seq <= acked; seq++ {
			m.forget(s, seq)
		}
	}
	s.acked = acked
}

func (m *memory) forget(s *session, seq uint64) {
	if r := s.results[seq]; r != nil {
		m.bytes -= r.bytes()
		delete(s.results, seq)
	}
}

// expire forgets what is older than its life.
func (m *memory) expire() {
	for e := m.used.Front(); e != nil; e = m.used.Front() {
		s := e.Value.(*session)
		if m.age-s.lastUsed <= int64(sessionLife) {
			break
		}
		for seq := range s.results {
			m.forget(s, seq)
		}
		m.used.Remove(e)
		delete(m.sessions, s.name)
		m.bytes -= 128 + len(s.name)
	}
	for e := m.arrived.Front(); e != nil; e = m.arrived.Front() {
		id := e.Value.(*messageID)
		if m.age-id.at <= int64(msgIDLife) {
			break
		}
		m.arrived.Remove(e)
		delete(m.messages, id.id)
		m.bytes -= len(id.id) + id.result.bytes()
	}
}

// The stored forms, in the order of the lists, so that equal tables have equal bytes.
type (
	storedSession struct {
		Name     string         `codec:"n"`
		LastUsed int64          `codec:"u"`
		Acked    uint64         `codec:"a"`
		Results  []storedResult `codec:"r"`
	}
	storedResult struct {
		Seq    uint64     `codec:"s"`
		Result remembered `codec:"r"`
	}
	storedMessage struct {
		ID     string     `codec:"d"`
		At     int64      `codec:"a"`
		Result remembered `codec:"r"`
	}
	storedMemory struct {
		Age      int64           `codec:"a"`
		Stamp    int64           `codec:"t"`
		Sessions []storedSession `codec:"s"`
		Messages []storedMessage `codec:"m"`
	}
)

func (m *memory) stored() storedMemory {
	out := storedMemory{Age: m.age, Stamp: m.stamp}
	for e := m.used.Front(); e != nil; e = e.Next() {
		s := e.Value.(*session)
		kept := storedSession{Name: s.name, LastUsed: s.lastUsed, Acked: s.acked}
		for seq := s.acked + 1; len(kept.Results) < len(s.results); seq++ {
			if r := s.results[seq]; r != nil {
				kept.Results = append(kept.Results, storedResult{seq, *r})
			}
		}
		out.Sessions = append(out.Sessions, kept)
	}
	for e := m.arrived.Front(); e != nil; e = e.Next() {
		id := e.Value.(*messageID)
		out.Messages = append(out.Messages, storedMessage{id.id, id.at, *id.result})
	}
	return out
}

// restoreMemory rebuilds the table.
//
// # Errors
//
// ErrCorrupt when the stored form breaks a bound of the table.
func restoreMemory(stored storedMemory) (*memory, error) {
	m := newMemory()
	m.age, m.stamp = stored.Age, stored.Stamp
	for _, kept := range stored.Sessions {
		s := &session{name: kept.Name, lastUsed: kept.LastUsed, acked: kept.Acked, results: map[uint64]*remembered{}}
		for _, r := range kept.Results {
			if r.Seq <= s.acked || r.Seq > s.acked+sessionWindow || s.results[r.Seq] != nil {
				return nil, fmt.Errorf("%w session table: sequence %d of session %q, acknowledged %d", ErrCorrupt, r.Seq, s.name, s.acked)
			}
			result := r.Result
			s.results[r.Seq] = &result
			m.bytes += result.bytes()
		}
		if m.sessions[s.name] != nil {
			return nil, fmt.Errorf("%w session table: session %q twice", ErrCorrupt, s.name)
		}
		m.addSession(s)
	}
	for _, kept := range stored.Messages {
		if m.messages[kept.ID] != nil {
			return nil, fmt.Errorf("%w session table: message ID %q twice", ErrCorrupt, kept.ID)
		}
		result := kept.Result
		m.addMessage(&messageID{kept.ID, kept.At, &result})
		m.bytes += result.bytes()
	}
	return m, nil
}
