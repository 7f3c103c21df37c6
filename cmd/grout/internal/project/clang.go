package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/groutlabs/grout/sdk/c"
)

// installClang says how to get what C machines need.
const installClang = "install clang and lld (Debian: apt-get install clang lld)"

// cFiles are the names of a folder's C files.
func cFiles(dir string) []string {
	paths, err := filepath.Glob(filepath.Join(dir, "*.c"))
	if err != nil {
		return nil // the folder's name is no pattern: the Go command says more
	}
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	slices.Sort(paths)
	return paths
}

// checkClang reports whether clang is there, can compile to WebAssembly and finds its linker.
func checkClang(ctx context.Context, dir string) error {
	if _, err := exec.LookPath("clang"); err != nil {
		return fmt.Errorf("project: build %s: %w: %s: %w", dir, ErrNoClang, installClang, err)
	}
	linker, err := exec.CommandContext(ctx, "clang", "--target=wasm32", "--print-prog-name=wasm-ld").Output()
	if err != nil {
		return fmt.Errorf("project: build %s: %w: %s: clang: %w", dir, ErrNoClang, installClang, err)
	}
	if _, err := exec.LookPath(strings.TrimSpace(string(linker))); err != nil {
		return fmt.Errorf("project: build %s: %w: clang has no linker for WebAssembly: %s: %w", dir, ErrNoClang, installClang, err)
	}
	return nil
}

// cFlagsFile has a folder's own flags for clang, one in each line, as editors and other tools for C read it.
const cFlagsFile = "compile_flags.txt"

// ownFlags are those of a folder's cFlagsFile, none without one.
func ownFlags(dir string) (flags []string, err error) {
	text, err := os.ReadFile(filepath.Join(dir, cFlagsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if flag := strings.TrimSpace(line); flag != "" {
			flags = append(flags, flag)
		}
	}
	return flags, nil
}

// compileC compiles all C files of a folder. grout.h is found there, or else taken from this program.
func compileC(ctx context.Context, dir, out string, strip bool) error {
	headers := filepath.Dir(out)
	if err := os.WriteFile(filepath.Join(headers, "grout.h"), c.Header, 0o644); err != nil {
		return fmt.Errorf("project: build %s: %w", dir, err)
	}
	own, err := ownFlags(dir)
	if err != nil {
		return fmt.Errorf("project: build %s: %w", dir, err)
	}
	arguments := slices.Concat(c.Flags(strip), []string{"-idirafter", headers, "-o", out}, cFiles(dir), own) // the last one of two flags counts
	command := exec.CommandContext(ctx, "clang", arguments...)
	command.Dir = dir
	return runCompiler(ctx, dir, "clang", command)
}
