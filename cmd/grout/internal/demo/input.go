package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// maxLine bounds a line; a longer one is cut there. The machine takes words of up to 64 KiB.
const maxLine = 64 << 10

// readInput returns the lines of a file, or, without one, of the Go distribution's documentation
// and of the comments in its sources.
func readInput(ctx context.Context, path string) ([]string, string, error) {
	if path != "" {
		lines, err := fileLines(path)
		return lines, path, err
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, "", fmt.Errorf("go env GOROOT: %w (is Go on the PATH? name another input with INPUT=file)", err)
	}
	root := strings.TrimSpace(string(out))
	var lines []string
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		switch filepath.Ext(name) {
		case ".go":
			return appendComments(&lines, name)
		case ".md", ".html":
			found, err := fileLines(name)
			lines = append(lines, found...)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("reading the Go distribution: %w", err)
	}
	if len(lines) < minLines {
		return nil, "", fmt.Errorf("the Go distribution at %s has only %d lines of documentation and comments, %d are expected: name another input with INPUT=file",
			root, len(lines), minLines)
	}
	return lines, "documentation and comments of " + root, nil
}

const minLines = 100_000

func fileLines(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the input: %w", err)
	}
	return splitLines(data), nil
}

func splitLines(data []byte) []string {
	var lines []string
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, len(data)+1)
	for s.Scan() {
		lines = append(lines, s.Text()[:min(len(s.Text()), maxLine)])
	}
	return lines
}

// appendComments adds the lines of a Go file's comments.
func appendComments(lines *[]string, path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the input: %w", err)
	}
	files := token.NewFileSet()
	var s scanner.Scanner
	// Some files of the distribution's tests are wrong on purpose: take what comments they have.
	s.Init(files.AddFile(path, -1, len(source)), source, func(token.Position, string) {}, scanner.ScanComments)
	for {
		_, kind, text := s.Scan()
		switch kind {
		case token.EOF:
			return nil
		case token.COMMENT:
			*lines = append(*lines, splitLines([]byte(text))...)
		}
	}
}
