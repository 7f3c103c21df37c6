//go:build !wasip1

package sdk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
)

// machine calls a function for each method.
type machine struct {
	apply func(*sdk.Context, []byte) ([]byte, error)
}

func (m machine) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	return m.apply(ctx, command)
}
func (m machine) Query(*sdk.Context, []byte) ([]byte, error) { return nil, nil }

// outside records the effects of one call.
type outside struct {
	logs, events []string
	next         byte
}

func (o *outside) Random(p []byte) {
	for i := range p {
		o.next++
		p[i] = o.next
	}
}

func (o *outside) Log(level sdk.Level, text string) {
	o.logs = append(o.logs, fmt.Sprint(level, " ", text))
}

func (o *outside) Emit(suffix string, payload []byte) {
	o.events = append(o.events, suffix+" "+string(payload))
}

func apply(f func(*sdk.Context, []byte) ([]byte, error)) (sdk.Outcome, *outside) {
	effects := &outside{}
	entry := sdk.Entry{Index: 7, Term: 2, TimeNanos: 1_500_000_000_000_000_001, Caller: "ada"}
	return sdk.Invoke(machine{f}, sdk.OperationApply, entry, effects, []byte("input")), effects
}

// TestContext shows what a machine is told of its entry, and where its effects go.
func TestContext(t *testing.T) {
	outcome, effects := apply(func(ctx *sdk.Context, command []byte) ([]byte, error) {
		var bytes [3]byte
		ctx.Random(bytes[:])
		ctx.Random(nil)
		ctx.Log(sdk.LevelInfo, "all of it")
		ctx.Log(sdk.LevelError+5, "%d%%", 99)
		ctx.Log(sdk.LevelDebug-1, "%s", strings.Repeat("x", 2*sdk.MaxLogBytes))
		ctx.Emit("order.created", command)
		return fmt.Appendf(nil, "%d %d %s %s %v %#x", ctx.Index(), ctx.Term(), ctx.Time(), ctx.Caller(), bytes, ctx.Uint64()), nil
	})
	want := "7 2 2017-07-14 02:40:00.000000001 +0000 UTC ada [1 2 3] 0xb0a090807060504"
	if outcome.Kind != sdk.Applied || string(outcome.Output) != want {
		t.Errorf("outcome %+v %q, want %q", outcome, outcome.Output, want)
	}
	if len(effects.logs) != 3 || effects.logs[0] != "1 all of it" || effects.logs[1] != "3 99%" || len(effects.logs[2]) != 2+sdk.MaxLogBytes {
		t.Errorf("logs are %.100q", effects.logs)
	}
	if len(effects.events) != 1 || effects.events[0] != "order.created input" {
		t.Errorf("events are %q", effects.events)
	}
}

// TestContextIsARandomSource shows that math/rand/v2 takes a Context as its source.
func TestContextIsARandomSource(t *testing.T) {
	roll := func(ctx *sdk.Context, _ []byte) ([]byte, error) {
		dice := rand.New(ctx)
		return fmt.Append(nil, dice.IntN(6), dice.Perm(5)), nil
	}
	one, _ := apply(roll)
	two, _ := apply(roll)
	if one.Kind != sdk.Applied || string(one.Output) != string(two.Output) {
		t.Fatalf("equal entries roll %q and %q", one.Output, two.Output)
	}
}

type oddError struct{}

func (oddError) Error() string { panic("no text") }

// TestRefusals shows the code and text that each kind of error refuses with.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		err     error
		code    int32
		message string
	}{
		{errors.New("plain"), 1, "plain"},
		{sdk.Refuse(42, "no %s", "way"), 42, "no way"},
		{sdk.Refuse(0, "zero"), 1, "zero"},
		{sdk.Refuse(-3, "negative"), 1, "negative"},
		{&sdk.Refusal{Code: -1, Message: "by hand"}, 1, "by hand"},
		{fmt.Errorf("outer: %w", sdk.Refuse(5, "inner")), 5, "outer: inner"},
		{errors.Join(errors.New("a"), sdk.Refuse(6, "b")), 6, "a\nb"},
	} {
		outcome, _ := apply(func(*sdk.Context, []byte) ([]byte, error) { return []byte("ignored"), c.err })
		if outcome.Kind != sdk.Refused || outcome.Code != c.code || outcome.Message != c.message || outcome.Output != nil {
			t.Errorf("%v refuses with %+v, want %d %q", c.err, outcome, c.code, c.message)
		}
	}
	outcome, _ := apply(func(*sdk.Context, []byte) ([]byte, error) { return nil, oddError{} })
	if outcome.Kind != sdk.Refused || !strings.Contains(outcome.Message, "no text") {
		t.Errorf("an error without a text gives %+v", outcome)
	}
}

//go:noinline
func helper() { panic("from a helper") }

// TestPanics shows that a panic becomes a trap with its text and the place in the machine, not in the
// Go runtime or the SDK.
func TestPanics(t *testing.T) {
	var none *outside
	empty := []int{}
	for name, c := range map[string]struct {
		do    func(*sdk.Context)
		words string
		place string
	}{
		"text":     {func(*sdk.Context) { panic("told to") }, "panic: told to at sdk/sdk_test.go:", "TestPanics"},
		"error":    {func(*sdk.Context) { panic(errors.New("an error")) }, "panic: an error at sdk/sdk_test.go:", "TestPanics"},
		"number":   {func(*sdk.Context) { panic(7) }, "panic: 7 at sdk/sdk_test.go:", "TestPanics"},
		"helper":   {func(*sdk.Context) { helper() }, "panic: from a helper at sdk/sdk_test.go:", "sdk_test.helper"},
		"index":    {func(*sdk.Context) { empty[len(empty)]++ }, "index out of range [0] with length 0 at sdk/sdk_test.go:", "TestPanics"},
		"nil":      {func(*sdk.Context) { none.next++ }, "nil pointer dereference at sdk/sdk_test.go:", "TestPanics"},
		"nil text": {func(*sdk.Context) { panic(nil) }, "panic called with nil argument", "TestPanics"},
		"deferred": {func(*sdk.Context) { defer func() { panic("second") }(); panic("first") }, "panic: second at sdk/sdk_test.go:", "TestPanics"},
		"suffix":   {func(ctx *sdk.Context) { ctx.Emit("a b", nil) }, `sdk: Emit("a b"): a suffix`, "Emit"},
	} {
		outcome, _ := apply(func(ctx *sdk.Context, _ []byte) ([]byte, error) { c.do(ctx); return nil, nil })
		if outcome.Kind != sdk.Trapped || !strings.Contains(outcome.Message, c.words) || !strings.Contains(outcome.Message, c.place) {
			t.Errorf("%s: %+v, want a trap with %q in %q", name, outcome, c.words, c.place)
		}
	}
}

// TestSuffixes shows which suffixes an event may have.
func TestSuffixes(t *testing.T) {
	for suffix, fine := range map[string]bool{
		"a": true, "order.created": true, "a.b.c": true, "naïve.$x-1_2": true,
		"": false, ".": false, ".a": false, "a.": false, "a..b": false, "a b": false, "a\tb": false, "a.*": false, ">": false, "a\x7f": false, "\n": false,
	} {
		outcome, effects := apply(func(ctx *sdk.Context, _ []byte) ([]byte, error) { ctx.Emit(suffix, nil); return nil, nil })
		if (outcome.Kind == sdk.Applied) != fine || (len(effects.events) == 1) != fine {
			t.Errorf("suffix %q gives %+v and %d events, want it fine: %v", suffix, outcome, len(effects.events), fine)
		}
	}
}

// TestOptionalMethods shows that Init is optional, and that a migration needs its method.
func TestOptionalMethods(t *testing.T) {
	m := machine{}
	if outcome := sdk.Invoke(m, sdk.OperationInit, sdk.Entry{}, &outside{}, []byte("arg")); outcome.Kind != sdk.Applied {
		t.Errorf("a machine without Init gives %+v", outcome)
	}
	outcome := sdk.Invoke(m, sdk.OperationMigrate, sdk.Entry{}, &outside{}, nil)
	if outcome.Kind != sdk.Refused || !strings.Contains(outcome.Message, "give sdk_test.machine a method Migrate") {
		t.Errorf("a machine without Migrate gives %+v", outcome)
	}
}

// TestRegister shows its three misuses, and that a module without a machine traps with advice.
func TestRegister(t *testing.T) {
	refused := func(m sdk.Machine) (reason any) {
		defer func() { reason = recover() }()
		sdk.Register(m)
		return nil
	}
	if reason := fmt.Sprint(refused(nil)); !strings.Contains(reason, "pass a pointer to your machine") {
		t.Errorf("Register(nil): %s", reason)
	}
	if reason := refused(machine{}); reason != nil {
		t.Errorf("Register: %v", reason)
	}
	if reason := fmt.Sprint(refused(machine{})); !strings.Contains(reason, "a module has one machine") {
		t.Errorf("second Register: %s", reason)
	}
	outcome := sdk.Invoke(nil, sdk.OperationApply, sdk.Entry{}, &outside{}, nil)
	if outcome.Kind != sdk.Trapped || !strings.Contains(outcome.Message, "call sdk.Register in an init function") {
		t.Errorf("no machine gives %+v", outcome)
	}
}

// TestSourceIsTheSDK shows that the embedded sources hold what a guest and its tests need.
func TestSourceIsTheSDK(t *testing.T) {
	for _, name := range []string{"doc.go", "machine.go", "context.go", "guest_wasip1.go", "native.go", "sdktest/harness.go"} {
		if text, err := fs.ReadFile(sdk.Source, name); err != nil || !strings.Contains(string(text), "package sdk") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
