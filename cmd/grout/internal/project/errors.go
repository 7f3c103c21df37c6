package project

import (
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
	// ErrNotMachine marks a folder that holds no package main.
	ErrNotMachine = errors.New("not a machine's folder")
)

// CompileError is a build that the compiler, or the go command before it, refused.
type CompileError struct {
	// Dir is the folder that was built.
	Dir string
	// Output is what the go command wrote, unchanged: one "file:line:column: text" for each error.
	Output string
}

// Error returns the go command's output under one line of our own.
func (e *CompileError) Error() string {
	return fmt.Sprintf("project: build %s: the go command failed:\n%s", e.Dir, strings.TrimRight(e.Output, "\n"))
}
