package host

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A store's blobs lie one behind another in packs, since a file costs far more to make than a page to write. What a pack holds is in its
// list, a file of records. A record is written when the blob's bytes are on the disk, so that none ever vouches for bytes that are not; one that is
// torn has another checksum, and is none.
//
//	0000000000000007.pack   the bytes
//	0000000000000007.list   records of recordBytes: digest, base, size, offset, length, CRC-32C of those; numbers are big-endian
//
// A pack is complete when it is large enough, or with the next Sync. Then it only loses blobs. An empty one is deleted, and Compact writes anew
// what is left in those that are mostly garbage.

// maxPackBytes is how large a pack of chunks becomes: enough for its two syncs to cost little for each of them, and not so much that other syncs of
// the device wait long.
const maxPackBytes = 16 << 20

// packFile is a file of blobs. Its counts are those of the store's mu.
type packFile struct {
	// number is its place in the order of packs. name is that of its file when it has only one, which is a blob's digest: the
	// stores of earlier builds had no packs.
	number uint64
	name   string
	// size are the file's bytes, live those of its blobs, of which there are so many.
	size, live int64
	blobs      int
	// complete is set when nothing is added any more, moving while its blobs are written anew.
	complete, moving bool
}

const (
	packSuffix = ".pack"
	listSuffix = ".list"
	partSuffix = ".part" // of files that earlier builds had not completed
)

func (p *packFile) data() string {
	if p.name != "" {
		return p.name
	}
	return fmt.Sprintf("%016x%s", p.number, packSuffix)
}

func (p *packFile) list() string { return fmt.Sprintf("%016x%s", p.number, listSuffix) }

// in names the place, which is in a folder, for messages.
func (at place) in(dir string) string {
	if at.pack == nil {
		return dir
	}
	return fmt.Sprintf("%s at %d", filepath.Join(dir, at.pack.data()), at.offset)
}

// packWriter writes to a pack.
type packWriter struct {
	pack       *packFile
	data, list folderFile
}

// write writes to the present pack, and returns the place; the caller holds writing.
func (s *BlobStore) write(content []byte) (place, error) {
	if s.present == nil {
		if err := s.begin(); err != nil {
			return place{}, err
		}
	}
	w := s.present
	if _, err := w.data.Write(content); err != nil {
		return place{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{pack: w.pack, offset: w.pack.size, length: int64(len(content))}
	w.pack.size += at.length
	return at, nil
}

// begin makes a new pack the present one.
func (s *BlobStore) begin() error {
	s.mu.Lock()
	s.made++
	w := &packWriter{pack: &packFile{number: s.made}}
	s.mu.Unlock()
	var err error
	if w.data, err = s.files.Create(w.pack.data()); err != nil {
		return err
	}
	if w.list, err = s.files.Create(w.pack.list()); err != nil {
		return errors.Join(err, w.data.Close())
	}
	s.mu.Lock()
	s.packs[w.pack] = true
	s.mu.Unlock()
	s.present = w
	return nil
}

// seal completes a pack: it syncs the bytes, and lists them then. The caller holds sealing.
func (s *BlobStore) seal(w *packWriter) error {
	err := w.data.Sync()
	if err == nil {
		_, err = w.list.Write(s.records(w.pack))
	}
	if err == nil {
		err = w.list.Sync()
	}
	if err = errors.Join(err, w.data.Close(), w.list.Close()); err != nil {
		return err
	}
	s.mu.Lock()
	w.pack.complete = true
	s.mu.Unlock()
	return s.sweep()
}

// recordBytes is the size of a record.
const recordBytes = 2*32 + 3*8 + 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// records describes the blobs of a pack.
func (s *BlobStore) records(p *packFile) (out []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.inside(p) {
		b, from := s.blobs[d], len(out)
		out = append(append(out, d[:]...), b.base[:]...)
		for _, n := range []int64{b.size, b.at.offset, b.at.length} {
			out = binary.BigEndian.AppendUint64(out, uint64(n))
		}
		out = binary.BigEndian.AppendUint32(out, crc32.Checksum(out[from:], castagnoli))
	}
	return out
}

// inside returns the blobs of a pack in the order of their places; the caller holds the lock.
func (s *BlobStore) inside(p *packFile) []Digest {
	var out []Digest
	for d, b := range s.blobs {
		if b.at.pack == p {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Digest) int { return cmp.Compare(s.blobs[a].at.offset, s.blobs[b].at.offset) })
	return out
}

// parseRecord reads a record; ok is false for bytes that are none.
func parseRecord(raw []byte) (d Digest, b heldBlob, ok bool) {
	body := raw[:recordBytes-4]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(raw[recordBytes-4:]) {
		return d, b, false
	}
	d, b.base = Digest(body[:32]), Digest(body[32:64])
	b.size = int64(binary.BigEndian.Uint64(body[64:]))
	b.at.offset = int64(binary.BigEndian.Uint64(body[72:]))
	b.at.length = int64(binary.BigEndian.Uint64(body[80:]))
	return d, b, b.size >= 0 && b.at.offset >= 0 && b.at.length >= 0
}

// readFolder takes in what a folder holds, and removes files that an earlier build had not completed. Other files are not the store's, and
// stay. What is known of lists that an earlier process may not have synced is no reason to delete anything, until sync.
func (s *BlobStore) readFolder() error {
	sizes, err := s.files.List()
	if err != nil {
		return err
	}
	for _, file := range slices.Sorted(maps.Keys(sizes)) {
		suffix := filepath.Ext(file)
		name := strings.TrimSuffix(file, suffix)
		number, numbered := parseNumber(name)
		p := &packFile{number: number, complete: true}
		switch {
		case suffix == partSuffix:
			err = s.files.Remove(file)
		case suffix == packSuffix && numbered:
			p.size = sizes[file]
			err = s.readPackFile(p, sizes)
		case suffix == listSuffix && numbered:
			if _, ok := sizes[p.data()]; !ok { // else it is read with its pack
				s.addPack(p)
			}
		case suffix == "":
			if d, ok := parseDigest(file); ok {
				p.name, p.size = file, sizes[file]
				s.addPack(p)
				s.place(d, heldBlob{size: p.size, at: place{pack: p, length: p.size}})
			}
		}
		if err != nil {
			return err
		}
	}
	s.dropPatches()
	return nil
}

func parseNumber(text string) (uint64, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(raw), true
}

// addPack takes in a pack of an earlier process.
func (s *BlobStore) addPack(p *packFile) {
	s.packs[p] = true
	s.made = max(s.made, p.number)
}

// readPackFile takes in a pack of an earlier process and what its list has. Of two places of a blob the later one counts.
func (s *BlobStore) readPackFile(p *packFile, sizes map[string]int64) error {
	s.addPack(p)
	size, ok := sizes[p.list()]
	if !ok {
		return nil
	}
	s.unsynced = append(s.unsynced, p.list())
	file, err := s.files.Open(p.list())
	if err != nil {
		return err
	}
	raw := make([]byte, size-size%recordBytes)
	if _, err = file.ReadAt(raw, 0); errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	for record := range slices.Chunk(raw, recordBytes) {
		if d, b, ok := parseRecord(record); ok {
			b.at.pack = p
			s.place(d, b)
		}
	}
	return nil
}

// dropPatches forgets patches whose base is not there: a Keep of an earlier process was interrupted.
func (s *BlobStore) dropPatches() {
	for d, b := range s.blobs {
		if base := s.blobs[b.base]; b.base != (Digest{}) && (!s.whole(b.base) || base.size != b.size) {
			s.forget(d)
		}
	}
}

// sweep deletes the complete packs that have no blobs. A list is deleted before what it lists. That of the newest pack stays, so that no other
// one ever gets its number: after a power failure a file that was deleted can be back, beside one that was made since.
func (s *BlobStore) sweep() error {
	empty, newest := s.takeEmpty()
	for _, p := range empty {
		names := []string{p.list(), p.data()}
		if p.name != "" || p.number == newest {
			names = names[1:]
		}
		for _, name := range names {
			if err := s.files.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("host: deleting blobs in %s: %w", s.dir, err)
			}
		}
	}
	return nil
}

// takeEmpty takes away the complete packs that have no blobs, and tells the newest one's number.
func (s *BlobStore) takeEmpty() (empty []*packFile, newest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.packs {
		if s.settled && p.complete && !p.moving && p.blobs == 0 {
			empty = append(empty, p)
			delete(s.packs, p)
		}
	}
	slices.SortFunc(empty, byNumber)
	return empty, s.made
}

func byNumber(a, b *packFile) int {
	return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.name, b.name))
}

const (
	// thinBytes is what a pack is worth that is left alone.
	thinBytes = 1 << 20
	// maxThin is how many packs may have less.
	maxThin = 8
)

// Compact writes anew what is left in packs that are mostly garbage, and in small ones when there are many, so that the folder has
// at most twice the bytes of its blobs and some MiB. Everything is durable on return.
//
// # Errors
//
// ErrStorage, and ErrCorrupt for a pack that cannot be read, which stays.
func (s *BlobStore) Compact(pace *pacer) error {
	wasteful := s.wasteful()
	if len(wasteful) == 0 {
		return nil
	}
	var err error
	for _, p := range wasteful {
		err = errors.Join(err, s.moveAll(p, pace))
	}
	if synced := s.Sync(); synced != nil {
		return synced
	}
	s.mu.Lock()
	for _, p := range wasteful {
		p.moving = false
	}
	s.mu.Unlock()
	return errors.Join(err, s.sweep())
}

// moveAll writes a pack's blobs to the present one.
func (s *BlobStore) moveAll(p *packFile, pace *pacer) error {
	s.mu.Lock()
	inside := s.inside(p)
	s.mu.Unlock()
	for _, d := range inside {
		if err := s.move(d, p); err != nil {
			return err
		}
		pace.step()
	}
	return nil
}

// wasteful returns the packs to be written anew, which stay until they are let go.
func (s *BlobStore) wasteful() (out []*packFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var thin []*packFile
	for p := range s.packs {
		switch {
		case !p.complete:
		case p.size-p.live > max(p.live, thinBytes):
			out = append(out, p)
		case p.live < thinBytes:
			thin = append(thin, p)
		}
	}
	if len(thin) > maxThin {
		out = append(out, thin...)
	}
	slices.SortFunc(out, byNumber)
	for _, p := range out {
		p.moving = true
	}
	return out
}

// move writes a blob's bytes to the present pack.
func (s *BlobStore) move(d Digest, from *packFile) error {
	b, ok := s.held(d)
	if !ok || b.at.pack != from {
		return nil
	}
	content := make([]byte, b.at.length)
	n, err := s.readPack(d, 0, content)
	if err != nil || n < len(content) {
		return errors.Join(err, s.damaged(d, "it cannot be written anew"))
	}
	return s.add(d, b, content, func(now heldBlob, _ bool) bool { return now.at == b.at })
}
