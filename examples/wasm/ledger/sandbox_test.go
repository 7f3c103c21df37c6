package main

import (
	"math/rand/v2"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
)

// TestSandboxEqualsNative shows that random requests in both encodings have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) {
	twin.Compare(t, twin.Plan{
		New:     newMachine,
		Command: randomCommand,
		Query: func(random *rand.Rand) string {
			return []string{`{"totals":{}}`, `{"accounts":{"limit":2}}`, `{"history":{"account":"ada"}}`, `{"balance":{"account":"bob"}}`,
				"\x81\xa6totals\xc0", "\x81\xa7history\x81\xa7account\xa3bob", `{"balance":{}}`, "?"}[random.IntN(8)]
		},
		Steps: 3_000,
	})
}
