package protocol

import "fmt"

// The requests of maps, sets, cells and Once.
const (
	// OpCommit is the only command: a Commit.
	OpCommit = 'c'
	// OpGet asks for the entries of keys: a list of bytes. The answer has an entry for each in turn, as AppendEntry writes
	// it, and ends early, with the byte PageMore, where it would be too large.
	OpGet = 'g'
	// OpPage asks for a Page.
	OpPage = 'p'
	// OpCount asks how many entries a range has: from and to, as in Page. The answer is a number.
	OpCount = 'n'
)

// ConditionKind says what has to be so.
type ConditionKind byte

// The conditions.
const (
	// Absent and Present are of the key alone.
	Absent ConditionKind = 1 + iota
	Present
	// Equals compares the value, Unchanged the version; version 0 is that of a key that is absent.
	Equals
	Unchanged
)

// Condition has to hold for a commit to do anything.
type Condition struct {
	Kind ConditionKind
	Key  []byte
	// Value is that of Equals, Version that of Unchanged.
	Value   []byte
	Version uint64
}

// WriteKind says what a write does.
type WriteKind byte

// The writes.
const (
	// Put sets Key to Value.
	Put WriteKind = 1 + iota
	// Remove removes Key.
	Remove
	// RemoveRange removes the keys from Key on, up to Value and without it; an empty Value is no end.
	RemoveRange
)

// Write is a change of one key, or of a range.
type Write struct {
	Kind       WriteKind
	Key, Value []byte
}

// Commit makes all of its writes, in order, if all of its conditions hold, and none otherwise.
type Commit struct {
	Conditions []Condition
	Writes     []Write
	// Old asks for the entry that was there before. There has to be one write, and no range.
	Old bool
}

// Append appends the commit as a command.
func (c *Commit) Append(dst []byte) []byte {
	dst = append(dst, OpCommit, flag(c.Old))
	dst = AppendNumber(dst, uint64(len(c.Conditions)))
	for i := range c.Conditions {
		condition := &c.Conditions[i]
		dst = AppendBytes(append(dst, byte(condition.Kind)), condition.Key)
		switch condition.Kind {
		case Equals:
			dst = AppendBytes(dst, condition.Value)
		case Unchanged:
			dst = AppendNumber(dst, condition.Version)
		}
	}
	dst = AppendNumber(dst, uint64(len(c.Writes)))
	for i := range c.Writes {
		dst = AppendWrite(dst, &c.Writes[i])
	}
	return dst
}

// AppendWrite appends one write.
func AppendWrite(dst []byte, w *Write) []byte {
	dst = AppendBytes(append(dst, byte(w.Kind)), w.Key)
	if w.Kind != Remove {
		dst = AppendBytes(dst, w.Value)
	}
	return dst
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// Parse reads what follows OpCommit, into the commit's own slices.
func (c *Commit) Parse(r *Reader) error {
	old := r.Byte()
	c.Old = old == 1
	c.Conditions = c.Conditions[:0]
	for range r.Count(2) {
		condition := Condition{Kind: ConditionKind(r.Byte()), Key: r.Bytes()}
		switch condition.Kind {
		case Equals:
			condition.Value = r.Bytes()
		case Unchanged:
			condition.Version = r.Number()
		case Absent, Present:
		default:
			return unknown(r, "condition", byte(condition.Kind))
		}
		c.Conditions = append(c.Conditions, condition)
	}
	c.Writes = c.Writes[:0]
	for range r.Count(2) {
		w, err := ParseWrite(r)
		if err != nil {
			return err
		}
		c.Writes = append(c.Writes, w)
	}
	if old > 1 {
		return unknown(r, "flag", old)
	}
	return r.End()
}

// ParseWrite reads one write.
func ParseWrite(r *Reader) (Write, error) {
	w := Write{Kind: WriteKind(r.Byte()), Key: r.Bytes()}
	switch w.Kind {
	case Put, RemoveRange:
		w.Value = r.Bytes()
	case Remove:
	default:
		return w, unknown(r, "write", byte(w.Kind))
	}
	return w, r.Err()
}

// unknown is the error of a kind that there is not, unless the bytes ended before it.
func unknown(r *Reader, what string, kind byte) error {
	if err := r.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: there is no %s %d", ErrMalformed, what, kind)
}

// Entry is what is known of a key.
type Entry struct {
	// Key is set where it was not asked for.
	Key     []byte
	Present bool
	// Version is the index of the command that wrote the value, 0 in sets.
	Version uint64
	Value   []byte
}

// AppendEntry appends an entry without its key.
func AppendEntry(dst []byte, e *Entry) []byte {
	if !e.Present {
		return append(dst, 0)
	}
	return AppendBytes(AppendNumber(append(dst, 1), e.Version), e.Value)
}

// ParseEntry reads an entry without its key.
func ParseEntry(r *Reader) Entry {
	if r.Byte() == 0 {
		return Entry{}
	}
	return Entry{Present: true, Version: r.Number(), Value: r.Bytes()}
}

// CommitReply answers a Commit.
type CommitReply struct {
	// Failed is the number of the first condition that did not hold, from 0, or -1; Found is the entry of its key then.
	Failed int
	Found  Entry
	// Before has for each write how many entries it found: 0 or 1 for a key, any number for a range.
	Before []uint64
	// Old is the entry before the write, if the commit asked for it.
	Old Entry
}

// Append appends the reply; old says whether the commit asked for the old entry.
func (c *CommitReply) Append(dst []byte, old bool) []byte {
	if c.Failed >= 0 {
		return AppendEntry(AppendNumber(append(dst, 0), uint64(c.Failed)), &c.Found)
	}
	dst = AppendNumber(append(dst, 1), uint64(len(c.Before)))
	for _, n := range c.Before {
		dst = AppendNumber(dst, n)
	}
	if old {
		dst = AppendEntry(dst, &c.Old)
	}
	return dst
}

// Parse reads a reply.
func (c *CommitReply) Parse(data []byte) error {
	r := Read(data)
	*c = CommitReply{Failed: -1}
	if r.Byte() == 0 {
		c.Failed = int(r.Number())
		c.Found = ParseEntry(&r)
		return r.End()
	}
	c.Before = make([]uint64, r.Count(1))
	for i := range c.Before {
		c.Before[i] = r.Number()
	}
	if r.More() {
		c.Old = ParseEntry(&r)
	}
	return r.End()
}
