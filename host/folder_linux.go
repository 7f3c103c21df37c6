package host

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// fewFiles are synced one by one, since syncing the file system waits for all that others have written to it.
const fewFiles = 4

// SyncFiles implements folder. Many files are synced at once with their whole file system, which takes a tenth of the time.
func (d osFolder) SyncFiles(names []string) error {
	if len(names) <= fewFiles || !syncfsTells() {
		return d.syncEach(names)
	}
	dir, err := os.Open(string(d))
	if err != nil {
		return err
	}
	if err = unix.Syncfs(int(dir.Fd())); err != nil {
		err = fmt.Errorf("syncfs %s: %w", d, err)
	}
	return errors.Join(err, dir.Close())
}

// syncfsTells reports whether syncfs returns an error when something could not be written: it does from Linux 5.8 on (syncfs(2)).
var syncfsTells = sync.OnceValue(func() bool {
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
