package main

import (
	"math/rand/v2"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
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

// FuzzLedger shows on sequences of any requests that the books add up, that refusals move no money, that a ledger restored at any
// step goes on alike, and that the sandbox agrees.
func FuzzLedger(f *testing.F) {
	sdktest.Fuzzing{Machine: sdktest.Native(newMachine), Twin: sandbox.Open(f, sandbox.Config{}), Invariant: invariant}.Run(f,
		sdktest.Commands(`{"open":{"account":"a"}}`, `{"open":{"account":"b"}}`, `{"deposit":{"account":"a","amount":9}}`,
			`{"transfer":{"from":"a","to":"b","amount":4}}`, `{"transfer":{"from":"a","to":"a","amount":1}}`, `{"withdraw":{"account":"b","amount":9}}`),
		append(sdktest.Commands("\x81\xa4open\x81\xa7account\xa1a", "\x81\xa7deposit\x82\xa7account\xa1a\xa6amount\x05"),
			sdktest.Queries(`{"totals":{}}`, `{"history":{"account":"a"}}`, `{"accounts":{"limit":1}}`)...))
}

// TestRestoreAnywhere shows that a ledger which is restored from a snapshot at any request goes on as if nothing had been.
func TestRestoreAnywhere(t *testing.T) {
	seed := rand.Uint64()
	random, script := rand.New(rand.NewPCG(seed, 0)), sdktest.Commands(`{"open":{"account":"ada"}}`, `{"open":{"account":"bob"}}`)
	for range 40 {
		script = append(script, sdktest.Step{Input: randomCommand(random)})
	}
	t.Logf("seed %d", seed)
	sdktest.CheckRestore(t, sandbox.Open(t, sandbox.Config{}), script)
	sdktest.CheckRestore(t, sdktest.Native(newMachine), script)
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
