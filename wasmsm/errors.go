package wasmsm

import (
	"errors"
	"fmt"

	"github.com/groutlabs/grout/wasmsm/prepare"
)

var (
	// ErrClosed is returned by a machine or runtime after Close.
	ErrClosed = errors.New("wasmsm: closed")
	// ErrLimits marks a configuration whose limits cannot be met.
	ErrLimits = errors.New("wasmsm: bad limits")
	// ErrBadImage marks an image that does not belong to the module or is damaged.
	ErrBadImage = errors.New("wasmsm: bad image")
)

// BadModuleError says why a module was refused, and where.
type BadModuleError = prepare.BadModuleError

// InitError is returned when a machine could not be started: _initialize or grout_init refused or
// trapped.
type InitError struct {
	// Function is the export that was called.
	Function string
	Outcome  Outcome
}

// Error implements error.
func (e *InitError) Error() string {
	if e.Outcome.Kind == Refused {
		return fmt.Sprintf("wasmsm: %s refused with code %d: %s", e.Function, e.Outcome.Code, e.Outcome.Message)
	}
	return fmt.Sprintf("wasmsm: %s trapped: %s", e.Function, e.Outcome.Message)
}
