package durable

import (
	"errors"
	"fmt"
	"strings"

	"github.com/groutlabs/grout/consensus"
)

// The errors of this package. Callers compare with errors.Is.
var (
	// ErrLocked means that another process, or another Store of this one, holds the folder.
	ErrLocked = errors.New("durable: folder is in use")
	// ErrClosed refuses what came after Store.Close.
	ErrClosed = errors.New("durable: store is closed")
	// ErrFailed marks a store that stopped because a write or sync failed.
	ErrFailed = errors.New("durable: store has stopped after a failed write")
	// ErrBadWrite marks a write that no correct member asks for. The group's log has failed for good.
	ErrBadWrite = errors.New("durable: impossible write")
	// ErrQueueFull marks a write beyond Config.MaxQueuedBytes. The group's log has failed for good.
	ErrQueueFull = errors.New("durable: too many bytes are queued")
	// ErrRemoved refuses what came after GroupLog.Remove.
	ErrRemoved = errors.New("durable: group was removed")
	// ErrBadConfig marks a Config with a field out of range.
	ErrBadConfig = errors.New("durable: bad config")
)

// CorruptionError says that something which was acknowledged is damaged or missing. The folder must
// not be used again as it is.
type CorruptionError struct {
	// Dir is the store's folder.
	Dir string
	// File and Offset (in bytes) say where, when a file is known; else File is "" and Offset 0.
	File   string
	Offset int64
	// Group is the group whose record is affected, nil when it is the store as a whole.
	Group *uint64
	// Index is the affected entry, 0 when none is known.
	Index consensus.Index
	// Reason says what was wrong.
	Reason string
	// Err is the library's own error, if it reported one.
	Err error
}

// Error implements error.
func (e *CorruptionError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "durable: log in %s is corrupt", e.Dir)
	if e.File != "" {
		fmt.Fprintf(&text, ", file %s, offset %d", e.File, e.Offset)
	}
	if e.Group != nil {
		fmt.Fprintf(&text, ", group %d", *e.Group)
	}
	if e.Index != 0 {
		fmt.Fprintf(&text, ", entry %d", e.Index)
	}
	fmt.Fprintf(&text, ": %s", e.Reason)
	if e.Err != nil {
		fmt.Fprintf(&text, " (%v)", e.Err)
	}
	text.WriteString("; set the folder aside and let this host join again with an empty one, under a new identity")
	return text.String()
}

// Unwrap returns the library's own error.
func (e *CorruptionError) Unwrap() error { return e.Err }
