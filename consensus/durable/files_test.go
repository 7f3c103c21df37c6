package durable

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/groutlabs/grout/consensus"
)

// A folder whose watermark is missing is refused: without it, a log that was cut looks whole.
func TestMissingWatermark(t *testing.T) {
	mem := vfs.NewMem()
	s := mustOpen(t, memConfig(mem))
	mustAppend(t, s.Group(1), consensus.Write{Entries: makeEntries(1, 1, 4, 1, 0)})
	mustClose(t, s)
	if err := mem.Remove(mem.PathJoin("host", watermarkName)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(memConfig(mem))
	var corrupt *CorruptionError
	if !errors.As(err, &corrupt) || corrupt.File != watermarkName {
		t.Fatalf("Open: %v", err)
	}
}

// A write-ahead log that cannot be read is an error of its own, and not the end of that log: nothing is wrong with
// what is in it, and the next Open finds all of it.
func TestUnreadableLogIsNoEnd(t *testing.T) {
	// Only the first read fails, that of the proof: the library would read all of it.
	f := &faults{part: ".log", kinds: []errorfs.OpKind{errorfs.OpFileRead, errorfs.OpFileReadAt}, once: true}
	mem := vfs.NewCrashableMem()
	s := mustOpen(t, memConfig(mem))
	m := newModel(1)
	w := consensus.Write{Entries: makeEntries(1, 1, 20, 1, 400)}
	mustAppend(t, s.Group(1), w)
	m.apply(w)
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	mustClose(t, s)
	f.armed.Store(true)
	if _, err := Open(memConfig(errorfs.Wrap(crashed, f))); !errors.Is(err, errorfs.ErrInjected) {
		t.Fatalf("Open: %v", err)
	}
	if diff := m.differs(loadCrashed(t, crashed)); diff != "" {
		t.Fatal(diff)
	}
}

// Once the store has failed, nothing that the library still wants to write, sync, rename or remove reaches the disk.
func TestNothingIsWrittenAfterAFailure(t *testing.T) {
	var failed atomic.Bool
	count := &faults{kinds: []errorfs.OpKind{
		errorfs.OpCreate, errorfs.OpRemove, errorfs.OpRename, errorfs.OpReuseForWrite, errorfs.OpFileWrite,
		errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo,
	}}
	reason := errors.New("the store has failed")
	closing := make(chan struct{})
	close(closing)
	fs := &libraryFS{
		FS: errorfs.Wrap(vfs.NewMem(), count), fail: func(error) {}, opened: func() bool { return true }, closing: closing,
		stopped: func() error {
			if failed.Load() {
				return reason
			}
			return nil
		},
	}
	var files []vfs.File
	for _, name := range []string{"1.sst", "2.log", "MANIFEST-3"} {
		file, err := fs.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	dir, err := fs.OpenDir("")
	if err != nil {
		t.Fatal(err)
	}
	failed.Store(true)
	before := count.seen.Load()
	for i, file := range files {
		_, written := file.Write([]byte("x"))
		_, syncedTo := file.SyncTo(1)
		for _, err := range []error{written, syncedTo, file.Sync(), file.SyncData()} {
			if (err == nil) != (i == 1) { // errors of a log would end the process: the store is asked instead
				t.Errorf("file %d: %v", i, err)
			}
		}
	}
	for _, err := range []error{fs.Rename("1.sst", "9.sst"), created(fs, "4.sst")} {
		if !errors.Is(err, reason) {
			t.Errorf("got %v", err)
		}
	}
	if err := errors.Join(fs.Remove("1.sst"), created(fs, "5.log"), dir.Sync()); err != nil {
		t.Error(err)
	}
	if n := count.seen.Load() - before; n != 0 {
		t.Errorf("%d operations reached the disk", n)
	}
}

func created(fs vfs.FS, name string) error {
	_, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	return err
}

// TestRefusedWritesOfAnOpenWait shows that while the library opens, a write that fails stops the store and does not return: an Open that
// returns an error frees what its work in the background goes on to use.
func TestRefusedWritesOfAnOpenWait(t *testing.T) {
	for name, write := range map[string]func(fs vfs.FS, file vfs.File) error{
		"create": func(fs vfs.FS, _ vfs.File) error { return created(fs, "2.sst") },
		"rename": func(fs vfs.FS, _ vfs.File) error { return fs.Rename("1.sst", "2.sst") },
		"write":  func(_ vfs.FS, file vfs.File) error { _, err := file.Write([]byte("x")); return err },
		"sync":   func(_ vfs.FS, file vfs.File) error { return file.Sync() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &faults{kinds: append([]errorfs.OpKind{errorfs.OpCreate, errorfs.OpRename, errorfs.OpFileSync}, writes...)}
				var failure, got error
				var gaveUp bool
				closing := make(chan struct{})
				fs := &libraryFS{
					FS: errorfs.Wrap(vfs.NewMem(), f), closing: closing,
					fail:    func(err error) { failure = err },
					stopped: func() error { return failure }, opened: func() bool { return false }, giveUp: func() { gaveUp = true },
				}
				file, err := fs.Create("1.sst", vfs.WriteCategoryUnspecified)
				if err != nil {
					t.Fatal(err)
				}
				f.armed.Store(true)
				returned := false
				go func() {
					got = write(fs, file)
					returned = true
				}()
				synctest.Wait()
				if returned || !gaveUp || !errors.Is(failure, errorfs.ErrInjected) {
					t.Errorf("returned: %v, with %v; gave up: %v; the store has %v", returned, got, gaveUp, failure)
				}
				close(closing)
				synctest.Wait()
				if !returned || !errors.Is(got, errorfs.ErrInjected) {
					t.Errorf("returned: %v, with %v", returned, got)
				}
			})
		})
	}
}

// A manifest that was synced has its name after a power failure too: the marker that names it may be there already.
func TestManifestHasItsName(t *testing.T) {
	mem := vfs.NewCrashableMem()
	if err := makeDir(mem, "host"); err != nil {
		t.Fatal(err)
	}
	fs := &libraryFS{FS: mem, fail: func(err error) { t.Error(err) }, stopped: func() error { return nil }, opened: func() bool { return true }}
	file, err := fs.Create("host/MANIFEST-000001", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := mem.CrashClone(vfs.CrashCloneCfg{}).Stat("host/MANIFEST-000001"); err != nil {
		t.Error(err)
	}
}
