package project

import (
	"context"
	"fmt"
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

// compileC compiles all C files of a folder. grout.h is found there, or else taken from this program.
func compileC(ctx context.Context, dir, out string, strip bool) error {
	headers := filepath.Dir(out)
	if err := os.WriteFile(filepath.Join(headers, "grout.h"), c.Header, 0o644); err != nil {
		return fmt.Errorf("project: build %s: %w", dir, err)
	}
	arguments := append(c.Flags(strip), "-idirafter", headers, "-o", out)
	command := exec.CommandContext(ctx, "clang", append(arguments, cFiles(dir)...)...)
	command.Dir = dir
	return runCompiler(ctx, dir, "clang", command)
}
