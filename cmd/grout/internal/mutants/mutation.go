package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutation is one bug to put back.
type mutation struct {
	// name is unique, in lower case with hyphens.
	name string
	// breaks lists what of docs/SAFETY.md it breaks, such as "R3 M5 B1"; "" for a rule that only the code has.
	breaks string
	// file is relative to the module's root.
	file  string
	edits []edit
	// tests are tried in their order until one fails.
	tests []suite
}

// edit replaces the only occurrence of find.
type edit struct {
	find, replace string
}

// suite is one run of go test.
type suite struct {
	pkg string
	// run and skip are the flags of go test, "" for none.
	run, skip string
}

func (s suite) String() string {
	text := s.pkg
	if s.run != "" {
		text += " -run " + s.run
	}
	if s.skip != "" {
		text += " -skip " + s.skip
	}
	return text
}

// within reports whether the suite runs one test, and that is among those that passed.
func (s suite) within(passed []string) bool {
	return slices.Contains(passed, strings.TrimSuffix(strings.TrimPrefix(s.run, "^"), "$"))
}

// lines are what of docs/SAFETY.md the mutation breaks.
func (m mutation) lines() []string { return strings.Fields(m.breaks) }

// apply returns the mutated text of the file below root.
func (m mutation) apply(root string) (string, error) {
	data, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return "", fmt.Errorf("mutants: %s: %w", m.name, err)
	}
	text := string(data)
	for _, e := range m.edits {
		if n := strings.Count(text, e.find); n != 1 {
			return "", fmt.Errorf("mutants: %s: %s holds %d times, and not once, the text %q: adapt the table to the code",
				m.name, m.file, n, e.find)
		}
		if e.find == e.replace {
			return "", fmt.Errorf("mutants: %s changes nothing", m.name)
		}
		text = strings.Replace(text, e.find, e.replace, 1)
	}
	return text, nil
}

// mutations is the whole table.
func mutations() []mutation {
	var all []mutation
	for _, part := range [][]mutation{elections, replication, membership, reads, snapshots, durableLog, hostLoop, hostState, feeding, streaming, sandbox, quiet} {
		all = append(all, part...)
	}
	return all
}
