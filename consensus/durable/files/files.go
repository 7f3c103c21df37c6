// Package files makes many small files durable at once.
package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Sync makes the bytes of files in a folder durable, not their names. One that does not exist is no error: it may have been
// removed meanwhile.
//
// # Errors
//
// Whatever the system reports. What was written since the last Sync may be lost then, whatever a later one says.
func Sync(dir string, names []string) error {
	if len(names) > fewFiles && syncsAll() {
		return syncAll(dir)
	}
	for _, name := range names {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if err == nil {
			err = errors.Join(file.Sync(), file.Close())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// fewFiles are synced one by one, since syncing the file system waits for all that others have written to it.
const fewFiles = 4
