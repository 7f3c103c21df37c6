package sdk

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// Level is the severity of a log line.
type Level int32

// The levels, as the host's log names them.
const (
	LevelDebug Level = 0
	LevelInfo  Level = 1
	LevelWarn  Level = 2
	LevelError Level = 3
)

// MaxLogBytes is the longest text that Log passes on; the rest of a longer one is cut off.
const MaxLogBytes = 4 << 10

// Context is what a machine may know of the entry it runs, and how it speaks to the outside. All
// of it is equal on every member. A Context is valid only during the call that it was given to.
type Context struct{ env environment }

// Index is the log index of the entry. In a query it is that of the last applied entry.
func (c *Context) Index() uint64 { return c.env.index() }

// Term is the leader's term in which the entry was made.
func (c *Context) Term() uint64 { return c.env.term() }

// Time is the moment at which the leader took the command, in UTC. It never falls from entry to
// entry. time.Now gives the same moment. In a query it is that of the last applied entry.
func (c *Context) Time() time.Time { return time.Unix(0, c.env.timeNanos()).UTC() }

// Caller is the name that the client gave in the header Grout-Caller, or "". It says who the
// client claims to be: the host does not verify it.
func (c *Context) Caller() string { return c.env.caller() }

// Random fills p with random bytes that derive from the group's seed and the entry's index, so
// that every member gets the same. Anyone who knows the seed can predict them: use them for dice
// and jitter, never for secrets.
func (c *Context) Random(p []byte) {
	if len(p) > 0 {
		c.env.random(p)
	}
}

// Uint64 is the next eight bytes of Random. It makes a Context a source of math/rand/v2:
//
//	dice := 1 + rand.New(ctx).IntN(6)
func (c *Context) Uint64() uint64 {
	var word [8]byte
	c.env.random(word[:])
	return binary.LittleEndian.Uint64(word[:])
}

// Log writes one line for the operator, formatted as by fmt.Sprintf. It is no part of the machine's
// state: every member writes its own, and a replayed command writes it again.
func (c *Context) Log(level Level, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.env.log(min(max(level, LevelDebug), LevelError), text[:min(len(text), MaxLogBytes)])
}

// Emit publishes payload at grout.v1.<group>.evt.<suffix> after the command has committed, at least
// once; a refused or trapped command emits nothing. payload is copied. suffix is one or more NATS
// tokens joined by dots, such as "order.created"; one that is not, and any Emit in a query, traps.
func (c *Context) Emit(suffix string, payload []byte) {
	if !validSuffix(suffix) {
		panic(fmt.Sprintf("sdk: Emit(%q): a suffix is one or more tokens joined by dots, without spaces, '*' and '>'", suffix))
	}
	c.env.emit(suffix, payload)
}

// validSuffix reports whether suffix can end a subject that is published to.
func validSuffix(suffix string) bool {
	if suffix == "" || strings.HasPrefix(suffix, ".") || strings.HasSuffix(suffix, ".") || strings.Contains(suffix, "..") {
		return false
	}
	for i := 0; i < len(suffix); i++ {
		if c := suffix[i]; c <= ' ' || c == 0x7f || c == '*' || c == '>' {
			return false
		}
	}
	return true
}
