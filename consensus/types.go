package consensus

import "fmt"

// Term counts leaderships. It never falls on one member.
type Term uint64

// Index is a slot of the log. The first entry has index 1; 0 is the position before it.
type Index uint64

// MemberID names one replica of one group, and one life of its disk: a member that lost its disk
// comes back under another ID (rule R6). Zero is nobody.
type MemberID uint64

// NoMember is the absence of a member, such as an unknown leader.
const NoMember MemberID = 0

// String formats the ID as sixteen hexadecimal digits.
func (id MemberID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// Cursor is a position in the log.
type Cursor struct {
	Term  Term  `codec:"t"`
	Index Index `codec:"i"`
}

// String formats the cursor as term/index.
func (c Cursor) String() string { return fmt.Sprintf("%d/%d", c.Term, c.Index) }

// before reports whether a log that ends at c is less complete than one that ends at other
// (Raft, section 5.4.1: the later term wins, then the longer log).
func (c Cursor) before(other Cursor) bool {
	if c.Term != other.Term {
		return c.Term < other.Term
	}
	return c.Index < other.Index
}

// EntryKind says who interprets an entry's payload.
type EntryKind uint8

// The kinds of entry. Their numbers are stored and sent: never renumber them.
const (
	// EntryNoOp carries nothing. A new leader appends one to commit its predecessors' entries (R3).
	EntryNoOp EntryKind = 1
	// EntryCommand carries bytes that only the host and the machine understand.
	EntryCommand EntryKind = 2
	// EntryConfiguration carries an encoded Configuration.
	EntryConfiguration EntryKind = 3
	// EntrySnapshotMarker makes every member take its snapshot at this very index (R8).
	EntrySnapshotMarker EntryKind = 4
	// EntryUpgrade carries the host's description of the module to switch to.
	EntryUpgrade EntryKind = 5
)

// String returns the kind's name in the project's vocabulary.
func (k EntryKind) String() string {
	switch k {
	case EntryNoOp:
		return "no-op"
	case EntryCommand:
		return "command"
	case EntryConfiguration:
		return "configuration"
	case EntrySnapshotMarker:
		return "snapshot-marker"
	case EntryUpgrade:
		return "upgrade"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// LogEntry is one slot of the log. Its payload is shared, never copied: nobody may write to it once
// the entry has been proposed, received or loaded.
type LogEntry struct {
	Term    Term
	Index   Index
	Kind    EntryKind
	Payload []byte
}

// Position is the entry's cursor.
func (e LogEntry) Position() Cursor { return Cursor{Term: e.Term, Index: e.Index} }

// String formats the entry for traces.
func (e LogEntry) String() string {
	return fmt.Sprintf("%d/%d %s %dB", e.Term, e.Index, e.Kind, len(e.Payload))
}

// Vote is an answer to RequestVote or AppendEntries.
type Vote uint8

// The three votes of the seed protocol, with the meaning of rule R2.
const (
	// Denied refuses: to a candidate, the vote; to a leader, a stale term.
	Denied Vote = 0
	// Granted agrees: to a candidate, with a log that ends where the candidate's ends; to a
	// leader, the entries match and are durable.
	Granted Vote = 1
	// Abstained, to a candidate, is a durable promise from a voter whose log is behind the
	// candidate's: it counts towards the majority, but says nothing about matching entries. To a
	// leader it says that the previous position cannot be verified.
	Abstained Vote = 2
)

// String returns the vote's name.
func (v Vote) String() string {
	switch v {
	case Granted:
		return "Granted"
	case Abstained:
		return "Abstained"
	case Denied:
		return "Denied"
	}
	return fmt.Sprintf("vote(%d)", uint8(v))
}

// Role is what a member currently is.
type Role uint8

// The roles of Raft, and the pre-candidate of its section 9.6 (Ongaro's thesis).
const (
	Follower Role = iota
	PreCandidate
	Candidate
	Leader
)

// String returns the role's name.
func (r Role) String() string {
	return [...]string{"follower", "pre-candidate", "candidate", "leader"}[r]
}

// HardState is what a member must remember across restarts. It is persisted as one atomic record
// (rule R6).
type HardState struct {
	Term Term
	// VotedFor is the candidate that was given Granted or Abstained in Term.
	VotedFor MemberID
}

// SnapshotMeta anchors a snapshot in the log.
type SnapshotMeta struct {
	// Anchor is the position of the snapshot marker: the state holds every entry up to it.
	Anchor Cursor
	// Configuration is the one in force at Anchor.
	Configuration Configuration
	// ConfigurationIndex is the index of the entry that carried Configuration, 0 for the initial one.
	ConfigurationIndex Index
	// Manifest is the host's description of the snapshot (for Grout, the digest of a manifest);
	// the core carries it unread.
	Manifest []byte
}

// Write is one ordered request to the durable log. All of it becomes durable together or not at
// all, and a group's writes become durable in the order of their Seq.
type Write struct {
	// Seq numbers a group's writes from 1 within one run of the member.
	Seq uint64
	// HardState is nil when unchanged.
	HardState *HardState
	// Install, when set, replaces the whole log by a snapshot, before Entries are appended.
	Install *SnapshotMeta
	// Entries are contiguous. They replace whatever the log holds at and after the first of them.
	Entries []LogEntry
}
