package project

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// newProject makes a project in a temporary folder.
func newProject(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := New(NewRequest{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// offline runs a go command natively in dir with the module proxy switched off.
func offline(t *testing.T, dir string, arguments ...string) string {
	t.Helper()
	command := exec.Command("go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "PWD="+dir, "GOPROXY=off", "GOFLAGS=", "GOWORK=off", "GOMODCACHE="+t.TempDir())
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("go %v in %s: %v\n%s", arguments, dir, err, output)
	}
	return string(output)
}

// TestNewProjectWorksOffline shows that a new project is formatted, passes vet and its own tests, and
// has a consistent vendor folder, without a network or a module cache.
func TestNewProjectWorksOffline(t *testing.T) {
	dir := newProject(t, "tally")
	offline(t, dir, "vet", "./...")
	if output := offline(t, dir, "test", "-v", "./..."); strings.Count(output, "--- PASS: Test") != 3 {
		t.Fatalf("the project's tests say:\n%s", output)
	}
	for _, name := range []string{"main.go", "machine_test.go"} {
		formatted, err := exec.Command("gofmt", "-l", filepath.Join(dir, name)).CombinedOutput()
		if err != nil || len(formatted) > 0 {
			t.Errorf("gofmt: %v: %s", err, formatted)
		}
	}
	for _, name := range []string{"go.mod", ".gitignore", "README.md", "vendor/modules.txt",
		"vendor/github.com/groutlabs/grout/sdk/guest_wasip1.go", "vendor/github.com/groutlabs/grout/sdk/sdktest/harness.go",
		"vendor/github.com/groutlabs/grout/sdk/typed/wire/codec.go"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestBuildTwiceGivesEqualBytes shows that the folder, the time and a repository around it leave no
// trace in a module, and that Build works for another folder than the present one.
func TestBuildTwiceGivesEqualBytes(t *testing.T) {
	first, second := newProject(t, "tally"), newProject(t, "tally")
	for _, arguments := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "x"}} {
		if output, err := exec.Command("git", append([]string{"-C", second}, arguments...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", arguments, err, output)
		}
	}
	one, err := Build(context.Background(), BuildRequest{Dir: first})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "two.wasm")
	two, err := Build(context.Background(), BuildRequest{Dir: second, Out: elsewhere})
	if err != nil {
		t.Fatal(err)
	}
	if one.Digest != two.Digest || one.Bytes != two.Bytes {
		t.Fatalf("two builds give %x (%d bytes) and %x (%d bytes)", one.Digest, one.Bytes, two.Digest, two.Bytes)
	}
	if one.Path != filepath.Join(first, "tally.wasm") || two.Path != elsewhere {
		t.Fatalf("outputs are %s and %s", one.Path, two.Path)
	}
	module, err := os.ReadFile(one.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, export := range []string{"grout_init", "grout_apply", "grout_query", "grout_migrate", "_initialize"} {
		if !bytes.Contains(module, []byte(export)) {
			t.Errorf("the module does not name its export %s", export)
		}
	}
	for _, trace := range []string{first, os.TempDir() + "/"} {
		if bytes.Contains(module, []byte(trace)) {
			t.Errorf("the module holds the path %s", trace)
		}
	}
	if leftovers, _ := filepath.Glob(filepath.Join(first, ".grout-build-*")); len(leftovers) > 0 {
		t.Errorf("Build leaves %v behind", leftovers)
	}
}

// TestStripSavesNames shows what Strip is for: a smaller module.
func TestStripSavesNames(t *testing.T) {
	dir := newProject(t, "tally")
	whole, err := Build(context.Background(), BuildRequest{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	stripped, err := Build(context.Background(), BuildRequest{Dir: dir, Strip: true})
	if err != nil {
		t.Fatal(err)
	}
	if stripped.Bytes >= whole.Bytes {
		t.Fatalf("stripped %d bytes, whole %d", stripped.Bytes, whole.Bytes)
	}
	t.Logf("whole %d bytes, stripped %d", whole.Bytes, stripped.Bytes)
}

// TestNewRefuses shows each refusal and its words, and that nothing is written.
func TestNewRefuses(t *testing.T) {
	parent := t.TempDir()
	full := filepath.Join(parent, "full")
	if err := os.MkdirAll(full, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(full, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		request NewRequest
		want    error
		words   string
	}{
		{NewRequest{Dir: full}, ErrNotEmpty, "holds notes.txt"},
		{NewRequest{Dir: filepath.Join(full, "notes.txt"), Name: "x"}, nil, "not a directory"},
		{NewRequest{Dir: parent + "/Upper"}, ErrBadName, "begins with a lower-case letter"},
		{NewRequest{Dir: parent + "/9lives"}, ErrBadName, "begins with a lower-case letter"},
		{NewRequest{Dir: parent + "/a", Name: strings.Repeat("a", 65)}, ErrBadName, "1 to 64"},
		{NewRequest{Dir: parent + "/a", Name: "two words"}, ErrBadName, "' ' is not allowed"},
		{NewRequest{Dir: parent + "/a", Name: "dot.ted"}, ErrBadName, "'.' is not allowed"},
		{NewRequest{Dir: parent + "/fmt"}, ErrBadName, "such as my-fmt"},
		{NewRequest{Dir: parent + "/ctl"}, ErrBadName, "uses it already"},
		{NewRequest{Dir: parent + "/a", Version: "latest"}, nil, "not of the form v1.2.3"},
		{NewRequest{}, nil, "folder is missing"},
	} {
		err := New(c.request)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("New(%+v) = %v, want %v with %q", c.request, err, c.want, c.words)
		}
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Fatalf("refused projects left %v, %v", entries, err)
	}
}

// TestTakenNamesCoverTheStandardLibrary shows that no package of this Go release is missing from the
// names that a project cannot have.
func TestTakenNamesCoverTheStandardLibrary(t *testing.T) {
	output, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(output)) {
		if first, _, _ := strings.Cut(path, "/"); !taken[first] {
			t.Errorf("%q is a package of Go and could be a project's name", first)
		}
	}
}

// TestNewTakesAnEmptyFolder shows that an existing, empty folder is fine, and the name may differ.
func TestNewTakesAnEmptyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := New(NewRequest{Dir: dir, Name: "guest-book", Version: "v1.2.3"}); err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string]string{
		"go.mod":             "module guest-book\n\ngo 1.26.0\n\nrequire github.com/groutlabs/grout v1.2.3\n",
		"vendor/modules.txt": "# github.com/groutlabs/grout v1.2.3\n## explicit; go 1.26.0\n",
	} {
		text, err := fs.ReadFile(os.DirFS(dir), name)
		if err != nil || !strings.HasPrefix(string(text), words) {
			t.Errorf("%s begins %q, %v", name, text, err)
		}
	}
}
