package consensus

import "fmt"

// entryLog is the log as this member sees it: everything since the last compaction, in memory, and
// how much of it is on disk.
//
// Invariants:
//  1. entries[i].Index == base.Index + 1 + i, and terms never fall.
//  2. base.Index <= commit <= lastIndex(); an entry at or below commit is never replaced.
//  3. handed <= min(commit, stable): only durable, committed entries are given out for applying.
//  4. stable is the highest index such that base..stable is on this member's disk as it stands here.
type entryLog struct {
	base    Cursor
	entries []LogEntry
	bytes   int

	commit Index
	handed Index
	stable Index

	// unwritten is the first index not yet part of a Write.
	unwritten Index
	writes    []pendingWrite
}

// pendingWrite is a Write that is not known to be durable yet.
type pendingWrite struct {
	seq uint64
	// stableTo is what the log's stable index may become when the write is durable. A later
	// truncation lowers it, so that the completion of an old write never vouches for entries that
	// a newer write has replaced and that may even have come back (the ABA race).
	stableTo Index
}

func (l *entryLog) lastIndex() Index { return l.base.Index + Index(len(l.entries)) }

func (l *entryLog) last() Cursor {
	if n := len(l.entries); n > 0 {
		return l.entries[n-1].Position()
	}
	return l.base
}

// term returns the term at index; false when the entry is compacted away or not there yet.
func (l *entryLog) term(index Index) (Term, bool) {
	if index == l.base.Index {
		return l.base.Term, true
	}
	if index < l.base.Index || index > l.lastIndex() {
		return 0, false
	}
	return l.entries[index-l.base.Index-1].Term, true
}

// matches reports whether the log is known to hold an entry at the cursor.
func (l *entryLog) matches(at Cursor) bool {
	term, ok := l.term(at.Index)
	return ok && term == at.Term
}

// hint returns the last position at or below at whose term is not above at's: below a mismatch
// nothing else can match (the term search of Raft, section 5.3).
func (l *entryLog) hint(at Cursor) Cursor {
	index := min(at.Index, l.lastIndex())
	for index > l.base.Index {
		term, _ := l.term(index)
		if term <= at.Term {
			return Cursor{Term: term, Index: index}
		}
		index--
	}
	return l.base
}

// slice returns entries from first on, at most maxBytes of payload but at least one entry if there is any.
func (l *entryLog) slice(first, last Index, maxBytes int) []LogEntry {
	if first > last {
		return nil
	}
	from := int(first - l.base.Index - 1)
	to := int(last - l.base.Index)
	size := 0
	for i := from; i < to; i++ {
		size += entryBytes(l.entries[i])
		if size > maxBytes && i > from {
			to = i
			break
		}
	}
	return l.entries[from:to:to]
}

// entryBytes is what an entry counts against byte bounds: its payload and a frame's overhead.
func entryBytes(e LogEntry) int { return len(e.Payload) + 24 }

// bytesTo is what the entries up to and including index count.
func (l *entryLog) bytesTo(index Index) int {
	size := 0
	for _, e := range l.entries[:min(max(index, l.base.Index), l.lastIndex())-l.base.Index] {
		size += entryBytes(e)
	}
	return size
}

// tail goes back from last over at most so many entries and bytes, and returns the index before them.
func (l *entryLog) tail(last, entries Index, bytes int) Index {
	for ; last > l.base.Index && last <= l.lastIndex() && entries > 0; entries-- {
		if bytes -= entryBytes(l.entries[last-l.base.Index-1]); bytes < 0 {
			break
		}
		last--
	}
	return last
}

func (l *entryLog) append(entries ...LogEntry) {
	for _, e := range entries {
		l.bytes += entryBytes(e)
	}
	l.entries = append(l.entries, entries...)
}

// truncate forgets every entry at and after first.
func (l *entryLog) truncate(first Index) error {
	if first <= l.commit {
		return fmt.Errorf("%w: asked to replace index %d, which is at or below the commit index %d",
			ErrInvariant, first, l.commit)
	}
	cut := int(first - l.base.Index - 1)
	for _, e := range l.entries[cut:] {
		l.bytes -= entryBytes(e)
	}
	// The old entries may still be read by a write under way: leave their array alone.
	l.entries = append([]LogEntry(nil), l.entries[:cut]...)
	l.distrust(first)
	return nil
}

// distrust lowers what the disk and the writes under way are believed to hold to below first.
func (l *entryLog) distrust(first Index) {
	l.stable = min(l.stable, first-1)
	l.unwritten = min(l.unwritten, first)
	for i := range l.writes {
		l.writes[i].stableTo = min(l.writes[i].stableTo, first-1)
	}
}

// persisted records that the write seq, and all before it, are durable.
func (l *entryLog) persisted(seq uint64) {
	n := 0
	for n < len(l.writes) && l.writes[n].seq <= seq {
		l.stable = max(l.stable, l.writes[n].stableTo)
		n++
	}
	l.writes = l.writes[n:]
}

// compact forgets the entries up to and including index.
func (l *entryLog) compact(index Index) {
	if index <= l.base.Index {
		return
	}
	term, ok := l.term(index)
	if !ok {
		return
	}
	cut := int(index - l.base.Index)
	for _, e := range l.entries[:cut] {
		l.bytes -= entryBytes(e)
	}
	l.entries = append([]LogEntry(nil), l.entries[cut:]...)
	l.base = Cursor{Term: term, Index: index}
}

// reset replaces the whole log by a snapshot's anchor.
func (l *entryLog) reset(anchor Cursor) {
	l.distrust(1)
	l.base, l.entries, l.bytes = anchor, nil, 0
	l.commit, l.unwritten = anchor.Index, anchor.Index+1
}
