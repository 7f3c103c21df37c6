package project

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Sentinels for errors.Is.
var (
	// ErrBadName marks a name that cannot be a project's.
	ErrBadName = errors.New("bad project name")
	// ErrNotEmpty marks a folder that holds something already.
	ErrNotEmpty = errors.New("folder is not empty")
	// ErrNoGo marks a missing or too old Go toolchain.
	ErrNoGo = errors.New("no usable Go toolchain")
	// ErrNoClang marks a missing C compiler, or one that cannot make WebAssembly.
	ErrNoClang = errors.New("no usable clang")
	// ErrNoRust marks a missing Rust toolchain, or one that cannot make WebAssembly.
	ErrNoRust = errors.New("no usable Rust toolchain")
	// ErrNoAssemblyScript marks a missing AssemblyScript compiler, or a missing Node.js to run it.
	ErrNoAssemblyScript = errors.New("no usable AssemblyScript compiler")
	// ErrNoLanguage marks a language that no project can be made in.
	ErrNoLanguage = errors.New("no such language")
	// ErrNotMachine marks a folder that holds no package main, and no machine in another language.
	ErrNotMachine = errors.New("not a machine's folder")
)

// CompileError is a build that the compiler, or the go command before it, refused.
type CompileError struct {
	// Dir is the folder that was built.
	Dir string
	// Compiler is what refused it, "" for the go command.
	Compiler string
	// Output is what that wrote, unchanged: one "file:line:column: text" for each error.
	Output string
}

// Error returns the compiler's output under one line of our own.
func (e *CompileError) Error() string {
	return fmt.Sprintf("project: build %s: %s failed:\n%s", e.Dir, cmp.Or(e.Compiler, "the go command"), strings.TrimRight(e.Output, "\n"))
}
