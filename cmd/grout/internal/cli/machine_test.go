package cli

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestExecPrintsTheAnswerRaw shows every way to give a payload, and that nothing is added to the answer.
func TestExecPrintsTheAnswerRaw(t *testing.T) {
	url := cluster(t)
	file := writeFile(t, "payload", []byte("from a file\x00\xff"))
	for _, c := range []struct{ payload, stdin, want string }{
		{"hello", "", "hello"}, {"", "", ""}, {"-5", "", "-5"}, {"@@at", "", "@at"},
		{"@" + file, "", "from a file\x00\xff"}, {"-", "from stdin\n", "from stdin\n"},
	} {
		if r := groutWith(t, url, c.stdin, "exec", "machine", c.payload).want(t, Done); r.out != c.want || r.err != "" {
			t.Errorf("exec %q: stdout %q, stderr %q, want %q and nothing", c.payload, r.out, r.err, c.want)
		}
		if r := grout(t, url, "query", "machine").want(t, Done); r.out != c.want {
			t.Errorf("query after %q: %q, want %q", c.payload, r.out, c.want)
		}
	}
	if r := grout(t, url, "exec", "machine", "--", "--json").want(t, Done); r.out != "--json" {
		t.Errorf("after -- a payload is a payload: %q", r.out)
	}
}

// TestExecJSON shows the shape of an answer, text and binary.
func TestExecJSON(t *testing.T) {
	url := cluster(t)
	text := decode[answerJSON](t, grout(t, url, "exec", "--json", "machine", "words").want(t, Done).out)
	if text.Output == nil || *text.Output != "words" || text.OutputBase64 != nil || text.Index == 0 || text.Term == 0 ||
		text.Group != "machine" || text.Leader == "" || text.Duplicate {
		t.Errorf("answer %+v", text)
	}
	binary := decode[answerJSON](t, groutWith(t, url, "\xff\x00", "exec", "machine", "-", "--json").want(t, Done).out)
	if binary.Output != nil || string(binary.OutputBase64) != "\xff\x00" || binary.Index <= text.Index {
		t.Errorf("answer %+v", binary)
	}
}

// TestRefusedAndTrapped shows the exit codes and texts of the machine's own ends, of commands and
// queries, and that they change nothing.
func TestRefusedAndTrapped(t *testing.T) {
	url := cluster(t)
	grout(t, url, "exec", "machine", "kept").want(t, Done)
	grout(t, url, "exec", "machine", "refuse me").want(t, Refused, "code 7", "refuse me")
	grout(t, url, "exec", "machine", "trap").want(t, Trapped, "trapped", "nothing changed")
	grout(t, url, "query", "machine", "refuse").want(t, Refused, "code 8")
	for _, name := range []string{"--id=r1", "--session=refusals"} {
		args := []string{"exec", "machine", "really not", "--json", name}
		if strings.HasPrefix(name, "--session") {
			args = append(args, "--seq", "1")
		}
		e := errorOf(t, grout(t, url, args...).want(t, Refused))
		if e.Exit != Refused || e.Kind != "refused" || e.MachineCode == nil || *e.MachineCode != 7 || e.Index == 0 || e.Code != "409" {
			t.Errorf("%s: error %+v", name, e)
		}
	}
	if e := errorOf(t, grout(t, url, "exec", "machine", "t", "--json", "--id", "t1").want(t, Trapped)); e.Kind != "trapped" || e.Index == 0 {
		t.Errorf("error %+v", e)
	}
	if r := grout(t, url, "query", "machine").want(t, Done); r.out != "kept" {
		t.Errorf("the state is %q, want %q", r.out, "kept")
	}
}

// TestExecByHandIsExactlyOnce shows that a command repeated under one name is applied once.
func TestExecByHandIsExactlyOnce(t *testing.T) {
	url := cluster(t)
	session := rand.Text() // the shared cluster remembers those of earlier runs
	for _, name := range [][]string{{"--id", rand.Text()}, {"--session", session, "--seq", "1"}, {"--session", session, "--seq", "2", "--acked", "1"}} {
		args := append([]string{"exec", "machine", "once", "--json", "--caller", "tester"}, name...)
		first := decode[answerJSON](t, grout(t, url, args...).want(t, Done).out)
		second := decode[answerJSON](t, grout(t, url, args...).want(t, Done).out)
		if first.Duplicate || !second.Duplicate || first.Index != second.Index || *second.Output != "once" {
			t.Errorf("%v: first %+v, second %+v", name, first, second)
		}
	}
	grout(t, url, "exec", "machine", "late", "--session", rand.Text(), "--seq", "5").want(t, Usage, "session", "sequence 1")
	grout(t, url, "exec", "machine", "gone", "--session", session, "--seq", "1").want(t, Usage, "acknowledged")
}

// TestQueryConsistency shows each level, and what is wrong with others.
func TestQueryConsistency(t *testing.T) {
	url := cluster(t)
	done := decode[answerJSON](t, grout(t, url, "exec", "machine", "fresh", "--json").want(t, Done).out)
	atLeast := fmt.Sprintf("at-least=%d", done.Index)
	for _, level := range []string{"linearizable", atLeast} {
		r := decode[answerJSON](t, grout(t, url, "query", "machine", "--consistency", level, "--json").want(t, Done).out)
		if r.Output == nil || *r.Output != "fresh" || r.Index < done.Index {
			t.Errorf("%s: %+v, want the state at %d or later", level, r, done.Index)
		}
	}
	grout(t, url, "query", "machine", "--consistency", "stale").want(t, Done)
	if r := grout(t, url, "query", "machine", "--host", "n2", "--consistency", atLeast).want(t, Done); r.out != "fresh" {
		t.Errorf("host n2 answers %q", r.out)
	}
	grout(t, url, "query", "machine", "--consistency", "at-least=soon").want(t, Usage, "at-least=soon", "index")
	grout(t, url, "query", "machine", "--consistency", "eventual").want(t, Usage, "eventual", "stale")
	grout(t, url, "query", "machine", "--host", "n9", "--timeout", "300ms").want(t, NotFound, "n9", "grout info machine")
	grout(t, url, "wait", "machine", "--online", "n9", "--timeout", "300ms").want(t, NotFound, "n9", "grout info machine")
	grout(t, url, "members", "nothing").want(t, NotFound, `there is no group "nothing"`+seeLists+"\n")
	grout(t, url, "query", "machine", "--consistency", "at-least=999999999", "--timeout", "300ms").want(t, Unavailable, "300ms")
}

// TestFeedCountsEveryEnd shows the summary, its exit code, and that commands without an answer keep
// their place.
func TestFeedCountsEveryEnd(t *testing.T) {
	url := cluster(t)
	lines := "a\nb\nrefused\n\ntrapped\nlast"
	r := groutWith(t, url, lines, "feed", "machine", "-", "--json").want(t, Trapped, "command 5", "trapped")
	s := decode[feedSummary](t, r.out)
	if s.Commands != 6 || s.Applied != 4 || s.Refused != 1 || s.Trapped != 1 || s.Failed+s.Unknown != 0 || s.LastIndex == 0 ||
		s.P50Millis <= 0 || s.P99Millis < s.P50Millis || s.MaxMillis < s.P99Millis || s.CommandsPerSecond <= 0 {
		t.Errorf("summary %+v", s)
	}
	if len(s.Problems) != 2 || s.Problems[0].Number != 3 || s.Problems[0].Kind != "refused" || s.Problems[1].Number != 5 || s.Problems[1].Kind != "trapped" {
		t.Errorf("problems %+v", s.Problems)
	}
	r = groutWith(t, url, lines, "feed", "machine", "-", "--print", "--window", "1").want(t, Trapped, "6 commands to machine", "applied 4")
	if r.out != "a\nb\n\n\n\nlast\n" {
		t.Errorf("answers %q", r.out)
	}
	if r := grout(t, url, "query", "machine").want(t, Done); r.out != "last" {
		t.Errorf("the state is %q, want the last command", r.out)
	}
}

// TestFeedReadsFiles shows a large file over a full window, another delimiter, and the summary as text.
func TestFeedReadsFiles(t *testing.T) {
	url := cluster(t)
	var commands strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&commands, "%d\x00", i)
	}
	file := writeFile(t, "commands", []byte(commands.String()))
	grout(t, url, "feed", "machine", file, "--delimiter", `\0`, "--window", "1024", "--progress").
		want(t, Done).prints(t, "3000 commands to machine", "applied 3000, refused 0", "latency p50")
	if r := grout(t, url, "query", "machine").want(t, Done); r.out != "2999" {
		t.Errorf("the state is %q, want the last command", r.out)
	}
}

// TestFeedStops shows that --stop-on-error sends nothing after the first command that is not applied,
// with a window of one, and that a command which cannot be one stops it too.
func TestFeedStops(t *testing.T) {
	url := cluster(t)
	r := groutWith(t, url, "good\nrefused\nnever", "feed", "machine", "-", "--stop-on-error", "--window", "1", "--json").want(t, Refused, "command 2")
	if s := decode[feedSummary](t, r.out); s.Applied != 1 || s.Refused != 1 || s.Commands > 3 {
		t.Errorf("summary %+v", s)
	}
	long := "fine\n" + strings.Repeat("x", 600<<10)
	groutWith(t, url, long, "feed", "machine", "-").want(t, Usage, "command 2", "delimiter").prints(t, "applied 1,")
}

// TestShapesHoldNothingElse shows that the documented fields of an answer are all there are.
func TestShapesHoldNothingElse(t *testing.T) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(grout(t, cluster(t), "exec", "machine", "x", "--json").want(t, Done).out), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"group", "output", "index", "term", "fuel", "duplicate", "leader"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("field %q is missing", name)
		}
		delete(fields, name)
	}
	if len(fields) != 0 {
		t.Errorf("fields that docs/CLI.md does not know: %v", fields)
	}
}
