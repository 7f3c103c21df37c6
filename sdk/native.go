//go:build !wasip1

package sdk

// OutcomeKind says how a call ended. It exists in native builds only.
type OutcomeKind uint8

// The three outcomes.
const (
	// Applied: the call is done and Output is the reply.
	Applied OutcomeKind = 0
	// Refused: the machine returned an error; Code and Message say why.
	Refused OutcomeKind = 1
	// Trapped: the machine broke down; Message says why and where.
	Trapped OutcomeKind = 2
)

// String returns the kind's name.
func (k OutcomeKind) String() string {
	switch k {
	case Applied:
		return "applied"
	case Refused:
		return "refused"
	case Trapped:
		return "trapped"
	}
	return "unknown outcome"
}

// Outcome is how a call ended. It exists in native builds only.
type Outcome struct {
	Kind OutcomeKind
	// Code is the machine's own code when Refused, 0 otherwise.
	Code int32
	// Output is the reply when Applied. It is the machine's: valid until the next call.
	Output []byte
	// Message is the machine's own text when Refused, and the reason when Trapped.
	Message string
}

// Entry is what a test says of the entry that it runs. It exists in native builds only.
type Entry struct {
	Index uint64
	Term  uint64
	// TimeNanos is in nanoseconds since the Unix epoch.
	TimeNanos int64
	Caller    string
}

// Effects receives what a machine does beside its reply. It exists in native builds only. Byte
// slices are the machine's: an implementation copies what it keeps.
type Effects interface {
	// Random fills p; it is not called with an empty one.
	Random(p []byte)
	Log(level Level, text string)
	Emit(suffix string, payload []byte)
}

// Invoke runs one operation on m as the guest's exports do, panics included. It is what package
// sdktest is built on, and exists in native builds only. Nothing is undone.
func Invoke(m Machine, op Operation, entry Entry, effects Effects, input []byte) Outcome {
	output, trap, err := invoke(m, op, &Context{env: environment{entry: entry, effects: effects}}, input)
	switch {
	case trap != "":
		return Outcome{Kind: Trapped, Message: trap}
	case err != nil:
		return Outcome{Kind: Refused, Code: refusalCode(err), Message: errorText(err)}
	}
	return Outcome{Kind: Applied, Output: output}
}

// ending lets runtime.Goexit go on natively: it is how testing.T.FailNow ends a test.
func ending(string) {}

// environment answers from what the test gave.
type environment struct {
	entry   Entry
	effects Effects
}

func (e *environment) index() uint64                      { return e.entry.Index }
func (e *environment) term() uint64                       { return e.entry.Term }
func (e *environment) timeNanos() int64                   { return e.entry.TimeNanos }
func (e *environment) caller() string                     { return e.entry.Caller }
func (e *environment) random(p []byte)                    { e.effects.Random(p) }
func (e *environment) log(level Level, text string)       { e.effects.Log(level, text) }
func (e *environment) emit(suffix string, payload []byte) { e.effects.Emit(suffix, payload) }
