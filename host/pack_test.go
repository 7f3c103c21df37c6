package host

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// openPacks opens a store as groups have it.
func openPacks(t *testing.T, dir string) *BlobStore {
	t.Helper()
	return must(OpenBlobStore(dir, maxPackBytes))
}

// fill stores n blobs of PageBytes in one pack, and returns them.
func fill(t *testing.T, s *BlobStore, n int, salt byte) (out []Digest) {
	t.Helper()
	for i := range n {
		out = append(out, must(s.Put(bytes.Repeat([]byte{byte(i), salt}, PageBytes/2))))
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	return out
}

// keep makes a store keep some blobs alone, and write anew what is left.
func keep(t *testing.T, s *BlobStore, blobs ...Digest) {
	t.Helper()
	wanted := map[Digest]bool{}
	for _, d := range blobs {
		wanted[d] = true
	}
	if err := errors.Join(s.Keep(wanted), s.Compact(unpaced)); err != nil {
		t.Fatal(err)
	}
}

// wantAll reads all of some blobs.
func wantAll(t *testing.T, s *BlobStore, blobs []Digest) {
	t.Helper()
	for _, d := range blobs {
		if _, err := s.Get(d); err != nil {
			t.Fatal(err)
		}
	}
}

// usage is what a store's folder holds.
func usage(t *testing.T, s *BlobStore) (packs int, size int64) {
	t.Helper()
	for _, name := range must(filepath.Glob(filepath.Join(s.dir, "*"+packSuffix))) {
		packs, size = packs+1, size+must(os.Stat(name)).Size()
	}
	return packs, size
}

// TestCompact shows that what is left in a pack of garbage is written anew, also a patch and its base, that many small packs become one, that a
// pack which is worth it stays, and that all of it is found again when the folder is opened.
func TestCompact(t *testing.T) {
	s := openPacks(t, t.TempDir())
	blobs := fill(t, s, 40, 1)
	changed := bytes.Repeat([]byte{7, 1}, PageBytes/2)
	changed[9] = 0
	patch := must(s.PutLike(blobs[7], changed))
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	keep(t, s, append(blobs[11:], patch)...) // the other 10 are less than half
	if packs, size := usage(t, s); packs != 2 || size < 40*PageBytes {
		t.Errorf("%d packs of %d bytes: what is worth it was not left alone", packs, size)
	}
	left := append(blobs[37:], patch)
	keep(t, s, left...)
	if packs, size := usage(t, s); packs != 2 || size >= 4*PageBytes+200 {
		t.Errorf("%d packs of %d bytes for 4 blobs and a patch", packs, size)
	}
	wantAll(t, s, left)
	for i := range maxThin {
		left = append(left, put(t, s, fmt.Sprint("small ", i)))
	}
	keep(t, s, left...)
	if packs, size := usage(t, s); packs != 1 || size >= 4*PageBytes+400 {
		t.Errorf("%d packs of %d bytes for all that is small", packs, size)
	}
	for range 2 {
		if wantAll(t, s, left); !s.Has(blobs[7]) || s.Has(blobs[8]) || s.blobs[patch].base != blobs[7] {
			t.Error("the base is gone, or what nobody wants is there")
		}
		s = openPacks(t, s.dir)
	}
	keep(t, s)
	if packs, _ := usage(t, s); packs == 0 {
		t.Error("packs were deleted whose lists an earlier process may not have synced")
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if packs, _ := usage(t, s); packs != 0 {
		t.Errorf("%d packs for nothing", packs)
	}
}

// copiedFolder copies the folder before each change of it.
type copiedFolder struct {
	osFolder
	t      *testing.T
	copies []string
	// meanwhile is what else happens before each.
	meanwhile func()
}

func (f *copiedFolder) copy() {
	if do := f.meanwhile; do != nil {
		f.meanwhile = nil
		do()
		f.meanwhile = do
	}
	to := f.t.TempDir()
	if err := os.CopyFS(to, os.DirFS(string(f.osFolder))); err != nil {
		f.t.Fatal(err)
	}
	f.copies = append(f.copies, to)
}

func (f *copiedFolder) Create(name string) (folderFile, error) {
	f.copy()
	file, err := f.osFolder.Create(name)
	return &copiedFile{file, f}, err
}

func (f *copiedFolder) Remove(name string) error {
	f.copy()
	return f.osFolder.Remove(name)
}

type copiedFile struct {
	folderFile
	in *copiedFolder
}

func (f *copiedFile) Write(p []byte) (int, error) {
	f.in.copy()
	if n, err := f.folderFile.Write(p[:len(p)/2]); err != nil {
		return n, err
	}
	f.in.copy()
	n, err := f.folderFile.Write(p[len(p)/2:])
	return len(p)/2 + n, err
}

// TestAKilledCompact shows that all blobs are there whenever a process is killed that stores, deletes and writes blobs anew, also when it deletes some meanwhile.
func TestAKilledCompact(t *testing.T) {
	dir := t.TempDir()
	files := &copiedFolder{osFolder: osFolder(dir), t: t}
	s := must(openFolder(dir, files, 3*PageBytes))
	blobs := fill(t, s, 40, 2)
	left := []Digest{blobs[1], blobs[20], blobs[39]}
	for i := range maxThin {
		left = append(left, put(t, s, fmt.Sprint("small ", i)))
	}
	files.copies = nil
	wanted := map[Digest]bool{}
	for _, d := range left {
		wanted[d] = true
	}
	files.meanwhile = func() { // as a loop does that adopts another snapshot
		if err := s.Keep(wanted); err != nil {
			t.Error(err)
		}
	}
	keep(t, s, left...)
	files.meanwhile = nil
	more := must(s.Put([]byte("one more")))
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	files.copy()
	if len(files.copies) < 40 {
		t.Fatalf("only %d changes: the test shows nothing", len(files.copies))
	}
	for i, dir := range files.copies {
		s := must(OpenBlobStore(dir, 3*PageBytes))
		for range 2 {
			wantAll(t, s, left)
			keep(t, s, append(left, more)...)
			if d := put(t, s, fmt.Sprint("after ", i)); !s.Has(d) {
				t.Fatal("nothing can be stored any more")
			}
		}
		if last := i == len(files.copies)-1; last && !s.Has(more) {
			t.Error("what was synced is not there")
		}
	}
}

// TestReadsWhileCompacting shows that blobs are read as ever while they are written anew, and others stored and deleted.
func TestReadsWhileCompacting(t *testing.T) {
	s := must(OpenBlobStore(t.TempDir(), 2*PageBytes))
	left := fill(t, s, 6, 3)
	var readers sync.WaitGroup
	stop, failed := make(chan struct{}), make(chan error, 2)
	for range 2 {
		readers.Go(func() {
			for {
				for _, d := range left {
					if _, err := s.Get(d); err != nil {
						failed <- err
						return
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for round := range 30 {
		more := fill(t, s, 8, byte(4+round))
		keep(t, s, append(slices.Clone(left), more[0])...)
		for i := range maxThin {
			put(t, s, fmt.Sprint(round, " small ", i))
		}
		keep(t, s, left...)
	}
	close(stop)
	readers.Wait()
	select {
	case err := <-failed:
		t.Error(err)
	default:
	}
	if packs, size := usage(t, s); packs > 2*maxThin || size > 2*6*PageBytes+maxThin*thinBytes {
		t.Errorf("%d packs of %d bytes", packs, size)
	}
}

// TestDamagedLists shows that a record which is damaged is that of no blob, and takes no other one with it; and that a list may end anywhere.
func TestDamagedLists(t *testing.T) {
	s := openPacks(t, t.TempDir())
	blobs := fill(t, s, 4, 5)
	path := filepath.Join(s.dir, s.blobs[blobs[0]].at.pack.list())
	list := must(os.ReadFile(path))
	held := func() (n int) {
		for _, d := range blobs {
			if again := openPacks(t, s.dir); again.Has(d) {
				wantAll(t, again, []Digest{d})
				n++
			}
		}
		return n
	}
	for at := range list {
		if at%7 > 0 && at > 2*recordBytes {
			continue
		}
		harmed := bytes.Clone(list)
		harmed[at] ^= 1 << (at % 8)
		write(t, path, string(harmed))
		if n := held(); n != 3 {
			t.Fatalf("with a flipped bit at %d there are %d of 4 blobs", at, n)
		}
	}
	for _, size := range []int{0, 1, recordBytes - 1, recordBytes, 3*recordBytes + 1} {
		write(t, path, string(list[:size]))
		if n := held(); n != size/recordBytes {
			t.Errorf("with %d bytes of the list there are %d blobs", size, n)
		}
	}
}

// TestStoresOfEarlierBuilds shows that a folder with a file for each blob is read, and becomes one of packs.
func TestStoresOfEarlierBuilds(t *testing.T) {
	dir := t.TempDir()
	var blobs []Digest
	for i := range maxThin + 2 {
		data := fmt.Sprint("blob ", i)
		blobs = append(blobs, digestOf([]byte(data)))
		write(t, filepath.Join(dir, fmt.Sprintf("%x", blobs[i])), data)
	}
	write(t, filepath.Join(dir, "77.part"), "torn")
	s := openPacks(t, dir)
	wantAll(t, s, blobs)
	if err := errors.Join(s.Sync(), s.Delete(blobs[0])); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		keep(t, s, blobs[1:]...)
		if s = openPacks(t, dir); s.Has(blobs[0]) {
			t.Error("what was deleted is there")
		}
		wantAll(t, s, blobs[1:])
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if names := slices.Sorted(maps.Keys(must(osFolder(dir).List()))); len(names) != 2 {
		t.Errorf("the folder holds %v", names)
	}
}

// TestNumbersAreNotUsedAgain shows that no two packs of a folder ever have one number: a list that came back after a power failure would
// vouch for what another pack has.
func TestNumbersAreNotUsedAgain(t *testing.T) {
	dir, seen := t.TempDir(), map[uint64]Digest{}
	for i := range 6 {
		s := openPacks(t, dir)
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		d := put(t, s, fmt.Sprint("blob ", i))
		number := s.blobs[d].at.pack.number
		if before, again := seen[number]; again {
			t.Fatalf("number %d was that of the pack of %x", number, before)
		}
		seen[number] = d
		keep(t, s)
	}
	if names := must(osFolder(dir).List()); len(names) > 2 {
		t.Errorf("the folder holds %v", names)
	}
}
