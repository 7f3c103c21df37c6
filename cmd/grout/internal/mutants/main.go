package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

func main() {
	pattern := flag.String("run", "", "only the mutations whose name matches this regular expression")
	workers := flag.Int("workers", 2, "how many mutations are tried at a time")
	write := flag.Bool("write", false, "write docs/MUTANTS.md; needs the whole table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *pattern, *workers, *write); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, pattern string, workers int, write bool) error {
	if write && pattern != "" {
		return fmt.Errorf("mutants: -write needs the whole table, leave out -run")
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	lines, err := safetyLines(root)
	if err != nil {
		return err
	}
	chosen, err := choose(pattern)
	if err != nil {
		return err
	}
	begun := time.Now()
	timeouts, err := baseline(ctx, root, chosen)
	if err != nil {
		return err
	}
	for i, m := range chosen {
		chosen[i] = guarded(m, lines)
	}
	r := runner{root: root, timeouts: timeouts}
	results := r.runAll(ctx, chosen, workers)
	bad := 0
	for _, r := range results {
		if r.err != nil || !r.caught() {
			bad++
		}
	}
	fmt.Printf("\n%d mutations, %d caught, %d not, %d s\n", len(results), len(results)-bad, bad, int(time.Since(begun).Seconds()))
	if bad > 0 {
		return fmt.Errorf("mutants: %d of %d mutations were not caught", bad, len(results))
	}
	if ids := unguarded(lines, results); len(ids) > 0 && pattern == "" {
		return fmt.Errorf("mutants: no guard of %s caught what breaks it: name the tests that do in %s", strings.Join(ids, ", "), safetyPath)
	}
	if !write {
		return nil
	}
	return os.WriteFile(filepath.Join(root, pagePath), []byte(mutantsPage(lines, results)), 0o644)
}

// choose returns the mutations whose name matches.
func choose(pattern string) ([]mutation, error) {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("mutants: -run: %w", err)
	}
	var chosen []mutation
	for _, m := range mutations() {
		if match.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("mutants: no mutation's name matches %q", pattern)
	}
	return chosen, nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("mutants: go list -m: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// baseline demands that every suite passes on the tree as it is. It returns how long the tests of each package may
// take with a mutation.
func baseline(ctx context.Context, root string, chosen []mutation) (map[string]time.Duration, error) {
	timeouts, passed := map[string]time.Duration{}, map[string][]string{}
	for _, s := range suitesOf(chosen) {
		if s.within(passed[s.pkg]) {
			continue
		}
		begun := time.Now()
		v, err := goTest(ctx, root, s, "", compileTime)
		if err != nil {
			return nil, err
		}
		if v.unbuilt || v.caught() || len(v.passed) == 0 {
			return nil, fmt.Errorf("mutants: without any mutation, %s fails or has no test (%s):\n%s", s, strings.Join(v.failed, ", "), v.output)
		}
		took := time.Since(begun)
		passed[s.pkg] = append(passed[s.pkg], v.passed...)
		timeouts[s.pkg] = max(timeouts[s.pkg], leastTimeout, patience*took)
		fmt.Printf("%-44s passes unmutated, %.1f s\n", s, took.Seconds())
	}
	return timeouts, nil
}

// suitesOf returns every suite of the mutations once, whole packages first: those that run less may be within.
func suitesOf(chosen []mutation) []suite {
	seen := map[suite]bool{}
	var whole, parts []suite
	for _, m := range chosen {
		for _, s := range m.tests {
			switch {
			case seen[s]:
			case s.run == "":
				whole = append(whole, s)
			default:
				parts = append(parts, s)
			}
			seen[s] = true
		}
	}
	return append(whole, parts...)
}

// runner tries mutations on the module at root.
type runner struct {
	root     string
	timeouts map[string]time.Duration
}

// result is what became of a mutation.
type result struct {
	mutation
	verdict
	// suite is the one that caught it.
	suite suite
	err   error
	took  time.Duration
}

// String is the result's line in the table.
func (r result) String() string {
	outcome, by := "caught", strings.Join(r.failed, ", ")
	switch {
	case r.err != nil:
		outcome, by = "ERROR", r.err.Error()
	case !r.caught():
		outcome, by = "SURVIVED", ""
	case r.hung:
		by += " (at its timeout)"
	}
	return fmt.Sprintf("%-44s %-8s %5.1f s  %s", r.name, outcome, r.took.Seconds(), by)
}

// runAll tries the mutations, so many at a time, and prints each result as it comes. The results are in
// the table's order.
func (r *runner) runAll(ctx context.Context, chosen []mutation, workers int) []result {
	results := make([]result, len(chosen))
	next := make(chan int)
	var group sync.WaitGroup
	for range max(1, workers) {
		group.Go(func() {
			for i := range next {
				results[i] = r.try(ctx, chosen[i])
				fmt.Println(results[i])
			}
		})
	}
	for i := range chosen {
		next <- i
	}
	close(next)
	group.Wait()
	return results
}

// try runs a mutation's suites until one catches it.
func (r *runner) try(ctx context.Context, m mutation) (out result) {
	out.mutation = m
	begun := time.Now()
	defer func() { out.took = time.Since(begun) }()
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		out.err = err
		return out
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil && out.err == nil {
			out.err = err
		}
	}()
	overlay, err := writeOverlay(r.root, dir, m)
	if err != nil {
		out.err = err
		return out
	}
	for _, s := range m.tests {
		out.suite = s
		timeout := max(leastTimeout, r.timeouts[s.pkg])
		if out.verdict, out.err = goTest(ctx, r.root, s, overlay, timeout); out.err != nil {
			return out
		}
		if out.unbuilt {
			out.err = fmt.Errorf("mutants: %s does not compile:\n%s", m.name, out.output)
			return out
		}
		if out.caught() {
			return out
		}
	}
	return out
}

// writeOverlay writes the mutated file and the go command's description of the overlay into dir, and returns
// the name of the latter.
func writeOverlay(root, dir string, m mutation) (string, error) {
	text, err := m.apply(root)
	if err != nil {
		return "", err
	}
	mutated := filepath.Join(dir, "mutated.go")
	if err := os.WriteFile(mutated, []byte(text), 0o644); err != nil {
		return "", err
	}
	type overlay struct{ Replace map[string]string }
	data, err := json.Marshal(overlay{map[string]string{filepath.Join(root, m.file): mutated}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, data, 0o644)
}
