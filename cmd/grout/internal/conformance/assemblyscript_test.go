package conformance

import (
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

// natural is a machine that uses what the language has of its own for chance, errors and debugging.
const natural = `import { Context, Machine, Result, register } from "grout/assembly";
export * from "grout/assembly/exports";

class Natural extends Machine {
  apply(ctx: Context, command: Uint8Array): Result {
    trace("drawing", 2, 1.5, <f64>command.length);
    const drawn = Math.random();
    return ctx.reply((drawn >= 0 && drawn < 1 ? "fair " : "unfair ") + drawn.toString());
  }

  query(ctx: Context, query: Uint8Array): Result {
    return ctx.reply(query.slice(query.length - 1));
  }

  init(ctx: Context, argument: Uint8Array): Result {
    assert(argument.length == 0, "no argument is wanted");
    return ctx.done();
  }
}

register(new Natural());
`

// TestAssemblyScriptsOwn shows that the language's own random numbers derive from the seed, that trace logs, and that assert is told
// with its text and place; and that a machine without a method export refuses.
func TestAssemblyScriptsOwn(t *testing.T) {
	config := sandbox.Config{File: buildSource(t, "assemblyscript", "assembly/index.ts", natural)}
	draw := func(seed uint64) (first, second string) {
		h := sdktest.Open(t, sandbox.Open(t, config))
		h.Seed = seed
		first, second = h.MustApply("abc"), h.MustApply("")
		h.WantLogs("debug drawing 1.5 3.0", "debug drawing 1.5 0.0")
		return first, second
	}
	first, second := draw(1)
	again, _ := draw(1)
	other, _ := draw(2)
	if first[:5] != "fair " || first == second || first != again || first == other {
		t.Errorf("drawn were %q, %q, with the same seed %q, with another %q", first, second, again, other)
	}
	h := sdktest.Open(t, sandbox.Open(t, config))
	if o := h.Init("x"); o.Kind != sdk.Trapped || o.Message != "aborted: panic: no argument is wanted at assembly/index.ts:16" {
		t.Errorf("a failed assertion: %s %s", o.Kind, o.Message)
	}
	h = sdktest.Open(t, sandbox.Open(t, config))
	if o := h.Export(); o.Kind != sdk.Refused || o.Message != "this machine cannot be upgraded: give it a method export" {
		t.Errorf("export: %s %s", o.Kind, o.Message)
	}
}
