package sdktest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// diary does a little of everything.
type diary struct {
	arg   string
	lines []string
	kept  []byte
}

func (d *diary) Init(_ *sdk.Context, arg []byte) error {
	if string(arg) == "bad" {
		return sdk.Refuse(3, "diary: bad argument")
	}
	d.arg = string(arg)
	return nil
}

func (d *diary) Migrate(_ *sdk.Context, old []byte) error {
	d.lines = strings.Split(string(old), ",")
	return nil
}

func (d *diary) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	verb, rest, _ := strings.Cut(string(command), " ")
	switch verb {
	case "write":
		d.lines = append(d.lines, rest)
		ctx.Emit("written", []byte(rest))
		ctx.Log(sdk.LevelInfo, "wrote %s", rest)
	case "fail-late":
		d.lines = append(d.lines, rest)
		ctx.Emit("written", []byte(rest))
		return nil, sdk.Refuse(4, "diary: no")
	case "panic":
		panic("diary: " + rest)
	case "keep":
		d.kept = command
	case "flood":
		for range sdktest.MaxEvents + 1 {
			ctx.Emit("drop", nil)
		}
	case "burst":
		for range 3 {
			ctx.Emit("drop", make([]byte, sdktest.MaxEventBytes/2))
		}
	case "large":
		return make([]byte, sdktest.MaxOutputBytes+len(rest)), nil
	case "when":
		return fmt.Appendf(nil, "%d %d %s %s %x", ctx.Index(), ctx.Term(), ctx.Time().Format(time.RFC3339Nano), ctx.Caller(), ctx.Uint64()), nil
	}
	return fmt.Append(nil, len(d.lines)), nil
}

func (d *diary) Query(ctx *sdk.Context, query []byte) ([]byte, error) {
	switch string(query) {
	case "kept":
		return d.kept, nil
	case "arg":
		return []byte(d.arg), nil
	case "emit":
		ctx.Emit("no", nil)
	}
	return []byte(strings.Join(d.lines, ",")), nil
}

// TestOutcomesAndRecords shows replies, refusals and traps as values, and what is recorded of each.
func TestOutcomesAndRecords(t *testing.T) {
	h := sdktest.New(t, &diary{})
	if got := h.MustApply("write one"); got != "1" {
		t.Fatalf("first line gives %q", got)
	}
	outcome := h.Apply("fail-late two")
	if outcome.Kind != sdk.Refused || outcome.Code != 4 || outcome.Message != "diary: no" || outcome.Events != nil {
		t.Errorf("a refusal gives %+v", outcome)
	}
	outcome = h.Apply("panic aloud")
	if outcome.Kind != sdk.Trapped || !strings.HasPrefix(outcome.Message, "panic: diary: aloud at sdktest/harness_test.go:") {
		t.Errorf("a panic gives %+v", outcome)
	}
	outcome = h.Apply("write three")
	if outcome.Kind != sdk.Applied || len(outcome.Events) != 1 || len(outcome.Logs) != 1 {
		t.Errorf("a command gives %+v", outcome)
	}
	if len(h.Events) != 2 || h.Events[1].Index != 4 || h.Events[1].Suffix != "written" || string(h.Events[1].Payload) != "three" {
		t.Errorf("events are %+v", h.Events)
	}
	if want := (sdktest.Log{Level: sdk.LevelInfo, Text: "wrote three"}); len(h.Logs) != 2 || h.Logs[1] != want {
		t.Errorf("logs are %+v", h.Logs)
	}
	// As documented: natively the refused command's line stays.
	if got := h.MustQuery(""); got != "one,two,three" {
		t.Errorf("the lines are %q", got)
	}
}

// TestEntryIsTheTests shows that the test decides index, term, time, caller and random bytes.
func TestEntryIsTheTests(t *testing.T) {
	h := sdktest.New(t, &diary{})
	first := h.MustApply("when")
	if !strings.HasPrefix(first, "1 1 2026-01-01T00:00:00.001Z  ") {
		t.Errorf("the first entry is %s", first)
	}
	h.Index, h.Term, h.Step, h.Caller, h.Seed = 41, 9, time.Hour, "ada", 5
	h.Time = time.Unix(0, 0).UTC()
	second := h.MustApply("when")
	if !strings.HasPrefix(second, "42 9 1970-01-01T01:00:00Z ada ") {
		t.Errorf("the chosen entry is %s", second)
	}
	again := sdktest.New(t, &diary{})
	if got := again.MustApply("when"); got != first {
		t.Errorf("an equal entry gives %s, then %s", first, got)
	}
	again.Index = 0
	again.Seed = 6
	if got := again.MustApply("when"); got[len(got)-16:] == first[len(first)-16:] {
		t.Errorf("another seed gives the same random bytes: %s", got)
	}
}

// TestLimitsTrap shows that the sandbox's limits hold natively too, to the byte.
func TestLimitsTrap(t *testing.T) {
	h := sdktest.New(t, &diary{})
	for command, words := range map[string]string{
		"flood":   "events: 1025 is over the limit of 1024",
		"burst":   "event bytes: ",
		"large x": "output: 524289 is over the limit of 524288",
	} {
		if outcome := h.Apply(command); outcome.Kind != sdk.Trapped || !strings.Contains(outcome.Message, words) || outcome.Output != nil {
			t.Errorf("%s gives %v %q, want %q", command, outcome.Kind, outcome.Message, words)
		}
	}
	if got := h.MustApply("large "); len(got) != sdktest.MaxOutputBytes {
		t.Errorf("the largest output has %d bytes", len(got))
	}
	if outcome := h.Query("emit"); outcome.Kind != sdk.Trapped || !strings.Contains(outcome.Message, "emit in a query") {
		t.Errorf("emit in a query gives %+v", outcome)
	}
	if len(h.Events) != 0 {
		t.Errorf("trapped commands left the events %+v", h.Events)
	}
}

// TestKeptInputIsSpoiled shows that a machine which keeps its input finds it overwritten.
func TestKeptInputIsSpoiled(t *testing.T) {
	h := sdktest.New(t, &diary{})
	h.MustApply("keep me")
	if got := h.MustQuery("kept"); strings.Contains(got, "me") {
		t.Fatalf("the kept command still reads %q", got)
	}
}

// TestInitAndMigrate shows when both run.
func TestInitAndMigrate(t *testing.T) {
	h := sdktest.New(t, &diary{})
	if outcome := h.Init("red"); outcome.Kind != sdk.Applied {
		t.Fatalf("Init gives %+v", outcome)
	}
	if got := h.MustQuery("arg"); got != "red" {
		t.Errorf("the argument is %q", got)
	}
	if outcome := h.Migrate("a,b"); outcome.Kind != sdk.Applied {
		t.Errorf("Migrate gives %+v", outcome)
	}
	if got := h.MustQuery(""); got != "a,b" {
		t.Errorf("after Migrate the lines are %q", got)
	}
	if outcome := sdktest.New(t, &diary{}).Init("bad"); outcome.Kind != sdk.Refused || outcome.Code != 3 {
		t.Errorf("a bad argument gives %+v", outcome)
	}
}

// failing is a testing.TB that records failures; a fatal one ends the function that it was given to.
type failing struct {
	testing.TB
	fatal []string
}

func (f *failing) Helper() {}

func (f *failing) Errorf(format string, args ...any) {
	f.fatal = append(f.fatal, fmt.Sprintf(format, args...))
}

// failures are what run reports to its testing.TB.
func failures(t *testing.T, run func(testing.TB)) string {
	t.Helper()
	f := &failing{TB: t}
	func() {
		defer func() {
			if reason := recover(); reason != nil && reason != any(f) {
				panic(reason)
			}
		}()
		run(f)
	}()
	return strings.Join(f.fatal, "\n")
}

func (f *failing) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

func (f *failing) Fatal(args ...any) {
	f.fatal = append(f.fatal, fmt.Sprint(args...))
	panic(f)
}

// TestMisuseFailsTheTest shows what fails a test at once, and in which words.
func TestMisuseFailsTheTest(t *testing.T) {
	var got []string
	for _, misuse := range []func(testing.TB){
		func(f testing.TB) { sdktest.New(f, nil) },
		func(f testing.TB) { sdktest.New(f, &diary{}).MustApply("fail-late x") },
		func(f testing.TB) { sdktest.New(f, &diary{}).MustQuery("emit") },
		func(f testing.TB) { h := sdktest.New(f, &diary{}); h.MustApply("write"); h.Init("") },
		func(f testing.TB) { sdktest.New(f, &diary{}).Digest() },
		func(f testing.TB) { sdktest.New(f, &diary{}).Restart() },
		func(f testing.TB) { sdktest.CheckRepeat(f, &sdktest.NativeDriver{}, nil) },
	} {
		got = append(got, failures(t, misuse))
	}
	want := []string{
		"sdktest: New(t, nil): pass a pointer to your machine",
		`sdktest: Apply("fail-late x") at index 1 was refused: diary: no (code 4)`,
		`sdktest: Query("emit") at index 0 was trapped: panic: emit in a query: only a command can emit`,
		"sdktest: Init: the machine has started; call Init once, before everything else",
		"sdktest: Digest: sdktest: the state cannot be compared: Export was refused: sdk: this machine cannot be upgraded: give *sdktest_test.diary a method Export",
		"sdktest: Restart: sdktest: the machine cannot be restored: Export was refused",
		"sdktest: a second machine: sdktest: there is no other machine: use Open(t, Native(",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Fatalf("failures are %q, want %q", got, want)
	}
}
