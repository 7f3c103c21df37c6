package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

const (
	// MaxModuleBytes bounds a module.
	MaxModuleBytes = 64 << 20
	// maxUploads bounds the uploads under way on one host.
	maxUploads = 16
	// uploadLife is how long an upload may pause while others wait for its place.
	uploadLife = time.Minute
)

// uploads gathers modules that arrive piece by piece, in files.
type uploads struct {
	dir  string
	now  func() time.Time
	mu   sync.Mutex
	have map[Digest]upload
}

// upload is a module that is not complete yet.
type upload struct {
	bytes int64
	// at is when the last piece came.
	at time.Time
}

// newUploads empties the folder: an upload does not outlive its host's process.
func newUploads(dir string, now func() time.Time) (*uploads, error) {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, fmt.Errorf("host: upload folder: %w", err)
	}
	return &uploads{dir: dir, now: now, have: map[Digest]upload{}}, nil
}

func (u *uploads) path(d Digest) string { return filepath.Join(u.dir, hexDigest(d)) }

// add appends a piece. A piece that does not follow what is there changes nothing, save that one at
// offset 0 begins again. It returns how many bytes are there now.
func (u *uploads) add(p UploadPiece) (int64, error) {
	if p.Size < 1 || p.Size > MaxModuleBytes {
		return 0, fault(api.CodeTooLarge, "the module has %d bytes, 1 to %d are possible", p.Size, MaxModuleBytes)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	held, begun := u.have[p.Digest]
	if p.Offset != 0 && p.Offset != held.bytes {
		return held.bytes, nil
	}
	if p.Offset+int64(len(p.Data)) > p.Size {
		return held.bytes, fault(api.CodeBadRequest, "the piece ends at byte %d of a module of %d", p.Offset+int64(len(p.Data)), p.Size)
	}
	if !begun {
		if err := u.makeRoom(); err != nil {
			return 0, err
		}
	}
	// What is lost now is not counted on below.
	u.have[p.Digest] = upload{bytes: p.Offset, at: u.now()}
	if err := u.write(p); err != nil {
		return p.Offset, fmt.Errorf("host: storing an upload: %w", err)
	}
	u.have[p.Digest] = upload{bytes: p.Offset + int64(len(p.Data)), at: u.now()}
	return u.have[p.Digest].bytes, nil
}

// write puts a piece behind what precedes it, and drops whatever the file holds beyond.
func (u *uploads) write(p UploadPiece) error {
	file, err := os.OpenFile(u.path(p.Digest), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = file.Truncate(p.Offset)
	if err == nil {
		_, err = file.WriteAt(p.Data, p.Offset)
	}
	return errors.Join(err, file.Close())
}

// makeRoom drops uploads that were given up when there are too many.
func (u *uploads) makeRoom() error {
	if len(u.have) < maxUploads {
		return nil
	}
	for d, held := range u.have {
		if u.now().Sub(held.at) < uploadLife {
			continue
		}
		if err := os.Remove(u.path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("host: dropping an upload: %w", err)
		}
		delete(u.have, d)
	}
	if len(u.have) >= maxUploads {
		return fault(api.CodeBusy, "%d uploads are under way on this host: try again later", maxUploads)
	}
	return nil
}

// take reads a whole upload and forgets it.
func (u *uploads) take(d Digest) ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	data, err := os.ReadFile(u.path(d))
	err = errors.Join(err, os.Remove(u.path(d)))
	delete(u.have, d)
	if err != nil {
		return nil, fmt.Errorf("host: reading an upload: %w", err)
	}
	if digestOf(data) != d {
		return nil, fault(api.CodeBadRequest, "the %d bytes that arrived have another digest than %s: upload the module again", len(data), hexDigest(d))
	}
	return data, nil
}
