package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/gofrs/flock"
)

const lockName = "lock"

// lockFolder takes the folder for this process. The file's content is the holder's process number, for the
// text of the refusal alone: what counts is the lock, which ends with its process.
func lockFolder(fs vfs.FS, dir string) (release func() error, err error) {
	if vfs.Root(fs) != vfs.Default {
		return func() error { return nil }, nil
	}
	path := filepath.Join(dir, lockName)
	lock := flock.New(path)
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("durable: lock %s: %w", path, err)
	}
	if !held {
		return nil, fmt.Errorf("%w: %s is held by %s; stop it or choose another folder", ErrLocked, dir, holder(path))
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		return nil, fmt.Errorf("durable: write %s: %w", path, errors.Join(err, lock.Unlock()))
	}
	return lock.Unlock, nil
}

func holder(path string) string {
	text, err := os.ReadFile(path)
	pid := strings.TrimSpace(string(text))
	if _, bad := strconv.Atoi(pid); err != nil || bad != nil {
		return "another process"
	}
	return "process " + pid
}
