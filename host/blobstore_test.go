package host

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

func openBlobs(t *testing.T, dir string) *BlobStore {
	t.Helper()
	s, err := OpenBlobStore(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *BlobStore, data string) Digest {
	t.Helper()
	d, err := s.Put([]byte(data))
	if err == nil {
		err = s.Sync()
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBlobsSurvive shows that blobs are found again after a restart, that what an interrupted Put
// left is removed, and that strangers' files are left alone.
func TestBlobsSurvive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "blobs")
	s := openBlobs(t, dir)
	d := put(t, s, "one")
	put(t, s, "one")
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "123.part"), "torn")
	write(t, filepath.Join(dir, "notes.txt"), "mine")
	s = openBlobs(t, dir)
	if data, err := s.Get(d); err != nil || string(data) != "one" {
		t.Fatalf("%q, %v", data, err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 3 {
		t.Fatalf("the folder holds %v, %v", names, err)
	}
	if s.Has(Digest{1}) {
		t.Error("a blob that was never stored is there")
	}
	if _, err := s.Get(Digest{1}); !errors.Is(err, ErrMissing) {
		t.Errorf("a missing blob: %v", err)
	}
	into := make([]byte, len("one"))
	if err := s.GetInto(d, into); err != nil || string(into) != "one" {
		t.Errorf("into a buffer: %q, %v", into, err)
	}
	if err := s.GetInto(d, make([]byte, 4)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("into a buffer of another size: %v", err)
	}
	if err := s.GetInto(Digest{1}, into); !errors.Is(err, ErrMissing) {
		t.Errorf("a missing blob, into a buffer: %v", err)
	}
}

// TestDamagedBlobs shows that bytes with another digest are never returned as the blob.
func TestDamagedBlobs(t *testing.T) {
	dir := t.TempDir()
	s := openBlobs(t, dir)
	d := put(t, s, "honest")
	for _, harm := range []string{"honesT", "hones", ""} {
		write(t, s.path(d), harm)
		if _, err := s.Get(d); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%q: %v", harm, err)
		}
		if err := s.GetInto(d, make([]byte, len("honest"))); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%q, into a buffer: %v", harm, err)
		}
	}
	if _, _, err := s.Piece(d, 0, 6); err == nil {
		t.Error("a piece of a file that is too short was returned")
	}
	if err := os.Remove(s.path(d)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Piece(d, 0, 6); err == nil {
		t.Error("a piece of a file that is gone was returned")
	}
}

// TestPieces shows the bounds of a piece.
func TestPieces(t *testing.T) {
	s := openBlobs(t, t.TempDir())
	d, empty := put(t, s, "0123456789"), put(t, s, "")
	for _, c := range []struct {
		blob   Digest
		offset int64
		limit  int
		want   string
		bad    bool
	}{
		{d, 0, 4, "0123", false}, {d, 4, 100, "456789", false}, {d, 10, 1, "", false}, {empty, 0, 1, "", false},
		{d, 11, 1, "", true}, {d, -1, 1, "", true}, {d, 0, 0, "", true}, {Digest{1}, 0, 1, "", true},
	} {
		piece, total, err := s.Piece(c.blob, c.offset, c.limit)
		if (err != nil) != c.bad || string(piece) != c.want {
			t.Errorf("%d bytes at %d: %q, %v", c.limit, c.offset, piece, err)
		}
		if c.blob == d && total != 10 {
			t.Errorf("the blob's size is said to be %d", total)
		}
	}
}

// TestKeep shows that everything else is deleted, for good.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	s := openBlobs(t, dir)
	a, b, c := put(t, s, "a"), put(t, s, "b"), put(t, s, "c")
	if err := os.Remove(s.path(c)); err != nil { // gone already: no error
		t.Fatal(err)
	}
	if err := s.Keep(map[Digest]bool{a: true, {9}: true}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !s.Has(a) || s.Has(b) || s.Has(c) {
			t.Fatal("the wrong blobs are left")
		}
		s = openBlobs(t, dir)
	}
	if err := errors.Join(s.Delete(a), s.Delete(a)); err != nil || s.Has(a) {
		t.Fatalf("deleting: %v", err)
	}
}

// TestStoresReportWhatTheDiskSays shows that a folder which cannot be used is an error, not a silence.
func TestStoresReportWhatTheDiskSays(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "")
	if _, err := OpenBlobStore(filepath.Join(dir, "file"), 1); err == nil {
		t.Error("a file passes for a folder")
	}
	s := openBlobs(t, filepath.Join(dir, "blobs"))
	d := put(t, s, "x")
	if err := os.RemoveAll(filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put([]byte("y")); err == nil {
		t.Error("storing into a folder that is gone")
	}
	if err := s.Sync(); err == nil {
		t.Error("syncing a folder that is gone")
	}
	if _, err := s.Get(d); !errors.Is(err, ErrMissing) {
		t.Errorf("reading from a folder that is gone: %v", err)
	}
	if _, err := newUploads(filepath.Join(dir, "file", "below"), time.Now); err == nil {
		t.Error("an upload folder below a file")
	}
}

// TestNothingIsStoredAfterAFailure shows that a store whose write or sync failed says so at once, once,
// and stores nothing any more even when the disk is well again: a second sync would report success for
// what the first one lost.
func TestNothingIsStoredAfterAFailure(t *testing.T) {
	for name, use := range map[string]func(*BlobStore) error{
		"put":  func(s *BlobStore) error { _, err := s.Put([]byte("y")); return err },
		"sync": func(s *BlobStore) error { return s.Sync() },
	} {
		dir := filepath.Join(t.TempDir(), "blobs")
		s := openBlobs(t, dir)
		var told []error
		s.failed = func(err error) { told = append(told, err) }
		d := put(t, s, "x")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		first := use(s)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_, stored := s.Put([]byte("z"))
		_, known := s.Put([]byte("x"))
		for _, err := range []error{first, stored, known, s.Sync()} {
			if !errors.Is(err, ErrStorage) || err.Error() != first.Error() || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(told) != 1 || told[0].Error() != first.Error() || !s.Has(d) || s.Has(digestOf([]byte("z"))) {
			t.Errorf("%s: told %v", name, told)
		}
	}
}

// loading is an upload folder with a clock of its own.
type loading struct {
	*uploads
	t   *testing.T
	now time.Time
}

func newLoading(t *testing.T) *loading {
	l := &loading{t: t, now: time.Unix(0, 0)}
	var err error
	if l.uploads, err = newUploads(t.TempDir(), func() time.Time { return l.now }); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *loading) piece(d Digest, offset, size int64, data string) (int64, api.Code) {
	l.t.Helper()
	have, err := l.add(UploadPiece{Digest: d, Offset: offset, Size: size, Data: []byte(data)})
	var e *Error
	if err != nil && !errors.As(err, &e) {
		l.t.Fatal(err)
	}
	if e != nil {
		return have, e.Code
	}
	return have, ""
}

// TestUploads shows how pieces gather: in order alone, within the size, again from the start, and that
// the whole has to have the digest it was announced with.
func TestUploads(t *testing.T) {
	l := newLoading(t)
	d := digestOf([]byte("abcdef"))
	for i, c := range []struct {
		offset, size int64
		data         string
		have         int64
		code         api.Code
	}{
		{3, 6, "def", 0, ""}, // out of order: nothing is there yet
		{0, 6, "abc", 3, ""},
		{4, 6, "ef", 3, ""},
		{3, 6, "defg", 3, api.CodeBadRequest},
		{0, 0, "", 0, api.CodeTooLarge},
		{0, MaxModuleBytes + 1, "", 0, api.CodeTooLarge},
		{3, 6, "d", 4, ""},
		{0, 6, "xyz", 3, ""}, // again from the start
		{0, 6, "abcd", 4, ""},
		{4, 6, "", 4, ""},
		{4, 6, "ef", 6, ""},
		{4, 6, "ef", 6, ""}, // a repetition
	} {
		if have, code := l.piece(d, c.offset, c.size, c.data); have != c.have || code != c.code {
			t.Errorf("piece %d: %d bytes and %q, expected %d and %q", i, have, code, c.have, c.code)
		}
	}
	if data, err := l.take(d); err != nil || !bytes.Equal(data, []byte("abcdef")) {
		t.Fatalf("%q, %v", data, err)
	}
	if have, _ := l.piece(d, 6, 7, "g"); have != 0 {
		t.Errorf("%d bytes are there after the upload was taken", have)
	}
	l.piece(Digest{1}, 0, 1, "x")
	var e *Error
	if _, err := l.take(Digest{1}); !errors.As(err, &e) || e.Code != api.CodeBadRequest {
		t.Errorf("bytes with another digest: %v", err)
	}
	if _, err := l.take(Digest{2}); err == nil {
		t.Error("an upload that never began was taken")
	}
}

// TestUploadsAreBounded shows that only so many are under way, that one of them may begin again all the
// same, and that those which were given up make room after a while.
func TestUploadsAreBounded(t *testing.T) {
	l := newLoading(t)
	for i := range maxUploads {
		l.piece(Digest{byte(i)}, 0, 6, "abc")
	}
	if _, code := l.piece(Digest{99}, 0, 6, "abc"); code != api.CodeBusy {
		t.Errorf("one too many was answered with %q", code)
	}
	if have, code := l.piece(Digest{0}, 0, 6, "ab"); have != 2 || code != "" {
		t.Errorf("beginning again: %d bytes, %q", have, code)
	}
	if have, code := l.piece(Digest{0}, 2, 6, "c"); have != 3 || code != "" {
		t.Errorf("going on: %d bytes, %q", have, code)
	}
	l.now = l.now.Add(uploadLife)
	l.piece(Digest{1}, 3, 6, "d")
	if have, code := l.piece(Digest{99}, 0, 6, "abc"); have != 3 || code != "" {
		t.Errorf("after the others were given up: %d bytes, %q", have, code)
	}
	if have, _ := l.piece(Digest{1}, 4, 6, "ef"); have != 6 {
		t.Errorf("the one that went on has %d bytes", have)
	}
	if have, _ := l.piece(Digest{2}, 3, 6, "def"); have != 0 {
		t.Errorf("one that was given up has %d bytes", have)
	}
}
