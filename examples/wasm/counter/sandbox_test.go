package main

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

// TestSandboxEqualsNative shows that random commands and queries have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) {
	twin.Compare(t, twin.Plan{
		New: func() sdk.Machine { return &counter{} },
		Command: func(random *rand.Rand) string {
			switch random.IntN(8) {
			case 0:
				return ""
			case 1:
				return "not a number"
			case 2:
				return strconv.FormatInt(int64(random.Uint64()), 10)
			}
			return strconv.Itoa(random.IntN(1000) - 500)
		},
		Query: func(random *rand.Rand) string { return []string{"", "", "", "?"}[random.IntN(4)] },
		Steps: 4_000,
	})
}

// TestRestoreAnywhere shows that a counter which is restored from a snapshot at any command goes on as if nothing had been.
func TestRestoreAnywhere(t *testing.T) {
	script := append(sdktest.Commands("5", "", "five", "-9", "9223372036854775807", "1", "0"), sdktest.Queries("", "now")...)
	sdktest.CheckRestore(t, sandbox.Open(t, sandbox.Config{}), script)
}

// FuzzCounter shows on sequences of any requests that none traps or changes the value and is refused all the same, and that the
// sandbox answers as the native machine does.
func FuzzCounter(f *testing.F) {
	sdktest.Fuzzing{Machine: native(), Twin: sandbox.Open(f, sandbox.Config{})}.Run(f,
		append(sdktest.Commands("5", "", "five", "-9", "9223372036854775807"), sdktest.Queries("", "now")...))
}

func BenchmarkSandbox(b *testing.B) { twin.Bench(b, []string{"5", "-5"}) }
