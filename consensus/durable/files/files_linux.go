package files

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// syncAll syncs the whole file system that dir is on. For 256 files of 64 KiB that takes a tenth of the time.
func syncAll(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err = unix.Syncfs(int(folder.Fd())); err != nil {
		err = fmt.Errorf("files: syncfs %s: %w", dir, err)
	}
	return errors.Join(err, folder.Close())
}

// syncsAll reports whether syncfs returns an error when something could not be written: it does from Linux 5.8 on (syncfs(2)).
var syncsAll = sync.OnceValue(func() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 8
})
