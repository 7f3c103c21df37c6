package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/groutlabs/grout/wasmsm/check"
)

// TestCheck shows a machine that is deterministic, what is said of it, and what cannot be checked.
func TestCheck(t *testing.T) {
	module := writeFile(t, "machine.wasm", testMachine())
	commands := writeFile(t, "commands.txt", []byte("one\nsecond\nrefuse this\ntrap on this\n\nlast"))
	r := decode[checkJSON](t, grout(t, "", "check", module, "--commands", commands, "--json").want(t, Done).out)
	if r.Commands != 6 || r.Applied != 4 || r.Refused != 1 || r.Trapped != 1 || r.Difference != nil || r.Digest != digestOf(testMachine()) ||
		r.Fuel == 0 || r.MemoryBytes != 17<<16 || len(r.State) != 64 || len(r.Runs) != 4 {
		t.Errorf("%+v", r.Report)
	}
	grout(t, "", "check", module, "--commands", commands).want(t, Done).prints(t, "no difference", "6: 4 applied, 1 refused, 1 trapped", r.State)
	other := decode[checkJSON](t, groutWith(t, "", "one;second;refuse this;trap on this;;last", "check", module, "--commands", "-", "--delimiter", ";", "--json").want(t, Done).out)
	if other.State != r.State || other.Fuel != r.Fuel {
		t.Errorf("the same commands from standard input: %+v", other.Report)
	}
	starved := decode[checkJSON](t, grout(t, "", "check", module, "--commands", commands, "--fuel", "1", "--json").want(t, Done).out)
	if starved.Trapped != 6 || starved.MostFuel != 1 {
		t.Errorf("with one fuel: %+v", starved.Report)
	}
	grout(t, "", "check", module).want(t, Usage, "--commands names a file")
	grout(t, "", "check", module, "--commands", "no such file").want(t, Usage, "check: open no such file")
	grout(t, "", "check", module, "--commands", commands, "--delimiter", "ab").want(t, Usage, "is not one byte")
	groutWith(t, "", "", "check", module, "--commands", "-", "--init", "-").want(t, Usage, "either the commands or")
	grout(t, "", "check", module, "--commands", commands, "--init", "x").want(t, BadModule, "the machine does not start", "code 9")
	grout(t, "", "check", writeFile(t, "bad.wasm", []byte("bad")), "--commands", commands).want(t, BadModule, "the module is refused")
	long := writeFile(t, "long.txt", bytes.Repeat([]byte("x"), 600<<10))
	grout(t, "", "check", module, "--commands", long).want(t, Usage, "command 1: it has more than 524288 bytes")
}

// TestCheckEnds shows how a difference and an interruption are reported.
func TestCheckEnds(t *testing.T) {
	difference := &check.DifferenceError{Command: 3, What: "fuel", Runs: [2]string{"compiled", "interpreted"}, Values: [2]string{"5", "6"}}
	for _, asJSON := range []bool{true, false} {
		var out bytes.Buffer
		c := &call{ctx: t.Context(), json: asJSON, console: &console{out: &out}}
		err := c.checked(checkJSON{File: "f", Report: &check.Report{Commands: 3}}, difference)
		f := asFailure(err)
		if f.exit != Differs || f.text != "after command 3 the runs differ in their fuel: compiled has 5, interpreted has 6" {
			t.Errorf("exit %d: %s", f.exit, f.text)
		}
		if asJSON {
			d := decode[checkJSON](t, out.String()).Difference
			if d == nil || d.Command != 3 || d.What != "fuel" || d.Values[1] != "6" {
				t.Errorf("%s", out.String())
			}
		} else if out.Len() > 0 {
			t.Errorf("printed %s", out.String())
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped"))
	c := &call{ctx: ctx, console: &console{out: &bytes.Buffer{}}}
	if f := asFailure(c.checked(checkJSON{}, context.Cause(ctx))); f.exit != Interrupted || !strings.Contains(f.text, "no run had differed") {
		t.Errorf("interrupted: exit %d, %s", f.exit, f.text)
	}
}
