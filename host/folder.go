package host

import (
	"io"
	"os"
	"path/filepath"

	"github.com/groutlabs/grout/consensus/durable/files"
)

// folder is the part of a file system that a BlobStore needs: one folder. Names are those of its
// files, without a path. Calls may overlap when they concern different files.
type folder interface {
	// Create makes a file that does not exist yet. Its name is durable after Sync of the folder.
	Create(name string) (folderFile, error)
	// Open opens a file for reading, or, as ".", the folder itself for its Sync.
	Open(name string) (folderFile, error)
	// SyncFiles makes the bytes of files durable, not their names.
	SyncFiles(names []string) error
	// Remove deletes a file. A file that is not there is an error that is fs.ErrNotExist.
	Remove(name string) error
	// List returns the sizes in bytes of all files by their names.
	List() (map[string]int64, error)
}

// folderFile is an open file.
type folderFile interface {
	io.Writer
	io.ReaderAt
	// Sync makes what was written durable; on a folder, its names.
	Sync() error
	Close() error
}

// osFolder is a folder of the operating system.
type osFolder string

func (d osFolder) path(name string) string { return filepath.Join(string(d), name) }

// Create implements folder.
func (d osFolder) Create(name string) (folderFile, error) {
	return os.OpenFile(d.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// Open implements folder.
func (d osFolder) Open(name string) (folderFile, error) { return os.Open(d.path(name)) }

// SyncFiles implements folder.
func (d osFolder) SyncFiles(names []string) error { return files.Sync(string(d), names) }

// Remove implements folder.
func (d osFolder) Remove(name string) error { return os.Remove(d.path(name)) }

// List implements folder.
func (d osFolder) List() (map[string]int64, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(entries))
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		sizes[entry.Name()] = info.Size()
	}
	return sizes, nil
}
