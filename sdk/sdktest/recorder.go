package sdktest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/groutlabs/grout/sdk"
)

// recorder is the outside world of one call.
type recorder struct {
	index uint64
	// where is the call's name, "" for a command.
	where      string
	random     *rand.ChaCha8
	events     []Event
	eventBytes int
	logs       []Log
}

// Random implements sdk.Effects.
func (r *recorder) Random(p []byte) { _, _ = r.random.Read(p) } // documented never to fail

// Log implements sdk.Effects.
func (r *recorder) Log(level sdk.Level, text string) {
	r.logs = append(r.logs, Log{Level: level, Text: text})
}

// Emit implements sdk.Effects. Its panics end the call as Trapped, as the sandbox would.
func (r *recorder) Emit(suffix string, payload []byte) {
	if r.where != "" {
		panic("emit in " + r.where + ": only a command can emit")
	}
	r.eventBytes += len(suffix) + len(payload)
	if len(r.events) == MaxEvents {
		panic(overLimit("events", MaxEvents+1, MaxEvents))
	}
	if r.eventBytes > MaxEventBytes {
		panic(overLimit("event bytes", r.eventBytes, MaxEventBytes))
	}
	r.events = append(r.events, Event{Index: r.index, Suffix: suffix, Payload: bytes.Clone(payload)})
}

func overLimit(what string, got, limit int) string {
	return fmt.Sprintf("%s: %d is over the limit of %d", what, got, limit)
}
