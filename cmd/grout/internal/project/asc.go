package project

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// asc is an AssemblyScript compiler: a program of Node.js that npm puts into a project.
type asc struct{ node, script string }

// findAsc finds the compiler in the node_modules of dir, or of a folder above it, as Node.js would.
func findAsc(dir string) (asc, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return asc{}, fmt.Errorf("project: build %s: %w: install Node.js 20 or later with npm from https://nodejs.org (Debian: apt-get install nodejs npm): %w",
			dir, ErrNoAssemblyScript, err)
	}
	const script = "node_modules/assemblyscript/bin/asc.js"
	for folder := dir; ; folder = filepath.Dir(folder) {
		switch {
		case has(folder, script):
			return asc{node: node, script: filepath.Join(folder, script)}, nil
		case folder == filepath.Dir(folder):
			return asc{}, fmt.Errorf("project: build %s: %w: run `npm install` there: there is no %s", dir, ErrNoAssemblyScript, script)
		}
	}
}

// compile compiles what asconfig.json names.
func (a asc) compile(ctx context.Context, dir, out string, strip bool) error {
	// The compiler takes paths from its own folder.
	target, err := filepath.Rel(dir, out)
	if err != nil {
		return fmt.Errorf("project: build %s: %w", dir, err)
	}
	arguments := []string{a.script, "--config", "asconfig.json", "--target", "release", "--noColors", "--outFile", target}
	if !strip {
		arguments = append(arguments, "--debug") // the functions' names, and nothing else
	}
	command := exec.CommandContext(ctx, a.node, arguments...)
	command.Dir = dir
	return runCompiler(ctx, dir, "asc", command)
}
