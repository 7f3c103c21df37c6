package conformance

import (
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

// brittle is a machine that breaks in as many ways as it has commands.
const brittle = `use grout::{Context, Machine, Result};
use std::collections::HashMap;
struct Brittle(Vec<u8>, HashMap<u8, u8>);
grout::machine!(Brittle);
impl Machine for Brittle {
    fn init(_: &Context, argument: &[u8]) -> Result<Self> {
        assert!(argument.is_empty(), "no argument is wanted");
        Ok(Brittle(vec![255], HashMap::new()))
    }
    fn apply(&mut self, ctx: &Context, command: &[u8]) -> Result {
        match command {
            b"bounds" => self.0[7] = 1,
            b"overflow" => self.0[0] += command.len() as u8,
            b"none" => self.0 = self.0.get(7..9).expect("a slice").to_vec(),
            b"value" => std::panic::panic_any(5),
            b"emit" => ctx.emit("two words", ""),
            b"clock" => drop(std::time::Instant::now()),
            b"huge" => self.0 = Vec::with_capacity(1 << 30),
            _ => drop(self.1.insert(command[0], command[0])),
        }
        Ok(self.1.keys().copied().collect())
    }
    fn query(&self, _: &Context, _: &[u8]) -> Result {
        Ok(self.0.clone())
    }
}
`

// TestRustsOwn shows that each kind of panic is told with its text and with the place in the machine's source, that memory which there
// is not ends a command, that the order of a map is the same in any run, and that a machine without a function export refuses.
func TestRustsOwn(t *testing.T) {
	config := sandbox.Config{File: buildSource(t, "rust", "src/lib.rs", brittle)}
	h := sdktest.Open(t, sandbox.Open(t, config))
	for command, message := range map[string]string{
		"bounds":   "aborted: panic: index out of bounds: the len is 1 but the index is 7 at src/lib.rs:12",
		"overflow": "aborted: panic: attempt to add with overflow at src/lib.rs:13",
		"none":     "aborted: panic: a slice at src/lib.rs:14",
		"value":    "aborted: panic: a value that is no text at src/lib.rs:15",
		"emit":     `aborted: panic: emit("two words"): a suffix is one or more tokens joined by dots, of 1 to 128 visible ASCII characters without '*' and '>' at src/lib.rs:16`,
	} {
		if o := h.Apply(command); o.Kind != sdk.Trapped || o.Message != message {
			t.Errorf("%s: %s %s\nwant %s", command, o.Kind, o.Message, message)
		}
	}
	h.WantTrapped("clock", "panic: time not implemented on this platform")
	h.WantTrapped("huge", "")
	if got := h.MustQuery(""); got != "\xff" {
		t.Errorf("after all that the machine has %q", got)
	}
	second := sdktest.Open(t, sandbox.Open(t, config))
	second.Seed = 9
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		if one, two := h.MustApply(key), second.MustApply(key); one != two {
			t.Errorf("two maps have %q and %q", one, two)
		}
	}
	if o := h.Export(); o.Kind != sdk.Refused || o.Message != "this machine cannot be upgraded: give it a function export" {
		t.Errorf("export: %s %s", o.Kind, o.Message)
	}
	third := sdktest.Open(t, sandbox.Open(t, config))
	if o := third.Init("x"); o.Kind != sdk.Trapped || o.Message != "aborted: panic: no argument is wanted at src/lib.rs:7" {
		t.Errorf("a failed assertion: %s %s", o.Kind, o.Message)
	}
}
