package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/groutlabs/grout/sdk/api"
)

const (
	// MaxModuleBytes bounds a module.
	MaxModuleBytes = 64 << 20
	// maxUploads bounds the uploads under way on one host.
	maxUploads = 16
)

// uploads gathers modules that arrive piece by piece, in files.
type uploads struct {
	dir  string
	mu   sync.Mutex
	have map[Digest]int64
}

// newUploads empties the folder: an upload does not outlive its host's process.
func newUploads(dir string) (*uploads, error) {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, fmt.Errorf("host: upload folder: %w", err)
	}
	return &uploads{dir: dir, have: map[Digest]int64{}}, nil
}

func (u *uploads) path(d Digest) string { return filepath.Join(u.dir, hexDigest(d)) }

// add appends a piece. A piece that does not follow what is there changes nothing. It returns how
// many bytes are there now.
func (u *uploads) add(p UploadPiece) (int64, error) {
	if p.Size < 1 || p.Size > MaxModuleBytes {
		return 0, fault(api.CodeTooLarge, "the module has %d bytes, 1 to %d are possible", p.Size, MaxModuleBytes)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	have, begun := u.have[p.Digest]
	if p.Offset == 0 && begun {
		have, begun = 0, false // a new attempt
		if err := os.Truncate(u.path(p.Digest), 0); err != nil {
			return 0, fmt.Errorf("host: storing an upload: %w", err)
		}
	}
	if !begun && len(u.have) >= maxUploads {
		return 0, fault(api.CodeBusy, "%d uploads are under way on this host: try again later", maxUploads)
	}
	if p.Offset != have {
		return have, nil
	}
	if p.Offset+int64(len(p.Data)) > p.Size {
		return have, fault(api.CodeBadRequest, "the piece ends at byte %d of a module of %d", p.Offset+int64(len(p.Data)), p.Size)
	}
	file, err := os.OpenFile(u.path(p.Digest), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return have, fmt.Errorf("host: storing an upload: %w", err)
	}
	_, err = file.Write(p.Data)
	if err := errors.Join(err, file.Close()); err != nil {
		return have, fmt.Errorf("host: storing an upload: %w", err)
	}
	u.have[p.Digest] = have + int64(len(p.Data))
	return u.have[p.Digest], nil
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
