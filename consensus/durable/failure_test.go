package durable

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/groutlabs/grout/consensus"
)

// faults fails, or counts, operations on files whose name contains part, or is part when exact.
type faults struct {
	part  string
	exact bool
	kinds []errorfs.OpKind
	armed atomic.Bool
	// once disarms it with its first failure: a second attempt would succeed.
	once bool
	// seen counts the operations that match, failed those that were failed.
	seen, failed atomic.Int64
	// hold, when not nil, is called for each that matches.
	hold func()
}

func (f *faults) String() string { return "faults" }

func (f *faults) MaybeError(op errorfs.Op) error {
	if !strings.Contains(op.Path, f.part) || f.exact && op.Path != f.part {
		return nil
	}
	for _, kind := range f.kinds {
		if op.Kind != kind {
			continue
		}
		f.seen.Add(1)
		if f.hold != nil {
			f.hold()
		}
		if f.armed.Load() {
			f.failed.Add(1)
			if f.once {
				f.armed.Store(false)
			}
			return errorfs.ErrInjected
		}
	}
	return nil
}

var (
	syncs  = []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData}
	writes = []errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpFileWriteAt}
)

// A failed write or sync, in the foreground or in the background, stops the store for good: it is reported to
// the write, to every later write of every group, and never tried again. What was acknowledged survives.
func TestFailureStopsTheStore(t *testing.T) {
	cases := map[string]*faults{
		"sync of the write-ahead log":  {part: ".log", kinds: syncs},
		"write of the write-ahead log": {part: ".log", kinds: writes},
		"new write-ahead log":          {part: spareName, kinds: []errorfs.OpKind{errorfs.OpRename}},
		"reused write-ahead log":       {part: ".log", kinds: []errorfs.OpKind{errorfs.OpReuseForWrite}},
		"sync of the folder":           {part: "host/log", exact: true, kinds: syncs},
		"write of the watermark":       {part: watermarkName, kinds: writes},
		"sync of a table":              {part: ".sst", kinds: syncs},
		"write of the manifest":        {part: "MANIFEST", kinds: writes},
		"sync of the manifest":         {part: "MANIFEST", kinds: syncs},
	}
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			s := mustOpen(t, memConfig(errorfs.Wrap(mem, f)))
			m := newModel(1)
			for range 3 {
				w := consensus.Write{HardState: &consensus.HardState{Term: 1}, Entries: makeEntries(1, m.last()+1, 2, 1, 400)}
				mustAppend(t, s.Group(1), w)
				m.apply(w)
			}
			f.armed.Store(true)
			asked, err := writeUntilFailure(s.Group(1), m)
			if !errors.Is(err, ErrFailed) || !errors.Is(err, errorfs.ErrInjected) && !strings.Contains(err.Error(), "injected") {
				t.Fatalf("after a failed %s: %v", name, err)
			}
			wantStopped(t, s, f, err)
			restored := loadCrashed(t, mem)
			if diff := m.differs(restored); diff != "" && asked.differs(restored) != "" {
				t.Fatalf("after power loss: %s", diff)
			}
		})
	}
}

// A spare log that cannot be filled is not used, and the store goes on without; one that can be is used.
func TestSpareLogs(t *testing.T) {
	for name, test := range map[string]struct {
		failing bool
		kinds   []errorfs.OpKind
		want    int64
	}{
		"created":            {true, []errorfs.OpKind{errorfs.OpCreate}, 0},
		"written":            {true, writes, 0},
		"synced":             {true, syncs, 0},
		"nothing goes wrong": {false, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			f, renamed := &faults{part: spareName, kinds: test.kinds}, &faults{part: spareName, kinds: []errorfs.OpKind{errorfs.OpRename}}
			f.armed.Store(test.failing)
			s := mustOpen(t, memConfig(errorfs.Wrap(errorfs.Wrap(mem, f), renamed)))
			m := newModel(1)
			for range 20 { // several logs
				w := consensus.Write{Entries: makeEntries(1, m.last()+1, 20, 1, 4000)}
				mustAppend(t, s.Group(1), w)
				m.apply(w)
			}
			mustClose(t, s)
			if n := renamed.seen.Load(); n < test.want || test.failing && n > 0 {
				t.Errorf("%d spare logs were used", n)
			}
			if _, err := mem.Stat("host/log/" + spareName); err == nil && !test.failing {
				t.Error("a spare log is left behind")
			}
			if diff := m.differs(loadCrashed(t, mem)); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// A sync or write that failed once is not tried again, although the second attempt would succeed: after a failed
// sync the system may have dropped what was to be written, and report success for what is left.
func TestFailedSyncIsNotRetried(t *testing.T) {
	for name, f := range map[string]*faults{
		"sync of the write-ahead log":  {part: ".log", kinds: syncs, once: true},
		"write of the write-ahead log": {part: ".log", kinds: writes, once: true},
		"write of the watermark":       {part: watermarkName, kinds: writes, once: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, memConfig(errorfs.Wrap(vfs.NewCrashableMem(), f)))
			mustAppend(t, s.Group(1), consensus.Write{Entries: makeEntries(1, 1, 2, 1, 400)})
			f.armed.Store(true)
			before := f.seen.Load()
			err := appendSync(s.Group(1), consensus.Write{Entries: makeEntries(1, 3, 2, 1, 400)})
			if !errors.Is(err, ErrFailed) || f.seen.Load() != before+1 {
				t.Fatalf("the write ended with %v, after %d attempts", err, f.seen.Load()-before)
			}
			wantStopped(t, s, f, err)
		})
	}
}

// loadCrashed returns what group 1 holds after a power failure now.
func loadCrashed(t *testing.T, fs *vfs.MemFS) consensus.Restored {
	t.Helper()
	s := mustOpen(t, memConfig(fs.CrashClone(vfs.CrashCloneCfg{})))
	defer mustClose(t, s)
	return mustLoad(t, s.Group(1))
}

// Open fails, and does not wait for better times, when what it has to write cannot be written. Nothing is lost by it.
func TestFailureDuringOpen(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s, m := mustOpen(t, memConfig(mem)), newModel(1)
	w := consensus.Write{HardState: &consensus.HardState{Term: 1}, Entries: makeEntries(1, 1, 20, 1, 400)}
	mustAppend(t, s.Group(1), w)
	m.apply(w)
	for name, f := range map[string]*faults{
		"sync of a table":              {part: ".sst", kinds: syncs},
		"new table":                    {part: ".sst", kinds: []errorfs.OpKind{errorfs.OpCreate}},
		"new write-ahead log":          {part: ".log", kinds: []errorfs.OpKind{errorfs.OpCreate}},
		"sync of the manifest":         {part: "MANIFEST", kinds: syncs},
		"new options":                  {part: ".dbtmp", kinds: []errorfs.OpKind{errorfs.OpCreate}},
		"sync of the watermark":        {part: watermarkName, kinds: syncs},
		"sync of the library's folder": {part: "host/log", exact: true, kinds: syncs},
	} {
		t.Run(name, func(t *testing.T) {
			crashed := mem.CrashClone(vfs.CrashCloneCfg{})
			f.armed.Store(true)
			if _, err := Open(memConfig(errorfs.Wrap(crashed, f))); err == nil {
				t.Fatal("Open succeeded")
			}
			restored := loadCrashed(t, crashed)
			if diff := m.differs(restored); diff != "" {
				t.Fatal(diff)
			}
		})
	}
	mustClose(t, s)
}

// writeUntilFailure writes until one is refused. The model has what was acknowledged, asked also the one
// that was refused.
func writeUntilFailure(g *GroupLog, m *model) (asked *model, err error) {
	for range 5000 {
		w := consensus.Write{Entries: makeEntries(1, m.last()+1, 20, 1, 4000)}
		asked = m.clone()
		asked.apply(w)
		if err = appendSync(g, w); err != nil {
			return asked, err
		}
		m.apply(w)
	}
	return asked, errors.New("nothing was refused")
}

func wantStopped(t *testing.T, s *Store, f *faults, want error) {
	t.Helper()
	f.armed.Store(false)
	before := f.seen.Load()
	for _, g := range []*GroupLog{s.Group(1), s.Group(2)} {
		if err := appendSync(g, consensus.Write{}); err == nil || err.Error() != want.Error() {
			t.Fatalf("a later write: %v, want %v", err, want)
		}
	}
	if err := s.SetMeta("host", nil); !errors.Is(err, ErrFailed) {
		t.Fatalf("SetMeta: %v", err)
	}
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		t.Fatalf("Close: %v", err)
	}
	if f.part == ".log" && f.seen.Load() != before {
		t.Fatalf("the write-ahead log was used %d times after the failure", f.seen.Load()-before)
	}
}

// While one sync is under way, the writes of a hundred groups gather, and share the next one.
func TestGroupsShareSyncs(t *testing.T) {
	const groups = 100
	f := &faults{part: ".log", kinds: syncs}
	s := mustOpen(t, memConfig(errorfs.Wrap(vfs.NewCrashableMem(), f)))
	defer mustClose(t, s)
	for id := range uint64(groups) {
		mustLoad(t, s.Group(id))
	}
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.hold = func() { once.Do(func() { close(entered); <-release }) }
	before := f.seen.Load()
	var pending sync.WaitGroup
	write := func(id uint64) {
		pending.Add(1)
		s.Group(id).Append(consensus.Write{Entries: makeEntries(id, 1, 2, 1, 100)}, func(err error) {
			if err != nil {
				t.Errorf("group %d: %v", id, err)
			}
			pending.Done()
		})
	}
	write(0)
	<-entered
	for id := range uint64(groups - 1) {
		write(id + 1)
	}
	close(release)
	pending.Wait()
	if n := f.seen.Load() - before; n != 2 {
		t.Fatalf("%d writes took %d syncs, want 2", groups, n)
	}
	if stats := s.Stats(); stats.Batches != 2 || stats.Writes != groups || stats.QueuedBytes != 0 || stats.MostQueuedBytes == 0 {
		t.Fatalf("Stats: %+v", stats)
	}
}

// The done functions of a group's writes are called in order, however the writes share batches.
func TestDoneInOrder(t *testing.T) {
	s := mustOpen(t, memConfig(vfs.NewMem()))
	defer mustClose(t, s)
	const writes = 500
	order := make(chan consensus.Index, writes)
	for i := consensus.Index(1); i <= writes; i++ {
		s.Group(1).Append(consensus.Write{Entries: makeEntries(1, i, 1, 1, 0)}, func(err error) {
			if err != nil {
				t.Errorf("write %d: %v", i, err)
			}
			order <- i
		})
	}
	for want := consensus.Index(1); want <= writes; want++ {
		if got := <-order; got != want {
			t.Fatalf("done of write %d was called, want %d", got, want)
		}
	}
}

// What exceeds the bound on queued bytes ends its group, in order, and leaves the others alone.
func TestQueueIsBounded(t *testing.T) {
	f := &faults{part: ".log", kinds: syncs}
	config := memConfig(errorfs.Wrap(vfs.NewCrashableMem(), f))
	config.MaxQueuedBytes = 4000
	s := mustOpen(t, config)
	defer mustClose(t, s)
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.hold = func() { once.Do(func() { close(entered); <-release }) }
	outcomes := make(chan error, 3)
	done := func(err error) { outcomes <- err }
	s.Group(1).Append(consensus.Write{Entries: makeEntries(1, 1, 1, 1, 0)}, done)
	<-entered
	s.Group(1).Append(consensus.Write{Entries: makeEntries(1, 2, 100, 1, 0)}, done)
	s.Group(1).Append(consensus.Write{Entries: makeEntries(1, 102, 1, 1, 0)}, done)
	close(release)
	if err := <-outcomes; err != nil {
		t.Fatalf("the first write: %v", err)
	}
	for range 2 {
		if err := <-outcomes; !errors.Is(err, ErrQueueFull) {
			t.Fatalf("beyond the bound: %v", err)
		}
	}
	mustAppend(t, s.Group(2), consensus.Write{Entries: makeEntries(2, 1, 1, 1, 0)})
}

// Forgotten entries give their space on disk back, and what is kept stays.
func TestCompactReclaims(t *testing.T) {
	deleted := make(chan struct{}, 1)
	config := testConfig(t.TempDir())
	config.reclaim = 1
	tell := func() {
		select {
		case deleted <- struct{}{}:
		default:
		}
	}
	s := mustOpen(t, withTableDeleted(config, tell))
	const entries, size = 20_000, 1024
	for first := consensus.Index(1); first < entries; first += 100 {
		batch := makeEntries(1, first, 100, 1, 0)
		for i := range batch {
			batch[i].Payload = randomBytes(uint64(batch[i].Index), size)
		}
		mustAppend(t, s.Group(1), consensus.Write{Entries: batch})
		mustAppend(t, s.Group(2), consensus.Write{Entries: makeEntries(2, first, 1, 1, 0)[:0]})
	}
	full := s.Stats().DiskBytes
	if full < entries*size {
		t.Fatalf("%d bytes on disk for %d bytes of payload", full, entries*size)
	}
	meta := testMeta(consensus.Cursor{Term: 1, Index: entries - 100})
	if err := s.Group(1).SaveSnapshot(meta); err != nil {
		t.Fatal(err)
	}
	if err := s.Group(1).Compact(meta.Anchor.Index); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// The library tells of a deleted file before it stops counting it, so that the last word may come too early.
	recount := time.NewTicker(20 * time.Millisecond)
	defer recount.Stop()
	for s.Stats().DiskBytes > entries*size/5 {
		select {
		case <-deleted:
		case <-recount.C:
		case <-ctx.Done():
			t.Fatalf("%d of %d bytes are still on disk", s.Stats().DiskBytes, full)
		}
	}
	t.Logf("%d bytes on disk, %d after compaction", full, s.Stats().DiskBytes)
	mustClose(t, s)
	s = mustOpen(t, config)
	defer mustClose(t, s)
	restored := mustLoad(t, s.Group(1))
	if len(restored.Entries) != 100 || restored.Entries[0].Index != meta.Anchor.Index+1 {
		t.Fatalf("%d entries are left", len(restored.Entries))
	}
}

// TestFatalErrorsKeepTheirCause shows that the failure which a fatal error of the library becomes still is the system's error: what
// an operator is told to do follows from it.
func TestFatalErrorsKeepTheirCause(t *testing.T) {
	var got error
	libraryLogger{fail: func(err error) { got = err }}.Fatalf("MANIFEST flush failed: %v", syscall.ENOSPC)
	if !errors.Is(got, syscall.ENOSPC) || got.Error() != "MANIFEST flush failed: no space left on device" {
		t.Errorf("the failure is %v", got)
	}
}
