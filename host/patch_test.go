package host

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// edited is data with n changes of up to 40 bytes each, some of which write what is there.
func edited(random *rand.Rand, data []byte, n int) []byte {
	out := bytes.Clone(data)
	for range n {
		if len(out) == 0 {
			break
		}
		at := random.IntN(len(out))
		for i := at; i < min(len(out), at+random.IntN(40)); i++ {
			out[i] = byte(random.IntN(3))
		}
	}
	return out
}

// TestPatchesMakeTheBlob shows that a patch turns a base of any size into the other bytes, and that it is never larger than its limit.
func TestPatchesMakeTheBlob(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		base := edited(random, make([]byte, random.IntN(300)), 4)
		data := edited(random, base, random.IntN(12))
		patch := makePatch(base, data, len(data)+40)
		if patch == nil {
			t.Fatalf("seed %d: no patch from %x to %x", seed, base, data)
		}
		if limit := random.IntN(len(data) + 1); (makePatch(base, data, limit) != nil) != (len(patch) <= limit) {
			t.Fatalf("seed %d: a patch of %d bytes with a limit of %d", seed, len(patch), limit)
		}
		if got := bytes.Clone(base); !applyPatch(got, patch) || !bytes.Equal(got, data) {
			t.Fatalf("seed %d: %x on %x makes %x instead of %x", seed, patch, base, got, data)
		}
	}
}

// FuzzPatches shows that no bytes make a patch that writes beyond its base.
func FuzzPatches(f *testing.F) {
	f.Add(20, makePatch(make([]byte, 20), []byte("0123456789abcdefghij"), 100))
	f.Add(9, []byte{1, 1, 'x'})
	f.Add(8, []byte{0, 0})
	f.Add(8, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1})
	f.Add(8, []byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, size int, patch []byte) {
		base := make([]byte, size&0xff, size&0xff+16)
		if applyPatch(base, patch) && len(patch) == 0 && !bytes.Equal(base, make([]byte, len(base))) {
			t.Error("an empty patch changes something")
		}
		if !bytes.Equal(base[len(base):cap(base)], make([]byte, 16)) {
			t.Error("written beyond the base")
		}
	})
}

// wantBlob reads a blob in each way.
func wantBlob(t *testing.T, s *BlobStore, d Digest, want []byte) {
	t.Helper()
	got, err := s.Get(d)
	into := make([]byte, len(want))
	piece, total, pieceErr := s.Piece(d, 10, 100)
	err = errors.Join(err, s.GetInto(d, into), pieceErr)
	if err != nil || !bytes.Equal(got, want) || !bytes.Equal(into, want) || total != int64(len(want)) || !bytes.Equal(piece, want[10:110]) {
		t.Fatalf("%d bytes, a piece of %d of %d bytes, %v; want %d bytes", len(got), len(piece), total, err, len(want))
	}
	if want := len(want) - 5; want >= 0 {
		if piece, _, err := s.Piece(d, int64(want), 100); err != nil || !bytes.Equal(piece, got[want:]) {
			t.Fatalf("its end: %x, %v", piece, err)
		}
	}
}

// like stores data that resembles a blob, and returns its digest and its file's size.
func like(t *testing.T, s *BlobStore, other Digest, data []byte) (Digest, int64) {
	t.Helper()
	d := must(s.PutLike(other, data))
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	return d, must(os.Stat(s.path(d))).Size()
}

// TestWhatIsAlikeIsStoredAsAPatch shows when a blob becomes a patch, always of one that is whole, that it is read like any other, before and after
// it has its name and in a store that is opened again, and that its base stays as long as it does.
func TestWhatIsAlikeIsStoredAsAPatch(t *testing.T) {
	s, random := openBlobs(t, t.TempDir()), rand.New(rand.NewPCG(1, 2))
	first := make([]byte, PageBytes)
	for i := range first {
		first[i] = byte(random.Uint32())
	}
	second, third := bytes.Clone(first), bytes.Clone(first)
	copy(second[1000:], "a change")
	copy(third[1000:], "a change")
	copy(third[PageBytes-6:], "change")
	d1, size1 := like(t, s, Digest{}, first)
	d2 := must(s.PutLike(d1, second))
	wantBlob(t, s, d2, second) // still without its name
	_, size2 := like(t, s, d1, second)
	d3, size3 := like(t, s, d2, third)
	if size1 != PageBytes || size2 > 40 || size3 > 60 {
		t.Errorf("the files have %d, %d and %d bytes", size1, size2, size3)
	}
	if err := s.Keep(map[Digest]bool{d3: true}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !s.Has(d1) || s.Has(d2) {
			t.Fatal("the base is gone, or a patch that nobody wants is there")
		}
		wantBlob(t, s, d3, third)
		s = openBlobs(t, s.dir)
	}
	other := make([]byte, PageBytes)
	d4, size4 := like(t, s, d3, other)
	_, size5 := like(t, s, d3, first[:PageBytes-1])
	_, size6 := like(t, s, Digest{1}, second[:PageBytes-1])
	if size4 != PageBytes || size5 != PageBytes-1 || size6 != PageBytes-1 {
		t.Errorf("the files of what is alike nothing have %d, %d and %d bytes", size4, size5, size6)
	}
	if err := s.Keep(map[Digest]bool{d4: true}); err != nil || s.Has(d1) || s.Has(d3) {
		t.Errorf("a base without a patch stays: %v", err)
	}
	if names := must(filepath.Glob(filepath.Join(s.dir, "*"+packSuffix))); len(names) != 1 {
		t.Errorf("the folder holds %v", names)
	}
}

// TestWhatPatchesCost shows what is written when a page changes a little, again and again, and when much of it does.
func TestWhatPatchesCost(t *testing.T) {
	for _, c := range []struct{ change, least, most int }{{128, 2 << 10, 5 << 10}, {4 << 10, 15 << 10, 28 << 10}, {40 << 10, 50 << 10, PageBytes}} {
		s, random, page, last := openBlobs(t, t.TempDir()), rand.New(rand.NewPCG(3, 4)), make([]byte, PageBytes), Digest{}
		written, rounds := int64(0), 200
		for range rounds {
			for i, at := 0, random.IntN(PageBytes-c.change); i < c.change; i++ {
				page[at+i] = byte(random.Uint32())
			}
			var size int64
			last, size = like(t, s, last, page)
			if written += size; size > PageBytes {
				t.Fatalf("a page takes %d bytes", size)
			}
			wantBlob(t, s, last, page)
			keep(t, s, last)
		}
		if mean := int(written) / rounds; mean < c.least || mean > c.most {
			t.Errorf("changes of %d bytes cost %d each, want %d to %d", c.change, mean, c.least, c.most)
		}
	}
}

// TestDamagedPatches shows that a patch whose file or base is damaged is an error and no blob, that one without its base is none, and that
// a base which was damaged before does no harm.
func TestDamagedPatches(t *testing.T) {
	data := make([]byte, PageBytes)
	for i := range data {
		data[i] = byte(i>>8) ^ byte(i)
	}
	changed := bytes.Clone(data)
	copy(changed[30_000:], "changed")
	stored := func() (s *BlobStore, base, patch Digest) {
		s = openBlobs(t, t.TempDir())
		base, _ = like(t, s, Digest{}, data)
		patch, _ = like(t, s, base, changed)
		return s, base, patch
	}
	for name, harm := range map[string]func(file []byte) []byte{
		"cut":    func(file []byte) []byte { return file[:len(file)-1] },
		"empty":  func([]byte) []byte { return nil },
		"bit":    func(file []byte) []byte { file[len(file)-2] ^= 4; return file },
		"length": func(file []byte) []byte { file[1] = 0xff; return file },
	} {
		for _, which := range []string{"patch", "base"} {
			s, base, patch := stored()
			path := s.path(map[string]Digest{"patch": patch, "base": base}[which])
			write(t, path, string(harm(must(os.ReadFile(path)))))
			_, err := s.Get(patch)
			if into := s.GetInto(patch, make([]byte, PageBytes)); which == "patch" && (!errors.Is(err, ErrCorrupt) || !errors.Is(into, ErrCorrupt)) {
				t.Errorf("a patch that is damaged (%s): %v, %v", name, err, into)
			}
			if which == "base" && !errors.Is(err, ErrCorrupt) {
				t.Errorf("a base that is damaged (%s): %v", name, err)
			}
		}
	}
	s, base, patch := stored()
	if err := os.Remove(s.path(base)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(patch); !errors.Is(err, ErrMissing) {
		t.Errorf("a patch without its base: %v", err)
	}
	if s = openBlobs(t, s.dir); s.Has(patch) {
		t.Error("a patch without its base is taken for a blob")
	}
	s, base, patch = stored()
	if err := s.Delete(base); err != nil || s.Has(patch) {
		t.Errorf("a patch is left when its base is deleted: %v", err)
	}
	s, base, _ = stored()
	rotten := bytes.Clone(data)
	rotten[5] ^= 1
	write(t, s.path(base), string(rotten))
	copy(changed, "another")
	d, size := like(t, s, base, changed)
	if wantBlob(t, s, d, changed); size > 100 {
		t.Errorf("the file has %d bytes", size)
	}
}

// TestABaseThatGoesMeanwhile shows that a blob is stored whole when the base of its patch was deleted while it was made.
func TestABaseThatGoesMeanwhile(t *testing.T) {
	s := openBlobs(t, t.TempDir())
	base := must(s.Put(make([]byte, 100)))
	data := append(make([]byte, 99), 1)
	d := digestOf(data)
	on, patch := s.patch(base, d, data)
	if on != base || patch == nil {
		t.Fatal("no patch")
	}
	if err := s.Delete(base); err != nil {
		t.Fatal(err)
	}
	if err := s.put(d, on, 100, patch); err != nil || s.Has(d) {
		t.Fatalf("a patch was stored without its base, %v", err)
	}
	if d, size := like(t, s, base, data); !s.Has(d) || size != 100 {
		t.Errorf("the file has %d bytes", size)
	}
	if names := must(filepath.Glob(filepath.Join(s.dir, "*"+packSuffix))); len(names) != 1 {
		t.Errorf("the folder holds %v", names)
	}
}

// BenchmarkSnapshotOfScatteredChanges saves snapshots of 1,000 pages of which each has a change of 100 bytes.
func BenchmarkSnapshotOfScatteredChanges(b *testing.B) {
	for _, alike := range []bool{false, true} {
		b.Run(fmt.Sprintf("patches=%v", alike), func(b *testing.B) {
			store := must(OpenBlobStore(b.TempDir(), maxPackBytes))
			pages, digests := make([][]byte, 1000), make([]Digest, 1000)
			random := rand.New(rand.NewPCG(1, 2))
			save := func() {
				keep := map[Digest]bool{}
				for i := range pages {
					if alike {
						digests[i] = must(store.PutLike(digests[i], pages[i]))
					} else {
						digests[i] = must(store.Put(pages[i]))
					}
					keep[digests[i]] = true
				}
				if err := errors.Join(store.Sync(), store.Keep(keep), store.Compact(unpaced)); err != nil {
					b.Fatal(err)
				}
			}
			for i := range pages {
				pages[i] = make([]byte, PageBytes)
				for at := range pages[i] {
					pages[i][at] = byte(random.Uint32())
				}
			}
			save()
			b.ResetTimer()
			for range b.N {
				for _, page := range pages {
					at := random.IntN(PageBytes - 100)
					for i := range 100 {
						page[at+i] = byte(random.Uint32())
					}
				}
				save()
			}
		})
	}
}
