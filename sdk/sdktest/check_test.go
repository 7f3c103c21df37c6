package sdktest_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// tally counts names. Each fault is one that a check has to find.
type tally struct {
	fault  string
	counts map[string]int
	// last is what the faults remember beside the counts.
	last string
}

func with(fault string) func() sdk.Machine {
	return func() sdk.Machine { return &tally{fault: fault, counts: map[string]int{}} }
}

func (m *tally) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	name := string(command)
	if m.fault == "halfway" {
		m.counts[name]++
	}
	switch {
	case name == "":
		return nil, sdk.Refuse(1, "a name is not empty")
	case m.fault == "traps" && name == "panic":
		panic("tally: " + name)
	case m.fault == "negative" && name == "minus":
		m.counts[name] -= 2
	}
	if m.fault != "halfway" {
		m.counts[name]++
	}
	before := m.last
	m.last = name
	ctx.Log(sdk.LevelDebug, "counted %s", name)
	ctx.Emit("counted", []byte(name))
	switch m.fault {
	case "clock":
		return fmt.Append(nil, time.Now().UnixNano()), nil
	case "forgets":
		return []byte(before), nil
	}
	return fmt.Append(nil, m.counts[name]), nil
}

func (m *tally) Query(_ *sdk.Context, query []byte) ([]byte, error) {
	if m.fault == "asked" {
		m.counts[string(query)]++
	}
	return fmt.Append(nil, m.counts[string(query)]), nil
}

func (m *tally) Export(*sdk.Context) ([]byte, error) {
	var state []byte
	for name, count := range m.counts {
		state = fmt.Appendf(state, "%q %d\n", name, count)
	}
	lines := strings.Split(string(state), "\n")
	slices.Sort(lines)
	if m.fault == "hidden" {
		lines = append(lines, fmt.Sprint(rand.Uint64()))
	}
	return []byte(strings.Join(lines, "\n")), nil
}

func (m *tally) Migrate(_ *sdk.Context, old []byte) error {
	for line := range strings.Lines(string(old)) {
		var name string
		var count int
		if n, _ := fmt.Sscanf(line, "%q %d", &name, &count); n == 2 && (m.fault != "drops" || name != "minus") {
			m.counts[name] = count
		}
	}
	return nil
}

var names = append(sdktest.Commands("ada", "", "alan", "ada", "panic", "minus"), sdktest.Queries("ada", "eve")...)

// TestChecksFindFaults shows that each check passes a sound machine and fails for the fault that it is for, in words that
// say where.
func TestChecksFindFaults(t *testing.T) {
	fuzzing := func(fault string, change func(*sdktest.Fuzzing)) func(testing.TB) {
		c := sdktest.Fuzzing{Machine: sdktest.Native(with(fault)), Twin: sdktest.Native(with(""))}
		if change != nil {
			change(&c)
		}
		return func(t testing.TB) { c.Check(t, names) }
	}
	positive := func(c *sdktest.Fuzzing) {
		c.Invariant = func(h *sdktest.Harness) error {
			if got := h.MustQuery("minus"); got[0] == '-' {
				return errors.New("minus is " + got)
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		run  func(testing.TB)
		want string
	}{
		"repeat, sound":    {func(t testing.TB) { sdktest.CheckRepeat(t, sdktest.Native(with("")), names) }, ""},
		"repeat, clock":    {func(t testing.TB) { sdktest.CheckRepeat(t, sdktest.Native(with("clock")), names) }, `step 1 of 8, command "ada": a second run comes out otherwise: output`},
		"repeat, hidden":   {func(t testing.TB) { sdktest.CheckRepeat(t, sdktest.Native(with("hidden")), names) }, "a second run has another state after the start"},
		"restore, sound":   {func(t testing.TB) { sdktest.CheckRestore(t, sdktest.Native(with("")), names) }, ""},
		"restore, forgets": {func(t testing.TB) { sdktest.CheckRestore(t, sdktest.Native(with("forgets")), names) }, `step 3 of 8, command "alan": a machine restored after step 1 comes out otherwise: output "" and "", from`},
		"restore, drops":   {func(t testing.TB) { sdktest.CheckRestore(t, sdktest.Native(with("drops")), sdktest.Commands("minus")) }, `after step 1 of 1, command "minus", a machine restored there has another state`},
		"restore, replayed": {func(t testing.TB) {
			sdktest.CheckRestore(t, sdktest.Native(func() sdk.Machine { return &diary{} }), sdktest.Commands("write a"))
		}, ""},
		"agree, sound": {func(t testing.TB) { sdktest.CheckAgree(t, sdktest.Native(with("")), sdktest.Native(with("")), names) }, ""},
		"agree, other": {func(t testing.TB) {
			sdktest.CheckAgree(t, sdktest.Native(with("")), sdktest.Native(with("negative")), names)
		}, `step 6 of 8, command "minus": the machines differ: output "1" and "-1"`},
		"untouched, sound": {func(t testing.TB) { sdktest.CheckUntouched(t, sdktest.Native(with("")), names) }, ""},
		"untouched, halfway": {func(t testing.TB) { sdktest.CheckUntouched(t, sdktest.Native(with("halfway")), names) },
			`step 2 of 8, command "": it was refused and changed the machine`},
		"untouched, asked": {func(t testing.TB) { sdktest.CheckUntouched(t, sdktest.Native(with("asked")), names) }, `query "ada": the query changed the machine`},
		"untouched, State": {func(t testing.TB) {
			d := sdktest.Native(func() sdk.Machine { return &diary{} })
			d.State = func(m sdk.Machine) []byte { return fmt.Append(nil, m.(*diary).lines) }
			sdktest.CheckUntouched(t, d, sdktest.Commands("write a", "fail-late b"))
		}, `step 2 of 2, command "fail-late b": it was refused and changed`},
		"fuzz, sound": {fuzzing("", positive), ""},
		"fuzz, traps": {fuzzing("traps", nil), `step 5 of 8, command "panic", trapped: panic: tally: panic at sdktest/check_test.go:`},
		"fuzz, may trap": {fuzzing("traps", func(c *sdktest.Fuzzing) {
			c.Twin, c.MayTrap = nil, func(s sdktest.Step, _ sdktest.Outcome) bool { return s.Input == "panic" }
		}), ""},
		"fuzz, halfway":    {fuzzing("halfway", nil), `step 2 of 8, command "": it was refused and changed`},
		"fuzz, may change": {fuzzing("halfway", func(c *sdktest.Fuzzing) { c.MayChange = true }), ""},
		"fuzz, invariant":  {fuzzing("negative", positive), `after step 6 of 8, command "minus", the invariant does not hold: minus is -1`},
		"fuzz, asked":      {fuzzing("asked", positive), `command "ada", the machine that the invariant was asked of has another state`},
		"fuzz, forgets":    {fuzzing("forgets", nil), "a machine restored after step 1 comes out otherwise"},
		"fuzz, clock":      {fuzzing("clock", nil), "a second run comes out otherwise"},
		"fuzz, twin":       {fuzzing("negative", nil), "the machines differ: output"},
	} {
		if got := failures(t, c.run); c.want == "" && got != "" || !strings.Contains(got, strings.TrimSuffix(c.want, `"" and "", from`)) {
			t.Errorf("%s fails with\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// TestWants shows that the assertions pass what is so, and what they say otherwise.
func TestWants(t *testing.T) {
	good := failures(t, func(t testing.TB) {
		h := sdktest.New(t, with("")())
		h.WantEvents()
		h.MustApply("ada")
		h.WantRefused("", 1, "not empty")
		h.MustApply("alan")
		h.WantEvents("counted ada", "counted alan")
		h.WantLogs("debug counted ada", "debug counted alan")
		h.MustApply("eve")
		h.WantEvents("counted eve")
		h.WantLogs("debug counted eve")
		sdktest.New(t, with("traps")()).WantTrapped("panic", "tally: panic")
	})
	if good != "" {
		t.Errorf("a sound machine fails with %s", good)
	}
	for want, run := range map[string]func(h *sdktest.Harness){
		"at index 1 the events are\n  \"counted ada\"\nwant\n  none":                                       func(h *sdktest.Harness) { h.MustApply("ada"); h.WantEvents() },
		"at index 0 the events are\n  none\nwant\n  \"a\"\n  \"b c\"":                                      func(h *sdktest.Harness) { h.WantEvents("a", "b c") },
		"at index 1 the log is\n  \"debug counted ada\"\nwant\n  \"info counted":                           func(h *sdktest.Harness) { h.MustApply("ada"); h.WantLogs("info counted ada") },
		"command \"\" at index 1 was refused with code 1: a name is not empty\nwant a refusal with code 2": func(h *sdktest.Harness) { h.WantRefused("", 2, "not") },
		"command \"ada\" at index 1 was applied with \"1\"\nwant a refusal":                                func(h *sdktest.Harness) { h.WantRefused("ada", 1, "") },
		"query \"ada\" at index 0 was applied with \"0\"\nwant a refusal":                                  func(h *sdktest.Harness) { h.WantQueryRefused("ada", 1, "") },
		"command \"ada\" at index 1 was applied with \"1\"\nwant a trap with \"x\"":                        func(h *sdktest.Harness) { h.WantTrapped("ada", "x") },
	} {
		if got := failures(t, func(t testing.TB) { run(sdktest.New(t, with("")())) }); !strings.Contains(got, want) {
			t.Errorf("the failure is\n%s\nwant\n%s", got, want)
		}
	}
	if got := failures(t, func(t testing.TB) { sdktest.New(t, with("halfway")()).WantRefused("", 1, "not") }); !strings.Contains(got, "changed the machine") {
		t.Errorf("a refusal that changed the machine passes: %q", got)
	}
}

// TestDifference shows that every part of an outcome counts that members share, and what does not.
func TestDifference(t *testing.T) {
	event := func(suffix, payload string) []sdktest.Event {
		return []sdktest.Event{{Suffix: suffix, Payload: []byte(payload)}}
	}
	panicked := func(text string) sdktest.Outcome { return sdktest.Outcome{Kind: sdk.Trapped, Message: text} }
	for _, c := range []struct {
		a, b sdktest.Outcome
		want string
	}{
		{sdktest.Outcome{}, sdktest.Outcome{Kind: sdk.Refused}, "one is applied"},
		{sdktest.Outcome{Kind: sdk.Refused, Code: 1}, sdktest.Outcome{Kind: sdk.Refused, Code: 2}, "code 1 and 2"},
		{sdktest.Outcome{Kind: sdk.Refused, Message: "a"}, sdktest.Outcome{Kind: sdk.Refused, Message: "b"}, `message "a" and "b"`},
		{sdktest.Outcome{Output: []byte("ab")}, sdktest.Outcome{Output: []byte("ac")}, `output "ab" and "ac"`},
		{sdktest.Outcome{Events: event("x", "1")}, sdktest.Outcome{Events: event("x", "2")}, `events ["x 1"] and ["x 2"]`},
		{sdktest.Outcome{Events: event("x", "1")}, sdktest.Outcome{Events: event("y", "1")}, `events ["x 1"] and ["y 1"]`},
		{sdktest.Outcome{Events: event("x", "1")}, sdktest.Outcome{}, `events ["x 1"] and []`},
		{panicked("panic: a at m/m.go:1 (main.f)"), panicked("aborted: panic: b at m/m.go:1 (pkg.f)"), "message"},
		{panicked("panic: a at m/m.go:1 (main.f)"), panicked("aborted: panic: a at m/m.go:1 (pkg.f)"), ""},
		{panicked("out of memory"), panicked("panic: out of memory"), ""},
		{sdktest.Outcome{Fuel: 1, Logs: []sdktest.Log{{Text: "x"}}, Events: []sdktest.Event{{Index: 1}}}, sdktest.Outcome{Events: []sdktest.Event{{Index: 2}}}, ""},
	} {
		if got := sdktest.Difference(c.a, c.b); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s and %s differ in %q, want %q", c.a, c.b, got, c.want)
		}
	}
}

// TestRestart shows that a machine goes on after a restart, and that what it does not export is lost.
func TestRestart(t *testing.T) {
	h := sdktest.Open(t, sdktest.Native(with("")))
	h.MustApply("ada")
	before := h.Digest()
	h.Restart()
	if h.Digest() != before {
		t.Error("the restart changed the state")
	}
	if got := h.MustApply("ada"); got != "2" || h.Index != 2 {
		t.Errorf("after the restart ada is counted as %s, at index %d", got, h.Index)
	}
	if h.Digest() == before {
		t.Error("a command left the digest as it was")
	}
}

// TestScriptsAreBytes shows that scripts survive as bytes, whatever is in them, that any bytes are a script, and that a byte more in
// one step leaves the others as they are.
func TestScriptsAreBytes(t *testing.T) {
	script := append(sdktest.Commands("", "a", "\x1a\x1b\x1c\x1d\x1e\x1f", "\x1d\x00", strings.Repeat("z", 70_000)), sdktest.Queries("", "\x1cq")...)
	if got := sdktest.DecodeScript(sdktest.EncodeScript(script), 100, script); !slices.Equal(got, script) {
		t.Errorf("the script comes back with %d steps: %.300q", len(got), got)
	}
	if got := sdktest.DecodeScript(sdktest.EncodeScript(script), 3, nil); !slices.Equal(got, script[:3]) {
		t.Errorf("three steps are %q", got)
	}
	known := sdktest.Commands("x", "y", "z")
	for data, want := range map[string]sdktest.Script{
		"ada\x1e\x1cada\x1ealan":        append(sdktest.Commands("ada"), append(sdktest.Queries("ada"), sdktest.Commands("alan")...)...),
		"ad-a\x1e\x1cada\x1ealan":       append(sdktest.Commands("ad-a"), append(sdktest.Queries("ada"), sdktest.Commands("alan")...)...),
		"\x1d\x01\x1e\x1d\x05a":         sdktest.Commands("y", "z"),
		"\x1d\x00\x00\x01\x1ea\x1d\x1e": sdktest.Commands("-1", "a\x1d"),
		"\x1d":                          sdktest.Commands("\x1d"),
		"\x1c":                          sdktest.Queries(""),
		"a\x1b":                         sdktest.Commands("a\x1b"),
	} {
		if got := sdktest.DecodeScript([]byte(data), 9, known); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", data, got, want)
		}
	}
}

// TestEditsExchangeWords shows how a known step becomes another that is nearly as good.
func TestEditsExchangeWords(t *testing.T) {
	known := append(sdktest.Commands(`{"pay":{"to":"ada","sum":5}}`), sdktest.Queries("of bob")...)
	for data, want := range map[string]sdktest.Script{
		"\x1d\x00\x04\x01": sdktest.Commands(`{"pay":{"to":"ada","sum":-1}}`),
		"\x1d\x00\x02\x13": sdktest.Commands(`{"pay":{"to":"bob","sum":5}}`),
		"\x1d\x00\x02\x13\x04\x00\x1e\x1d\x01\x01\x0d": append(sdktest.Commands(`{"pay":{"to":"bob","sum":0}}`), sdktest.Queries("of pay")...),
		"\x1d\x03\x00\x0a\x00\x0a\x00\x0a":             sdktest.Queries(" "),
	} {
		if got := sdktest.DecodeScript([]byte(data), 9, known); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", data, got, want)
		}
	}
}

// TestMadeUpScripts shows that such a script depends on its bytes alone, is another for each of them, and finds what one edit
// of known steps can break.
func TestMadeUpScripts(t *testing.T) {
	known := sdktest.Commands("deposit 5", "withdraw 3")
	made := func(i int) sdktest.Script {
		return sdktest.DecodeScript([]byte{0x1f, byte(i), byte(i >> 8)}, 20, known)
	}
	different, negative := map[string]bool{}, 0
	for i := range 500 {
		script := made(i)
		if again := made(i); len(script) < 1 || len(script) > 20 || !slices.Equal(again, script) {
			t.Fatalf("script %d is %q and then %q", i, script, again)
		}
		different[fmt.Sprint(script)] = true
		if slices.Contains(script, sdktest.Step{Input: "deposit -1"}) {
			negative++
		}
	}
	if len(different) < 400 || negative < 5 {
		t.Errorf("of 500 scripts %d are different, and %d have a deposit of -1", len(different), negative)
	}
}

// FuzzDecodeScript shows that no bytes break the decoder and that what it reads is encoded to bytes that give the same.
func FuzzDecodeScript(f *testing.F) {
	f.Add([]byte("abc\x1e\x1cde\x1e\x1d\x00\x1ex\x1b\x1e"))
	f.Add([]byte("\x1d\xff\x1d\xff"))
	known := sdktest.Commands("known", "\x1d")
	f.Fuzz(func(t *testing.T, data []byte) {
		script := sdktest.DecodeScript(data, 1000, known)
		if got := sdktest.DecodeScript(sdktest.EncodeScript(script), 1000, known); !slices.Equal(got, script) {
			t.Fatalf("%q is %q and then %q", data, script, got)
		}
	})
}

// FuzzTally shows the whole of an author's fuzz test.
func FuzzTally(f *testing.F) { sdktest.Fuzz(f, with(""), names) }

// TestNativeRandomOfEachKind shows that a command and a query at one index do not see the same bytes, and two machines do.
func TestNativeRandomOfEachKind(t *testing.T) {
	one, two := sdktest.New(t, dice{}), sdktest.New(t, dice{})
	a, b, again := one.MustApply(""), one.MustQuery(""), two.MustApply("")
	if a == b || a != again || bytes.Equal([]byte(a), make([]byte, 8)) {
		t.Errorf("command %x, query %x, another machine %x", a, b, again)
	}
}

type dice struct{}

func (dice) Apply(ctx *sdk.Context, _ []byte) ([]byte, error) {
	p := make([]byte, 8)
	ctx.Random(p)
	return p, nil
}

func (d dice) Query(ctx *sdk.Context, _ []byte) ([]byte, error) { return d.Apply(ctx, nil) }
