package durable

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/groutlabs/grout/consensus"
)

// GroupLog is the log of one group. Append, Compact and Load do not wait for the device; SaveSnapshot
// and Remove do, and so must not be called from a done function.
type GroupLog struct {
	store *Store
	id    uint64

	// mu guards what follows. The writer holds it while it stages, Load while it reads.
	mu sync.Mutex
	// loaded is set once head and terms are those on disk, plus what the writer has staged.
	loaded bool
	head   head
	terms  terms
	// failed is why the log takes no more writes.
	failed error
}

// Append queues one write and returns. done is called exactly once, from a goroutine of the store, in
// the order of the group's writes: with nil once the write, all of it, is durable, or with an error, after which
// this and every later write of the group fails. The write's slices are read until then.
//
// done must not wait for this store; it holds up every group while it runs. Append never waits, so
// the caller bounds what it has in flight; see Config.MaxQueuedBytes.
//
// # Errors
//
// ErrBadWrite, ErrQueueFull and ErrRemoved end the group's log, ErrFailed and ErrClosed the whole store.
func (g *GroupLog) Append(w consensus.Write, done func(error)) {
	size := groupOverhead
	if w.Install != nil {
		size += groupOverhead + len(w.Install.Manifest)
	}
	for i := range w.Entries {
		size += entryKeyBytes + entryValueBytes(w.Entries[i])
	}
	if !g.store.queue.add(request{group: g, write: w, bytes: int64(size), done: done}) {
		go done(g.store.refusal())
	}
}

// groupOverhead is about what a head takes in a batch.
const groupOverhead = 100

// SaveSnapshot makes meta the group's snapshot, durable on return. The log, which must hold the
// anchor, stays as it is. A snapshot that replaces the log is installed by a Write.
//
// # Errors
//
// As for Append. ErrBadWrite when the anchor contradicts the log, lies before that of the present
// snapshot, or when the configuration is invalid.
func (g *GroupLog) SaveSnapshot(meta consensus.SnapshotMeta) error {
	key := groupKey(kindSnapshot, g.id)
	value := encodeSnapshot(key, meta)
	if _, err := decodeSnapshot(key, value); err != nil {
		return fmt.Errorf("%w: snapshot of group %d: %w", ErrBadWrite, g.id, err)
	}
	return g.store.wait(g, len(value)+groupOverhead, func(tx *transaction) error {
		if err := g.checkHeld(meta.Anchor); err != nil {
			return err
		}
		return g.putSnapshot(tx, meta.Anchor, key, value)
	})
}

// install replaces the log by a snapshot.
func (g *GroupLog) install(tx *transaction, meta consensus.SnapshotMeta) error {
	key := groupKey(kindSnapshot, g.id)
	value := encodeSnapshot(key, meta)
	if _, err := decodeSnapshot(key, value); err != nil {
		return fmt.Errorf("%w: snapshot of group %d: %w", ErrBadWrite, g.id, err)
	}
	if err := g.putSnapshot(tx, meta.Anchor, key, value); err != nil {
		return err
	}
	return g.replaceLog(tx, meta.Anchor)
}

func (g *GroupLog) putSnapshot(tx *transaction, anchor consensus.Cursor, key, value []byte) error {
	if g.head.anchored && anchor.Index < g.head.anchor.Index {
		return fmt.Errorf("%w: snapshot at %s of group %d is behind the one at %s", ErrBadWrite, anchor, g.id, g.head.anchor)
	}
	g.head.anchored, g.head.anchor = true, anchor
	return tx.batch.Set(key, value, nil)
}

// checkHeld refuses an anchor that the log does not hold.
func (g *GroupLog) checkHeld(anchor consensus.Cursor) error {
	if term, known := g.termAt(anchor.Index); !known || term != anchor.Term {
		return fmt.Errorf("%w: snapshot at %s of group %d is not in the log from %d to %s", ErrBadWrite,
			anchor, g.id, g.head.first, g.head.last)
	}
	return nil
}

func (g *GroupLog) replaceLog(tx *transaction, anchor consensus.Cursor) error {
	g.head.first, g.head.last = anchor.Index+1, anchor
	g.terms = terms{{from: anchor.Index, term: anchor.Term}}
	return tx.batch.DeleteRange(groupKey(kindEntry, g.id), groupEnd(kindEntry, g.id), nil)
}

// Compact allows the log to forget the entries up to and including index, which must not lie after
// the snapshot's anchor. It returns at once: when it fails, so does the next Append. The space on disk is free
// some seconds later.
func (g *GroupLog) Compact(index consensus.Index) error {
	r := request{group: g, bytes: groupOverhead, other: func(tx *transaction) error { return g.compact(tx, index) }}
	if !g.store.queue.add(r) {
		return g.store.refusal()
	}
	return g.store.failure()
}

func (g *GroupLog) compact(tx *transaction, index consensus.Index) error {
	if index < g.head.first {
		return nil
	}
	if !g.head.anchored || index > g.head.anchor.Index {
		return fmt.Errorf("%w: group %d may not forget up to %d, its snapshot is at %s", ErrBadWrite, g.id, index, g.head.anchor)
	}
	g.head.first = index + 1
	g.terms = g.terms.dropBefore(index)
	// From the very first key on, so that the library can merge this with earlier calls.
	return tx.batch.DeleteRange(groupKey(kindEntry, g.id), entryKey(g.id, index+1), nil)
}

// Remove deletes everything that the group stored, durable on return. Nothing may be called after it.
func (g *GroupLog) Remove() error {
	err := g.store.wait(g, groupOverhead, func(tx *transaction) error {
		g.failed = fmt.Errorf("%w: group %d", ErrRemoved, g.id)
		if err := tx.batch.DeleteRange(groupKey(kindEntry, g.id), groupEnd(kindEntry, g.id), nil); err != nil {
			return err
		}
		if err := tx.batch.Delete(groupKey(kindSnapshot, g.id), nil); err != nil {
			return err
		}
		return tx.batch.Delete(groupKey(kindHead, g.id), nil)
	})
	if err != nil {
		return err
	}
	g.store.mu.Lock()
	defer g.store.mu.Unlock()
	if g.store.groups[g.id] == g {
		delete(g.store.groups, g.id)
	}
	return nil
}

// groupEnd is the key after every key of that kind and group.
func groupEnd(kind byte, group uint64) []byte {
	end := bytes.Clone(groupKey(kind, group))
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			break
		}
	}
	return end
}

// stage puts a request of this group into the batch. A request that cannot be staged ends the log. It runs on
// the writer.
func (g *GroupLog) stage(tx *transaction, r *request) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		if g.failed = r.err; g.failed == nil {
			g.failed = g.ensureLoaded()
		}
	}
	if g.failed != nil {
		return g.failed
	}
	if err := g.change(tx, r); err != nil {
		g.failed = err
		return err
	}
	if g.failed != nil {
		return nil // Remove: done, and nothing after it.
	}
	key := groupKey(kindHead, g.id)
	if err := tx.batch.Set(key, encodeHead(key, g.head), nil); err != nil {
		g.failed = err
	}
	return g.failed
}

func (g *GroupLog) change(tx *transaction, r *request) error {
	if r.other != nil {
		return r.other(tx)
	}
	if r.write.Install != nil {
		if err := g.install(tx, *r.write.Install); err != nil {
			return err
		}
	}
	if err := g.checkWrite(r.write); err != nil {
		return fmt.Errorf("%w: write %d of group %d: %w", ErrBadWrite, r.write.Seq, g.id, err)
	}
	if r.write.HardState != nil {
		g.head.hard = *r.write.HardState
	}
	return g.putEntries(tx, r.write.Entries)
}

// putEntries replaces whatever the log holds at and after the first entry.
func (g *GroupLog) putEntries(tx *transaction, entries []consensus.LogEntry) error {
	if len(entries) == 0 {
		return nil
	}
	before, _ := g.termAt(entries[0].Index - 1)
	for _, e := range entries {
		op := tx.batch.SetDeferred(entryKeyBytes, entryValueBytes(e))
		putEntry(putEntryKey(op.Key, g.id, e.Index), op.Value, e, before)
		if err := op.Finish(); err != nil {
			return err
		}
		g.terms = g.terms.set(e.Index, e.Term)
		before = e.Term
	}
	end := entries[len(entries)-1].Position()
	old := g.head.last.Index
	g.head.last = end
	if old <= end.Index {
		return nil
	}
	return tx.batch.DeleteRange(entryKey(g.id, end.Index+1), entryKey(g.id, old+1), nil)
}

// checkWrite refuses what no correct member asks for, before any of it reaches the device.
func (g *GroupLog) checkWrite(w consensus.Write) error {
	if h := w.HardState; h != nil {
		was := g.head.hard
		if h.Term < was.Term || (h.Term == was.Term && was.VotedFor != consensus.NoMember && h.VotedFor != was.VotedFor) {
			return fmt.Errorf("term %d, vote %s after term %d, vote %s", h.Term, h.VotedFor, was.Term, was.VotedFor)
		}
	}
	if len(w.Entries) == 0 {
		return nil
	}
	first := w.Entries[0].Index
	if first < g.head.first || first > g.head.last.Index+1 || (g.head.anchored && first <= g.head.anchor.Index) {
		return fmt.Errorf("entry %d does not fit a log from %d to %d with a snapshot at %d",
			first, g.head.first, g.head.last.Index, g.head.anchor.Index)
	}
	before, _ := g.termAt(first - 1)
	for i, e := range w.Entries {
		if e.Index != first+consensus.Index(i) || e.Term < before {
			return fmt.Errorf("entry %s does not follow %d/%d", e.Position(), before, first+consensus.Index(i)-1)
		}
		before = e.Term
	}
	return nil
}

// termAt returns the term at index, which is known from the index before the log to its end.
func (g *GroupLog) termAt(index consensus.Index) (consensus.Term, bool) {
	if index > g.head.last.Index {
		return 0, false
	}
	return g.terms.at(index)
}
