package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// BlobStore keeps immutable blobs, named by their SHA-256, in one folder: see packFile. A blob is there whole or as a patch
// of another one. Methods may be called from several goroutines. After a write or sync that failed it stores nothing any more: a
// second sync would report success for what the first one lost.
type BlobStore struct {
	// dir is the folder's name, for messages.
	dir   string
	files folder
	// packBytes is how large a pack becomes before the next one begins.
	packBytes int64
	// failed, if not nil, is told once why nothing can be stored any more.
	failed func(error)

	// writing is held by the one who writes to the present pack, and sealing by the one who syncs one. Who needs both takes
	// writing first; mu comes last.
	writing sync.Mutex
	sealing sync.Mutex
	present *packWriter
	// unsynced are the lists of an earlier process, until they are synced.
	unsynced []string

	mu    sync.Mutex
	blobs map[Digest]heldBlob
	packs map[*packFile]bool
	// made numbers the packs.
	made uint64
	// settled is set when no list of an earlier process is unsynced.
	settled bool
	// broken is the failure that ended storing, nil until then.
	broken error
}

// place is where a pack has a blob's bytes, or a patch's.
type place struct {
	pack           *packFile
	offset, length int64
}

// heldBlob is what is known of a blob that is stored: its size; for a patch what it is on, a blob that is stored whole; and the place of its bytes.
type heldBlob struct {
	size int64
	base Digest
	at   place
	// spent is what was written as patches of this blob.
	spent int64
}

// OpenBlobStore opens a folder, making it when needed. A pack that has packBytes gets no more blobs; 1 gives each blob a pack of its own.
func OpenBlobStore(dir string, packBytes int64) (*BlobStore, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("host: blob folder: %w", err)
	}
	return openFolder(dir, osFolder(dir), packBytes)
}

func openFolder(dir string, files folder, packBytes int64) (*BlobStore, error) {
	s := &BlobStore{dir: dir, files: files, packBytes: packBytes, blobs: map[Digest]heldBlob{}, packs: map[*packFile]bool{}}
	if err := s.readFolder(); err != nil {
		return nil, fmt.Errorf("host: blob folder: %w", err)
	}
	return s, nil
}

// Put stores data under its digest. It is durable after Sync.
//
// # Errors
//
// ErrStorage, and the same one for every later Put and Sync.
func (s *BlobStore) Put(data []byte) (Digest, error) {
	d := digestOf(data)
	return d, s.put(d, Digest{}, int64(len(data)), data)
}

// put stores a blob of a size, of which content is what a pack has, unless its base was deleted meanwhile.
func (s *BlobStore) put(d, base Digest, size int64, content []byte) error {
	return s.add(d, heldBlob{size: size, base: base}, content, func(_ heldBlob, ok bool) bool { return !ok && (base == Digest{} || s.whole(base)) })
}

// add writes what a pack has of a blob, while wanted agrees, which is told of the blob under the lock.
func (s *BlobStore) add(d Digest, b heldBlob, content []byte, wanted func(now heldBlob, ok bool) bool) error {
	ifWanted := func(do func()) (ok bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		now, ok := s.blobs[d]
		if ok = wanted(now, ok); ok {
			do()
		}
		return ok
	}
	s.writing.Lock()
	if err := s.failure(); err != nil || !ifWanted(func() {}) {
		s.writing.Unlock()
		return err
	}
	var err error
	if b.at, err = s.write(content); err != nil {
		s.writing.Unlock()
		return s.fail("storing a blob", err)
	}
	ifWanted(func() { s.place(d, b) })
	if b.at.pack.size < s.packBytes {
		s.writing.Unlock()
		return nil
	}
	full := s.present
	s.present = nil
	s.sealing.Lock() // others may write to the next pack meanwhile
	s.writing.Unlock()
	defer s.sealing.Unlock()
	if err := s.seal(full); err != nil {
		return s.fail("storing a blob", err)
	}
	return nil
}

// place makes a blob known, and forgets where it was before; the caller holds the lock.
func (s *BlobStore) place(d Digest, b heldBlob) {
	s.forget(d)
	s.blobs[d] = b
	if base, ok := s.blobs[b.base]; ok {
		base.spent += b.at.length
		s.blobs[b.base] = base
	}
	b.at.pack.blobs++
	b.at.pack.live += b.at.length
}

// forget takes a blob away, whose bytes stay; the caller holds the lock.
func (s *BlobStore) forget(d Digest) {
	if b, ok := s.blobs[d]; ok {
		b.at.pack.blobs--
		b.at.pack.live -= b.at.length
		delete(s.blobs, d)
	}
}

// whole reports whether a blob is stored, and no patch; the caller holds the lock.
func (s *BlobStore) whole(d Digest) bool {
	b, ok := s.blobs[d]
	return ok && b.base == (Digest{})
}

// Sync makes all stored blobs durable.
//
// # Errors
//
// ErrStorage, and the same one for every later Put and Sync.
func (s *BlobStore) Sync() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.sealing.Lock()
	defer s.sealing.Unlock()
	if err := s.failure(); err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		return s.fail("syncing a blob folder", err)
	}
	return nil
}

func (s *BlobStore) sync() error {
	if w := s.present; w != nil {
		s.present = nil
		if err := s.seal(w); err != nil {
			return err
		}
	}
	if len(s.unsynced) > 0 {
		if err := s.files.SyncFiles(s.unsynced); err != nil {
			return err
		}
		s.unsynced = nil
	}
	dir, err := s.files.Open(".")
	if err != nil {
		return err
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return err
	}
	s.mu.Lock()
	s.settled = true
	s.mu.Unlock()
	return s.sweep()
}

// fail ends storing. The first reason is kept, and returned.
func (s *BlobStore) fail(doing string, err error) error {
	s.mu.Lock()
	first := s.broken == nil
	if first {
		s.broken = fmt.Errorf("%w: %s in %s: %w", ErrStorage, doing, s.dir, err)
	}
	err = s.broken
	s.mu.Unlock()
	if first && s.failed != nil {
		s.failed(err)
	}
	return err
}

func (s *BlobStore) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// Has reports whether a blob is stored.
func (s *BlobStore) Has(d Digest) bool {
	_, ok := s.held(d)
	return ok
}

func (s *BlobStore) held(d Digest) (heldBlob, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[d]
	return b, ok
}

func (s *BlobStore) missing(d Digest) error { return fmt.Errorf("%w: %x in %s", ErrMissing, d, s.dir) }

// damaged returns the error of a blob whose bytes are not what was stored.
func (s *BlobStore) damaged(d Digest, what string) error {
	b, _ := s.held(d)
	return fmt.Errorf("%w blob: %x in %s: %s", ErrCorrupt, d, b.at.in(s.dir), what)
}

// Get reads a whole blob and checks its digest.
//
// # Errors
//
// ErrMissing, or ErrCorrupt when the bytes have another digest.
func (s *BlobStore) Get(d Digest) ([]byte, error) {
	b, ok := s.held(d)
	if !ok {
		return nil, s.missing(d)
	}
	data, err := s.read(d, 0, b.size)
	if err != nil {
		return nil, err
	}
	return data, s.verify(d, data)
}

// GetInto is Get of a blob of a known size, which it writes over into.
func (s *BlobStore) GetInto(d Digest, into []byte) error {
	b, ok := s.held(d)
	switch {
	case !ok:
		return s.missing(d)
	case b.size != int64(len(into)):
		return s.damaged(d, fmt.Sprintf("it has %d bytes instead of %d", b.size, len(into)))
	}
	n, err := s.readInto(d, 0, into)
	if err != nil {
		return err
	}
	return s.verify(d, into[:n])
}

func (s *BlobStore) verify(d Digest, data []byte) error {
	if digestOf(data) != d {
		return s.damaged(d, "its bytes have another digest")
	}
	return nil
}

// read returns length bytes from offset, or fewer when the file has become shorter.
func (s *BlobStore) read(d Digest, offset, length int64) ([]byte, error) {
	data := make([]byte, length)
	n, err := s.readInto(d, offset, data)
	return data[:n], err
}

// readInto fills data from offset, or a part of it when the file has become shorter.
func (s *BlobStore) readInto(d Digest, offset int64, data []byte) (int, error) {
	b, _ := s.held(d)
	switch {
	case b.base == Digest{}:
		return s.readPack(d, offset, data)
	case int64(len(data)) == b.size:
		return s.readPatched(d, b.base, data)
	}
	whole := make([]byte, b.size)
	n, err := s.readPatched(d, b.base, whole)
	return copy(data, whole[min(offset, int64(n)):n]), err
}

// readPack is readInto of what a pack has of a blob.
func (s *BlobStore) readPack(d Digest, offset int64, data []byte) (int, error) {
	b, ok := s.held(d)
	for ok {
		file, err := s.files.Open(b.at.pack.data())
		if errors.Is(err, fs.ErrNotExist) {
			before := b.at
			if b, ok = s.held(d); b.at == before {
				break
			}
			continue // it was written anew meanwhile
		}
		if err != nil {
			return 0, fmt.Errorf("host: reading a blob in %s: %w", s.dir, err)
		}
		n, err := file.ReadAt(data[:min(int64(len(data)), b.at.length-offset)], b.at.offset+offset)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		if err := errors.Join(err, file.Close()); err != nil {
			return 0, fmt.Errorf("host: reading a blob in %s: %w", s.dir, err)
		}
		return n, nil
	}
	return 0, s.missing(d)
}

// Piece reads part of a blob, without checking its digest: the reader checks the whole.
func (s *BlobStore) Piece(d Digest, offset int64, limit int) (piece []byte, total int64, err error) {
	b, ok := s.held(d)
	if total = b.size; !ok {
		return nil, 0, s.missing(d)
	}
	if offset < 0 || offset > total || limit < 1 {
		return nil, total, fmt.Errorf("host: a piece of %d bytes at %d of a blob of %d bytes", limit, offset, total)
	}
	length := min(int64(limit), total-offset)
	piece, err = s.read(d, offset, length)
	if err == nil && int64(len(piece)) < length {
		err = s.damaged(d, fmt.Sprintf("it is shorter than %d bytes", total))
	}
	return piece, total, err
}

// Keep deletes every blob that is neither in keep nor what one in keep is a patch of. What shares a pack with others keeps its room
// until Compact, and may be back when the folder is opened again.
func (s *BlobStore) Keep(keep map[Digest]bool) error {
	s.mu.Lock()
	bases := map[Digest]bool{}
	for d, b := range s.blobs {
		if keep[d] {
			bases[b.base] = true
		}
	}
	s.forgetAll(func(d Digest, _ heldBlob) bool { return !keep[d] && !bases[d] })
	s.mu.Unlock()
	return s.sweep()
}

// Delete deletes one blob, and the patches of it; one that is not stored is no error.
func (s *BlobStore) Delete(d Digest) error {
	s.mu.Lock()
	s.forgetAll(func(other Digest, b heldBlob) bool { return other == d || b.base == d })
	s.mu.Unlock()
	return s.sweep()
}

// forgetAll forgets some blobs; the caller holds the lock.
func (s *BlobStore) forgetAll(which func(Digest, heldBlob) bool) {
	for d, b := range s.blobs {
		if which(d, b) {
			s.forget(d)
		}
	}
}
