package consensus

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updateFlag = flag.Bool("update", false, "rewrite the golden traces of TestScenarios")

// TestScenarios shows, step by step, what the rules R1 to R8 demand: every script under
// testdata/scenarios states what it shows, what it does, and what it expects; its trace must also be
// the golden one. The language is described in testdata/scenarios/README.md.
func TestScenarios(t *testing.T) {
	paths, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts in testdata/scenarios (%v)", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { runScenario(t, path) })
	}
}

func runScenario(t *testing.T, path string) {
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	trace, err := runScript(string(source))
	if err != nil {
		t.Errorf("%s:%v\ntrace so far:\n%s", path, err, trace)
		return
	}
	golden := strings.TrimSuffix(path, ".txt") + ".golden"
	if *updateFlag {
		if err := os.WriteFile(golden, []byte(trace), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if line, got, expected := firstDifference(trace, string(want)); line > 0 {
		t.Errorf("%s:%d: the trace has changed (if that is right: go test -run TestScenarios -update)\n got %s\nwant %s",
			golden, line, got, expected)
	}
}

// firstDifference returns the first line that differs, 0 when there is none.
func firstDifference(a, b string) (line int, fromA, fromB string) {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(as), len(bs)) {
		var x, y string
		if i < len(as) {
			x = as[i]
		}
		if i < len(bs) {
			y = bs[i]
		}
		if x != y {
			return i + 1, x, y
		}
	}
	return 0, "", ""
}

// script is one run of a scenario.
type script struct {
	*cluster
	kept map[string][]Envelope
	// expectations counts the expect lines: a script without any shows nothing.
	expectations int
}

// usage is what a malformed line panics with.
type usage string

func misuse(format string, args ...any) { panic(usage(fmt.Sprintf(format, args...))) }

// runScript runs a whole script and returns its trace. An error begins with the line's number.
func runScript(source string) (string, error) {
	var trace strings.Builder
	s := &script{cluster: newCluster(0), kept: map[string][]Envelope{}}
	s.trace = &trace
	if !strings.HasPrefix(source, "# ") {
		return "", errors.New("1: a script begins with comment lines that say what it shows")
	}
	for i, line := range strings.Split(source, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fmt.Fprintf(&trace, "> %s\n", line)
		if err := s.runLine(line); err != nil {
			return trace.String(), fmt.Errorf("%d: %q: %w", i+1, line, err)
		}
	}
	if s.expectations == 0 {
		return trace.String(), errors.New("0: the script expects nothing")
	}
	return trace.String(), nil
}

// scriptErrors are the names of errors in scripts.
var scriptErrors = map[string]error{
	"not-leader": ErrNotLeader, "busy": ErrBusy, "transferring": ErrTransferring, "pending": ErrChangePending,
	"bad-configuration": ErrBadConfiguration, "no-member": ErrNoSuchMember, "invariant": ErrInvariant,
	"bad-state": ErrBadState,
}

func (s *script) runLine(line string) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case usage:
			err = errors.New(string(p))
		default:
			panic(p)
		}
	}()
	line, name, wantsError := strings.Cut(line, " -> ")
	fields := strings.Fields(line)
	action, known := actions[fields[0]]
	if !known {
		misuse("unknown word %q", fields[0])
	}
	got := action(s, fields[1:])
	want := scriptErrors[strings.TrimSpace(name)]
	switch {
	case wantsError && want == nil:
		misuse("unknown error %q", name)
	case wantsError && !errors.Is(got, want):
		return fmt.Errorf("got error %v, want %v", got, want)
	case !wantsError && got != nil:
		return got
	}
	for _, id := range s.ids {
		s.checkMember(s.nodes[id])
	}
	return s.failure
}

// pick returns the positions of the messages in flight that match "from>to", where * is anybody, and
// a text within the message.
func (s *script) pick(args []string) []int {
	if len(args) == 0 || len(args) > 2 {
		misuse("want from>to and perhaps a text of the message")
	}
	from, to, found := strings.Cut(args[0], ">")
	if !found {
		misuse("%q is no from>to", args[0])
	}
	var at []int
	for i, m := range s.network {
		if from != "*" && fmt.Sprint(uint64(m.From)) != from || to != "*" && fmt.Sprint(uint64(m.To)) != to {
			continue
		}
		if len(args) == 1 || strings.Contains(m.Message.String(), args[1]) {
			at = append(at, i)
		}
	}
	return at
}

// take removes matching messages from the network; there must be one.
func (s *script) take(args []string) []Envelope {
	at := s.pick(args)
	if len(at) == 0 {
		misuse("no such message in flight; there are %s", s.inFlight())
	}
	var taken []Envelope
	for _, i := range slices.Backward(at) {
		taken = append(taken, s.network[i])
		s.network = slices.Delete(s.network, i, i+1)
	}
	slices.Reverse(taken)
	return taken
}

func (s *script) inFlight() string {
	var out []string
	for _, m := range s.network {
		out = append(out, fmt.Sprintf("%d>%d %s", m.From, m.To, m.Message))
	}
	return fmt.Sprintf("%q", out)
}

// TestScriptsCannotPassByAccident shows that a script with an unknown word, a wrong expectation, or
// none at all fails.
func TestScriptsCannotPassByAccident(t *testing.T) {
	const head = "# Shows nothing.\ncluster 1 2 3\n"
	for bad, why := range map[string]string{
		"cluster 1\nexpect leader none\n":                                       "begins with comment lines",
		head:                                                                    "expects nothing",
		head + "fly 1\n":                                                        "3: \"fly 1\": unknown word",
		head + "expect weather good\n":                                          "unknown expectation",
		head + "expect leader 1\n":                                              "got none",
		head + "elect 1\nexpect commit 1 2\n":                                   "got 1",
		head + "elect 1\nexpect log 1 1/2\n":                                    "got 1/1",
		head + "propose 1 a\n":                                                  "not the leader",
		head + "propose 1 a -> busy\nexpect leader none\n":                      "got error consensus: not the leader",
		head + "propose 1 a -> wet\nexpect leader none\n":                       "unknown error",
		head + "elect 1\npropose 1 a -> not-leader\n":                           "got error <nil>",
		head + "drop 1>2\nexpect leader none\n":                                 "no such message in flight",
		head + "expect read 1 1 refused\n":                                      "got pending",
		head + "expect in-flight 1>2 1 AppendEntries\n":                         "got 0 of",
		head + "elect 1\nexpect never x\nexpect role 7 leader\n":                "no member 7",
		head + "elect 1\nisolate 3\npropose 1 a\nrun\nexpect state equal 1 3\n": "member 3 applied 1",
		head + "elect 1\npropose 1 a\nrun\nexpect never a\n":                    "it was applied as 1/2",
		head + "boot 1 term 1 vote 0 log 2:a\nexpect term 1 1\n":                "cannot start",
	} {
		if _, err := runScript(bad); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q ends with %v, want %q", bad, err, why)
		}
	}
}
