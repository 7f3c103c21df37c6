package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const safetyPath = "docs/SAFETY.md"

// line is one line of docs/SAFETY.md.
type line struct {
	// id is R1 to R8, M1 to M18, or B1 and so on.
	id     string
	guards []guard
}

// guard is a test that fails when the line is broken.
type guard struct {
	// folder is relative to the module's root.
	folder, test string
}

var (
	lineStart = regexp.MustCompile(`(?m)^- \*\*([RMB][0-9]+)\b`)
	guardText = regexp.MustCompile("`([a-z/]+) (Test[A-Za-z0-9_/-]+)`")
)

// safetyLines reads docs/SAFETY.md, in its order.
func safetyLines(root string) ([]line, error) {
	data, err := os.ReadFile(filepath.Join(root, safetyPath))
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	return parseSafety(string(data)), nil
}

func parseSafety(text string) []line {
	var out []line
	starts := lineStart.FindAllStringSubmatchIndex(text, -1)
	for i, at := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		l := line{id: text[at[2]:at[3]]}
		for _, found := range guardText.FindAllStringSubmatch(text[at[0]:end], -1) {
			l.guards = append(l.guards, guard{folder: found[1], test: found[2]})
		}
		out = append(out, l)
	}
	return out
}

// guardsOf returns the guards of all that a mutation breaks.
func guardsOf(m mutation, lines []line) []guard {
	var out []guard
	for _, l := range lines {
		if slices.Contains(m.lines(), l.id) {
			out = append(out, l.guards...)
		}
	}
	return out
}

// guarded returns the mutation with its guards as the first suites to be tried: the scenarios and bugs name
// few tests, which say best what is wrong; a rule names many.
func guarded(m mutation, lines []line) mutation {
	narrow := slices.DeleteFunc(slices.Clone(lines), func(l line) bool { return l.id[0] == 'R' })
	tests := map[string][]string{}
	var folders []string
	for _, g := range guardsOf(m, narrow) {
		top, sub, _ := strings.Cut(g.test, "/")
		key := "./" + g.folder
		if sub != "" {
			key += " " + top
			top = sub
		}
		if tests[key] == nil {
			folders = append(folders, key)
		}
		if !slices.Contains(tests[key], top) {
			tests[key] = append(tests[key], top)
		}
	}
	var first []suite
	for _, key := range folders {
		pkg, top, hasSubtests := strings.Cut(key, " ")
		pattern := "^(" + strings.Join(tests[key], "|") + ")$"
		if hasSubtests {
			pattern = "^" + top + "$/" + pattern
		}
		first = append(first, suite{pkg: pkg, run: pattern})
	}
	m.tests = append(first, m.tests...)
	return m
}

// byGuard reports whether a test that the line names caught the mutation.
func (r result) byGuard(l line) bool {
	return slices.ContainsFunc(l.guards, func(g guard) bool {
		return "./"+g.folder == r.suite.pkg && slices.ContainsFunc(r.failed, func(test string) bool {
			return test == g.test || strings.HasPrefix(test, g.test+"/") || strings.HasPrefix(g.test, test+"/")
		})
	})
}

// unguarded lists the lines that no mutation broke in a way that one of their guards caught.
func unguarded(lines []line, results []result) []string {
	var out []string
	for _, l := range lines {
		proved := slices.ContainsFunc(results, func(r result) bool {
			return r.err == nil && r.caught() && slices.Contains(r.lines(), l.id) && r.byGuard(l)
		})
		if !proved {
			out = append(out, l.id)
		}
	}
	return out
}
