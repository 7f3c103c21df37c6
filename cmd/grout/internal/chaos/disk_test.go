package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// disk is what a host's data folder is on.
type disk interface {
	// folder is the data folder.
	folder() string
	// fill makes sure that nothing more can be written, by the running process of that number or by later ones
	// that are begun through wrap; free ends that.
	fill(pid int) error
	free() error
	wrap(command *exec.Cmd) *exec.Cmd
	// protect makes the disk read-only, or says that it cannot. It must not be in use.
	protect(readOnly bool) (bool, error)
	// why is what the host should say when it fails on this disk.
	why() string
	// close returns what the disk took.
	close() error
}

// limited is the disk where mounting is not allowed: a folder whose "end" is a limit on the size of any
// file, which the kernel enforces on the process. Its writes and syncs fail as on a full disk, with EFBIG.
type limited struct {
	dir  string
	full bool
}

func newLimited(dir string) (*limited, error) { return &limited{dir: dir}, os.MkdirAll(dir, 0o700) }

func (l *limited) folder() string { return filepath.Join(l.dir, "data") }
func (l *limited) why() string    { return "file too large" }
func (l *limited) close() error   { return nil }

func (l *limited) fill(pid int) error {
	l.full = true
	return limitFiles(pid)
}

func (l *limited) free() error {
	l.full = false
	return nil
}

func (l *limited) wrap(command *exec.Cmd) *exec.Cmd {
	if !l.full {
		return command
	}
	return exec.Command("sh", append([]string{"-c", `ulimit -f 0; exec "$@"`, "sh", command.Path}, command.Args[1:]...)...)
}

func (l *limited) protect(bool) (bool, error) { return false, nil }

// ballastName is the file that fills a disk.
const ballastName = "ballast"

// removeBallast frees a disk.
func removeBallast(dir string) error {
	if err := os.Remove(filepath.Join(dir, ballastName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("freeing the disk: %w", err)
	}
	return nil
}
