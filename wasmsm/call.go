package wasmsm

import (
	"math/rand/v2"
)

// callKind says what the guest was called for.
type callKind uint8

const (
	callStart callKind = iota // _initialize
	callInit
	callApply
	callQuery
	callExport
	callMigrate
)

// maxMessageBytes bounds what error_write and abort keep.
const maxMessageBytes = 4096

// call is what belongs to one call of the guest and to nothing after it.
type call struct {
	kind  callKind
	entry EntryContext
	input []byte

	output     []byte
	message    []byte
	events     []Event
	eventBytes int

	// slept is how far sleeps moved the clock on, in nanoseconds.
	slept uint64
	// random is nil until the first use.
	random *rand.ChaCha8

	logLeft        int
	stdout, stderr lines
	lastWords      lastWords
	// trappedIn is the function that the engine's trap names, if any.
	trappedIn string
}

func (c *call) begin(kind callKind, entry EntryContext, input []byte, logBytes int) {
	c.kind, c.entry, c.input, c.logLeft = kind, entry, input, logBytes
	c.message = c.message[:0]
	c.eventBytes, c.slept, c.random, c.trappedIn = 0, 0, nil, ""
	c.stdout.reset()
	c.stderr.reset()
	c.lastWords.reset()
}

// end drops what was handed over or belongs to the caller.
func (c *call) end() {
	c.input, c.output, c.events = nil, nil, nil
}

// now is the guest's clock, in nanoseconds.
func (c *call) now() uint64 { return uint64(c.entry.TimeNanos) + c.slept }

// sleep moves the guest's clock on, to the end of time at most.
func (c *call) sleep(nanos uint64) {
	const endOfTime = 1<<63 - 1
	if now := c.now(); now > endOfTime || nanos > endOfTime-now {
		nanos = endOfTime - min(now, endOfTime)
	}
	c.slept += nanos
}
