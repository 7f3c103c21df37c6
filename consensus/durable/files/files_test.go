package files

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestSync shows that few and many files are synced, that one which is gone is no error, and that a folder which is none is.
func TestSync(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for i := range 3 * fewFiles {
		names = append(names, fmt.Sprint(i))
		if err := os.WriteFile(filepath.Join(dir, names[i]), []byte("bytes"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Sync(dir, names); err != nil {
			t.Errorf("%d files: %v", len(names), err)
		}
	}
	if err := Sync(dir, []string{"0", "gone"}); err != nil {
		t.Errorf("one is gone: %v", err)
	}
	if err := Sync(filepath.Join(dir, "0"), []string{"0"}); err == nil {
		t.Error("a file is no folder")
	}
	if syncsAll() {
		if err := Sync(filepath.Join(dir, "none"), names); err == nil {
			t.Error("many files of a folder that does not exist were synced")
		}
	}
}
