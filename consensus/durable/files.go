package durable

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const walSuffix = ".log"

// prefilled writes zeros over every new write-ahead log once. A sync of bytes that replace others in
// place changes no metadata of the file, and so costs one flush of the device instead of a commit
// of the file system's journal besides. The library gets the same from recycled logs, but only some minutes
// after each start.
type prefilled struct {
	vfs.FS
	bytes int
}

// Create implements vfs.FS.
func (p *prefilled) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := p.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, walSuffix) {
		return file, err
	}
	if err := fill(file, p.bytes); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Unwrap implements vfs.FS.
func (p *prefilled) Unwrap() vfs.FS { return p.FS }

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
