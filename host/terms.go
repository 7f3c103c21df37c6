package host

import (
	"fmt"
	"slices"

	"github.com/groutlabs/grout/consensus"
)

// maxTermStarts bounds what a group remembers of its terms.
const maxTermStarts = 1024

// termStart is where a term begins in the log: at the first entry of its leader.
type termStart struct {
	Term  consensus.Term  `codec:"t"`
	Index consensus.Index `codec:"i"`
}

// termHistory tells the term of every applied entry, also of those that are compacted away: a term's
// entries stand together, so the starts of the terms say all. It is a function of the applied entries, the
// last maxTermStarts terms of them. Histories are never changed: a longer one is another value.
type termHistory []termStart

// with returns the history when the entry at is applied.
func (h termHistory) with(at consensus.Cursor) termHistory {
	if n := len(h); n > 0 && h[n-1].Term >= at.Term {
		return h
	}
	kept := h[max(0, len(h)+1-maxTermStarts):]
	return append(slices.Clone(kept), termStart{at.Term, at.Index})
}

// at returns the term of an applied entry; false when it is older than the history.
func (h termHistory) at(index consensus.Index) (consensus.Term, bool) {
	n, found := slices.BinarySearchFunc(h, index, func(s termStart, i consensus.Index) int {
		return int(int64(s.Index - i))
	})
	if !found {
		n--
	}
	if n < 0 {
		return 0, false
	}
	return h[n].Term, true
}

// overtakes reports whether a later term begins at or before the cursor: the entry there is lost.
func (h termHistory) overtakes(c consensus.Cursor) bool {
	n := len(h)
	for n > 0 && h[n-1].Term > c.Term {
		n--
	}
	return n < len(h) && h[n].Index <= c.Index
}

// office is where the last leader took office, zero before the first.
func (h termHistory) office() consensus.Cursor {
	if len(h) == 0 {
		return consensus.Cursor{}
	}
	last := h[len(h)-1]
	return consensus.Cursor{Term: last.Term, Index: last.Index}
}

// valid checks what was stored with an image at anchor.
//
// # Errors
//
// ErrCorrupt.
func (h termHistory) valid(anchor consensus.Cursor) error {
	if len(h) > maxTermStarts {
		return fmt.Errorf("%w terms: %d of them", ErrCorrupt, len(h))
	}
	before := termStart{}
	for _, s := range h {
		if s.Term <= before.Term || s.Index <= before.Index || s.Index > anchor.Index || s.Term > anchor.Term {
			return fmt.Errorf("%w terms: term %d from index %d on follows term %d from %d, the anchor is %s",
				ErrCorrupt, s.Term, s.Index, before.Term, before.Index, anchor)
		}
		before = s
	}
	return nil
}
