package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// randomCommand is a request that is often good.
func randomCommand(random *rand.Rand) string {
	class := []string{"a", "b", "c.d", "none"}[random.IntN(4)]
	take := fmt.Sprintf(`{"class":%q,"key":"%d","tokens":%d}`, class, random.IntN(12), random.IntN(8))
	switch random.IntN(12) {
	case 0, 1:
		return fmt.Sprintf(`{"rule":{"class":%q,"capacity":%d,"rate":%d,"per_seconds":%d}}`, []string{"a", "b", "c.d"}[random.IntN(3)],
			random.IntN(20), 1+random.IntN(1000), random.IntN(3))
	case 2:
		return `{"penalize":` + take + `}`
	case 3:
		return fmt.Sprintf(`{"reset":{"class":%q,"key":"%d"}}`, class, random.IntN(12))
	case 4:
		return fmt.Sprintf(`{"forget":{"class":%q}}`, class)
	case 5, 6:
		return fmt.Sprintf(`{"batch":{"takes":[%s,{"class":"a","key":"x%d"}],"each":%v}}`, take, random.IntN(3), random.IntN(2) == 0)
	case 7:
		return "\x81\xa4take\x82\xa5class\xa1a\xa3key\xa1k"
	case 8:
		return []string{"", "{}", `{"take":{"class":1}}`, `{"take":null}`, take}[random.IntN(5)]
	}
	return `{"take":` + take + `}`
}

func randomQuery(random *rand.Rand) string {
	return []string{`{"status":null}`, `{"rules":null}`, fmt.Sprintf(`{"peek":{"class":"a","key":"%d"}}`, random.IntN(12)), `{"take":{}}`}[random.IntN(4)]
}

var plan = twin.Plan{New: newMachine, Command: randomCommand, Query: randomQuery, Steps: 3_000}

// TestSandboxEqualsNative shows that random requests have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) { twin.Compare(t, plan) }

// TestRestoreAnywhere shows that a limiter which is restored at any command goes on as if nothing had been.
func TestRestoreAnywhere(t *testing.T) { twin.Restore(t, plan) }

// FuzzRequests shows on sequences of any requests that none traps, that refusals change nothing, and that the
// sandbox agrees.
func FuzzRequests(f *testing.F) { twin.FuzzRequests(f, plan, nil) }

// FuzzMigrate shows that no bytes make Migrate break down, and that what it takes is exported again alike.
func FuzzMigrate(f *testing.F) {
	h := sdktest.New(f, newMachine())
	for _, command := range []string{`{"rule":{"class":"a","capacity":3,"rate":1}}`, `{"rule":{"class":"b","capacity":9,"rate":1}}`,
		`{"take":{"class":"a","key":"k"}}`, `{"penalize":{"class":"b","key":"k","tokens":9}}`, `{"rule":{"class":"b","capacity":4,"rate":7}}`} {
		h.MustApply(command)
	}
	twin.FuzzMigrate(f, newMachine, string(h.Export().Output), format+"\x00", format+"\x01\x01a\x00\x00", "ratelimit 2\n")
}

// BenchmarkSandbox has a take that is allowed and one that is denied.
func BenchmarkSandbox(b *testing.B) {
	for name, rule := range map[string]string{
		"allowed": `{"rule":{"class":"a","capacity":1000000000,"rate":1000000000}}`,
		"denied":  `{"rule":{"class":"a","capacity":1,"rate":1,"per_seconds":1000000}}`,
	} {
		b.Run(name, func(b *testing.B) {
			twin.Bench(b, []string{"\x81\xa4take\x82\xa5class\xa1a\xa3key\xa1k"}, rule, `{"take":{"class":"a","key":"k"}}`)
		})
	}
}
