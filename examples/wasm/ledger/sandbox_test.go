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

// BenchmarkSandbox has a deposit in each encoding.
func BenchmarkSandbox(b *testing.B) {
	open := "\x81\xa4open\x81\xa7account\xa3ada"
	for name, command := range map[string]string{
		"JSON":        `{"deposit":{"account":"ada","amount":5}}`,
		"MessagePack": "\x81\xa7deposit\x82\xa7account\xa3ada\xa6amount\x05",
	} {
		b.Run(name, func(b *testing.B) { twin.Bench(b, []string{command}, open) })
	}
}
