package project

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/groutlabs/grout/cmd/grout/internal/toolchains"
)

// newAscProject makes a project in AssemblyScript, if there is a compiler for it.
func newAscProject(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tally")
	if err := New(NewRequest{Dir: dir, Language: "assemblyscript"}); err != nil {
		t.Fatal(err)
	}
	toolchains.Link(t, dir)
	return dir
}

// TestNewAssemblyScriptProject shows that a new project in AssemblyScript builds to equal bytes anywhere, and that its machine does
// what its README says, in every run of a check alike.
func TestNewAssemblyScriptProject(t *testing.T) {
	first, second := newAscProject(t), newAscProject(t)
	builtAlike(t, first, second, func() {})
}

// TestBuildAssemblyScriptRefuses shows that faulty code is told with its place, and a missing compiler or Node.js with what to do.
func TestBuildAssemblyScriptRefuses(t *testing.T) {
	dir := newAscProject(t)
	writeFile(t, dir, "assembly/index.ts", "missing();\n")
	_, err := Build(t.Context(), BuildRequest{Dir: dir})
	var refused *CompileError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "asc failed") || !strings.Contains(err.Error(), "assembly/index.ts(1,1)") {
		t.Errorf("a call of nothing: %v", err)
	}
	if has(dir, "tally.wasm") {
		t.Error("a build that failed left a module")
	}
	bare := filepath.Join(t.TempDir(), "bare")
	if err := New(NewRequest{Dir: bare, Language: "assemblyscript"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), BuildRequest{Dir: bare}); !errors.Is(err, ErrNoAssemblyScript) || !strings.Contains(err.Error(), "run `npm install`") {
		t.Errorf("before npm install: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Build(t.Context(), BuildRequest{Dir: dir}); !errors.Is(err, ErrNoAssemblyScript) || !errors.Is(err, exec.ErrNotFound) ||
		!strings.Contains(err.Error(), "install Node.js 20") {
		t.Errorf("without Node.js: %v", err)
	}
}
