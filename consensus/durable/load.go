package durable

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/groutlabs/grout/consensus"
)

// Load reads what survived. It is called once, before the first Append, and not beside another method.
//
// # Errors
//
// *CorruptionError when a record is damaged, missing, or contradicts another. The log is then failed.
func (g *GroupLog) Load() (consensus.Restored, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return consensus.Restored{}, g.failed
	}
	loader := loader{group: g, keep: true}
	if err := g.store.read(loader.load); err != nil {
		g.failed = err
		return consensus.Restored{}, err
	}
	return loader.restored, nil
}

// ensureLoaded learns where the log begins and ends when nobody has called Load.
func (g *GroupLog) ensureLoaded() error {
	if g.loaded {
		return nil
	}
	loader := loader{group: g}
	return g.store.read(loader.load)
}

// loader reads one group and checks every record against its neighbours.
type loader struct {
	group    *GroupLog
	db       *pebble.DB
	restored consensus.Restored
	head     head
	terms    terms
	// keep is set when the caller wants the entries, and not only their positions.
	keep bool
	slab []byte
}

// slabBytes is the size of the blocks from which the payloads of small entries are cut.
const slabBytes = 64 << 10

func (l *loader) load(db *pebble.DB) error {
	l.db = db
	found, err := l.readHead()
	if err == nil && found {
		err = l.readSnapshot()
	}
	if err == nil {
		err = l.readEntries()
	}
	if err != nil {
		return corruption(l.group.store.config.Dir, err)
	}
	l.restored.HardState = l.head.hard
	l.group.head, l.group.terms, l.group.loaded = l.head, l.terms, true
	return nil
}

func (l *loader) corrupt(index consensus.Index, reason string, err error) error {
	id := l.group.id
	return &CorruptionError{Dir: l.group.store.config.Dir, Group: &id, Index: index, Reason: reason, Err: err}
}

// get calls read with the value of a key, and reports whether there is one.
func (l *loader) get(key []byte, read func(value []byte) error) (bool, error) {
	value, closer, err := l.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, errors.Join(read(value), closer.Close())
}

func (l *loader) readHead() (found bool, err error) {
	l.head = emptyHead()
	key := groupKey(kindHead, l.group.id)
	return l.get(key, func(value []byte) error {
		if l.head, err = decodeHead(key, value); err != nil {
			return l.corrupt(0, "the head of the log cannot be read", err)
		}
		return nil
	})
}

func (l *loader) readSnapshot() error {
	key := groupKey(kindSnapshot, l.group.id)
	var meta consensus.SnapshotMeta
	found, err := l.get(key, func(value []byte) (err error) {
		if meta, err = decodeSnapshot(key, value); err != nil {
			return l.corrupt(0, "the snapshot cannot be read", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if found != l.head.anchored || meta.Anchor != l.head.anchor {
		return l.corrupt(l.head.anchor.Index, fmt.Sprintf("the head names a snapshot at %s, there is one at %s", l.head.anchor, meta.Anchor), nil)
	}
	if found {
		l.restored.Snapshot = &meta
	}
	return nil
}

// readEntries requires every entry from the head's first to its last, each naming the term of the one
// before it, and nothing else.
func (l *loader) readEntries() (err error) {
	if l.head.first > l.head.last.Index {
		l.terms = terms{{from: l.head.last.Index, term: l.head.last.Term}}
	}
	bounds := &pebble.IterOptions{LowerBound: groupKey(kindEntry, l.group.id), UpperBound: groupEnd(kindEntry, l.group.id)}
	iter, err := l.db.NewIter(bounds)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	next := l.head.first
	for iter.First(); iter.Valid(); iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return err
		}
		if err := l.readEntry(iter.Key(), value, next); err != nil {
			return err
		}
		next++
	}
	if err := iter.Error(); err != nil {
		return err
	}
	return l.checkEnd(next)
}

func (l *loader) readEntry(key, value []byte, next consensus.Index) error {
	e, before, err := decodeEntry(key, value)
	if err != nil {
		return l.corrupt(next, "the entry cannot be read", err)
	}
	if e.Index != next || e.Index > l.head.last.Index {
		return l.corrupt(next, fmt.Sprintf("entry %d is in its place, the log ends at %d", e.Index, l.head.last.Index), nil)
	}
	if next == 1 && before != 0 {
		return l.corrupt(next, fmt.Sprintf("the first entry follows one of term %d", before), nil)
	}
	if l.terms == nil {
		l.terms = terms{{from: e.Index - 1, term: before}}
	}
	if term, _ := l.terms.at(e.Index - 1); term != before {
		return l.corrupt(next, fmt.Sprintf("it follows an entry of term %d, but one of term %d is there", before, term), nil)
	}
	l.terms = l.terms.set(e.Index, e.Term)
	if l.keep {
		e.Payload = l.copy(e.Payload)
		l.restored.Entries = append(l.restored.Entries, e)
	}
	return nil
}

func (l *loader) checkEnd(next consensus.Index) error {
	if next != l.head.last.Index+1 {
		return l.corrupt(next, fmt.Sprintf("the entry is missing, the log ends at %d", l.head.last.Index), nil)
	}
	if term, _ := l.terms.at(l.head.last.Index); term != l.head.last.Term {
		return l.corrupt(l.head.last.Index, fmt.Sprintf("its term is %d, the head says %d", term, l.head.last.Term), nil)
	}
	if l.head.anchored {
		if term, known := l.terms.at(l.head.anchor.Index); known && term != l.head.anchor.Term {
			return l.corrupt(l.head.anchor.Index, fmt.Sprintf("its term is %d, the snapshot says %d", term, l.head.anchor.Term), nil)
		}
	}
	return nil
}

// copy returns payload in memory of its own, nil when it is empty.
func (l *loader) copy(payload []byte) []byte {
	if len(payload) == 0 {
		return nil
	}
	if len(payload) > slabBytes/8 {
		return append([]byte(nil), payload...)
	}
	if len(payload) > len(l.slab) {
		l.slab = make([]byte, slabBytes)
	}
	kept := l.slab[:len(payload):len(payload)]
	l.slab = l.slab[len(payload):]
	copy(kept, payload)
	return kept
}
