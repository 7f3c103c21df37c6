package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

// TestSandboxEqualsNative shows that random lines and queries have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) {
	twin.Compare(t, twin.Plan{
		New: func() sdk.Machine { return newWordcount() },
		Command: func(random *rand.Rand) string {
			if random.IntN(50) == 0 {
				return "one two " + strings.Repeat("x", maxWordBytes-5+random.IntN(10))
			}
			return randomLine(random)
		},
		Query: func(random *rand.Rand) string {
			switch random.IntN(6) {
			case 0:
				return fmt.Sprint("top ", random.IntN(100))
			case 1:
				return fmt.Sprintf("range %d %d", random.IntN(1000), 1+random.IntN(200))
			case 2:
				return "range - 20000"
			case 3:
				return fmt.Sprint("count No", random.IntN(2000))
			case 4:
				return "what is this"
			}
			return ""
		},
		Steps: 2_000,
	})
}

// TestRestoreAnywhere shows that a machine which is restored from a snapshot at any request goes on as if nothing had been.
func TestRestoreAnywhere(t *testing.T) {
	script := append(sdktest.Commands("It was the best of times", "it was the worst of times", strings.Repeat("x", maxWordBytes+1), "times"),
		sdktest.Queries("top 3", "range - 2", "count times", "")...)
	sdktest.CheckRestore(t, sandbox.Open(t, sandbox.Config{}), append(script, script...))
}

func BenchmarkSandbox(b *testing.B) {
	twin.Bench(b, []string{"It was the best of times, it was the worst of times, it was the age of wisdom"})
}
