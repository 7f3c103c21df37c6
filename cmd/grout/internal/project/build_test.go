package project

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := write(dir, name, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// TestBuildRefuses shows each refusal that needs no compiler, and its words.
func TestBuildRefuses(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "go.mod", "module x\n\ngo 1.26.0\n")
	writeFile(t, dir, "library/library.go", "package library\n")
	writeFile(t, dir, "empty/readme.txt", "")
	writeFile(t, dir, "native/main.go", "//go:build !wasip1\n\npackage main\n\nfunc main() {}\n")
	for name, words := range map[string]string{
		"missing":            "no such file",
		"library":            "holds package library",
		"library/library.go": "is a file",
		"empty":              "no Go files",
		"native":             "build constraints exclude all Go files",
	} {
		_, err := Build(context.Background(), BuildRequest{Dir: filepath.Join(dir, name)})
		if !errors.Is(err, ErrNotMachine) || !strings.Contains(err.Error(), words) {
			t.Errorf("Build(%s) = %v, want %q", name, err, words)
		}
	}
}

// TestBuildPassesCompilerErrorsThrough shows that faulty code is reported in the compiler's words, with
// file and line, and leaves no module and an earlier one untouched.
func TestBuildPassesCompilerErrorsThrough(t *testing.T) {
	for name, c := range map[string]struct{ source, words string }{
		"types":  {"package main\n\nfunc main() { return 1 }\n", "main.go:3:22: too many return values"},
		"syntax": {"package main\n\nfunc main( {}\n", "main.go:3:12: syntax error"},
		"import": {"package main\n\nimport _ \"example.com/none\"\n\nfunc main() {}\n", "example.com/none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOPROXY", "off")
			dir := t.TempDir()
			writeFile(t, dir, "go.mod", "module x\n\ngo 1.26.0\n")
			writeFile(t, dir, "main.go", c.source)
			writeFile(t, dir, "old.wasm", "earlier")
			_, err := Build(context.Background(), BuildRequest{Dir: dir, Out: filepath.Join(dir, "old.wasm")})
			var failed *CompileError
			if !errors.As(err, &failed) || !strings.Contains(failed.Output, c.words) {
				t.Fatalf("Build = %v, want a CompileError with %q", err, c.words)
			}
			if text, err := os.ReadFile(filepath.Join(dir, "old.wasm")); err != nil || string(text) != "earlier" {
				t.Fatalf("the earlier module is %q, %v", text, err)
			}
		})
	}
}

// TestBuildNeedsGo shows what a missing and an old Go are told, with a go command of our own on the path.
func TestBuildNeedsGo(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	_, err := Build(context.Background(), BuildRequest{Dir: dir})
	if !errors.Is(err, ErrNoGo) || !strings.Contains(err.Error(), "install Go 1.24 or later") {
		t.Fatalf("without Go: %v", err)
	}
	for _, release := range []string{"go1.21.3", "go1.23", ""} {
		if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\necho "+release+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err = Build(context.Background(), BuildRequest{Dir: dir})
		if !errors.Is(err, ErrNoGo) || !strings.Contains(err.Error(), `"`+release+`", and machines need go1.24`) {
			t.Fatalf("with %q: %v", release, err)
		}
	}
}

// TestBuildEndsWithItsContext shows that a cancelled build says so and leaves nothing.
func TestBuildEndsWithItsContext(t *testing.T) {
	dir := newProject(t, "tally")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Build(ctx, BuildRequest{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Build = %v", err)
	}
	if modules, _ := filepath.Glob(filepath.Join(dir, "*.wasm")); len(modules) > 0 {
		t.Fatalf("Build left %v", modules)
	}
}

// TestBuildTakesAnExample shows that a folder inside a larger module builds as well as a project does.
func TestBuildTakesAnExample(t *testing.T) {
	out := filepath.Join(t.TempDir(), "counter.wasm")
	result, err := Build(context.Background(), BuildRequest{Dir: "../../../../examples/wasm/counter", Out: out})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Size() != result.Bytes || result.Bytes == 0 {
		t.Fatalf("%s has %v bytes, %v; the result says %d", out, info, err, result.Bytes)
	}
}
