package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/chat/protocol"
	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

func pick(random *rand.Rand, from ...string) string { return from[random.IntN(len(from))] }

// plan is random talk of three users in two rooms.
var plan = twin.Plan{
	New: newMachine,
	Command: func(random *rand.Rand) string {
		head := fmt.Sprintf(`"room":%q,"user":%q`, pick(random, "a", "b"), pick(random, "ana", "bo", "cy", ""))
		id := random.IntN(20)
		return pick(random,
			fmt.Sprintf(`{"post":{%s,"text":"m%d"}}`, head, id), fmt.Sprintf(`{"post":{%s,"text":"m%d"}}`, head, id),
			fmt.Sprintf(`{"join":{%s,"lease_seconds":%d}}`, head, random.IntN(4)), fmt.Sprintf(`{"leave":{%s}}`, head),
			fmt.Sprintf(`{"edit":{%s,"id":%d,"text":"n"}}`, head, id), fmt.Sprintf(`{"delete":{%s,"id":%d}}`, head, id),
			`{"close":{"room":"b"}}`)
	},
	Query: func(random *rand.Rand) string {
		return pick(random, `{"rooms":{}}`, `{"who":{"room":"a"}}`, fmt.Sprintf(`{"history":{"room":"a","before":%d,"limit":5}}`, random.IntN(30)),
			fmt.Sprintf(`{"since":{"room":"b","after":%d}}`, random.IntN(30)))
	},
	Steps: 1_000,
}

// TestSandboxEqualsNative shows that random requests have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) { twin.Compare(t, plan) }

// TestRestore shows that a chat which is restored anywhere goes on as if nothing had been.
func TestRestore(t *testing.T) { twin.Restore(t, plan) }

// FuzzRequests shows on any requests that none traps, that refusals change nothing, and that the sandbox agrees.
func FuzzRequests(f *testing.F) { twin.FuzzRequests(f, plan, nil) }

// FuzzMigrate shows that no state of an old module makes the next one trap.
func FuzzMigrate(f *testing.F) {
	h := sdktest.New(f, newMachine())
	h.MustApply(`{"post":{"room":"a","user":"ana","text":"x"}}`)
	h.MustApply(`{"join":{"room":"a","user":"ana","lease_seconds":9}}`)
	twin.FuzzMigrate(f, newMachine, string(h.Export().Output))
}

// fill has the longest texts said, in JSON twice as long, in so many rooms, until they have forgotten the first.
func fill(h *sdktest.Harness, rooms int) {
	text := strings.Repeat(`\"`, protocol.MaxTextBytes)
	for i := range rooms {
		for range max(protocol.MaxEvents, protocol.MaxHistoryBytes/protocol.MaxTextBytes) + 1 {
			h.MustApply(fmt.Sprintf(`{"post":{"room":"r%d","user":"ana","text":"%s"}}`, i, text))
		}
		h.Events = nil
	}
}

// TestLargestAnswers shows that the largest pages are within the sandbox's limit of answers.
func TestLargestAnswers(t *testing.T) {
	h := sandbox.New(t)
	fill(h, 1)
	for _, query := range []string{`"history":{"room":"r0"`, `"since":{"room":"r0","after":80`} {
		h.MustQuery(fmt.Sprintf(`{%s,"limit":%d}}`, query, protocol.MaxPage))
	}
}

// BenchmarkFull upgrades a chat whose rooms are all full of the longest texts: what is measured is the new module's fuel for it.
func BenchmarkFull(b *testing.B) {
	h := sandbox.New(b)
	fill(h, protocol.MaxRooms)
	for b.Loop() {
		exported := h.Export()
		upgraded := h.UpgradeTo(sandbox.Open(b, sandbox.Config{}))
		if exported.Kind != sdk.Applied || upgraded.Kind != sdk.Applied {
			b.Fatalf("%s, %s", exported.Message, upgraded.Message)
		}
		b.ReportMetric(float64(exported.Fuel), "fuel/export")
		b.ReportMetric(float64(upgraded.Fuel), "fuel/migration")
		b.ReportMetric(float64(len(exported.Output)), "B/export")
	}
	h.MustApply(`{"post":{"room":"r0","user":"ana","text":"still here"}}`)
}
