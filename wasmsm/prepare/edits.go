package prepare

import (
	"cmp"
	"slices"
)

// edit replaces a range of the module's bytes, which may be empty, by a range of edits.text.
type edit struct{ span, text span }

// edits collects the changes to one function. Passes may add them in any order; edits at the same
// place keep the order in which they were added, insertions before a replacement.
type edits struct {
	list []edit
	text []byte
}

func (e *edits) insert(at int, text ...byte) { e.replace(span{at, at}, text...) }

func (e *edits) replace(s span, text ...byte) {
	e.list = append(e.list, edit{span: s, text: e.keep(text)})
}

// reserve keeps a place in the order for an insertion whose text is known later.
func (e *edits) reserve(at int) (slot int) {
	e.list = append(e.list, edit{span: span{at, at}})
	return len(e.list) - 1
}

// fill gives a reserved place its text.
func (e *edits) fill(slot int, text []byte) { e.list[slot].text = e.keep(text) }

func (e *edits) keep(text []byte) span {
	start := len(e.text)
	e.text = append(e.text, text...)
	return span{start, len(e.text)}
}

// apply appends the range of data with the edits done, and forgets them.
func (e *edits) apply(out, data []byte, s span) []byte {
	slices.SortStableFunc(e.list, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.span.start, b.span.start), cmp.Compare(min(a.span.end-a.span.start, 1), min(b.span.end-b.span.start, 1)))
	})
	at := s.start
	for _, change := range e.list {
		out = append(out, data[at:change.span.start]...)
		out = append(out, e.text[change.text.start:change.text.end]...)
		at = change.span.end
	}
	e.list, e.text = e.list[:0], e.text[:0]
	return append(out, data[at:s.end]...)
}
