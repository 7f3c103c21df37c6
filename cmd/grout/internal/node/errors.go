package node

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/groutlabs/grout/consensus/durable"
	"github.com/groutlabs/grout/host"
)

// StoreError means that a data folder takes nothing any more. What was acknowledged is in it.
type StoreError struct {
	// Dir is the host's data folder.
	Dir string
	// Cause is the system's own reason, such as syscall.ENOSPC; nil when none is known.
	Cause error
	// Err is what the store said.
	Err error
}

// Error implements error.
func (e *StoreError) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("node: the store in %s failed: %v", e.Dir, e.Err)
	}
	return fmt.Sprintf("node: the store in %s failed: %v: %s", e.Dir, e.Cause, e.remedy())
}

// Unwrap returns what the store said.
func (e *StoreError) Unwrap() error { return e.Err }

func (e *StoreError) remedy() string {
	switch e.Cause {
	case syscall.ENOSPC, syscall.EDQUOT:
		return "free some and start again"
	case syscall.EROFS:
		return "make it writable and start again"
	case syscall.EFBIG:
		return "raise the limit of a file's size (ulimit -f) and start again"
	}
	return "see to the disk before you start again"
}

// diskCauses are the errors of the system by which a disk says that it cannot be written to.
var diskCauses = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EFBIG, syscall.EIO}

// storeError returns err as a *StoreError if it means that the folder cannot be written to, and
// unchanged if it means something else.
func storeError(dir string, err error) error {
	failed := &StoreError{Dir: dir, Err: err}
	for _, cause := range diskCauses {
		if errors.Is(err, cause) {
			failed.Cause = cause
			return failed
		}
	}
	if errors.Is(err, durable.ErrFailed) || errors.Is(err, host.ErrStorage) {
		return failed
	}
	return err
}
