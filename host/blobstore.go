package host

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// BlobStore keeps immutable blobs in one folder, each in a file named by its SHA-256. Its methods may
// be called from several goroutines. After a write or sync that failed it stores nothing any more: a
// second sync would report success for what the first one lost.
type BlobStore struct {
	// dir is the folder's name, for messages.
	dir   string
	files folder
	// failed, if not nil, is told once why nothing can be stored any more.
	failed func(error)
	mu     sync.Mutex
	// held are the digests that are stored, and the blobs' sizes.
	held map[Digest]int64
	// broken is the failure that ended storing, nil until then.
	broken error
	// parts numbers the files that are being written.
	parts uint64
}

// OpenBlobStore opens a folder, making it when needed, and removes what an interrupted Put left.
func OpenBlobStore(dir string) (*BlobStore, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("host: blob folder: %w", err)
	}
	return openFolder(dir, osFolder(dir))
}

func openFolder(dir string, files folder) (*BlobStore, error) {
	s := &BlobStore{dir: dir, files: files, held: map[Digest]int64{}}
	sizes, err := files.List()
	if err != nil {
		return nil, fmt.Errorf("host: blob folder: %w", err)
	}
	for _, file := range slices.Sorted(maps.Keys(sizes)) {
		if strings.HasSuffix(file, partSuffix) {
			if err := files.Remove(file); err != nil {
				return nil, fmt.Errorf("host: blob folder: %w", err)
			}
			continue
		}
		if raw, err := hex.DecodeString(file); err == nil && len(raw) == 32 { // others are not ours: leave them alone
			s.held[Digest(raw)] = sizes[file]
		}
	}
	return s, nil
}

const partSuffix = ".part"

func blobName(d Digest) string { return hex.EncodeToString(d[:]) }

// Put stores data under its digest. The bytes are synced on return; the name is after Sync.
//
// # Errors
//
// ErrStorage, and the same one for every later Put and Sync.
func (s *BlobStore) Put(data []byte) (Digest, error) {
	d := digestOf(data)
	if s.Has(d) {
		return d, s.failure()
	}
	if err := s.failure(); err != nil {
		return d, err
	}
	if err := s.write(blobName(d), data); err != nil {
		return d, s.fail("storing a blob", err)
	}
	s.mu.Lock()
	s.held[d] = int64(len(data))
	s.mu.Unlock()
	return d, nil
}

// write makes a file with data, synced, or leaves none.
func (s *BlobStore) write(name string, data []byte) error {
	part := s.part()
	file, err := s.files.Create(part)
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = s.files.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, s.files.Remove(part))
	}
	return nil
}

// part returns a new name for a file that is not complete yet.
func (s *BlobStore) part() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts++
	return strconv.FormatUint(s.parts, 10) + partSuffix
}

// Sync makes the names of all stored blobs durable.
//
// # Errors
//
// ErrStorage, and the same one for every later Put and Sync.
func (s *BlobStore) Sync() error {
	if err := s.failure(); err != nil {
		return err
	}
	dir, err := s.files.Open(".")
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return s.fail("syncing a blob folder", err)
	}
	return nil
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
	_, ok := s.size(d)
	return ok
}

func (s *BlobStore) size(d Digest) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, ok := s.held[d]
	return size, ok
}

// Get reads a whole blob and checks its digest.
//
// # Errors
//
// ErrMissing, or ErrCorrupt when the file's bytes have another digest.
func (s *BlobStore) Get(d Digest) ([]byte, error) {
	size, ok := s.size(d)
	if !ok {
		return nil, fmt.Errorf("%w: %x in %s", ErrMissing, d, s.dir)
	}
	data, err := s.read(d, 0, size)
	if err != nil {
		return nil, err
	}
	if digestOf(data) != d {
		return nil, fmt.Errorf("%w blob: the bytes of %s in %s have another digest", ErrCorrupt, blobName(d), s.dir)
	}
	return data, nil
}

// read returns length bytes from offset, or fewer when the file has become shorter.
func (s *BlobStore) read(d Digest, offset, length int64) ([]byte, error) {
	file, err := s.files.Open(blobName(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %x in %s", ErrMissing, d, s.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("host: reading a blob in %s: %w", s.dir, err)
	}
	data := make([]byte, length)
	n, err := file.ReadAt(data, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("host: reading a blob in %s: %w", s.dir, err)
	}
	return data[:n], nil
}

// Piece reads part of a blob, without checking its digest: the reader checks the whole.
func (s *BlobStore) Piece(d Digest, offset int64, limit int) (piece []byte, total int64, err error) {
	total, ok := s.size(d)
	if !ok {
		return nil, 0, fmt.Errorf("%w: %x in %s", ErrMissing, d, s.dir)
	}
	if offset < 0 || offset > total || limit < 1 {
		return nil, total, fmt.Errorf("host: a piece of %d bytes at %d of a blob of %d bytes", limit, offset, total)
	}
	length := min(int64(limit), total-offset)
	piece, err = s.read(d, offset, length)
	if err == nil && int64(len(piece)) < length {
		err = fmt.Errorf("%w blob: %s in %s is shorter than %d bytes", ErrCorrupt, blobName(d), s.dir, total)
	}
	return piece, total, err
}

// Keep deletes every blob that is not in keep, in the order of their digests.
func (s *BlobStore) Keep(keep map[Digest]bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone []Digest
	for d := range s.held {
		if !keep[d] {
			gone = append(gone, d)
		}
	}
	slices.SortFunc(gone, func(a, b Digest) int { return bytes.Compare(a[:], b[:]) })
	for _, d := range gone {
		if err := s.remove(d); err != nil {
			return err
		}
	}
	return nil
}

// Delete deletes one blob; one that is not stored is no error.
func (s *BlobStore) Delete(d Digest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(d)
}

// remove deletes one blob; the caller holds the lock.
func (s *BlobStore) remove(d Digest) error {
	if err := s.files.Remove(blobName(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("host: deleting a blob in %s: %w", s.dir, err)
	}
	delete(s.held, d)
	return nil
}
