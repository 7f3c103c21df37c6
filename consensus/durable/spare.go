package durable

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// spareName is that of the spare log in the library's folder. The library takes no notice of it.
	spareName = "spare"
	// firstLogBytes is what the first log since the library was opened needs. The next one needs twice as much, up to
	// libraryFS.bytes: so grow the library's tables in memory.
	firstLogBytes = 256 << 10 / 10 * 11
	// fillBytes is how much is synced at once: the device lets the syncs of the log in use wait for it.
	fillBytes = 256 << 10
)

// spareLog is the next write-ahead log, filled with zeros before it is needed: everybody who writes waits while the
// library creates a log, and so many zeros take a tenth of a second.
type spareLog struct {
	mu sync.Mutex
	// logs is how many there were since the library was opened.
	logs int
	// path is where the spare one is. filled yields it, or nothing if it could not be filled; it is nil when there is none.
	path   string
	filled chan vfs.File
}

// logBytes is how much the log needs that comes after so many others.
func (f *libraryFS) logBytes(others int) int {
	return min(f.bytes, firstLogBytes<<min(others, 20))
}

// newLog returns a log with its zeros, and has the next one filled.
func (f *libraryFS) newLog(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.spare.mu.Lock()
	defer f.spare.mu.Unlock()
	file, err := f.takeSpare(name)
	if file == nil && err == nil {
		file, err = f.createFilled(name, f.logBytes(f.spare.logs), category)
	}
	f.spare.logs++
	if err == nil && f.bytes > 0 {
		f.prepareSpare(f.PathJoin(f.PathDir(name), spareName), category)
	}
	return file, err
}

// reuseLog returns an old log under a new name, or a new one when the old one is too small.
func (f *libraryFS) reuseLog(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	info, err := f.FS.Stat(old)
	if err != nil {
		return nil, err
	}
	if info.Size() >= int64(f.logBytes(f.spare.logs)) {
		return f.FS.ReuseForWrite(old, name, category)
	}
	file, err := f.newLog(name, category)
	if err != nil {
		return nil, err
	}
	if err := f.FS.Remove(old); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// takeSpare gives the spare log that name. Without one it returns nothing.
func (f *libraryFS) takeSpare(name string) (vfs.File, error) {
	if f.spare.filled == nil {
		return nil, nil
	}
	file := <-f.spare.filled
	f.spare.filled = nil
	if file == nil {
		return nil, nil
	}
	if err := f.FS.Rename(f.spare.path, name); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// prepareSpare begins to fill a spare log. One that cannot be filled is left alone: whoever needs it creates
// another one, and learns what is wrong.
func (f *libraryFS) prepareSpare(path string, category vfs.DiskWriteCategory) {
	filled, bytes := make(chan vfs.File, 1), f.logBytes(f.spare.logs)
	f.spare.path, f.spare.filled = path, filled
	go func() {
		file, err := f.createFilled(path, bytes, category)
		if err != nil {
			file = nil
		}
		filled <- file
	}()
}

// createFilled creates a file of so many zeros, durably. The file's position stays at 0.
func (f *libraryFS) createFilled(name string, bytes int, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	if err := f.fill(file, bytes); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (f *libraryFS) fill(file vfs.File, bytes int) error {
	zeros := make([]byte, min(bytes, fillBytes))
	for offset := 0; offset < bytes; offset += len(zeros) {
		if err := f.stopped(); err != nil {
			return err
		}
		if _, err := file.WriteAt(zeros[:min(len(zeros), bytes-offset)], int64(offset)); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// close removes the spare log, once the library is closed.
func (f *libraryFS) close() error {
	f.spare.mu.Lock()
	defer f.spare.mu.Unlock()
	if f.spare.filled == nil {
		return nil
	}
	file := <-f.spare.filled
	f.spare.filled = nil
	if file == nil {
		return nil
	}
	return errors.Join(file.Close(), f.Remove(f.spare.path))
}
