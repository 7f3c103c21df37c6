package host

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// BlobStore keeps immutable blobs in one folder, each in a file named by its SHA-256. Its methods may
// be called from several goroutines. After a write or sync that failed it stores nothing any more: a
// second sync would report success for what the first one lost.
type BlobStore struct {
	dir string
	// failed, if not nil, is told once why nothing can be stored any more.
	failed func(error)
	mu     sync.Mutex
	// held are the digests that are stored.
	held map[Digest]int64
	// broken is the failure that ended storing, nil until then.
	broken error
}

// OpenBlobStore opens a folder, making it when needed, and removes what an interrupted Put left.
func OpenBlobStore(dir string) (*BlobStore, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("host: blob folder: %w", err)
	}
	s := &BlobStore{dir: dir, held: map[Digest]int64{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("host: blob folder: %w", err)
	}
	for _, entry := range entries {
		if err := s.adopt(entry); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *BlobStore) adopt(entry fs.DirEntry) error {
	if strings.HasSuffix(entry.Name(), partSuffix) {
		if err := os.Remove(filepath.Join(s.dir, entry.Name())); err != nil {
			return fmt.Errorf("host: blob folder: %w", err)
		}
		return nil
	}
	raw, err := hex.DecodeString(entry.Name())
	if err != nil || len(raw) != 32 {
		return nil // not ours: leave it alone
	}
	info, err := entry.Info()
	if err != nil {
		return fmt.Errorf("host: blob folder: %w", err)
	}
	s.held[Digest(raw)] = info.Size()
	return nil
}

const partSuffix = ".part"

func (s *BlobStore) path(d Digest) string { return filepath.Join(s.dir, hex.EncodeToString(d[:])) }

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
	if err := s.write(s.path(d), data); err != nil {
		return d, s.fail("storing a blob", err)
	}
	s.mu.Lock()
	s.held[d] = int64(len(data))
	s.mu.Unlock()
	return d, nil
}

// write makes a file with data, synced, or leaves none.
func (s *BlobStore) write(path string, data []byte) error {
	file, err := os.CreateTemp(s.dir, "*"+partSuffix)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
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
	dir, err := os.Open(s.dir)
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
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.held[d]
	return ok
}

// Get reads a whole blob and checks its digest.
//
// # Errors
//
// ErrMissing, or ErrCorrupt when the file's bytes have another digest.
func (s *BlobStore) Get(d Digest) ([]byte, error) {
	data, err := os.ReadFile(s.path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %x in %s", ErrMissing, d, s.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("host: reading a blob: %w", err)
	}
	if digestOf(data) != d {
		return nil, fmt.Errorf("%w blob: the bytes of %s have another digest", ErrCorrupt, s.path(d))
	}
	return data, nil
}

// Piece reads part of a blob, without checking its digest: the reader checks the whole.
func (s *BlobStore) Piece(d Digest, offset int64, limit int) (piece []byte, total int64, err error) {
	s.mu.Lock()
	total, ok := s.held[d]
	s.mu.Unlock()
	if !ok {
		return nil, 0, fmt.Errorf("%w: %x in %s", ErrMissing, d, s.dir)
	}
	if offset < 0 || offset > total || limit < 1 {
		return nil, total, fmt.Errorf("host: a piece of %d bytes at %d of a blob of %d bytes", limit, offset, total)
	}
	file, err := os.Open(s.path(d))
	if err != nil {
		return nil, total, fmt.Errorf("host: reading a blob: %w", err)
	}
	piece = make([]byte, min(int64(limit), total-offset))
	_, err = file.ReadAt(piece, offset)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, total, fmt.Errorf("host: reading a blob: %w", err)
	}
	return piece, total, nil
}

// Keep deletes every blob that is not in keep.
func (s *BlobStore) Keep(keep map[Digest]bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range s.held {
		if keep[d] {
			continue
		}
		if err := os.Remove(s.path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("host: deleting a blob: %w", err)
		}
		delete(s.held, d)
	}
	return nil
}

// Delete deletes one blob; one that is not stored is no error.
func (s *BlobStore) Delete(d Digest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Remove(s.path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("host: deleting a blob: %w", err)
	}
	delete(s.held, d)
	return nil
}
