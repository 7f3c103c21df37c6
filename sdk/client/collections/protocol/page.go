package protocol

// The marks before each element of an answer in pieces, and behind the last.
const (
	// PageEnd says that there is no more, PageMore that more is to be asked for, beginning behind the last element.
	PageEnd  = 0
	PageNext = 1
	PageMore = 2
)

// LastMark is the mark behind the last element: PageMore if some are left out.
func LastMark(left uint64) byte {
	if left > 0 {
		return PageMore
	}
	return PageEnd
}

// Page asks for entries in order.
type Page struct {
	// From and To bound the keys: from From on, up to To and without it; an empty To is no end.
	From, To []byte
	// Limit bounds the entries, unless it is 0. The answer's size bounds them too.
	Limit uint64
	// Descending begins at the end of the range; KeysOnly leaves values and versions out.
	Descending, KeysOnly bool
}

// Append appends the query.
func (p *Page) Append(dst []byte) []byte {
	dst = append(dst, OpPage, flag(p.Descending)|flag(p.KeysOnly)<<1)
	return AppendNumber(AppendBytes(AppendBytes(dst, p.From), p.To), p.Limit)
}

// Parse reads what follows OpPage.
func (p *Page) Parse(r *Reader) error {
	flags := r.Byte()
	*p = Page{Descending: flags&1 != 0, KeysOnly: flags&2 != 0, From: r.Bytes(), To: r.Bytes(), Limit: r.Number()}
	if flags > 3 {
		return unknown(r, "flag", flags)
	}
	return r.End()
}

// AppendElement appends one entry of the answer, with the mark before it.
func (p *Page) AppendElement(dst []byte, e *Entry) []byte {
	dst = AppendBytes(append(dst, PageNext), e.Key)
	if p.KeysOnly {
		return dst
	}
	return AppendBytes(AppendNumber(dst, e.Version), e.Value)
}

// ParseAnswer reads the answer, and whether there is more.
func (p *Page) ParseAnswer(data []byte) (entries []Entry, more bool, err error) {
	r := Read(data)
	mark := r.Byte()
	for ; mark == PageNext; mark = r.Byte() {
		e := Entry{Key: r.Bytes(), Present: true}
		if !p.KeysOnly {
			e.Version, e.Value = r.Number(), r.Bytes()
		}
		entries = append(entries, e)
	}
	if mark > PageMore {
		return nil, false, unknown(&r, "mark", mark)
	}
	return entries, mark == PageMore, r.End()
}

// Continue changes the query to go on behind an entry.
func (p *Page) Continue(last []byte) {
	if p.Descending {
		p.To = last
		return
	}
	p.From = append(append(make([]byte, 0, len(last)+1), last...), 0)
}

// OpStatus asks every collection for its Status.
const OpStatus = 's'

// Status is where a collection is.
type Status struct {
	// Entries is how many there are, Last the index of the last change, 0 before the first.
	Entries, Last uint64
	// Quiet says that no events are emitted.
	Quiet bool
}

// Append appends the answer.
func (s Status) Append(dst []byte) []byte {
	return append(AppendNumber(AppendNumber(dst, s.Entries), s.Last), flag(s.Quiet))
}

// ParseStatus reads the answer.
func ParseStatus(answer []byte) (Status, error) {
	r := Read(answer)
	s := Status{Entries: r.Number(), Last: r.Number(), Quiet: r.Byte() == 1}
	return s, r.End()
}

// Event is what a command emitted.
type Event struct {
	// Previous is the index of the command with the event before, 0 if there is none.
	Previous uint64
	// Changes are read by what their collection has for them.
	Changes Reader
}

// ParseEvent reads the beginning of an event.
func ParseEvent(payload []byte) (Event, error) {
	r := Read(payload)
	e := Event{Previous: r.Number()}
	e.Changes = r
	return e, r.Err()
}
