package main

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
)

// TestSandboxEqualsNative shows that refusals, panics, events, context and replies of all sizes are the
// same in the sandbox and under sdktest, including the places that panics name.
func TestSandboxEqualsNative(t *testing.T) {
	verbs := []string{"echo a b", "echo", "context", "init", "emit a.b payload", "emit one.two.three", "emit bad..suffix x",
		"emit a* x", "log hello", "refuse because", "wrapped error", "error plain", "panic text", "panic-error text",
		"index", "nil", "map key", "nonsense", "output 0", "output 1", "output 524288", "output 524289", "output x"}
	request := func(random *rand.Rand) string {
		switch at := random.IntN(len(verbs) + 2); at {
		case len(verbs):
			return "sum " + strings.Repeat("y", random.IntN(512<<10-4))
		case len(verbs) + 1:
			return "echo " + strconv.FormatUint(random.Uint64(), 36)
		default:
			return verbs[at]
		}
	}
	// The number of applied commands differs, since the sandbox undoes refused ones; so no verb asks.
	twin.Compare(t, twin.Plan{New: func() sdk.Machine { return &probe{} }, Command: request, Query: request, Steps: 2_000})
}
