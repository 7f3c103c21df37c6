package wasmsm

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// The instructions that the hostile code below is written in.
var (
	endless    = forever()
	growPage   = slices.Concat(number(1), []byte{0x40, 0, 0x1a})
	fillMemory = slices.Concat(number(0), number(7), []byte{0x3f, 0}, number(16), []byte{0x74, 0xfc, 11, 0}) // all of it
	nested     = slices.Concat(bytes.Repeat([]byte{0x02, 0x40}, 10_000), bytes.Repeat([]byte{0x0b}, 10_000), number(0))
	stepOn     = slices.Concat(number(16), number(16), []byte{0x28, 2, 0}, number(1), []byte{0x6a, 0x36, 2, 0}) // counts at 16
)

// callTree are functions of which each calls the next one twice.
func callTree(depth int) [][]byte {
	var more [][]byte
	for i := range depth - 1 {
		more = append(more, append(callMore(i+1), callMore(i+1)...))
	}
	return append(more, stepOn)
}

// chain are n functions of which each calls the next.
func chain(n int) [][]byte {
	more := make([][]byte, n)
	for i := range more {
		if more[i] = stepOn; i < n-1 {
			more[i] = slices.Concat(stepOn, callMore(i+1))
		}
	}
	return more
}

// hostileRuns are modules that are accepted, and how their command or query ends.
func hostileRuns() map[string]struct {
	hostile
	want string
} {
	return map[string]struct {
		hostile
		want string
	}{
		"endless command":       {hostile{apply: endless}, "out of fuel"},
		"endless query":         {hostile{query: endless}, "out of fuel"},
		"endless, counting":     {hostile{apply: forever(stepOn)}, "out of fuel"},
		"deep recursion":        {hostile{apply: then(callMore(0)), more: [][]byte{callMore(0)}}, "stack overflow"},
		"recursion by two":      {hostile{apply: then(callMore(0)), more: [][]byte{callMore(1), callMore(0)}}, "stack overflow"},
		"exponential calls":     {hostile{apply: then(callMore(0)), more: callTree(60)}, "out of fuel"},
		"fill chain":            {hostile{apply: forever(growPage, fillMemory), pages: 256}, "out of fuel"},
		"growth without end":    {hostile{apply: forever(growPage)}, "out of fuel"},
		"growth and a trap":     {hostile{apply: slices.Concat(number(900), []byte{0x40, 0, 0x1a}, fillMemory, []byte{0x00})}, "unreachable in "},
		"log flood":             {hostile{apply: forever(number(3), number(0), number(60_000), callImport("log"))}, "out of fuel"},
		"output flood":          {hostile{apply: forever(number(0), number(60_000), callImport("output_write"))}, "output_write: the output has more than"},
		"empty output flood":    {hostile{apply: forever(number(0), number(0), callImport("output_write"))}, "out of fuel"},
		"error flood":           {hostile{apply: forever(number(0), number(60_000), callImport("error_write"))}, "out of fuel"},
		"event flood":           {hostile{apply: slices.Concat(number(0), number(0x2e612e61), []byte{0x36, 2, 0}, forever(number(0), number(3), number(0), number(0), callImport("emit")))}, "emit: more than 1024 events"},
		"random flood":          {hostile{apply: forever(number(0), number(60_000), callImport("random"))}, "out of fuel"},
		"clock flood":           {hostile{apply: forever(callImport("ctx_time"), []byte{0x1a})}, "out of fuel"},
		"input flood":           {hostile{apply: forever(number(0), number(0), number(math.MaxUint32), callImport("input_read"), []byte{0x1a})}, "out of fuel"},
		"poll flood":            {hostile{apply: forever(number(0), number(32_768), number(600), number(8), callImport("poll_oneoff"), []byte{0x1a})}, "out of fuel"},
		"nested blocks, looped": {hostile{apply: forever(nested[:20_000], nested[20_000:30_000])}, "out of fuel"},
		"a wild table call":     {hostile{apply: slices.Concat([]byte{0x20, 0}, number(math.MaxUint32), []byte{0x11, 0, 0}), table: 1}, "invalid table access"},
		"a full table, empty":   {hostile{apply: slices.Concat([]byte{0x20, 0}, number(999_999), []byte{0x11, 0, 0}), table: 1_000_000}, "invalid table access"},
		"exit":                  {hostile{apply: slices.Concat(number(0), callImport("proc_exit"), []byte{0x00})}, "exited with code 0"},
		"abort near 2^32":       {hostile{apply: slices.Concat(number(math.MaxUint32-2), number(8), callImport("abort"), []byte{0x00})}, "abort: the range of 8 bytes at 0xfffffffd is outside"},
		"events near 2^32":      {hostile{apply: slices.Concat(number(math.MaxUint32), number(math.MaxUint32), number(0), number(1), callImport("emit"), number(0))}, "emit: the range"},
		"fill near 2^32":        {hostile{apply: slices.Concat(number(math.MaxUint32), number(0), number(math.MaxUint32), []byte{0xfc, 11, 0}, number(0))}, "out of fuel"},
		"load near 2^32":        {hostile{apply: slices.Concat(number(math.MaxUint32), []byte{0x28, 2}, binary32(math.MaxUint32))}, "out of bounds memory access"},
	}
}

// TestHostileRuns shows modules that do their worst when they run: each command and query ends in its trap, the same on
// each kind of memory and with the same fuel, changes nothing, and the machine works on; so does another group beside it.
func TestHostileRuns(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		n := startNeighbour(t, r)
		for name, h := range hostileRuns() {
			bounded(t, name, func() {
				m := newTestMachine(t, r, h.module(), MachineConfig{Limits: hostileLimits})
				before := fingerprint(t, m)
				var first Outcome
				for i := range 3 {
					outcome := apply(t, m, 1, nil)
					if h.query != nil {
						outcome = query(t, m, 1, nil)
					}
					if outcome.Kind != Trapped || !strings.Contains(outcome.Message, h.want) {
						t.Errorf("%s: %v %q, want %q", name, outcome.Kind, outcome.Message, h.want)
					}
					if i == 0 {
						first = outcome
					}
					if outcome.Message != first.Message || outcome.Fuel != first.Fuel {
						t.Errorf("%s: run %d ended otherwise: %+v, before %+v", name, i, outcome, first)
					}
				}
				if fingerprint(t, m) != before {
					t.Errorf("%s: something is left", name)
				}
			})
		}
		n.check(t, r)
	})
}

// TestLargeModulesRun shows that what is large and honest compiles and runs: twenty thousand functions, ten thousand nested
// blocks, a br_table of ten thousand targets.
func TestLargeModulesRun(t *testing.T) {
	r := newTestRuntime(t, Config{})
	n := startNeighbour(t, r)
	for name, h := range map[string]hostile{
		"twenty thousand functions":     {apply: then(callMore(0)), more: chain(20_000)},
		"ten thousand nested blocks":    {apply: nested},
		"a br_table of ten thousand":    {apply: giantTable(10_000)},
		"a table of a million entries":  {apply: number(0), table: 1_000_000},
		"ten thousand calls of one":     {apply: then(bytes.Repeat(callMore(0), 10_000)), more: [][]byte{stepOn}},
		"an expression of ten thousand": {apply: slices.Concat(bytes.Repeat(number(1), 10_000), bytes.Repeat([]byte{0x6a}, 9_999), []byte{0x1a}, number(0))},
	} {
		bounded(t, name, func() {
			m := newTestMachine(t, r, h.module(), MachineConfig{Limits: hostileLimits})
			if outcome := apply(t, m, 1, nil); outcome.Kind != Applied {
				t.Errorf("%s: %+v", name, outcome)
			}
		})
	}
	n.check(t, r)
}

// TestHostileStarts shows that a machine whose start or migration does its worst is never there: the first is refused,
// and after the second the old machine stays as it was.
func TestHostileStarts(t *testing.T) {
	r := newTestRuntime(t, Config{Limits: Limits{Fuel: hostileLimits.Fuel}})
	n := startNeighbour(t, r)
	for name, h := range map[string]hostile{
		"_initialize": {start: forever(stepOn)},
		"grout_init":  {init: forever(stepOn)},
	} {
		bounded(t, name, func() {
			c, err := r.Compile(h.module())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.New(MachineConfig{Limits: hostileLimits})
			if e := (*InitError)(nil); !errors.As(err, &e) || e.Function != name || !strings.HasPrefix(e.Outcome.Message, "out of fuel") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for name, pair := range map[string][2]hostile{
		"grout_export":  {{export: forever(stepOn)}, {}},
		"export flood":  {{export: forever(number(0), number(60_000), callImport("output_write"))}, {}},
		"grout_migrate": {{}, {migrate: forever(stepOn)}},
		"new start":     {{}, {init: endless}},
	} {
		bounded(t, name, func() {
			old := newTestMachine(t, r, pair[0].module(), MachineConfig{Limits: hostileLimits})
			before := fingerprint(t, old)
			c, err := r.Compile(pair[1].module())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			m, outcome, err := c.Migrate(old, MachineConfig{Limits: hostileLimits}, at(9))
			if m != nil || err != nil || outcome.Kind != Trapped || outcome.Message == "" {
				t.Errorf("%s: %+v, %v", name, outcome, err)
			}
			if fingerprint(t, old) != before {
				t.Errorf("%s: the old machine has changed", name)
			}
		})
	}
	n.check(t, r)
}
