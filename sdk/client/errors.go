package client

import (
	"errors"
	"fmt"

	"github.com/groutlabs/grout/sdk/api"
)

// The errors of this package. Callers compare with errors.Is.
var (
	// ErrNoServers means that no NATS server could be reached.
	ErrNoServers = errors.New("client: no NATS server answers")
	// ErrNoHosts means that NATS knows of no Grout host for the request.
	ErrNoHosts = errors.New("client: no Grout host serves this subject")
	// ErrUnknownOutcome means that a command may or may not have been applied.
	ErrUnknownOutcome = errors.New("client: the outcome of the command is unknown")
	// ErrNoAnswer means that an attempt was not answered in time.
	ErrNoAnswer = errors.New("client: no answer in time")
	// ErrClosed refuses work after Close.
	ErrClosed = errors.New("client: closed")
	// ErrBadConfig marks a Config, PipelineConfig or QueryOptions that cannot work.
	ErrBadConfig = errors.New("client: bad config")
	// ErrBadName marks a group or host that cannot be part of a subject.
	ErrBadName = errors.New("client: bad name")
	// ErrBadBatch marks a batch without commands, or with too many.
	ErrBadBatch = errors.New("client: bad batch")
	// ErrLost means that a fed command was lost with the leader that had taken it: it was never applied,
	// and never will be.
	ErrLost = errors.New("client: the command was lost with its leader")
	// ErrForgotten means that the group cannot tell any more which command a position holds.
	ErrForgotten = errors.New("client: the position is too old to tell")
	// ErrMissedEvents means that events were dropped because they were not taken in time.
	ErrMissedEvents = errors.New("client: events were dropped: they were not taken in time")
	// ErrBadReply marks an answer that no host of this version sends, or whose output does not fit the type that Call,
	// Ask or Decode was to make of it.
	ErrBadReply = errors.New("client: bad reply")
)

// Error is what a host answers when there is no result.
type Error struct {
	Code api.Code
	// Text says what was wrong, where, and what to do.
	Text string
	// Index is not 0 when a command was applied there all the same, and only its result could not
	// be sent (api.CodeTooLarge).
	Index uint64
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("client: %s (code %s)", e.Text, e.Code) }

// Is makes errors.Is(err, &Error{Code: c}) true for every Error with that code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code && (other.Text == "" || other.Text == e.Text)
}

// RefusedError is the machine's own refusal of a command or query. Nothing changed.
type RefusedError struct {
	// Code and Message are the machine's own.
	Code    int32
	Message string
	// Index and Term are those of the command's entry; for a query, Index is where it ran.
	Index, Term uint64
	// Fuel is the work that it took until then.
	Fuel uint64
	// Duplicate is set when the refusal had been given before and was remembered.
	Duplicate bool
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("client: refused by the machine with code %d: %s", e.Code, e.Message)
}

// TrappedError means that the machine failed on a command or query. Nothing changed.
type TrappedError struct {
	Reason string
	// Index and Term are those of the command's entry; for a query, Index is where it ran.
	Index, Term uint64
	// Fuel is the work that it took until then.
	Fuel uint64
	// Duplicate is set when the failure had been reported before and was remembered.
	Duplicate bool
}

// Error implements error.
func (e *TrappedError) Error() string { return "client: the machine trapped: " + e.Reason }
