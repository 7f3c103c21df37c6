package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/cmd/grout/internal/toolchains"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
	"github.com/groutlabs/grout/wasmsm"
)

const sdkDir = "../../../../sdk"

// language is one of those that machines are written in.
type language struct {
	name string
	// source is the machine's file below sdk/conformance, and target its place in a project.
	source, target string
	// missing are the errors of a build without the toolchain.
	missing error
}

var languages = []language{
	{"go", "go/main.go", "main.go", project.ErrNoGo},
	{"rust", "rust/lib.rs", "src/lib.rs", project.ErrNoRust},
	{"c", "c/machine.c", "machine.c", project.ErrNoClang},
	{"assemblyscript", "assemblyscript/index.ts", "assembly/index.ts", project.ErrNoAssemblyScript},
}

// built is a machine's module, or why there is none.
type built struct {
	path, stripped string
	err            error
}

// modules has what was built in this process; scratch holds it.
var (
	modules = map[string]built{}
	scratch string
)

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "grout-conformance-"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// module builds a machine once. Without its toolchain the test is skipped, unless GROUT_TOOLCHAINS=required.
func (l language) module(t testing.TB) built {
	t.Helper()
	b, known := modules[l.name]
	if !known {
		b = l.build(t)
		modules[l.name] = b
	}
	switch {
	case errors.Is(b.err, l.missing):
		toolchains.Need(t, b.err)
	case b.err != nil:
		t.Fatal(b.err)
	}
	return b
}

// build makes a project as `grout new` does, puts the machine into it, and builds it as `grout build` does, with the functions' names
// and without.
func (l language) build(t testing.TB) built {
	t.Helper()
	dir := filepath.Join(scratch, l.name)
	if err := project.New(project.NewRequest{Dir: dir, Name: "conformance", Language: l.name}); err != nil {
		return built{err: err}
	}
	source, err := os.ReadFile(filepath.Join(sdkDir, "conformance", filepath.FromSlash(l.source)))
	if err != nil {
		return built{err: err}
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(l.target)), source, 0o644); err != nil {
		return built{err: err}
	}
	if l.name == "assemblyscript" {
		toolchains.Link(t, dir)
	}
	b := built{path: filepath.Join(scratch, l.name+".wasm"), stripped: filepath.Join(scratch, l.name+"-stripped.wasm")}
	for _, out := range []string{b.path, b.stripped} {
		if _, b.err = project.Build(context.Background(), project.BuildRequest{Dir: dir, Out: out, Strip: out == b.stripped}); b.err != nil {
			return b
		}
	}
	return b
}

// buildSource makes a project, puts a machine's source into it, and returns the module's path. Without the toolchain the test ends.
func buildSource(t *testing.T, name, target, source string) string {
	t.Helper()
	l := languages[slices.IndexFunc(languages, func(l language) bool { return l.name == name })]
	dir := filepath.Join(t.TempDir(), "machine")
	if err := project.New(project.NewRequest{Dir: dir, Language: name}); err != nil {
		t.Fatal(err)
	}
	if name == "assemblyscript" {
		toolchains.Link(t, dir)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(target)), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	module, err := project.Build(t.Context(), project.BuildRequest{Dir: dir})
	switch {
	case errors.Is(err, l.missing):
		toolchains.Need(t, err)
	case err != nil:
		t.Fatal(err)
	}
	return module.Path
}

// driver runs a machine in the sandbox. Its fuel is enough for all but what goes on for ever.
func (l language) driver(t testing.TB) sdktest.Driver {
	t.Helper()
	const fuel = 100_000_000
	return sandbox.Open(t, sandbox.Config{File: l.module(t).path, Limits: wasmsm.Limits{Fuel: fuel, QueryFuel: fuel}})
}
