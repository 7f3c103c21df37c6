package durable

import "github.com/groutlabs/grout/consensus"

// terms remembers the term of every index of a log, as runs of one term: a log changes terms far
// less often than it grows. The first run begins at the index before the log.
type terms []termRun

type termRun struct {
	from consensus.Index
	term consensus.Term
}

// at returns the term at index; false when index lies before the first run.
func (t terms) at(index consensus.Index) (consensus.Term, bool) {
	for i := len(t) - 1; i >= 0; i-- {
		if t[i].from <= index {
			return t[i].term, true
		}
	}
	return 0, false
}

// set records that every index from the given one on has this term, and forgets what was known of them.
func (t terms) set(from consensus.Index, term consensus.Term) terms {
	for len(t) > 0 && t[len(t)-1].from >= from {
		t = t[:len(t)-1]
	}
	if len(t) > 0 && t[len(t)-1].term == term {
		return t
	}
	return append(t, termRun{from: from, term: term})
}

// dropBefore forgets the indices before the given one.
func (t terms) dropBefore(index consensus.Index) terms {
	for len(t) > 1 && t[1].from <= index {
		t = t[1:]
	}
	if len(t) > 0 && t[0].from < index {
		t[0].from = index
	}
	return t
}
