package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// TestCommandsAdd shows that each command answers the new value and a query the present one.
func TestCommandsAdd(t *testing.T) {
	h := sdktest.New(t, &counter{})
	for _, step := range []struct{ command, want string }{
		{"5", "5"}, {"", "6"}, {"-8", "-2"}, {"+3", "1"}, {"0", "1"}, {"007", "8"},
		{"9223372036854775799", "9223372036854775807"},
	} {
		if got := h.MustApply(step.command); got != step.want {
			t.Fatalf("command %q answers %q, want %q", step.command, got, step.want)
		}
		if got := h.MustQuery(""); got != step.want {
			t.Fatalf("after command %q the query answers %q, want %q", step.command, got, step.want)
		}
	}
}

// native is a counter whose state tests can compare.
func native() sdktest.Driver {
	d := sdktest.Native(func() sdk.Machine { return &counter{} })
	d.State = func(m sdk.Machine) []byte { return strconv.AppendInt(nil, m.(*counter).value, 10) }
	return d
}

// TestRefusalsChangeNothing shows every refusal, its code and words, and that the value stays.
func TestRefusalsChangeNothing(t *testing.T) {
	h := sdktest.Open(t, native())
	h.MustApply("9223372036854775807")
	for _, step := range []struct {
		command string
		code    int32
		words   string
	}{
		{"five", codeNotANumber, `"five" is not a whole number`},
		{"1.5", codeNotANumber, `"1.5" is not a whole number`},
		{" 1", codeNotANumber, `" 1" is not a whole number`},
		{"9223372036854775808", codeNotANumber, "not a whole number"},
		{strings.Repeat("x", 1<<20), codeNotANumber, "not a whole number"},
		{"1", codeOverflow, "9223372036854775807+1 does not fit"},
		{"", codeOverflow, "does not fit"},
	} {
		h.WantRefused(step.command, step.code, step.words)
		if outcome := h.Apply(step.command); len(outcome.Message) > 200 {
			t.Errorf("command %.40q gives a message of %d bytes", step.command, len(outcome.Message))
		}
	}
	if got := h.MustQuery(""); got != "9223372036854775807" {
		t.Fatalf("after refusals the value is %s", got)
	}
	h.WantQueryRefused("now", codeBadQuery, `"now" is no query`)
}

// TestUnderflow shows that the lower end is checked as the upper one.
func TestUnderflow(t *testing.T) {
	h := sdktest.New(t, &counter{})
	h.MustApply("-9223372036854775808")
	h.WantRefused("-1", codeOverflow, "does not fit")
	if got := h.MustApply("1"); got != "-9223372036854775807" {
		t.Fatalf("the least value and 1 are %s", got)
	}
}

func BenchmarkNative(b *testing.B) {
	c, command := &counter{}, []byte("5")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Apply(nil, command); err != nil {
			b.Fatal(err)
		}
	}
}
