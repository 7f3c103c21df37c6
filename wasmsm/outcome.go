package wasmsm

// EntryContext is what a machine may know of the entry that it applies.
type EntryContext struct {
	Index uint64
	Term  uint64
	// TimeNanos is the entry's stamp in nanoseconds since the Unix epoch.
	TimeNanos int64
	// Caller is the name that the client gave, or "".
	Caller string
}

// OutcomeKind says how a command or query ended.
type OutcomeKind uint8

// The three outcomes. Their numbers are stored and sent: never renumber them.
const (
	Applied OutcomeKind = 0
	Refused OutcomeKind = 1
	Trapped OutcomeKind = 2
)

// String returns the kind's name.
func (k OutcomeKind) String() string {
	switch k {
	case Applied:
		return "applied"
	case Refused:
		return "refused"
	}
	return "trapped"
}

// Outcome is the end of a command or query, equal on every replica. It shares no memory with the
// machine.
type Outcome struct {
	Kind OutcomeKind
	// Code is the machine's own code when Refused, 0 otherwise.
	Code int32
	// Output is the reply when Applied, nil when the machine wrote none.
	Output []byte
	// Message is the machine's own text when Refused, and the reason when Trapped.
	Message string
	// Events are in the order in which they were emitted. Only an Applied command has any.
	Events []Event
	// Fuel is what the call used, about one for each simple instruction; all of its budget when it ran
	// out. See docs/PREPARER.md.
	Fuel uint64
	// Logged is how many bytes the call logged, those that were dropped not counted.
	Logged int
}

// Event is a message that a machine emitted.
type Event struct {
	Suffix  string
	Payload []byte
}

// Image is a machine's whole state.
type Image struct {
	// Header has the module's digest, the memory's size and the globals.
	Header []byte
	// Pages are the memory's, 64 KiB each; a nil page is all zero.
	Pages [][]byte
}

// Changes are what became of a machine's state since an earlier time.
type Changes struct {
	// Header is that of the whole image now.
	Header []byte
	// Count is the number of the memory's pages now. Those beyond the earlier count are all zero, unless
	// they are among Pages.
	Count int
	// Pages are those that were written, in order.
	Pages []Page
}

// Page is one page of a memory.
type Page struct {
	Index uint32
	// Data has 64 KiB; nil is all zero.
	Data []byte
}
