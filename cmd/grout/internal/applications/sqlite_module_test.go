package applications

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/cmd/grout/internal/toolchains"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

const sqliteDir = "../../../../examples/wasm/sqlite"

// sqliteModule builds the SQLite example once, which takes clang half a minute.
var sqliteModule = sync.OnceValues(func() (string, error) {
	out := filepath.Join(scratch, "sqlite.wasm")
	_, err := project.Build(context.Background(), project.BuildRequest{Dir: sqliteDir, Out: out})
	return out, err
})

// scratch holds what the tests of this package build together.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "grout-applications-"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// buildSQLite returns the example's module. Without what `make toolchains` installs the test is skipped, unless GROUT_TOOLCHAINS=required.
func buildSQLite(t testing.TB) string {
	t.Helper()
	for _, needed := range []string{filepath.Join(sqliteDir, "node_modules", "better-sqlite3"), "/usr/include/wasm32-wasi"} {
		_, err := os.Stat(needed)
		toolchains.Need(t, err)
	}
	_, err := exec.LookPath("clang")
	toolchains.Need(t, err)
	module, err := sqliteModule()
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// openSQLite returns a harness for a database in the sandbox that no other test has.
func openSQLite(t testing.TB) *sdktest.Harness {
	t.Helper()
	return sdktest.Open(t, openDriver(t))
}

func openDriver(t testing.TB) sdktest.Driver {
	t.Helper()
	return sandbox.Open(t, sandbox.Config{File: buildSQLite(t)})
}
