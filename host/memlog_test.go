package host

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/groutlabs/grout/consensus"
)

// memLog is a Log in memory. What was not completed when it is reopened is lost.
type memLog struct {
	store *memStore
	id    GroupID

	mu       sync.Mutex
	hard     consensus.HardState
	snapshot *consensus.SnapshotMeta
	entries  []consensus.LogEntry

	// manual makes writes wait for complete; otherwise a goroutine completes them at once.
	manual  bool
	pending []memWrite
	running bool
	failure error
	removed bool
	// saved is told of every snapshot.
	saved func(consensus.SnapshotMeta)
}

type memWrite struct {
	write consensus.Write
	done  func(error)
}

func (l *memLog) Append(w consensus.Write, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, memWrite{w, done})
	if !l.manual && !l.running {
		l.running = true
		go l.drain()
	}
}

func (l *memLog) drain() {
	for l.complete(1) {
	}
}

// complete makes up to n writes durable and reports whether there may be more.
func (l *memLog) complete(n int) bool {
	for range n {
		l.mu.Lock()
		if len(l.pending) == 0 || (l.manual && l.running) {
			l.running = false
			l.mu.Unlock()
			return false
		}
		next := l.pending[0]
		l.pending = l.pending[1:]
		if l.failure == nil {
			l.failure = l.store.fault(l.id)
		}
		if l.failure == nil {
			l.failure = l.write(next.write)
		}
		err := l.failure
		l.mu.Unlock()
		next.done(err)
	}
	return true
}

// hold stops the goroutine that completes writes; release starts it again.
func (l *memLog) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manual = true
}

func (l *memLog) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manual = false
	if !l.running {
		l.running = true
		go l.drain()
	}
}

// last is the position of the last durable entry.
func (l *memLog) last() consensus.Cursor {
	if n := len(l.entries); n > 0 {
		return l.entries[n-1].Position()
	}
	if l.snapshot != nil {
		return l.snapshot.Anchor
	}
	return consensus.Cursor{}
}

func (l *memLog) write(w consensus.Write) error {
	if l.removed {
		return errors.New("memlog: a write after Remove")
	}
	if w.HardState != nil {
		if w.HardState.Term < l.hard.Term {
			return fmt.Errorf("memlog: term %d after %d", w.HardState.Term, l.hard.Term)
		}
		l.hard = *w.HardState
	}
	if w.Install != nil {
		meta := *w.Install
		l.snapshot, l.entries = &meta, nil
		l.note(meta)
	}
	for _, e := range w.Entries {
		if e.Index > l.last().Index+1 {
			return fmt.Errorf("memlog: entry %s after %s", e, l.last())
		}
		if n := len(l.entries); n > 0 && e.Index <= l.last().Index {
			l.entries = l.entries[:max(0, n-int(l.last().Index-e.Index)-1)]
		}
		e.Payload = slices.Clone(e.Payload)
		l.entries = append(l.entries, e)
	}
	return nil
}

func (l *memLog) note(meta consensus.SnapshotMeta) {
	if l.saved != nil {
		l.saved(meta)
	}
}

func (l *memLog) Load() (consensus.Restored, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := consensus.Restored{HardState: l.hard, Entries: slices.Clone(l.entries)}
	for i := range out.Entries {
		out.Entries[i].Payload = slices.Clone(out.Entries[i].Payload)
	}
	if l.snapshot != nil {
		meta := *l.snapshot
		out.Snapshot = &meta
	}
	return out, l.failure
}

func (l *memLog) SaveSnapshot(meta consensus.SnapshotMeta) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	if !slices.ContainsFunc(l.entries, func(e consensus.LogEntry) bool { return e.Position() == meta.Anchor }) {
		return fmt.Errorf("memlog: the anchor %s is not in the log that ends at %s", meta.Anchor, l.last())
	}
	l.snapshot = &meta
	l.note(meta)
	return nil
}

func (l *memLog) Compact(index consensus.Index) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if index > 0 && (l.snapshot == nil || index > l.snapshot.Anchor.Index) {
		return fmt.Errorf("memlog: compacting to %d without a snapshot there", index)
	}
	l.entries = slices.DeleteFunc(slices.Clone(l.entries), func(e consensus.LogEntry) bool { return e.Index <= index })
	return l.failure
}

func (l *memLog) Remove() error {
	l.store.mu.Lock()
	delete(l.store.logs, l.id)
	l.store.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removed = true
	return nil
}

// memStore is a Store in memory.
type memStore struct {
	mu   sync.Mutex
	logs map[GroupID]*memLog
	meta map[string][]byte
	// faults are why the next write of a group fails.
	faults map[GroupID]error
}

func newMemStore() *memStore {
	return &memStore{logs: map[GroupID]*memLog{}, meta: map[string][]byte{}, faults: map[GroupID]error{}}
}

func (s *memStore) fault(id GroupID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults[id]
}

// breakGroup makes every further write of a group fail.
func (s *memStore) breakGroup(id GroupID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[id] = err
}

func (s *memStore) log(id GroupID) *memLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[id]
	if l == nil {
		l = &memLog{store: s, id: id}
		s.logs[id] = l
	}
	return l
}

func (s *memStore) Group(id GroupID) Log { return s.log(id) }

func (s *memStore) Groups() ([]GroupID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.logs)), nil
}

func (s *memStore) Meta(key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meta[key], nil
}

func (s *memStore) SetMeta(key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meta[key] = slices.Clone(value)
	return nil
}

// reopen is the store after a crash: only what was completed is in it.
func (s *memStore) reopen() *memStore {
	next := newMemStore()
	s.mu.Lock()
	maps.Copy(next.meta, s.meta)
	logs := maps.Clone(s.logs)
	s.mu.Unlock() // a write that completes now holds its log's lock and needs the store's
	for id, l := range logs {
		l.mu.Lock()
		next.logs[id] = &memLog{store: next, id: id, hard: l.hard, snapshot: l.snapshot, entries: slices.Clone(l.entries), saved: l.saved}
		l.mu.Unlock()
	}
	return next
}
