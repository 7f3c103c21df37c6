package main

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
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

func BenchmarkSandbox(b *testing.B) { twin.Bench(b, []string{"5", "-5"}) }
