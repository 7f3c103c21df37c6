package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// limitFiles keeps a process from writing to any file. Pipes and sockets are not concerned.
func limitFiles(pid int) error {
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 0, Max: unix.RLIM_INFINITY}, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("limiting the files of process %d: %w", pid, err)
	}
	return nil
}

// small is a tmpfs that belongs to one host. It is mounted in the test's own mount namespace, and goes with it.
type small struct{ dir string }

// smallOptions leave room for everything that a host keeps during a long storm.
const smallOptions = "size=512m,mode=0700"

func newSmall(dir string) (*small, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, smallOptions); err != nil {
		return nil, fmt.Errorf("mounting a tmpfs at %s: %w", dir, err)
	}
	return &small{dir: dir}, nil
}

func (s *small) folder() string                   { return filepath.Join(s.dir, "data") }
func (s *small) why() string                      { return "no space left on device" }
func (s *small) wrap(command *exec.Cmd) *exec.Cmd { return command }

// fill writes a ballast file until not a page is left.
func (s *small) fill(int) error {
	ballast, err := os.OpenFile(filepath.Join(s.dir, ballastName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("filling the disk: %w", err)
	}
	size := int64(0)
	for step := int64(64 << 20); step >= int64(os.Getpagesize()); {
		err := unix.Fallocate(int(ballast.Fd()), 0, size, step)
		switch {
		case err == nil:
			size += step
		case errors.Is(err, unix.ENOSPC):
			step /= 2
		case !errors.Is(err, unix.EINTR):
			return errors.Join(fmt.Errorf("filling the disk: %w", err), ballast.Close())
		}
	}
	return ballast.Close()
}

func (s *small) free() error { return removeBallast(s.dir) }

func (s *small) protect(readOnly bool) (bool, error) {
	flags := uintptr(unix.MS_REMOUNT)
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount("tmpfs", s.dir, "tmpfs", flags, smallOptions); err != nil {
		return false, fmt.Errorf("mounting %s again, read-only %t: %w", s.dir, readOnly, err)
	}
	return true, nil
}

func (s *small) close() error {
	if err := unix.Unmount(s.dir, 0); err != nil {
		return fmt.Errorf("unmounting %s: %w", s.dir, err)
	}
	return nil
}
