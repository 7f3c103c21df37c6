// Package toolchains is for tests of machines in other languages than Go, which need what `make toolchains` installs.
package toolchains

import (
	"os"
	"path/filepath"
	"testing"
)

// Need ends a test that lacks a toolchain, which err says, nil if there is one: it is skipped, or fails with GROUT_TOOLCHAINS=required,
// as the gate has it.
func Need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("GROUT_TOOLCHAINS") == "required":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// Link does what `npm install` does in a new AssemblyScript project, without a network: it links the compiler from the SDK's own folder
// and the SDK from the project's. Without the compiler the test ends as with Need.
func Link(t testing.TB, dir string) {
	t.Helper()
	compiler, err := filepath.Abs(filepath.Join("..", "..", "..", "..", "sdk", "assemblyscript", "node_modules", "assemblyscript"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(compiler)
	Need(t, err)
	packages := filepath.Join(dir, "node_modules")
	if err := os.Mkdir(packages, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"assemblyscript": compiler, "grout": filepath.Join("..", "vendor", "grout")} {
		if err := os.Symlink(target, filepath.Join(packages, name)); err != nil {
			t.Fatal(err)
		}
	}
}
