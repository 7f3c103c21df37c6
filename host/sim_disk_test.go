package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"syscall"

	"github.com/groutlabs/grout/consensus"
)

// simDisk is what a host's disk holds: the chunk store's files, and the log.
type simDisk struct {
	w *simWorld
	// files are the names as the process sees them, kept those that survive a power failure; names are the
	// changes that lie between.
	files, kept map[string]*simFile
	names       []simRename
	// log is what is durable of the group's log.
	log simLogContent
	// device holds the log's bytes in the seeds that use production's store.
	device *simDevice
	// full, syncFails and slow are faults.
	full, syncFails bool
	slow            int64
	// logDamaged is set from the damage to the log until the next start.
	logDamaged bool
	// folderOf is the process that uses the disk.
	folderOf *simLife
}

type simFile struct {
	data []byte
	// synced is how many bytes survive a power failure for sure.
	synced int
	// damaged is set once a bit was flipped.
	damaged bool
}

// simRename is a change of a name: a new file has no from, a removed one no to.
type simRename struct {
	from, to string
	file     *simFile
}

func newSimDisk(w *simWorld) *simDisk {
	d := &simDisk{w: w, files: map[string]*simFile{}, kept: map[string]*simFile{}, slow: 1}
	if w.profile.durable {
		d.device = newSimDevice(w)
	}
	return d
}

// delay is how long the device takes for one write.
func (d *simDisk) delay() int64 { return d.w.between(1, 2*d.w.profile.diskDelay) * d.slow }

const simSector = 64

// crash is the end of the process. Without power, names and bytes that were not synced survive or not, as
// the seed decides, sector by sector.
func (d *simDisk) crash(power bool) {
	d.full, d.syncFails, d.slow = false, false, 1
	if power {
		w := d.w
		inOrder, some := w.chance(2), w.rng.IntN(len(d.names)+1)
		for i, change := range d.names {
			if inOrder && i < some || !inOrder && w.chance(2) {
				change.apply(d.kept)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(d.kept)) {
			d.kept[name].lose(w)
		}
		d.files = maps.Clone(d.kept)
		w.stats.lostNames += len(d.names)
	}
	d.kept, d.names = maps.Clone(d.files), nil
	for _, f := range d.files {
		f.synced = len(f.data)
	}
}

func (r simRename) apply(names map[string]*simFile) {
	if r.from != "" && names[r.from] == r.file {
		delete(names, r.from)
	}
	if r.to != "" {
		names[r.to] = r.file
	}
}

// lose tears what was not synced.
func (f *simFile) lose(w *simWorld) {
	if f.synced == len(f.data) {
		return
	}
	f.data = f.data[:f.synced+w.rng.IntN(len(f.data)-f.synced+1)]
	for at := f.synced; at < len(f.data); at += simSector {
		if w.chance(3) {
			clear(f.data[at:min(len(f.data), at+simSector)])
		}
	}
}

// flipChunk flips a bit of one file.
func (d *simDisk) flipChunk() bool {
	names := slices.Sorted(maps.Keys(d.files))
	for range 4 {
		if len(names) == 0 {
			return false
		}
		if f := d.files[names[d.w.rng.IntN(len(names))]]; len(f.data) > 0 {
			f.data = slices.Clone(f.data)
			bit := d.w.rng.IntN(8 * len(f.data))
			f.data[bit/8] ^= 1 << (bit % 8)
			f.damaged = true
			return true
		}
	}
	return false
}

// damaged reports whether a flipped bit has not come to light yet: the next start may find it.
func (d *simDisk) damaged() bool {
	for _, f := range d.files {
		if f.damaged {
			return true
		}
	}
	return d.logDamaged
}

// simPack is how large packs are: some chunks' worth.
const simPack = 100

// simFolder is a process's view of its chunk store's folder.
type simFolder struct {
	life *simLife
	disk *simDisk
}

// change is called before every operation that changes something: background work waits for the device,
// and a loop may die in the middle.
func (f simFolder) change() error {
	w := f.disk.w
	switch {
	case f.life.dead:
		return errDead
	case w.current != nil:
		delay := f.disk.delay()/4 + 1
		if n := f.life.node; n.ambush != nil && w.chance(6) {
			w.after(w.between(0, delay-1), "ambush", n.ambush)
			n.ambush = nil
		}
		w.current.sleep(delay, "file")
		if f.life.dead {
			return errDead
		}
	case f.life.g != nil && w.profile.weights[faultKill] > 0 && !w.calm && w.chance(60):
		w.stats.count(faultKill)
		panic(simKilled{power: w.chance(2)})
	}
	return nil
}

// Create implements folder.
func (f simFolder) Create(name string) (folderFile, error) {
	if err := f.change(); err != nil {
		return nil, err
	}
	if f.disk.files[name] != nil {
		return nil, fmt.Errorf("create %s: %w", name, fs.ErrExist)
	}
	file := &simFile{}
	f.name(simRename{to: name, file: file})
	return &simOpenFile{simFolder: f, file: file}, nil
}

func (f simFolder) name(r simRename) {
	r.apply(f.disk.files)
	f.disk.names = append(f.disk.names, r)
}

// Open implements folder.
func (f simFolder) Open(name string) (folderFile, error) {
	switch file := f.disk.files[name]; {
	case f.life.dead:
		return nil, errDead
	case name == ".":
		return &simOpenFile{simFolder: f}, nil
	case file == nil:
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	default:
		return &simOpenFile{simFolder: f, file: file}, nil
	}
}

// SyncFiles implements folder.
func (f simFolder) SyncFiles(names []string) error {
	for _, name := range names {
		file, err := f.Open(name)
		if err == nil {
			err = file.Sync()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Remove implements folder.
func (f simFolder) Remove(name string) error {
	file := f.disk.files[name]
	if file == nil {
		return fmt.Errorf("remove %s: %w", name, fs.ErrNotExist)
	}
	if err := f.change(); err != nil {
		return err
	}
	f.name(simRename{from: name, file: file})
	return nil
}

// List implements folder.
func (f simFolder) List() (map[string]int64, error) {
	sizes := map[string]int64{}
	for name, file := range f.disk.files {
		sizes[name] = int64(len(file.data))
	}
	return sizes, nil
}

// simOpenFile is an open file, or the folder when file is nil.
type simOpenFile struct {
	simFolder
	file *simFile
}

var errSync = errors.New("simulated: the device failed to sync")

// Write implements io.Writer.
func (f *simOpenFile) Write(p []byte) (int, error) {
	if f.life.dead {
		return 0, errDead
	}
	if f.disk.full {
		f.disk.w.stats.count(faultFull)
		f.file.data = append(f.file.data, p[:len(p)/2]...)
		return len(p) / 2, syscall.ENOSPC
	}
	f.file.data = append(f.file.data, p...)
	return len(p), nil
}

// Sync implements folderFile.
func (f *simOpenFile) Sync() error {
	if err := f.change(); err != nil {
		return err
	}
	if f.disk.syncFails {
		f.disk.w.stats.count(faultSyncFails)
		return errSync
	}
	if f.file == nil {
		f.disk.kept, f.disk.names = maps.Clone(f.disk.files), nil
		return nil
	}
	f.file.synced = len(f.file.data)
	return nil
}

// ReadAt implements io.ReaderAt.
func (f *simOpenFile) ReadAt(p []byte, offset int64) (int, error) {
	if offset > int64(len(f.file.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.file.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements folderFile.
func (f *simOpenFile) Close() error { return nil }

// simLogContent is what is durable of a log: the deliberately simple twin of production's store.
type simLogContent struct {
	hard     consensus.HardState
	snapshot *consensus.SnapshotMeta
	// before is the position before the first entry, as far as it is known.
	before  consensus.Cursor
	entries []consensus.LogEntry
	records map[string][]byte
	// damaged is set when the log cannot be read any more.
	damaged bool
}

// last is the position of the last durable entry.
func (c *simLogContent) last() consensus.Cursor {
	if n := len(c.entries); n > 0 {
		return c.entries[n-1].Position()
	}
	return c.before
}

// holds reports whether the entry at a position, or a snapshot that covers it, is there.
func (c *simLogContent) holds(at consensus.Cursor) bool {
	if c.snapshot != nil && at.Index <= c.snapshot.Anchor.Index {
		return true
	}
	i := int(at.Index - c.before.Index - 1)
	return at.Index > c.before.Index && i < len(c.entries) && c.entries[i].Term == at.Term
}

// write carries out a write, or says why no correct member asks for it.
func (c *simLogContent) write(w *consensus.Write) error {
	if h := w.HardState; h != nil {
		if h.Term < c.hard.Term || h.Term == c.hard.Term && c.hard.VotedFor != 0 && h.VotedFor != c.hard.VotedFor {
			return fmt.Errorf("hard state %+v after %+v", *h, c.hard)
		}
		c.hard = *h
	}
	if w.Install != nil {
		if c.snapshot != nil && w.Install.Anchor.Index < c.snapshot.Anchor.Index {
			return fmt.Errorf("snapshot at %s after one at %s", w.Install.Anchor, c.snapshot.Anchor)
		}
		meta := *w.Install
		c.snapshot, c.before, c.entries = &meta, meta.Anchor, nil
	}
	if len(w.Entries) == 0 {
		return nil
	}
	first, last := w.Entries[0].Index, c.last().Index
	if first > last+1 || first <= c.before.Index || c.snapshot != nil && first <= c.snapshot.Anchor.Index {
		return fmt.Errorf("entry %d into a log from %s to %s", first, c.before, c.last())
	}
	// Others may still read what is replaced.
	c.entries = append(c.entries[:first-c.before.Index-1:first-c.before.Index-1], w.Entries...)
	return nil
}

func (c *simLogContent) save(meta consensus.SnapshotMeta) error {
	if c.snapshot != nil && meta.Anchor.Index < c.snapshot.Anchor.Index {
		return fmt.Errorf("snapshot at %s after one at %s", meta.Anchor, c.snapshot.Anchor)
	}
	if at := meta.Anchor; at != c.before && (at.Index <= c.before.Index || !c.holdsEntry(at)) {
		return fmt.Errorf("snapshot at %s, which the log from %s to %s does not hold", at, c.before, c.last())
	}
	c.snapshot = &meta
	return nil
}

func (c *simLogContent) holdsEntry(at consensus.Cursor) bool {
	i := int(at.Index - c.before.Index - 1)
	return i >= 0 && i < len(c.entries) && c.entries[i].Term == at.Term
}

func (c *simLogContent) compact(index consensus.Index) error {
	if index <= c.before.Index {
		return nil
	}
	if c.snapshot == nil || index > c.snapshot.Anchor.Index {
		return fmt.Errorf("forgetting up to %d without a snapshot there", index)
	}
	n := index - c.before.Index
	c.before, c.entries = c.entries[n-1].Position(), c.entries[n:]
	return nil
}

func (c *simLogContent) restored() consensus.Restored {
	out := consensus.Restored{HardState: c.hard, Entries: slices.Clone(c.entries)}
	for i := range out.Entries {
		out.Entries[i].Payload = slices.Clone(out.Entries[i].Payload)
	}
	if c.snapshot != nil {
		meta := *c.snapshot
		out.Snapshot = &meta
	}
	return out
}
