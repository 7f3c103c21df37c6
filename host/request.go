package host

import (
	"encoding/binary"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// Mode says when a command is answered.
type Mode uint8

// The modes.
const (
	// ModeExecute answers with the outcome, when the command is applied.
	ModeExecute Mode = iota
	// ModeFeed answers with the position, when the command is appended to the leader's log. That is no
	// promise: until the command is committed it may be lost with the leader.
	ModeFeed
	// ModeForget answers at once, with nothing but an error if the command was not taken. It may be lost
	// at any later time, and nobody is told.
	ModeForget
)

// CommandRequest is a client's command, or several, as the transport decoded it.
type CommandRequest struct {
	Group   string
	Payload []byte
	// Batch, when not nil, are the commands, and Payload is not read: at most api.MaxBatch of them. They
	// get consecutive slots in their order, all of them or none.
	Batch [][]byte
	Mode  Mode
	// Session and Seq make the command exactly-once; Seq is 0 without a session. The commands of a batch
	// have the sequences from Seq on.
	Session string
	Seq     uint64
	// Ordered refuses the command with api.CodeOutOfOrder, without effect, unless the sequence before it
	// was applied or acknowledged. Within a batch that is so for all commands but the first.
	Ordered bool
	// Acked is the highest sequence up to which the client has all results.
	Acked uint64
	// MsgID makes the command exactly-once within the deduplication window. It excludes Session.
	MsgID string
	// Caller is the name that the machine may ask for.
	Caller string
	// Timeout bounds the wait for the result; 0 means the host's default.
	Timeout time.Duration
	// marks, when not nil, are what the commands are about that are not a client's, and callers who they are from.
	marks   []streamMark
	callers []string
}

// Consistency says how fresh a query's answer has to be.
type Consistency uint8

// The levels of consistency.
const (
	// Linearizable answers at the leader's commit index, confirmed by a majority.
	Linearizable Consistency = iota
	// Stale answers from the state of the member that received the query.
	Stale
	// AtLeast answers from the member that received the query, once it has applied AtLeastIndex.
	AtLeast
)

// QueryRequest is a client's query as the transport decoded it.
type QueryRequest struct {
	Group        string
	Payload      []byte
	Consistency  Consistency
	AtLeastIndex consensus.Index
	Caller       string
	// Timeout bounds the wait for the result; 0 means the host's default.
	Timeout time.Duration
}

// Reply answers a CommandRequest or a QueryRequest.
type Reply struct {
	// Err is nil when there is an Outcome: a refused or trapped command is no error of the host.
	Err     *Error
	Outcome Outcome
	// Index and Term are those of the entry; for a query, Index is the applied index it ran at.
	Index consensus.Index
	Term  consensus.Term
	// Last is, for a batch that was fed, the index of its last command; Index is that of its first.
	Last consensus.Index
	// Batch are the answers to the commands of a batch that was executed, in their order. Outcome and
	// positions of the Reply itself mean nothing then.
	Batch []Reply
	// Duplicate is set when the command had been applied before and the reply was remembered.
	Duplicate bool
	// Leader is the name of the host that leads the group, "" when unknown.
	Leader string
	// at is the position of the entry that was answered: a remembered outcome keeps that of its own.
	at consensus.Cursor
}

// commands is how many commands the request has.
func (r *CommandRequest) commands() int {
	if r.Batch != nil {
		return len(r.Batch)
	}
	return 1
}

// payload returns the nth command.
func (r *CommandRequest) payload(n int) []byte {
	if r.Batch != nil {
		return r.Batch[n]
	}
	return r.Payload
}

// bytes bounds what the request takes in the log.
func (r *CommandRequest) bytes() int {
	size := 0
	for n := range r.commands() {
		size += len(r.payload(n))
	}
	for _, caller := range r.callers {
		size += len(caller)
	}
	return size + r.commands()*(commandFixed+len(r.Caller)+len(r.Session)+len(r.MsgID)+3*2+2*binary.MaxVarintLen64)
}

// command returns the nth command as it is replicated, apart from its origin and number.
func (r *CommandRequest) command(n int) command {
	c := command{
		Caller: r.Caller, Session: r.Session, Acked: r.Acked, MsgID: r.MsgID, Payload: r.payload(n),
		Ordered: r.Session != "" && (r.Ordered || n > 0),
	}
	if r.Session != "" {
		c.Seq = r.Seq + uint64(n)
	}
	if r.marks != nil {
		c.Stream = r.marks[n]
	}
	if r.callers != nil {
		c.Caller = r.callers[n]
	}
	return c
}

// Error is what a client is told when there is no Outcome.
type Error struct {
	Code api.Code
	// Text says what was wrong, where, and what to do.
	Text string
}

// Error implements error.
func (e *Error) Error() string { return "host: " + e.Text }
