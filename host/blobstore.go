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
//
// Files are synced many at a time, and get their names then, so that no name ever vouches for bytes that are not on the disk.
type BlobStore struct {
	// dir is the folder's name, for messages.
	dir   string
	files folder
	// failed, if not nil, is told once why nothing can be stored any more.
	failed func(error)
	mu     sync.Mutex
	// held are the digests that are stored, and the blobs' sizes.
	held map[Digest]int64
	// pending are those of held that have no name yet, and unsynced the bytes of them.
	pending  map[Digest]*pendingBlob
	unsynced int64
	// broken is the failure that ended storing, nil until then.
	broken error
	// parts numbers the files that are being written.
	parts uint64
	// naming is held by the one who syncs pending blobs and names them.
	naming sync.Mutex
}

// pendingBlob is a blob in a file that is not synced.
type pendingBlob struct {
	digest Digest
	part   string
	size   int64
	// dropped is set when the blob was removed meanwhile.
	dropped bool
}

// maxUnsynced is how many bytes wait for a sync at most: enough for a sync to cost little for each blob, and not so many
// that other syncs of the device wait long.
const maxUnsynced = 16 << 20

// OpenBlobStore opens a folder, making it when needed, and removes what an interrupted Put left.
func OpenBlobStore(dir string) (*BlobStore, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("host: blob folder: %w", err)
	}
	return openFolder(dir, osFolder(dir))
}

func openFolder(dir string, files folder) (*BlobStore, error) {
	s := &BlobStore{dir: dir, files: files, held: map[Digest]int64{}, pending: map[Digest]*pendingBlob{}}
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

// Put stores data under its digest. It is durable after Sync.
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
	part, err := s.write(data)
	if err != nil {
		return d, s.fail("storing a blob", err)
	}
	again, full := s.hold(&pendingBlob{digest: d, part: part, size: int64(len(data))})
	if again {
		err = s.files.Remove(part)
	}
	if err == nil && full {
		err = s.nameAll()
	}
	if err != nil {
		return d, s.fail("storing a blob", err)
	}
	return d, nil
}

// write makes a file with data, or leaves none.
func (s *BlobStore) write(data []byte) (part string, err error) {
	part = s.part()
	file, err := s.files.Create(part)
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, s.files.Remove(part))
	}
	return part, nil
}

// hold takes a blob in. It reports whether somebody else stored it meanwhile, and whether it is time to sync.
func (s *BlobStore) hold(b *pendingBlob) (again, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again = s.held[b.digest]; again {
		return true, false
	}
	s.held[b.digest], s.pending[b.digest] = b.size, b
	s.unsynced += b.size
	return false, s.unsynced >= maxUnsynced
}

// nameAll syncs the blobs that wait for it, and gives them their names.
func (s *BlobStore) nameAll() error {
	s.naming.Lock()
	defer s.naming.Unlock()
	s.mu.Lock()
	batch := slices.SortedFunc(maps.Values(s.pending), func(a, b *pendingBlob) int { return bytes.Compare(a.digest[:], b.digest[:]) })
	s.unsynced = 0
	s.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	parts := make([]string, len(batch))
	for i, b := range batch {
		parts[i] = b.part
	}
	if err := s.files.SyncFiles(parts); err != nil {
		return err
	}
	for _, b := range batch {
		if err := s.name(b); err != nil {
			return err
		}
	}
	return nil
}

// name gives a synced blob its name, unless it was removed meanwhile.
func (s *BlobStore) name(b *pendingBlob) error {
	err := s.files.Rename(b.part, blobName(b.digest))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[b.digest] == b {
		delete(s.pending, b.digest)
	}
	if b.dropped {
		err = s.files.Remove(blobName(b.digest)) // it is there if the file was when it got its name
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return err
}

// file is the name of a blob's file now.
func (s *BlobStore) file(d Digest) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.pending[d]; b != nil {
		return b.part
	}
	return blobName(d)
}

// part returns a new name for a file that is not complete yet.
func (s *BlobStore) part() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts++
	return strconv.FormatUint(s.parts, 10) + partSuffix
}

// Sync makes all stored blobs durable.
//
// # Errors
//
// ErrStorage, and the same one for every later Put and Sync.
func (s *BlobStore) Sync() error {
	if err := s.failure(); err != nil {
		return err
	}
	err := s.nameAll()
	if err == nil {
		var dir folderFile
		if dir, err = s.files.Open("."); err == nil {
			err = errors.Join(dir.Sync(), dir.Close())
		}
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
	if err := s.verify(d, data); err != nil {
		return nil, err
	}
	return data, nil
}

// GetInto is Get of a blob of a known size, which it writes over into.
func (s *BlobStore) GetInto(d Digest, into []byte) error {
	size, ok := s.size(d)
	switch {
	case !ok:
		return fmt.Errorf("%w: %x in %s", ErrMissing, d, s.dir)
	case size != int64(len(into)):
		return fmt.Errorf("%w blob: %s in %s has %d bytes instead of %d", ErrCorrupt, blobName(d), s.dir, size, len(into))
	}
	n, err := s.readInto(d, 0, into)
	if err != nil {
		return err
	}
	return s.verify(d, into[:n])
}

func (s *BlobStore) verify(d Digest, data []byte) error {
	if digestOf(data) != d {
		return fmt.Errorf("%w blob: the bytes of %s in %s have another digest", ErrCorrupt, blobName(d), s.dir)
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
	name := s.file(d)
	file, err := s.files.Open(name)
	if errors.Is(err, fs.ErrNotExist) && name != s.file(d) {
		file, err = s.files.Open(s.file(d)) // it has got its name meanwhile
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %x in %s", ErrMissing, d, s.dir)
	}
	if err != nil {
		return 0, fmt.Errorf("host: reading a blob in %s: %w", s.dir, err)
	}
	n, err := file.ReadAt(data, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, fmt.Errorf("host: reading a blob in %s: %w", s.dir, err)
	}
	return n, nil
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
	name := blobName(d)
	if b := s.pending[d]; b != nil {
		name, b.dropped = b.part, true
		delete(s.pending, d)
	}
	delete(s.held, d)
	if err := s.files.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("host: deleting a blob in %s: %w", s.dir, err)
	}
	return nil
}
