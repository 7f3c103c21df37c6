package host

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/groutlabs/grout/consensus"
)

// TestAManifestOfAnotherAnchor shows that a snapshot which was fetched is not installed when its manifest names
// another position than the leader offered: that position need not be committed.
func TestAManifestOfAnotherAnchor(t *testing.T) {
	s := newSim(t, 10, 3, simTiming())
	m := s.others(s.leader())[0]
	s.round()
	before := m.g.core.Last()
	meta := consensus.SnapshotMeta{
		Anchor: consensus.Cursor{Term: 1, Index: 100}, Configuration: m.g.core.Configuration(), Manifest: make([]byte, 32),
	}
	offer := consensus.StateSyncOffer{Snapshot: meta}
	offer.Snapshot.Anchor.Index = 90
	m.g.fetch.cancel = func() {}
	m.g.fetched(meta, offer, nil)
	if m.g.fetch.installing || m.g.core.Last() != before {
		t.Errorf("it was installed: the log ends at %s", m.g.core.Last())
	}
}

// bySource is a transport that fetches alone.
type bySource struct {
	Transport
	fetch func(from string) ([]byte, int64, error)
}

func (b bySource) Fetch(_ context.Context, from string, _ BlobRequest) ([]byte, int64, error) {
	return b.fetch(from)
}

// TestEverySourceIsTried shows that a blob which one host does not give is asked of the next, and of the leader last.
func TestEverySourceIsTried(t *testing.T) {
	data := []byte("a blob")
	for _, honest := range []string{"a", "b", "leader"} {
		var asked []string
		transport := bySource{fetch: func(from string) ([]byte, int64, error) {
			if asked = append(asked, from); from != honest {
				return nil, 0, errLost
			}
			return data, int64(len(data)), nil
		}}
		store := openBlobs(t, t.TempDir())
		f := fetcher{transport: transport, store: store, sources: []string{"a", "b"}, last: "leader", workers: 1}
		if err := f.blob(t.Context(), digestOf(data), PageBytes, 0); err != nil || asked[len(asked)-1] != honest || !store.Has(digestOf(data)) {
			t.Errorf("%s has it, %v were asked: %v", honest, asked, err)
		}
	}
}

// syncedFolder notes the files that have unsynced bytes, and the lists that were written when their packs had such.
type syncedFolder struct {
	osFolder
	dirty map[string]bool
	early []string
}

type syncedFile struct {
	folderFile
	name string
	in   *syncedFolder
}

func (f *syncedFolder) Create(name string) (folderFile, error) {
	file, err := f.osFolder.Create(name)
	return &syncedFile{file, name, f}, err
}

func (f *syncedFile) Write(p []byte) (int, error) {
	f.in.dirty[f.name] = true
	if number, list := strings.CutSuffix(f.name, listSuffix); list && f.in.dirty[number+packSuffix] {
		f.in.early = append(f.in.early, f.name)
	}
	return f.folderFile.Write(p)
}

func (f *syncedFile) Sync() error {
	delete(f.in.dirty, f.name)
	return f.folderFile.Sync()
}

func (f *syncedFolder) SyncFiles(names []string) error {
	for _, name := range names {
		delete(f.dirty, name)
	}
	return f.osFolder.SyncFiles(names)
}

// TestBlobsAreSyncedBeforeTheyAreListed shows that a record of a blob is written when its bytes are on the disk, for which it would
// vouch after a power failure; that all are on the disk after Sync, also those that a killed process had written; and that a blob which
// is deleted before is not listed.
func TestBlobsAreSyncedBeforeTheyAreListed(t *testing.T) {
	dir := t.TempDir()
	files := &syncedFolder{osFolder: osFolder(dir), dirty: map[string]bool{}}
	s, err := openFolder(dir, files, maxPackBytes)
	if err != nil {
		t.Fatal(err)
	}
	var stored []Digest
	for i := range 3 * maxPackBytes / (2 * PageBytes) { // some are synced because they are many
		d, err := s.Put(bytes.Repeat([]byte{byte(i), byte(i >> 8)}, PageBytes/2))
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, d)
		if got, err := s.Get(d); err != nil || len(got) != PageBytes {
			t.Fatalf("blob %d before its sync: %d bytes, %v", i, len(got), err)
		}
	}
	if len(files.dirty) != 1 || len(s.packs) != 2 {
		t.Errorf("%d of %d packs are not synced: the test shows nothing", len(files.dirty), len(s.packs))
	}
	if err := s.Delete(stored[len(stored)-1]); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if len(files.early) > 0 || len(files.dirty) > 0 {
		t.Errorf("listed before their bytes were synced: %v; not synced: %v", files.early, files.dirty)
	}
	files.dirty = map[string]bool{"0000000000000001.list": true, "0000000000000002.list": true} // killed before their sync
	again, err := openFolder(dir, files, maxPackBytes)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range stored {
		if kept := i < len(stored)-1; again.Has(d) != kept {
			t.Errorf("blob %d of %d: stored is %v", i, len(stored), again.Has(d))
		}
	}
	if err := again.Sync(); err != nil || len(files.dirty) > 0 {
		t.Errorf("still not synced: %v, %v", files.dirty, err)
	}
}
