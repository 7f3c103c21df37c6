package protocol

// The requests of vectors. OpStatus is as everywhere: its entries are the length.
const (
	// OpEdit is the only command: a VecCommit.
	OpEdit = 'e'
	// OpElements asks for elements: a VecPage.
	OpElements = 'l'
)

// VecEditKind says what an edit does. The positions are those after the edits before it.
type VecEditKind byte

// The edits.
const (
	// VecPush adds Value behind the last element.
	VecPush VecEditKind = 1 + iota
	// VecInsert puts Value before the element at position At; behind the last if At is the length.
	VecInsert
	// VecSet replaces the element at At.
	VecSet
	// VecRemove removes N elements from At on.
	VecRemove
	// VecSwap exchanges the elements at At and N.
	VecSwap
	// VecTruncate removes the elements from At on, if there are any.
	VecTruncate
	// VecPopFront and VecPopBack remove up to N elements from an end, the outermost first.
	VecPopFront
	VecPopBack
)

// VecEdit changes a vector.
type VecEdit struct {
	Kind  VecEditKind
	At, N uint64
	Value []byte
}

// hasAt, hasN and hasValue say which fields a kind has.
func (k VecEditKind) hasAt() bool    { return k >= VecInsert && k <= VecTruncate }
func (k VecEditKind) hasN() bool     { return k == VecRemove || k == VecSwap || k >= VecPopFront }
func (k VecEditKind) hasValue() bool { return k <= VecSet }

// Append appends the edit.
func (e *VecEdit) Append(dst []byte) []byte {
	dst = append(dst, byte(e.Kind))
	if e.Kind.hasAt() {
		dst = AppendNumber(dst, e.At)
	}
	if e.Kind.hasN() {
		dst = AppendNumber(dst, e.N)
	}
	if e.Kind.hasValue() {
		dst = AppendBytes(dst, e.Value)
	}
	return dst
}

// ParseVecEdit reads one edit.
func ParseVecEdit(r *Reader) (e VecEdit, err error) {
	e.Kind = VecEditKind(r.Byte())
	if e.Kind < VecPush || e.Kind > VecPopBack {
		return e, unknown(r, "edit", byte(e.Kind))
	}
	if e.Kind.hasAt() {
		e.At = r.Number()
	}
	if e.Kind.hasN() {
		e.N = r.Number()
	}
	if e.Kind.hasValue() {
		e.Value = r.Bytes()
	}
	return e, r.Err()
}

// VecCondition has to hold for a commit to do anything: the element at At is Value.
type VecCondition struct {
	At    uint64
	Value []byte
}

// VecCommit makes all of its edits, in order, if all of its conditions hold, and none otherwise.
type VecCommit struct {
	Conditions []VecCondition
	Edits      []VecEdit
	// Old asks for the elements that the edit replaces or removes. There has to be one edit.
	Old bool
}

// Append appends the commit as a command.
func (c *VecCommit) Append(dst []byte) []byte {
	dst = AppendNumber(append(dst, OpEdit, flag(c.Old)), uint64(len(c.Conditions)))
	for i := range c.Conditions {
		dst = AppendBytes(AppendNumber(dst, c.Conditions[i].At), c.Conditions[i].Value)
	}
	dst = AppendNumber(dst, uint64(len(c.Edits)))
	for i := range c.Edits {
		dst = c.Edits[i].Append(dst)
	}
	return dst
}

// Parse reads what follows OpEdit, into the commit's own slices.
func (c *VecCommit) Parse(r *Reader) error {
	old := r.Byte()
	c.Old, c.Conditions, c.Edits = old == 1, c.Conditions[:0], c.Edits[:0]
	for range r.Count(2) {
		c.Conditions = append(c.Conditions, VecCondition{At: r.Number(), Value: r.Bytes()})
	}
	for range r.Count(2) {
		e, err := ParseVecEdit(r)
		if err != nil {
			return err
		}
		c.Edits = append(c.Edits, e)
	}
	if old > 1 {
		return unknown(r, "flag", old)
	}
	return r.End()
}

// VecReply answers a VecCommit.
type VecReply struct {
	// OK says that the edits were made.
	OK bool
	// Length is the vector's now.
	Length uint64
	// Old are the elements that the commit asked for, as they were replaced or removed. Of VecPopFront and VecPopBack they are what fits into an answer, and
	// more was not removed.
	Old [][]byte
}

// ParseVecReply reads a reply: a byte, the length and elements with their marks.
func ParseVecReply(answer []byte) (v VecReply, err error) {
	r := Read(answer)
	v.OK, v.Length = r.Byte() == 1, r.Number()
	if err := r.Err(); err != nil {
		return v, err
	}
	v.Old, _, err = parseElements(&r)
	return v, err
}

// VecPage asks for elements.
type VecPage struct {
	// From and To bound the positions: from From on, up to To and without it. Beyond the end there is nothing.
	From, To uint64
	// Limit bounds the elements, unless it is 0. The answer's size bounds them too.
	Limit uint64
	// Descending begins at the end of the range.
	Descending bool
}

// Append appends the query.
func (p *VecPage) Append(dst []byte) []byte {
	dst = append(dst, OpElements, flag(p.Descending))
	return AppendNumber(AppendNumber(AppendNumber(dst, p.From), p.To), p.Limit)
}

// Parse reads what follows OpElements.
func (p *VecPage) Parse(r *Reader) error {
	end := r.Byte()
	*p = VecPage{Descending: end == 1, From: r.Number(), To: r.Number(), Limit: r.Number()}
	if end > 1 {
		return unknown(r, "end", end)
	}
	return r.End()
}

// ParseElements reads the answer, and whether there is more.
func ParseElements(answer []byte) (elements [][]byte, more bool, err error) {
	r := Read(answer)
	return parseElements(&r)
}

func parseElements(r *Reader) (elements [][]byte, more bool, err error) {
	mark := r.Byte()
	for ; mark == PageNext; mark = r.Byte() {
		elements = append(elements, r.Bytes())
	}
	if mark > PageMore {
		return nil, false, unknown(r, "mark", mark)
	}
	return elements, mark == PageMore, r.End()
}
