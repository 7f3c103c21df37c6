package wire

import (
	"errors"
	"fmt"
)

// The errors of this package. Compare with errors.Is.
var (
	// ErrBadType marks a Go type that has no form on the wire.
	ErrBadType = errors.New("wire: no such type on the wire")
	// ErrBadRequest marks bytes that are no envelope.
	ErrBadRequest = errors.New("wire: bad request")
)

// ValueError says which part of a payload cannot be read or written, and why.
type ValueError struct {
	// Path is the way to the part, such as "lines[3].amount", "" for the whole.
	Path string
	// Reason says what is there and what should be.
	Reason string
}

// Error implements error.
func (e *ValueError) Error() string {
	if e.Path == "" {
		return "the payload: " + e.Reason
	}
	return fmt.Sprintf("field %q: %s", e.Path, e.Reason)
}

func invalid(format string, args ...any) error {
	return &ValueError{Reason: fmt.Sprintf(format, args...)}
}

// inField says that err came about inside a field. Paths grow from the inside, so that whoever succeeds pays nothing.
func inField(name string, err error) error {
	if v, ok := err.(*ValueError); ok {
		v.Path = join(name, v.Path)
	}
	return err
}

func inElement(i int, err error) error { return inField(fmt.Sprintf("[%d]", i), err) }

// join puts a step before a path: steps into elements need no dot.
func join(name, path string) string {
	if path == "" || path[0] == '[' {
		return name + path
	}
	return name + "." + path
}
