//go:build !linux

package files

func syncsAll() bool       { return false }
func syncAll(string) error { panic("files: syncAll without syncsAll") }
