package project

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/groutlabs/grout/cmd/grout/internal/toolchains"
)

// newCProject makes a project in C. Without clang and lld the test is skipped, unless GROUT_TOOLCHAINS=required.
func newCProject(t *testing.T) string {
	t.Helper()
	toolchains.Need(t, checkClang(t.Context(), "."))
	dir := filepath.Join(t.TempDir(), "tally")
	if err := New(NewRequest{Dir: dir, Language: "c"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestNewCProject shows that a new project in C builds to equal bytes anywhere, also without its copy of the header, and that its
// machine does what its README says, in every run of a check alike.
func TestNewCProject(t *testing.T) {
	first, second := newCProject(t), newCProject(t)
	if err := os.Remove(filepath.Join(second, "grout.h")); err != nil {
		t.Fatal(err)
	}
	builtAlike(t, first, second, func() {})
	if left, err := filepath.Glob(filepath.Join(first, ".grout-build-*")); err != nil || len(left) > 0 {
		t.Errorf("the build left %v, %v", left, err)
	}
}

// TestBuildCRefuses shows that faulty code is told with its place, that a missing compiler is told with what to install, and that a
// language that there is not is told with those that there are.
func TestBuildCRefuses(t *testing.T) {
	dir := newCProject(t)
	if err := os.WriteFile(filepath.Join(dir, "other.c"), []byte("int f(void) { return missing(); }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Build(t.Context(), BuildRequest{Dir: dir})
	var refused *CompileError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "clang failed") || !strings.Contains(err.Error(), "other.c:1:") {
		t.Errorf("a call of nothing: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tally.wasm")); err == nil {
		t.Error("a build that failed left a module")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, BuildRequest{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted build: %v", err)
	}
	if err := New(NewRequest{Dir: filepath.Join(t.TempDir(), "x"), Language: "cobol"}); !errors.Is(err, ErrNoLanguage) || !strings.Contains(err.Error(), "assemblyscript, c, go, rust") {
		t.Errorf("an unknown language: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Build(t.Context(), BuildRequest{Dir: dir}); !errors.Is(err, ErrNoClang) || !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "apt-get install clang lld") {
		t.Errorf("without clang: %v", err)
	}
}

// TestBuildCOwnFlags shows that a folder's compile_flags.txt has the last word, and that one which cannot be used is told.
func TestBuildCOwnFlags(t *testing.T) {
	dir := newCProject(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := func() error {
		_, err := Build(t.Context(), BuildRequest{Dir: dir})
		return err
	}
	write("other.c", "#ifndef OWN\n#error no OWN\n#endif\n_Static_assert(OWN == 2 && sizeof(TEXT) == 4, \"own flags\");\n#ifdef __OPTIMIZE__\n#error optimized\n#endif\n")
	if err := build(); err == nil || !strings.Contains(err.Error(), "no OWN") {
		t.Errorf("without flags: %v", err)
	}
	write("compile_flags.txt", "-DOWN=2\r\n\n  -DTEXT=\"a b\" \n-O0")
	if err := build(); err != nil {
		t.Errorf("with flags: %v", err)
	}
	write("compile_flags.txt", "-DOWN=2\n--no-such-flag\n")
	if err := build(); err == nil || !strings.Contains(err.Error(), "--no-such-flag") {
		t.Errorf("a flag that there is not: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "compile_flags.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "compile_flags.txt"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := build(); err == nil || !strings.Contains(err.Error(), "compile_flags.txt") {
		t.Errorf("flags that cannot be read: %v", err)
	}
}
