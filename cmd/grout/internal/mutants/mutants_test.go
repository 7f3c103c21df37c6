package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const testRoot = "../../../.."

func testLines(t *testing.T) []line {
	t.Helper()
	lines, err := safetyLines(testRoot)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestTable shows that every mutation can be applied to the code as it is: its text is there exactly once.
func TestTable(t *testing.T) {
	names := map[string]bool{}
	known := map[string]bool{}
	for _, l := range testLines(t) {
		known[l.id] = true
	}
	for _, m := range mutations() {
		if names[m.name] || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(m.name) {
			t.Errorf("%q is no name, or one that another mutation has", m.name)
		}
		names[m.name] = true
		if _, err := m.apply(testRoot); err != nil {
			t.Error(err)
		}
		if len(m.tests) == 0 || len(m.edits) == 0 {
			t.Errorf("%s has no tests or no edits", m.name)
		}
		for _, id := range m.lines() {
			if !known[id] {
				t.Errorf("%s breaks %s, which is not in %s", m.name, id, safetyPath)
			}
		}
	}
}

// TestSafetyIsGuarded shows that docs/SAFETY.md has all rules and scenarios, that each names tests which exist, and
// that each is broken by a mutation.
func TestSafetyIsGuarded(t *testing.T) {
	var ids []string
	broken := map[string]bool{}
	for _, m := range mutations() {
		for _, id := range m.lines() {
			broken[id] = true
		}
	}
	for _, l := range testLines(t) {
		ids = append(ids, l.id)
		if !broken[l.id] {
			t.Errorf("no mutation breaks %s", l.id)
		}
		if len(l.guards) == 0 {
			t.Errorf("%s names no test", l.id)
		}
		for _, g := range l.guards {
			if !g.exists(t) {
				t.Errorf("%s names %s in %s, and there is no such test", l.id, g.test, g.folder)
			}
		}
	}
	want := strings.Fields("R1 R2 R3 R4 R5 R6 R7 R8 M1 M2 M3 M4 M5 M6 M7 M8 M9 M10 M11 M12 M13 M14 M15 M16 M17 M18 " +
		"B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12 B13 B14 B15 B16 B17 B18")
	if !slices.Equal(ids, want) {
		t.Errorf("%s has the lines %v", safetyPath, ids)
	}
}

// exists reports whether the test's function, and the script of a scenario, are there.
func (g guard) exists(t *testing.T) bool {
	t.Helper()
	top, sub, _ := strings.Cut(g.test, "/")
	if sub != "" {
		if _, err := os.Stat(filepath.Join(testRoot, g.folder, "testdata/scenarios", sub+".txt")); top != "TestScenarios" || err != nil {
			return false
		}
	}
	files, err := filepath.Glob(filepath.Join(testRoot, g.folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "\nfunc "+top+"(t *testing.T) {") {
			return true
		}
	}
	return false
}

// TestPageIsOfThisTable shows that docs/MUTANTS.md was written after the last change of the table's names.
func TestPageIsOfThisTable(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testRoot, pagePath))
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z0-9-]+) \| [a-z]`).FindAllStringSubmatch(page, -1) {
		listed[row[1]] = true
	}
	delete(listed, "mutation") // the head of each table
	for _, m := range mutations() {
		if !listed[m.name] {
			t.Errorf("%s does not have %s: make mutants WRITE=-write", pagePath, m.name)
		}
		delete(listed, m.name)
	}
	for name := range listed {
		t.Errorf("%s has %s, the table does not: make mutants WRITE=-write", pagePath, name)
	}
}

// TestApplyRefuses shows that a text which is not there exactly once, and an edit that changes nothing, are errors.
func TestApplyRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte("one two two three"), 0o644); err != nil {
		t.Fatal(err)
	}
	for find, want := range map[string]string{"four": "0 times", "two": "2 times", "one": "", "three": "changes nothing"} {
		m := mutation{name: "m", file: "x.go", edits: []edit{{find, "three"}}}
		text, err := m.apply(dir)
		switch {
		case want == "" && (err != nil || text != "three two two three"):
			t.Errorf("%s: %q, %v", find, text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want an error that says %q", find, err, want)
		}
	}
	if _, err := (mutation{file: "y.go"}).apply(dir); err == nil {
		t.Error("a file that does not exist was mutated")
	}
}

// TestVerdicts shows how the output of go test is read: failures by their innermost names, a failed build,
// and a test that was ended at its timeout.
func TestVerdicts(t *testing.T) {
	for name, scene := range map[string]struct {
		output string
		want   verdict
		caught bool
	}{
		"passes": {`{"Action":"run","Test":"TestA"}
{"Action":"pass","Test":"TestA"}
{"Action":"pass"}
`, verdict{passed: []string{"TestA"}}, false},
		"fails": {`{"Action":"fail","Test":"TestA/b"}
{"Action":"fail","Test":"TestA"}
{"Action":"fail"}
`, verdict{failed: []string{"TestA/b"}}, true},
		"does not compile": {`{"Action":"build-output","Output":"x.go:1: no\n"}
{"Action":"build-fail"}
{"Action":"fail","FailedBuild":"x"}
`, verdict{unbuilt: true}, false},
		"hangs": {`{"Action":"output","Test":"TestA","Output":"panic: test timed out after 2m0s\n"}
{"Action":"fail","Test":"TestA"}
{"Action":"fail"}`, verdict{failed: []string{"TestA"}, hung: true}, true},
		"ends early": {"no JSON\n", verdict{}, false},
	} {
		got, err := readEvents(strings.NewReader(scene.output))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.passed, scene.want.passed) || !slices.Equal(got.failed, scene.want.failed) || got.hung != scene.want.hung ||
			got.unbuilt != scene.want.unbuilt || got.caught() != scene.caught {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// TestGuardsComeFirst shows which suites a mutation is tried with, and whose catch proves a line.
func TestGuardsComeFirst(t *testing.T) {
	lines := parseSafety("# Safety\n\n- **R1 Votes.** Text.\n  `host TestR`\n- **M2** Text\n" +
		"  `consensus TestScenarios/m2` `consensus TestScenarios/m2b` `host TestM`\n- **B3** `consensus TestScenarios/m2`\n")
	rest := suite{pkg: "./host"}
	m := guarded(mutation{breaks: "R1 M2 B3", tests: []suite{rest}}, lines)
	want := []suite{{pkg: "./consensus", run: "^TestScenarios$/^(m2|m2b)$"}, {pkg: "./host", run: "^(TestM)$"}, rest}
	if !slices.Equal(m.tests, want) {
		t.Errorf("got %v", m.tests)
	}
	caught := result{mutation: m, suite: want[0], verdict: verdict{failed: []string{"TestScenarios/m2b"}}}
	if got := unguarded(lines, []result{caught}); !slices.Equal(got, []string{"R1", "B3"}) {
		t.Errorf("a catch by m2b leaves %v", got)
	}
	page := mutantsPage(lines, []result{caught})
	if !strings.Contains(page, "**TestScenarios/m2b**") || strings.Count(page, "TestScenarios/m2b") != 3 {
		t.Error(page)
	}
}
