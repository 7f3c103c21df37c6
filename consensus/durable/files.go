package durable

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	walSuffix   = ".log"
	tableSuffix = ".sst"
)

// libraryFS is the file system as the writing library sees it. It does more.
//
// It writes zeros over every new write-ahead log once. A sync of bytes that replace others in
// place changes no metadata of the file, and so costs one flush of the device instead of a commit
// of the file system's journal besides. The library gets the same from recycled logs, but only some
// minutes after each start.
//
// When a log cannot be created, the library ends the process in a way that cannot be recovered
// from. libraryFS stops the store instead, and hands out a file in memory that nobody will read:
// nothing is acknowledged any more.
//
// Once the store has stopped, nothing is removed, and whoever wants to write another table waits for
// ever: the library would try again and again.
type libraryFS struct {
	vfs.FS
	bytes   int
	fail    func(error)
	failure func() error
}

// Create implements vfs.FS.
func (f *libraryFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, tableSuffix) && f.failure() != nil {
		select {}
	}
	file, err := f.FS.Create(name, category)
	if !strings.HasSuffix(name, walSuffix) {
		return file, err
	}
	if err == nil {
		if err = fill(file, f.bytes); err == nil {
			return file, nil
		}
		err = errors.Join(err, file.Close())
	}
	return f.standIn(name, err)
}

// ReuseForWrite implements vfs.FS.
func (f *libraryFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, category)
	if err != nil {
		return f.standIn(name, err)
	}
	return file, nil
}

func (f *libraryFS) standIn(name string, err error) (vfs.File, error) {
	f.fail(fmt.Errorf("create %s: %w", name, err))
	return vfs.NewMem().Create("stopped", vfs.WriteCategoryUnspecified)
}

// OpenDir implements vfs.FS.
func (f *libraryFS) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &libraryFolder{File: dir, name: name, fail: f.fail}, nil
}

// Remove implements vfs.FS.
func (f *libraryFS) Remove(name string) error {
	if f.failure() != nil {
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
	fail func(error)
}

// Sync implements vfs.File.
func (d *libraryFolder) Sync() error {
	if err := d.File.Sync(); err != nil {
		d.fail(fmt.Errorf("sync %s: %w", d.name, err))
	}
	return nil
}

// fill writes through WriteAt, which leaves the file's position at 0.
func fill(file vfs.File, bytes int) error {
	zeros := make([]byte, min(bytes, 1<<20))
	for offset := 0; offset < bytes; offset += len(zeros) {
		if _, err := file.WriteAt(zeros[:min(len(zeros), bytes-offset)], int64(offset)); err != nil {
			return err
		}
	}
	return file.Sync()
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
