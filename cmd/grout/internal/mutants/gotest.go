package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// The test binary ends itself with a panic after patience times what the package took unmutated, and at least
// leastTimeout: a busy machine is no hang. The whole command, which compiles first, gets compileTime more.
const (
	patience     = 4
	leastTimeout = 30 * time.Second
	compileTime  = 10 * time.Minute
)

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action string
	Test   string
	Output string
}

// verdict is what a run of go test came to.
type verdict struct {
	// failed names the tests that failed, the innermost ones alone.
	failed []string
	// passed names the tests that passed, subtests aside.
	passed []string
	// hung is set when the test binary ended itself at its timeout.
	hung bool
	// unbuilt is set when something did not compile.
	unbuilt bool
	// output is what was printed, its last part.
	output string
}

func (v verdict) caught() bool { return !v.unbuilt && (len(v.failed) > 0 || v.hung) }

// maxOutput bounds what is kept of a run's output.
const maxOutput = 16 << 10

// readEvents reads the output of go test -json. Lines that are no events (the go command's own words) count
// as output.
func readEvents(r io.Reader) (verdict, error) {
	var v verdict
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			v.take(line)
		}
		if errors.Is(err, io.EOF) {
			v.failed = innermost(v.failed)
			return v, nil
		}
		if err != nil {
			return v, err
		}
	}
}

func (v *verdict) take(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		e = event{Action: "output", Output: line}
	}
	switch e.Action {
	case "pass":
		if e.Test != "" && !strings.Contains(e.Test, "/") {
			v.passed = append(v.passed, e.Test)
		}
	case "fail":
		if e.Test != "" {
			v.failed = append(v.failed, e.Test)
		}
	case "build-fail":
		v.unbuilt = true
	case "output", "build-output":
		if strings.HasPrefix(e.Output, "panic: test timed out after") {
			v.hung = true
		}
		v.output += e.Output
		if len(v.output) > maxOutput {
			v.output = v.output[len(v.output)-maxOutput/2:]
		}
	}
}

// innermost drops the tests of which a subtest is listed too.
func innermost(tests []string) []string {
	var kept []string
	for i, name := range tests {
		inner := false
		for j, other := range tests {
			inner = inner || (i != j && strings.HasPrefix(other, name+"/"))
		}
		if !inner {
			kept = append(kept, name)
		}
	}
	return kept
}

// goTest runs a suite in the module at root, reading sources through overlay unless that is "".
//
// # Errors
//
// When the go command failed without a failed test and without a failed build.
func goTest(ctx context.Context, root string, s suite, overlay string, timeout time.Duration) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout+compileTime)
	defer cancel()
	args := []string{"test", "-json", "-short", "-failfast", "-count=1", "-timeout", timeout.String()}
	args = append(args, "-vet=off", "-ldflags=-s -w") // most of a run is the link: leave out what debuggers need
	for flag, value := range map[string]string{"-run": s.run, "-skip": s.skip, "-overlay": overlay} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	cmd := exec.CommandContext(ctx, "go", append(args, s.pkg)...)
	cmd.Dir = root
	out, err := cmd.StdoutPipe()
	if err != nil {
		return verdict{}, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return verdict{}, err
	}
	v, readErr := readEvents(out)
	err = errors.Join(readErr, cmd.Wait(), ctx.Err())
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil && (v.caught() || v.unbuilt) {
		return v, nil
	}
	if err != nil {
		return v, fmt.Errorf("mutants: go test %s: %w\n%s", s, err, v.output)
	}
	return v, nil
}
