package host

import (
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// CommandRequest is a client's command as the transport decoded it.
type CommandRequest struct {
	Group   string
	Payload []byte
	// Session and Seq make the command exactly-once; Seq is 0 without a session.
	Session string
	Seq     uint64
	// Acked is the highest sequence up to which the client has all results.
	Acked uint64
	// MsgID makes the command exactly-once within the deduplication window. It excludes Session.
	MsgID string
	// Caller is the name that the machine may ask for.
	Caller string
	// Timeout bounds the wait for the result; 0 means the host's default.
	Timeout time.Duration
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
	// Duplicate is set when the command had been applied before and the reply was remembered.
	Duplicate bool
	// Leader is the name of the host that leads the group, "" when unknown.
	Leader string
}

// Error is what a client is told when there is no Outcome.
type Error struct {
	Code api.Code
	// Text says what was wrong, where, and what to do.
	Text string
}

// Error implements error.
func (e *Error) Error() string { return "host: " + e.Text }
