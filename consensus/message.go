package consensus

import "fmt"

// Message is one of the messages below. Every message between members is one of these types; the
// transport adds the sender and the receiver.
type Message interface {
	fmt.Stringer
	// MessageTerm is the term that the message carries; false for those that carry none.
	MessageTerm() (Term, bool)
}

// Envelope is a message with its ends.
type Envelope struct {
	From    MemberID
	To      MemberID
	Message Message
}

// AppendEntries is sent by leaders to assert authority and to replicate. Without entries it is a
// heartbeat.
type AppendEntries struct {
	Term            Term
	Leader          MemberID
	PrevLogPosition Cursor
	Entries         []LogEntry
	LeaderCommit    Index
	// Round numbers the leader's rounds of confirmation. The response carries it back, which
	// proves to the leader that it still led when the round began (ReadIndex, check-quorum).
	Round uint64
	// Quiet makes a heartbeat the last one until something happens: see Core.Quiet.
	Quiet bool
}

// AppendEntriesResponse answers AppendEntries.
type AppendEntriesResponse struct {
	Term Term
	Vote Vote
	// LastLogIndex is, when Granted, the index up to which the follower's durable log is known to
	// equal the leader's: never more than what messages of this term have verified (M15). When
	// Abstained, it is the previous index that could not be verified.
	LastLogIndex Index
	// Hint is, when Abstained, the last position of the follower's log that may still match. When
	// Granted, its index is how far the follower has received what the leader sent, durable or not.
	Hint Cursor
	// Round is that of the AppendEntries answered.
	Round uint64
}

// RequestVote is sent by candidates, and by those that ask whether they should become one.
type RequestVote struct {
	Term        Term
	Candidate   MemberID
	LogPosition Cursor
	// PreVote asks what the answer would be, without any promise (Ongaro's thesis, section 9.6).
	PreVote bool
	// Transfer says that the present leader asked for this election: voters that hear from a
	// leader answer all the same (section 4.2.3).
	Transfer bool
}

// RequestVoteResponse answers RequestVote.
type RequestVoteResponse struct {
	Term    Term
	Vote    Vote
	PreVote bool
}

// TimeoutNow asks a caught-up voter to stand for election at once (Ongaro's thesis, section 3.10).
type TimeoutNow struct {
	Term   Term
	Leader MemberID
}

// StateSyncOffer tells a follower that the entries it needs are gone, and which snapshot replaces
// them. The host fetches the snapshot and reports with Core.SnapshotInstalled.
type StateSyncOffer struct {
	Term         Term
	Leader       MemberID
	LeaderCommit Index
	Snapshot     SnapshotMeta
	Round        uint64
}

// StateDigest compares the members' state hashes at a snapshot marker, the alarm of rule R8. It is the
// host's: the core neither sends nor reads it.
type StateDigest struct {
	// Anchor is the position of the marker. In a plea it is the least that helps its sender.
	Anchor Cursor
	// Digest is the sender's state hash at Anchor, empty when it has none.
	Digest []byte
	// Agreed is the state hash that a majority of the voters has at Anchor, empty while that is undecided.
	Agreed []byte
	// Ask is set by a leader, which wants the receiver's state hash at Anchor.
	Ask bool
	// Copied is set when the sender's state at Anchor came from another member: it proves nothing.
	Copied bool
	// Quarantined makes the message a plea: its sender wants to hear an agreed state hash at or after Anchor.
	Quarantined bool
}

// Pulse says that its sender's host lives, for the groups that are quiet. It is the host's: the core neither sends nor
// reads it.
type Pulse struct {
	// Epoch changes when members on the host may not be what they were: after a restart, or when one has stopped.
	Epoch uint64
}

// ForwardCommand carries client commands from a member to the leader.
type ForwardCommand struct {
	// Term is the one in which the sender heard the receiver as leader. Only the leader of that very term may
	// take the commands, and only who remembers that office may refuse them: a copy that arrives after
	// a restart is neither taken for new, nor does its refusal deny that an earlier copy was taken.
	Term Term
	// RequestID correlates the CommandAck; 0 asks for none.
	RequestID uint64
	// Commands are payloads for EntryCommand, in the caller's order.
	Commands [][]byte
}

// CommandAck tells a member which slots its forwarded commands got. The commands are done only when
// the entries applied at those slots have this term (rule R7, M13).
type CommandAck struct {
	RequestID uint64
	// Term is the term of the assigned entries; meaningless when Refused.
	Term Term
	// First and Last are the assigned range, both included.
	First, Last Index
	// Refused is set when nothing was appended: the receiver was no leader, or too busy.
	Refused Refusal
}

// ForwardQuery carries a linearizable query from a member to the leader.
type ForwardQuery struct {
	RequestID uint64
	Query     []byte
}

// QueryResponse answers ForwardQuery.
type QueryResponse struct {
	RequestID uint64
	// Result is the host's encoding of the outcome.
	Result []byte
	// Position is the applied index at which the query ran.
	Position Index
	Refused  Refusal
}

// Refusal says why a forwarded request was not taken. Nothing refused has had any effect.
type Refusal uint8

// The refusals. Their numbers are sent: never renumber them.
const (
	// NotRefused means that the request was taken.
	NotRefused Refusal = 0
	// RefusedNotLeader means that the receiver does not lead the group.
	RefusedNotLeader Refusal = 1
	// RefusedBusy means that the leader's bounded queues are full.
	RefusedBusy Refusal = 2
)

// MessageTerm implements Message.
func (m *AppendEntries) MessageTerm() (Term, bool) { return m.Term, true }

// MessageTerm implements Message.
func (m *AppendEntriesResponse) MessageTerm() (Term, bool) { return m.Term, true }

// MessageTerm implements Message.
func (m *RequestVote) MessageTerm() (Term, bool) { return m.Term, true }

// MessageTerm implements Message.
func (m *RequestVoteResponse) MessageTerm() (Term, bool) { return m.Term, true }

// MessageTerm implements Message.
func (m *TimeoutNow) MessageTerm() (Term, bool) { return m.Term, true }

// MessageTerm implements Message.
func (m *StateSyncOffer) MessageTerm() (Term, bool) { return m.Term, true }

// MessageTerm implements Message. What the hash says holds in every term.
func (m *StateDigest) MessageTerm() (Term, bool) { return 0, false }

// MessageTerm implements Message. A host lives in every term.
func (m *Pulse) MessageTerm() (Term, bool) { return 0, false }

// MessageTerm implements Message.
func (m *ForwardCommand) MessageTerm() (Term, bool) { return 0, false }

// MessageTerm implements Message. The ack's term is that of the entries, not of its sender.
func (m *CommandAck) MessageTerm() (Term, bool) { return 0, false }

// MessageTerm implements Message.
func (m *ForwardQuery) MessageTerm() (Term, bool) { return 0, false }

// MessageTerm implements Message.
func (m *QueryResponse) MessageTerm() (Term, bool) { return 0, false }

// String formats the message for traces.
func (m *AppendEntries) String() string {
	quiet := ""
	if m.Quiet {
		quiet = "/quiet"
	}
	return fmt.Sprintf("AppendEntries[t=%d/prev=%s/n=%d/c=%d/r=%d%s]",
		m.Term, m.PrevLogPosition, len(m.Entries), m.LeaderCommit, m.Round, quiet)
}

// String formats the message for traces.
func (m *AppendEntriesResponse) String() string {
	if m.Vote == Abstained {
		return fmt.Sprintf("AppendEntriesResponse[t=%d/Abstained/prev=%d/hint=%s/r=%d]",
			m.Term, m.LastLogIndex, m.Hint, m.Round)
	}
	received := ""
	if m.Hint.Index > m.LastLogIndex {
		received = fmt.Sprintf("/received=%d", m.Hint.Index)
	}
	return fmt.Sprintf("AppendEntriesResponse[t=%d/%s/last=%d%s/r=%d]", m.Term, m.Vote, m.LastLogIndex, received, m.Round)
}

// String formats the message for traces.
func (m *RequestVote) String() string {
	name := "RequestVote"
	if m.PreVote {
		name = "PreVote"
	}
	suffix := ""
	if m.Transfer {
		suffix = "/transfer"
	}
	return fmt.Sprintf("%s[t=%d/log=%s%s]", name, m.Term, m.LogPosition, suffix)
}

// String formats the message for traces.
func (m *RequestVoteResponse) String() string {
	name := "RequestVoteResponse"
	if m.PreVote {
		name = "PreVoteResponse"
	}
	return fmt.Sprintf("%s[t=%d/%s]", name, m.Term, m.Vote)
}

// String formats the message for traces.
func (m *TimeoutNow) String() string { return fmt.Sprintf("TimeoutNow[t=%d]", m.Term) }

// String formats the message for traces.
func (m *StateSyncOffer) String() string {
	return fmt.Sprintf("StateSyncOffer[t=%d/anchor=%s/c=%d]", m.Term, m.Snapshot.Anchor, m.LeaderCommit)
}

// String formats the message for traces.
func (m *StateDigest) String() string {
	what := "answer"
	switch {
	case m.Ask:
		what = "ask"
	case m.Quarantined:
		what = "plea"
	}
	if m.Copied {
		what += "/copied"
	}
	return fmt.Sprintf("StateDigest[%s/anchor=%s/%.4x/agreed=%.4x]", what, m.Anchor, m.Digest, m.Agreed)
}

// String formats the message for traces.
func (m *Pulse) String() string { return fmt.Sprintf("Pulse[epoch=%x]", m.Epoch) }

// String formats the message for traces.
func (m *ForwardCommand) String() string {
	return fmt.Sprintf("ForwardCommand[id=%d/t=%d/n=%d]", m.RequestID, m.Term, len(m.Commands))
}

// String formats the message for traces.
func (m *CommandAck) String() string {
	return fmt.Sprintf("CommandAck[id=%d/t=%d/%d..%d/refused=%d]", m.RequestID, m.Term, m.First, m.Last, m.Refused)
}

// String formats the message for traces.
func (m *ForwardQuery) String() string {
	return fmt.Sprintf("ForwardQuery[id=%d/%dB]", m.RequestID, len(m.Query))
}

// String formats the message for traces.
func (m *QueryResponse) String() string {
	return fmt.Sprintf("QueryResponse[id=%d/at=%d/refused=%d]", m.RequestID, m.Position, m.Refused)
}
