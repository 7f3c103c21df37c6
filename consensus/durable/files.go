package durable

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	walSuffix      = ".log"
	tableSuffix    = ".sst"
	manifestPrefix = "MANIFEST"
)

// libraryFS is the file system as the writing library sees it. It does four things more.
//
// It writes zeros over every new write-ahead log once, most before they are needed (spareLog). A sync of bytes that
// replace others in place changes no metadata of the file, and so costs one flush of the device instead of a commit
// of the file system's journal besides. The library gets the same from recycled logs, but only some
// minutes after each start.
//
// It makes the name of a new manifest durable with the manifest. The library syncs the folder only after
// it has also created the marker that names the manifest, and so relies on a file system that
// cannot keep the second name without the first.
//
// When a log cannot be created, the library ends the process in a way that cannot be recovered
// from. libraryFS stops the store instead, and hands out a file in memory that nobody will read:
// nothing is acknowledged any more.
//
// Once an open store has stopped, nothing is written, synced, renamed or removed. Whoever wants to
// write another table waits until the library is being closed, since it would try again and again. While the library
// opens, a failed write stops the store, and whoever asked for it waits in the same way: an Open that returns an error frees
// what compactions and statistics in the background still use, and one whose tables cannot be written tries for ever.
type libraryFS struct {
	vfs.FS
	bytes int
	fail  func(error)
	// stopped returns why nothing may be written any more.
	stopped func() error
	// opened reports whether the library is open; giveUp ends the wait for that.
	opened func() bool
	giveUp func()
	// closing is closed when the library is about to be closed after a failure.
	closing <-chan struct{}
	spare   spareLog
}

// refused returns the error of a write, and not before the library is being closed if it is still opening.
func (f *libraryFS) refused(err error) error {
	if err != nil && !f.opened() {
		f.fail(err)
		f.giveUp()
		<-f.closing
	}
	return err
}

// Create implements vfs.FS.
func (f *libraryFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	isLog := strings.HasSuffix(name, walSuffix)
	err := f.stopped()
	if err != nil && strings.HasSuffix(name, tableSuffix) {
		<-f.closing
	}
	var file vfs.File
	switch {
	case err != nil:
	case isLog:
		file, err = f.newLog(name, category)
	default:
		file, err = f.FS.Create(name, category)
	}
	return f.guard(name, file, err, isLog)
}

// ReuseForWrite implements vfs.FS.
func (f *libraryFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	err := f.stopped()
	var file vfs.File
	if err == nil {
		file, err = f.reuseLog(old, name, category)
	}
	return f.guard(name, file, err, true)
}

// OpenReadWrite implements vfs.FS.
func (f *libraryFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, options ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, category, options...)
	return f.guard(name, file, err, false)
}

// guard returns the file as the library may use it, or, for a log that cannot be had, a stand-in.
func (f *libraryFS) guard(name string, file vfs.File, err error, isLog bool) (vfs.File, error) {
	if err == nil {
		named := !strings.HasPrefix(f.PathBase(name), manifestPrefix)
		return &libraryFile{File: file, name: name, isLog: isLog, named: named, fs: f}, nil
	}
	if !isLog {
		return nil, f.refused(err)
	}
	f.fail(fmt.Errorf("create %s: %w", name, err))
	return vfs.NewMem().Create("stopped", vfs.WriteCategoryUnspecified)
}

// OpenDir implements vfs.FS.
func (f *libraryFS) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &libraryFolder{File: dir, name: name, fs: f}, nil
}

// Rename implements vfs.FS.
func (f *libraryFS) Rename(old, name string) error {
	err := f.stopped()
	if err == nil {
		err = f.FS.Rename(old, name)
	}
	return f.refused(err)
}

// Remove implements vfs.FS.
func (f *libraryFS) Remove(name string) error {
	if f.stopped() != nil {
		return nil
	}
	return f.FS.Remove(name)
}

// Unwrap implements vfs.FS.
func (f *libraryFS) Unwrap() vfs.FS { return f.FS }

// libraryFolder stops the store when it cannot be synced: for the library that is as fatal as a
// log that cannot be created.
type libraryFolder struct {
	vfs.File
	name string
	fs   *libraryFS
}

// Sync implements vfs.File.
func (d *libraryFolder) Sync() error {
	if d.fs.stopped() != nil {
		return nil
	}
	if err := d.File.Sync(); err != nil {
		d.fs.fail(fmt.Errorf("sync %s: %w", d.name, err))
	}
	return nil
}

// libraryFile refuses to change once the store has stopped. Errors of a write-ahead log go to the store instead of the
// library, which would end the process on some of them: Store.apply asks the store.
type libraryFile struct {
	vfs.File
	name  string
	isLog bool
	// named is set once the name is durable too, where that matters.
	named bool
	fs    *libraryFS
}

func (f *libraryFile) change(carryOut func() error) error {
	err := f.fs.stopped()
	if err == nil {
		err = carryOut()
	}
	if err == nil || !f.isLog {
		return f.fs.refused(err)
	}
	f.fs.fail(fmt.Errorf("write %s: %w", f.name, err))
	return nil
}

// Write implements vfs.File.
func (f *libraryFile) Write(p []byte) (int, error) {
	err := f.change(func() error { _, err := f.File.Write(p); return err })
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Sync implements vfs.File.
func (f *libraryFile) Sync() error { return f.syncName(f.change(f.File.Sync)) }

// SyncData implements vfs.File.
func (f *libraryFile) SyncData() error { return f.syncName(f.change(f.File.SyncData)) }

func (f *libraryFile) syncName(err error) error {
	if err != nil || f.named {
		return err
	}
	f.named = true
	return f.change(func() error { return syncDir(f.fs.FS, f.fs.PathDir(f.name)) })
}

// SyncTo implements vfs.File.
func (f *libraryFile) SyncTo(length int64) (full bool, err error) {
	err = f.change(func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// Close implements vfs.File. It closes the file even when the store has stopped.
func (f *libraryFile) Close() error {
	err := f.File.Close()
	return f.change(func() error { return err })
}

// withoutLogs hides the write-ahead logs, so that a reader sees the tables alone.
type withoutLogs struct {
	vfs.FS
}

// List implements vfs.FS.
func (w withoutLogs) List(dir string) ([]string, error) {
	names, err := w.FS.List(dir)
	kept := names[:0]
	for _, name := range names {
		if !strings.HasSuffix(name, walSuffix) {
			kept = append(kept, name)
		}
	}
	return kept, err
}

// Unwrap implements vfs.FS.
func (w withoutLogs) Unwrap() vfs.FS { return w.FS }

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeDir creates a folder and its parents, each durable on return.
func makeDir(fs vfs.FS, dir string) error {
	if info, err := fs.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return syncDir(fs, parent)
}
