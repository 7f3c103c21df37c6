package host

import (
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// simVFS is a file system in memory below production's durable log. It forgets what was not synced, sector by
// sector, when the power fails; it can be full, fail to sync, and hold up a sync for ever. Paths are
// flat: folders are only prefixes. Its methods may be called from several goroutines.
type simVFS struct {
	mu sync.Mutex
	// files are the names as the process sees them, kept those that survive a power failure.
	files, kept map[string]*simVFile
	// dead makes all changes go nowhere: the process has ended.
	dead, full, syncFails bool
	// held, when not nil, is told once of the next sync of a write-ahead log, which then lasts until the end.
	held chan struct{}
	over chan struct{}
}

// simVFile is a file. dirty are the ranges that are not synced.
type simVFile struct {
	data, synced []byte
	dirty        [][2]int
	// written is how far Write has come.
	written int
}

func newSimVFS() *simVFS {
	return &simVFS{files: map[string]*simVFile{}, kept: map[string]*simVFile{}, over: make(chan struct{})}
}

// die ends the process that uses the file system.
func (v *simVFS) die() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dead = true
	close(v.over)
}

const simVSector = 512

// after returns what is there after the end of the process, and of power when that is lost too.
func (v *simVFS) after(power bool, seed uint64) *simVFS {
	v.mu.Lock()
	defer v.mu.Unlock()
	next := newSimVFS()
	next.files = maps.Clone(v.files)
	if power && seed&1 == 0 {
		next.files = maps.Clone(v.kept)
	}
	for name, f := range next.files {
		if power {
			h := fnv.New64a()
			h.Write([]byte(name))
			f.lose(rand.New(rand.NewPCG(seed, h.Sum64())))
		}
		f.synced, f.dirty = slices.Clone(f.data), nil
	}
	next.kept = maps.Clone(next.files)
	return next
}

// lose forgets some of what was not synced.
func (f *simVFile) lose(rng *rand.Rand) {
	mode := rng.IntN(3) // all is lost, all is kept, or some
	for _, r := range f.dirty {
		for from := r[0]; from < r[1]; {
			to := min(r[1], from-from%simVSector+simVSector)
			if mode == 1 || mode == 2 && rng.IntN(2) == 0 {
				f.grow(&f.synced, to)
				copy(f.synced[from:to], f.data[from:to])
			}
			from = to
		}
	}
	f.data = f.synced
}

func (f *simVFile) grow(data *[]byte, size int) {
	if n := size - len(*data); n > 0 {
		*data = append(*data, make([]byte, n)...)
	}
}

func notExist(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

func (v *simVFS) open(op, name string, fresh bool) (vfs.File, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.files[name]
	switch {
	case fresh:
		if v.full && !v.dead {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOSPC}
		}
		if f = (&simVFile{}); !v.dead {
			v.files[name] = f
		}
	case f == nil:
		return nil, notExist(op, name)
	}
	return &simVHandle{fs: v, file: f, name: name}, nil
}

// The methods of vfs.FS.

func (v *simVFS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return v.open("create", name, true)
}

func (v *simVFS) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) {
	return v.open("open", name, false)
}

func (v *simVFS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	if f, err := v.open("open", name, false); err == nil {
		return f, nil
	}
	return v.open("open", name, true)
}

func (v *simVFS) OpenDir(name string) (vfs.File, error) {
	return &simVHandle{fs: v, name: name}, nil
}

func (v *simVFS) change(op, from, to string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.files[from]
	switch {
	case v.dead:
		return nil
	case f == nil:
		return notExist(op, from)
	}
	if op != "link" {
		delete(v.files, from)
	}
	if to != "" {
		v.files[to] = f
	}
	return nil
}

func (v *simVFS) Link(from, to string) error   { return v.change("link", from, to) }
func (v *simVFS) Rename(from, to string) error { return v.change("rename", from, to) }
func (v *simVFS) Remove(name string) error     { return v.change("remove", name, "") }

func (v *simVFS) RemoveAll(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for file := range v.files {
		if !v.dead && (file == name || strings.HasPrefix(file, name+"/")) {
			delete(v.files, file)
		}
	}
	return nil
}

func (v *simVFS) ReuseForWrite(from, to string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := v.change("reuse", from, to); err != nil {
		return nil, err
	}
	return v.open("reuse", to, false)
}

func (v *simVFS) MkdirAll(string, fs.FileMode) error { return nil }

func (v *simVFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (v *simVFS) List(dir string) ([]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var names []string
	for name := range v.files {
		if path.Dir(name) == path.Clean(dir) {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (v *simVFS) Stat(name string) (vfs.FileInfo, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f := v.files[name]; f != nil {
		return simVInfo{name: path.Base(name), size: int64(len(f.data))}, nil
	}
	for file := range v.files {
		if strings.HasPrefix(file, path.Clean(name)+"/") {
			return simVInfo{name: path.Base(name), dir: true}, nil
		}
	}
	return nil, notExist("stat", name)
}

func (v *simVFS) PathBase(p string) string        { return path.Base(p) }
func (v *simVFS) PathJoin(parts ...string) string { return path.Join(parts...) }
func (v *simVFS) PathDir(p string) string         { return path.Dir(p) }
func (v *simVFS) Unwrap() vfs.FS                  { return nil }
func (v *simVFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{}, vfs.ErrUnsupported
}

type simVInfo struct {
	name string
	size int64
	dir  bool
}

func (i simVInfo) Name() string           { return i.name }
func (i simVInfo) Size() int64            { return i.size }
func (i simVInfo) Mode() fs.FileMode      { return 0o755 }
func (i simVInfo) ModTime() time.Time     { return time.Time{} }
func (i simVInfo) IsDir() bool            { return i.dir }
func (i simVInfo) Sys() any               { return nil }
func (i simVInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

// simVHandle is an open file, or a folder when file is nil.
type simVHandle struct {
	fs   *simVFS
	file *simVFile
	name string
	at   int
}

func (h *simVHandle) Close() error { return nil }

func (h *simVHandle) Read(p []byte) (int, error) {
	n, err := h.ReadAt(p, int64(h.at))
	if h.at += n; n > 0 {
		err = nil
	}
	return n, err
}

func (h *simVHandle) ReadAt(p []byte, offset int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if offset >= int64(len(h.file.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.file.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *simVHandle) Write(p []byte) (int, error) {
	n, err := h.WriteAt(p, int64(h.at))
	h.at += n
	h.file.written = max(h.file.written, h.at)
	return n, err
}

func (h *simVHandle) WriteAt(p []byte, offset int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	f, from, to := h.file, int(offset), int(offset)+len(p)
	switch {
	case h.fs.dead:
		return len(p), nil
	case h.fs.full && to > len(f.data):
		return 0, &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
	}
	f.grow(&f.data, to)
	copy(f.data[from:], p)
	if n := len(f.dirty); n > 0 && f.dirty[n-1][1] == from {
		f.dirty[n-1][1] = to
	} else {
		f.dirty = append(f.dirty, [2]int{from, to})
	}
	return len(p), nil
}

func (h *simVHandle) Preallocate(int64, int64) error { return nil }

func (h *simVHandle) Stat() (vfs.FileInfo, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return simVInfo{name: path.Base(h.name), size: int64(len(h.file.data))}, nil
}

// Sync implements vfs.File.
func (h *simVHandle) Sync() error {
	h.fs.mu.Lock()
	if h.fs.held != nil && strings.HasSuffix(h.name, ".log") {
		close(h.fs.held)
		h.fs.held = nil
		h.fs.mu.Unlock()
		<-h.fs.over
		return errDead
	}
	defer h.fs.mu.Unlock()
	switch {
	case h.fs.dead:
		return nil
	case h.fs.syncFails:
		return &fs.PathError{Op: "sync", Path: h.name, Err: errSync}
	case h.file == nil:
		h.fs.syncNames(h.name)
		return nil
	}
	f := h.file
	for _, r := range f.dirty {
		f.grow(&f.synced, r[1])
		copy(f.synced[r[0]:r[1]], f.data[r[0]:r[1]])
	}
	f.dirty = f.dirty[:0]
	return nil
}

// syncNames makes the names of one folder durable; the caller holds the lock.
func (v *simVFS) syncNames(dir string) {
	inside := func(name string, _ *simVFile) bool { return path.Dir(name) == path.Clean(dir) }
	maps.DeleteFunc(v.kept, inside)
	for name, f := range v.files {
		if inside(name, f) {
			v.kept[name] = f
		}
	}
}

func (h *simVHandle) SyncData() error            { return h.Sync() }
func (h *simVHandle) SyncTo(int64) (bool, error) { return false, nil }
func (h *simVHandle) Prefetch(int64, int64) error {
	return nil
}
func (h *simVHandle) Fd() uintptr { return vfs.InvalidFd }

// newestLog returns the write-ahead log with the highest number.
func (v *simVFS) newestLog() *simVFile {
	v.mu.Lock()
	defer v.mu.Unlock()
	newest := ""
	for name := range v.files {
		if strings.HasSuffix(name, ".log") && name > newest {
			newest = name
		}
	}
	return v.files[newest]
}
