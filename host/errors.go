package host

import (
	"errors"
	"fmt"

	"github.com/groutlabs/grout/sdk/api"
)

// The errors of this package. Callers compare with errors.Is.
var (
	// errNoMachine: a member's machine cannot be started now.
	errNoMachine = errors.New("host: no machine")
	// ErrBadConfig marks a Config with a field missing or out of range.
	ErrBadConfig = errors.New("host: bad config")
	// ErrIdentity means that the data folder is not the one that the cluster knows this host by.
	ErrIdentity = errors.New("host: not the host that the cluster knows")
	// ErrCorrupt marks stored or received bytes that cannot be what was written.
	ErrCorrupt = errors.New("host: corrupt")
	// ErrMissing means that a blob is not stored on this host.
	ErrMissing = errors.New("host: no such blob")
	// ErrStorage means that something which has to be kept could not be stored. The host must end: what
	// it stored before is as it was, and nothing is tried again before the next start.
	ErrStorage = errors.New("host: storing failed")
	// ErrQuarantined refuses what a member cannot do whose state is known to be wrong.
	ErrQuarantined = errors.New("host: in quarantine")
	// ErrStopped ends a wait for a member that has stopped, was removed, or whose host is closed.
	ErrStopped = errors.New("host: the member has stopped")
	// ErrLost means that the entry of a cursor was lost with its leader: it was never applied, and never will be.
	ErrLost = errors.New("host: the entry was lost with its leader")
	// ErrForgotten means that the group does not remember which term's entry a cursor's index holds.
	ErrForgotten = errors.New("host: the entry is too old to tell")
	// ErrTimeout ends a wait at its own deadline.
	ErrTimeout = errors.New("host: not reached in time")
	// ErrBusy refuses a wait when there are too many.
	ErrBusy = errors.New("host: too much under way")
	// ErrClosed refuses what a closed host cannot do any more.
	ErrClosed = errors.New("host: closed")
)

// busyFault says that bounded queues are full.
func busyFault(group string) *Error {
	return fault(api.CodeBusy, "group %s has as much under way as it takes: nothing happened, try again", group)
}

// noLeaderFault says that nobody leads, or that the leader has just changed.
func noLeaderFault(group string) *Error {
	return fault(api.CodeNoLeader, "group %s has no leader that answers: nothing happened, try again", group)
}

// fault builds the error that a client sees.
func fault(code api.Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}
