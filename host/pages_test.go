package host

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// sums are the digests of an image's pages.
func (i *replicaImage) sums() []Digest {
	out := make([]Digest, len(i.pages))
	for n, p := range i.pages {
		switch {
		case p == nil:
		case p.stored:
			out[n] = p.digest
		default:
			if err := p.fetch(); err != nil {
				panic(err)
			}
			if p.data != nil {
				out[n] = digestOf(p.data)
			}
		}
	}
	return out
}

// sheet is a machine of pages, for snapshots alone. It lies about changes of the page lost.
type sheet struct {
	Machine
	pages   [][]byte
	changed map[int]bool
	lost    int
	told    int
	// gone is set when no page can be read any more.
	gone bool
}

func newSheet(pages int) *sheet {
	return &sheet{pages: make([][]byte, pages), changed: map[int]bool{}, lost: -1}
}

func (s *sheet) write(page int, text string) {
	s.pages[page] = nil
	if text != "" {
		s.pages[page] = append([]byte(text), make([]byte, PageBytes-len(text))...)
	}
	if page != s.lost {
		s.changed[page] = true
	}
}

func (s *sheet) Image() (Image, error) {
	return Image{Header: []byte("sheet"), Pages: slices.Clone(s.pages)}, nil
}

func (s *sheet) Changes() (Changes, error) {
	data := map[int][]byte{}
	c := Changes{Header: []byte("sheet"), Count: len(s.pages), Read: func(page int) ([]byte, error) {
		text, ok := data[page]
		if delete(data, page); !ok || s.gone {
			return nil, fmt.Errorf("page %d is not to be had", page)
		}
		return text, nil
	}}
	for _, i := range slices.Sorted(maps.Keys(s.changed)) {
		if i < len(s.pages) {
			data[i] = s.pages[i]
			c.Pages = append(c.Pages, ChangedPage{Index: i})
		}
	}
	s.told += len(c.Pages)
	clear(s.changed)
	return c, nil
}

func (s *sheet) Restore(image Image) error {
	s.pages = slices.Clone(image.Pages)
	clear(s.changed)
	return nil
}

// snapshot saves the replica's state and returns the manifest's digest. One before, of the same store, may be zero.
func snapshot(t *testing.T, r *replica, store *BlobStore, before Digest) (replicaImage, Digest) {
	t.Helper()
	image, err := r.image()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := saveImage(store, image, metaAt(image.anchor), before, unpaced)
	if err != nil {
		t.Fatal(err)
	}
	return image, digest
}

func metaAt(anchor consensus.Cursor) consensus.SnapshotMeta {
	return consensus.SnapshotMeta{Anchor: anchor, Configuration: consensus.Configuration{Voters: []consensus.MemberID{1}}}
}

// wholeDigest is the digest of the manifest that a replica gets which knows nothing of earlier images.
func wholeDigest(t *testing.T, s *sheet, at consensus.Cursor) Digest {
	t.Helper()
	fresh := newSheet(0)
	for i, page := range s.pages {
		fresh.pages = append(fresh.pages, page)
		fresh.changed[i] = true
	}
	r := begun(fresh)
	r.applied = at
	_, digest := snapshot(t, r, openBlobs(t, t.TempDir()), Digest{})
	return digest
}

// TestSnapshotsOfChanges shows that a snapshot made of changes is that of the whole state, through pages that
// are written, emptied, added and taken away, images that are never saved, and a restored snapshot.
func TestSnapshotsOfChanges(t *testing.T) {
	s, store := newSheet(5), openBlobs(t, t.TempDir())
	r := begun(s)
	var digest Digest
	want := func(told int) (image replicaImage) {
		t.Helper()
		r.applied.Index++
		s.told = 0
		image, digest = snapshot(t, r, store, digest)
		if digest != wholeDigest(t, s, r.applied) || s.told != told {
			t.Fatalf("at %d: %d pages were told, %d expected; the manifest is that of the whole state: %v",
				r.applied.Index, s.told, told, digest == wholeDigest(t, s, r.applied))
		}
		return image
	}
	s.write(0, "zero")
	s.write(3, "three")
	want(2)
	want(0)
	s.write(3, "four")
	want(1)
	s.write(0, "")
	s.pages = append(s.pages, nil, nil)
	s.write(6, "six")
	want(2)
	s.pages = s.pages[:4]
	s.write(1, "one")
	if _, err := r.image(); err != nil { // nobody saves it
		t.Fatal(err)
	}
	saved := want(0)

	m, err := parseManifest(must(store.Get(must(saveImage(store, saved, metaAt(r.applied), Digest{}, unpaced)))))
	if err != nil {
		t.Fatal(err)
	}
	loaded := must(loadImage(store, m))
	s.write(2, "away")
	if err := r.restore(loaded); err != nil {
		t.Fatal(err)
	}
	want(0)
	s.write(2, "two")
	for _, p := range want(1).pages {
		if p != nil && p.data != nil {
			t.Error("a stored page is kept in memory")
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// TestAPageThatIsNotTold shows that a change which the machine does not tell of is in a snapshot all the same, some
// snapshots later: so the members' comparison finds it.
func TestAPageThatIsNotTold(t *testing.T) {
	s, store := newSheet(2), openBlobs(t, t.TempDir())
	r := begun(s)
	s.write(1, "before")
	s.lost = 1
	for i := range wholeEvery {
		s.write(1, fmt.Sprint("after ", i))
		s.write(0, fmt.Sprint(i))
		r.applied.Index++
		_, digest := snapshot(t, r, store, Digest{})
		if right := digest == wholeDigest(t, s, r.applied); right != (i == wholeEvery-1) && i > 0 {
			t.Fatalf("snapshot %d is that of the whole state: %v", i, right)
		}
	}
}

// TestForgottenPages shows that a snapshot which builds on chunks or a machine that are gone is refused, and that the one after
// the refusal is whole.
func TestForgottenPages(t *testing.T) {
	s, store := newSheet(2), openBlobs(t, t.TempDir())
	r := begun(s)
	s.write(1, "one")
	snapshot(t, r, store, Digest{})
	if err := store.Keep(nil); err != nil {
		t.Fatal(err)
	}
	image := must(r.image())
	if _, err := saveImage(store, image, metaAt(r.applied), Digest{}, unpaced); !errors.Is(err, errPageForgotten) {
		t.Fatalf("the error is %v", err)
	}
	r.whole.Store(true)
	if _, digest := snapshot(t, r, store, Digest{}); digest != wholeDigest(t, s, r.applied) {
		t.Error("the snapshot after that is another")
	}
	s.write(0, "zero")
	image, s.gone = must(r.image()), true
	if _, err := saveImage(store, image, metaAt(r.applied), Digest{}, unpaced); !errors.Is(err, errPageForgotten) {
		t.Fatalf("the error of a machine that is gone is %v", err)
	}
	if data := must(store.Get(digestOf(s.pages[1]))); !bytes.HasPrefix(data, []byte("one")) {
		t.Error("its page is not stored")
	}
}

// TestPagesAreLoadedOneByOne shows that a machine which can take it so gets the pages of a snapshot in their order, each
// from the store when its turn has come, and that a page which is gone or has another size ends the restore.
func TestPagesAreLoadedOneByOne(t *testing.T) {
	s, store := newSheet(5), openBlobs(t, t.TempDir())
	r := begun(s)
	s.write(1, "one")
	s.write(4, "four")
	_, digest := snapshot(t, r, store, Digest{})
	load := func(page int) (*loadingSheet, error) {
		into := &loadingSheet{sheet: newSheet(5), pageBytes: page}
		m := must(loadManifest(store, digest))
		return into, begun(into).restore(must(loadImage(store, m)))
	}
	got, err := load(PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	for i, page := range s.pages {
		if !bytes.Equal(got.pages[i], page) {
			t.Errorf("page %d is another", i)
		}
	}
	if _, err := load(PageBytes / 2); !errors.Is(err, ErrCorrupt) {
		t.Errorf("pages of another size: %v", err)
	}
	if err := store.Delete(digestOf(s.pages[4])); err != nil {
		t.Fatal(err)
	}
	if got, err = load(PageBytes); !errors.Is(err, ErrMissing) || got.pages[1] == nil {
		t.Errorf("a page that is gone: %v", err)
	}
}

// loadingSheet is a sheet that is a Loader.
type loadingSheet struct {
	*sheet
	pageBytes int
}

func (s *loadingSheet) Load(_ []byte, pages int, read func(page int, into []byte) (bool, error)) error {
	for i := range pages {
		page := make([]byte, s.pageBytes)
		data, err := read(i, page)
		if err != nil {
			return err
		}
		if data {
			s.pages[i] = page
		}
	}
	return nil
}

// TestARestoreThatWaitsForAModule shows that an applier's restore keeps other snapshots away until it is done or
// dropped, but not while it waits for a module, which may never come.
func TestARestoreThatWaitsForAModule(t *testing.T) {
	a := newApplier(1, begun(newSheet(1)), lackNothing{}, time.Now)
	a.add(work{restore: &replicaImage{}})
	if !a.restoring() {
		t.Error("a queued restore does not count")
	}
	a.stall(a.take()[0], Digest{1})
	if a.restoring() {
		t.Error("a restore that waits for a module keeps others away")
	}
	<-a.wake
	a.halt()
	select {
	case <-a.wake:
	default:
		t.Fatal("the applier is not told that its work is to be dropped")
	}
	for _, w := range a.take() {
		if err := a.do(&w); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.restores.Load(); n != 0 {
		t.Errorf("%d restores are under way, all were dropped", n)
	}
}

type lackNothing struct{ groupEvents }

func (lackNothing) lacks(Digest) {}
