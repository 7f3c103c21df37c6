package collections

import (
	"errors"
	"fmt"
)

// The errors of this package, beside those of package client. Callers compare with errors.Is.
var (
	// ErrQuiet means that a collection cannot be watched: it was deployed with the init argument "quiet".
	ErrQuiet = errors.New("collections: the collection emits no events: deploy it without the init argument quiet")
	// ErrBadValue marks a key or value that its codec cannot carry. Nothing was sent.
	ErrBadValue = errors.New("collections: bad value")
)

// MissedError says that changes were missed. Those that come next are later ones.
type MissedError struct {
	// After is the index of the last change before those that were missed, and Last that of the last missed one, as far as is known.
	After, Last uint64
}

// Error implements error.
func (e *MissedError) Error() string {
	return fmt.Sprintf("collections: changes after index %d, up to %d, were missed: read the collection anew", e.After, e.Last)
}

func isMissed(err error) bool {
	var missed *MissedError
	return errors.As(err, &missed)
}
