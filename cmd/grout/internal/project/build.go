package project

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/groutlabs/grout/sdk/build"
)

// minGo is the first Go release that can export functions from a WebAssembly module.
const minGo = "go1.24"

// BuildRequest says what to build.
type BuildRequest struct {
	// Dir is the folder of a machine, "" for the present one.
	Dir string
	// Out is the file to write, "" for the folder's name with ".wasm" inside Dir. A path that is not
	// absolute is taken from the present folder.
	Out string
	// Strip leaves out the functions' names. It saves some two percent; messages about bad code
	// and stack traces of the sandbox then name functions by number. Panics keep file and line.
	Strip bool
}

// BuildResult is what was built.
type BuildResult struct {
	// Path is the module's file.
	Path string
	// Bytes is its size.
	Bytes int64
	// Digest is its SHA-256: the module's name everywhere in Grout.
	Digest [sha256.Size]byte
}

// Build compiles a machine to a module. A folder without Go files is Rust if it has a Cargo.toml, AssemblyScript if it has an
// asconfig.json, C if it has C files. The output depends on the source and the compiler's release alone: not on the folder, the user,
// the time or the state of a repository. The file appears whole or not at all.
//
// # Errors
//
// ErrNoGo, ErrNoRust, ErrNoAssemblyScript, ErrNoClang, ErrNotMachine, *CompileError, the context's error, and whatever the file system reports.
func Build(ctx context.Context, request BuildRequest) (BuildResult, error) {
	dir, out, err := request.paths()
	if err != nil {
		return BuildResult{}, err
	}
	if err := checkFolder(dir); err != nil {
		return BuildResult{}, err
	}
	compiler, err := compilerOf(ctx, dir)
	if err != nil {
		return BuildResult{}, err
	}
	// Beside the target, so that the rename stays within one file system.
	scratch, err := os.MkdirTemp(filepath.Dir(out), ".grout-build-")
	if err != nil {
		return BuildResult{}, fmt.Errorf("project: build %s: %w", dir, err)
	}
	result, err := compile(ctx, compiler, dir, filepath.Join(scratch, "module.wasm"), out, request.Strip)
	return result, errors.Join(err, os.RemoveAll(scratch))
}

// paths returns the folder and the output as absolute paths.
func (r BuildRequest) paths() (dir, out string, err error) {
	if dir, err = filepath.Abs(r.Dir); err != nil {
		return "", "", fmt.Errorf("project: build %s: %w", r.Dir, err)
	}
	if r.Out == "" {
		return dir, filepath.Join(dir, filepath.Base(dir)+".wasm"), nil
	}
	if out, err = filepath.Abs(r.Out); err != nil {
		return "", "", fmt.Errorf("project: build to %s: %w", r.Out, err)
	}
	return dir, out, nil
}

func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("project: build: %w: %w", ErrNotMachine, err)
	case !info.IsDir():
		return fmt.Errorf("project: build: %w: %s is a file: name the folder that holds it", ErrNotMachine, dir)
	}
	return nil
}

// checkGo asks which Go release would build dir: the folder's go.mod may choose it.
func checkGo(ctx context.Context, dir string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("project: build %s: %w: install Go %s or later from https://go.dev/dl: %w", dir, ErrNoGo, minGo[2:], err)
	}
	text, err := run(ctx, dir, "env", "GOVERSION")
	if err != nil {
		return err
	}
	if found := strings.TrimSpace(text); version.Compare(strings.Fields(found + " ?")[0], minGo) < 0 {
		return fmt.Errorf("project: build %s: %w: the go command is %q, and machines need %s or later", dir, ErrNoGo, found, minGo)
	}
	return nil
}

// checkMain leaves faulty code to the compiler, which describes it best.
func checkMain(ctx context.Context, dir string) error {
	listed, err := run(ctx, dir, "list", "-e", "-f", "{{.Name}} {{with .Error}}{{.Err}}{{end}}", ".")
	if err != nil {
		return err
	}
	name, problem, _ := strings.Cut(strings.TrimRight(listed, "\n"), " ")
	switch name {
	case "main":
		return nil
	case "":
		return fmt.Errorf("project: build: %w: %s: %s: a machine is a package main, `grout new` makes one", ErrNotMachine, dir, strings.TrimSpace(problem))
	}
	return fmt.Errorf("project: build: %w: %s holds package %s: a machine is a package main", ErrNotMachine, dir, name)
}

// compiler compiles the machine in dir to the file out.
type compiler func(ctx context.Context, dir, out string, strip bool) error

// compilerOf picks the compiler by the files of a folder, and reports what it lacks.
func compilerOf(ctx context.Context, dir string) (compiler, error) {
	goFiles, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("project: build %s: %w", dir, err)
	}
	switch {
	case len(goFiles) > 0:
	case has(dir, "Cargo.toml"):
		tools, err := findRust(ctx, dir)
		return tools.compile, err
	case has(dir, "asconfig.json"):
		asc, err := findAsc(dir)
		return asc.compile, err
	case len(cFiles(dir)) > 0:
		return compileC, checkClang(ctx, dir)
	}
	if err := checkGo(ctx, dir); err != nil {
		return nil, err
	}
	return compileGo, checkMain(ctx, dir)
}

// has reports whether a folder has a file of that name.
func has(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && info.Mode().IsRegular()
}

func compileGo(ctx context.Context, dir, out string, strip bool) error {
	_, err := run(ctx, dir, build.Arguments(out, strip)...)
	return err
}

func compile(ctx context.Context, compiler compiler, dir, scratch, out string, strip bool) (BuildResult, error) {
	if err := compiler(ctx, dir, scratch, strip); err != nil {
		return BuildResult{}, err
	}
	module, err := os.ReadFile(scratch)
	if err != nil {
		return BuildResult{}, fmt.Errorf("project: build %s: %w", dir, err)
	}
	if err := os.Rename(scratch, out); err != nil {
		return BuildResult{}, fmt.Errorf("project: build %s: %w", dir, err)
	}
	return BuildResult{Path: out, Bytes: int64(len(module)), Digest: sha256.Sum256(module)}, nil
}

// run runs the go command in dir for the guest's platform and returns its standard output.
func run(ctx context.Context, dir string, arguments ...string) (string, error) {
	command := build.Command(ctx, dir, arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("project: build %s: %w", dir, context.Cause(ctx))
	case err != nil && stderr.Len() > 0:
		return "", &CompileError{Dir: dir, Output: stderr.String()}
	case err != nil:
		return "", fmt.Errorf("project: build %s: go %s: %w", dir, arguments[0], err)
	}
	return stdout.String(), nil
}

// runCompiler runs another compiler than Go's. What it writes is the error's text, without its standard output where command has a
// place for that already.
func runCompiler(ctx context.Context, dir, name string, command *exec.Cmd) error {
	var output bytes.Buffer
	if command.Stderr = &output; command.Stdout == nil {
		command.Stdout = &output
	}
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("project: build %s: %w", dir, context.Cause(ctx))
	case err != nil && output.Len() > 0:
		return &CompileError{Dir: dir, Compiler: name, Output: output.String()}
	case err != nil:
		return fmt.Errorf("project: build %s: %s: %w", dir, name, err)
	}
	return nil
}
