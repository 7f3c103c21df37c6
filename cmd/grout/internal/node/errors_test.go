package node

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/groutlabs/grout/consensus/durable"
	"github.com/groutlabs/grout/host"
)

// TestStoreError shows which failures mean that a folder takes nothing any more, and that each says why
// and what to do.
func TestStoreError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%w: %w", durable.ErrFailed, &fs.PathError{Op: "write", Path: "/d/x", Err: syscall.ENOSPC}),
			"node: the store in /d failed: no space left on device: free some and start again"},
		{fmt.Errorf("%w: %w", host.ErrStorage, syscall.EDQUOT), "free some and start again"},
		{&fs.PathError{Op: "mkdir", Path: "/d", Err: syscall.EROFS}, "read-only file system: make it writable and start again"},
		{fmt.Errorf("%w: %w", durable.ErrFailed, syscall.EFBIG), "ulimit -f"},
		{fmt.Errorf("%w: %w", durable.ErrFailed, syscall.EIO), "input/output error: see to the disk"},
		{fmt.Errorf("%w: the library gave up", durable.ErrFailed), "failed: durable: store has stopped after a failed write: the library gave up"},
		{durable.ErrLocked, ""}, {&durable.CorruptionError{Dir: "/d"}, ""}, {nil, ""},
	} {
		err := storeError("/d", c.err)
		store, failed := errors.AsType[*StoreError](err)
		if failed != (c.want != "") || (failed && (!strings.Contains(err.Error(), c.want) || store.Dir != "/d")) {
			t.Errorf("%v: %v, want %q", c.err, err, c.want)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%v is not in %v", c.err, err)
		}
	}
}
