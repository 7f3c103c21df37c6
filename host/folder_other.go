//go:build !linux

package host

// SyncFiles implements folder.
func (d osFolder) SyncFiles(names []string) error { return d.syncEach(names) }
