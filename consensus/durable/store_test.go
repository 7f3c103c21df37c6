package durable

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/groutlabs/grout/consensus"
)

// logMethods is host.Log, which this package must not import.
type logMethods interface {
	Append(w consensus.Write, done func(error))
	Load() (consensus.Restored, error)
	SaveSnapshot(meta consensus.SnapshotMeta) error
	Compact(index consensus.Index) error
	Remove() error
}

var _ logMethods = (*GroupLog)(nil)

// installSnapshot replaces a log by a snapshot and waits until that is durable.
func installSnapshot(g *GroupLog, meta consensus.SnapshotMeta) error {
	done := make(chan error, 1)
	g.Append(consensus.Write{Install: &meta}, func(err error) { done <- err })
	return <-done
}

// A random life of one group, with reopening in between, always loads what a model in memory holds.
func TestRandomLifeMatchesModel(t *testing.T) {
	rng := newRand(t)
	config := testConfig(t.TempDir())
	m := newModel(7)
	for life := range 6 {
		s := mustOpen(t, config)
		g := s.Group(m.group)
		if diff := m.differs(mustLoad(t, g)); diff != "" {
			t.Fatalf("life %d: %s", life, diff)
		}
		for range 60 {
			randomStep(t, rng, g, m)
		}
		mustClose(t, s)
	}
}

func randomStep(t *testing.T, rng *rand.Rand, g *GroupLog, m *model) {
	t.Helper()
	switch last := m.last(); {
	case rng.IntN(12) == 0 && last > 0:
		anchor := consensus.Cursor{Index: last - consensus.Index(rng.IntN(int(last-m.first)+2))}
		if m.snapshot != nil {
			anchor.Index = max(anchor.Index, m.snapshot.Anchor.Index)
		}
		anchor.Term = m.termAt(anchor.Index)
		if err := g.SaveSnapshot(testMeta(anchor)); err != nil {
			t.Fatal(err)
		}
		m.save(testMeta(anchor), false)
	case rng.IntN(25) == 0:
		anchor := consensus.Cursor{Term: m.hard.Term, Index: last + 10}
		if err := installSnapshot(g, testMeta(anchor)); err != nil {
			t.Fatal(err)
		}
		m.save(testMeta(anchor), true)
	case rng.IntN(12) == 0 && m.snapshot != nil:
		if err := g.Compact(m.snapshot.Anchor.Index); err != nil {
			t.Fatal(err)
		}
		m.compact(m.snapshot.Anchor.Index)
	default:
		w := m.randomWrite(rng)
		mustAppend(t, g, w)
		m.apply(w)
	}
}

// Writes that no correct member asks for are refused, leave nothing behind, and end the log.
func TestImpossibleWritesAreRefused(t *testing.T) {
	vote := func(term consensus.Term, id consensus.MemberID) *consensus.HardState {
		return &consensus.HardState{Term: term, VotedFor: id}
	}
	cases := map[string]func(g *GroupLog) error{
		"a gap": func(g *GroupLog) error {
			return appendSync(g, consensus.Write{Entries: makeEntries(1, 12, 1, 3, 0)})
		},
		"below the snapshot": func(g *GroupLog) error {
			return appendSync(g, consensus.Write{Entries: makeEntries(1, 5, 1, 3, 0)})
		},
		"a falling term": func(g *GroupLog) error {
			return appendSync(g, consensus.Write{Entries: makeEntries(1, 11, 1, 2, 0)})
		},
		"entries out of order": func(g *GroupLog) error {
			entries := makeEntries(1, 11, 2, 3, 0)
			slices.Reverse(entries)
			return appendSync(g, consensus.Write{Entries: entries})
		},
		"an older term":              func(g *GroupLog) error { return appendSync(g, consensus.Write{HardState: vote(2, 1)}) },
		"a second vote":              func(g *GroupLog) error { return appendSync(g, consensus.Write{HardState: vote(3, 2)}) },
		"a vote taken back":          func(g *GroupLog) error { return appendSync(g, consensus.Write{HardState: vote(3, 0)}) },
		"a snapshot of another term": func(g *GroupLog) error { return g.SaveSnapshot(testMeta(consensus.Cursor{Term: 2, Index: 10})) },
		"a snapshot beyond the log":  func(g *GroupLog) error { return g.SaveSnapshot(testMeta(consensus.Cursor{Term: 3, Index: 11})) },
		"an older snapshot":          func(g *GroupLog) error { return installSnapshot(g, testMeta(consensus.Cursor{Term: 3, Index: 4})) },
		"compaction beyond the snapshot": func(g *GroupLog) error {
			if err := g.Compact(6); err != nil {
				return err
			}
			return appendSync(g, consensus.Write{})
		},
	}
	for name, try := range cases {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t.TempDir())
			s := mustOpen(t, config)
			g, m := s.Group(1), newModel(1)
			w := consensus.Write{HardState: vote(3, 1), Entries: makeEntries(1, 1, 10, 3, 0)}
			mustAppend(t, g, w)
			m.apply(w)
			meta := testMeta(consensus.Cursor{Term: 3, Index: 5})
			if err := g.SaveSnapshot(meta); err != nil {
				t.Fatal(err)
			}
			m.save(meta, false)
			if err := try(g); !errors.Is(err, ErrBadWrite) {
				t.Fatalf("got %v, want ErrBadWrite", err)
			}
			if err := appendSync(g, consensus.Write{Entries: makeEntries(1, 11, 1, 3, 0)}); !errors.Is(err, ErrBadWrite) {
				t.Fatalf("a later write got %v, want ErrBadWrite", err)
			}
			mustAppend(t, s.Group(2), consensus.Write{HardState: vote(1, 1)})
			mustClose(t, s)
			s = mustOpen(t, config)
			defer mustClose(t, s)
			if diff := m.differs(mustLoad(t, s.Group(1))); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// A snapshot without members is refused, but ends nothing: it never reached the log.
func TestSnapshotNeedsMembers(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()))
	defer mustClose(t, s)
	g := s.Group(1)
	if err := g.SaveSnapshot(consensus.SnapshotMeta{}); !errors.Is(err, ErrBadWrite) {
		t.Fatalf("got %v, want ErrBadWrite", err)
	}
	if err := g.SaveSnapshot(testMeta(consensus.Cursor{})); err != nil {
		t.Fatalf("the initial configuration at index 0: %v", err)
	}
	mustAppend(t, g, consensus.Write{Entries: makeEntries(1, 1, 1, 1, 0)})
}

// Groups lists what has data; Remove deletes one group and no other; a removed group can begin anew.
func TestGroupsAndRemove(t *testing.T) {
	config := testConfig(t.TempDir())
	s := mustOpen(t, config)
	ids := []uint64{0, 1, 255, 256, 1<<64 - 1}
	for _, id := range ids {
		mustAppend(t, s.Group(id), consensus.Write{HardState: &consensus.HardState{Term: 1}, Entries: makeEntries(id, 1, 3, 1, 0)})
	}
	s.Group(77)
	wantGroups(t, s, ids)
	if err := s.Group(255).Remove(); err != nil {
		t.Fatal(err)
	}
	gone := s.Group(1<<64 - 1)
	if err := gone.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := appendSync(gone, consensus.Write{}); !errors.Is(err, ErrRemoved) {
		t.Fatalf("a write after Remove got %v", err)
	}
	mustClose(t, s)

	s = mustOpen(t, config)
	defer mustClose(t, s)
	wantGroups(t, s, []uint64{0, 1, 256})
	for _, id := range []uint64{0, 1, 256} {
		if n := len(mustLoad(t, s.Group(id)).Entries); n != 3 {
			t.Fatalf("group %d has %d entries, want 3", id, n)
		}
	}
	if r := mustLoad(t, s.Group(255)); r.HardState != (consensus.HardState{}) || len(r.Entries) != 0 {
		t.Fatalf("a removed group loads %+v", r)
	}
	mustAppend(t, s.Group(255), consensus.Write{Entries: makeEntries(255, 1, 1, 1, 0)})
	wantGroups(t, s, []uint64{0, 1, 255, 256})
}

func wantGroups(t *testing.T, s *Store, want []uint64) {
	t.Helper()
	got, err := s.Groups()
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("Groups: %v %v, want %v", got, err, want)
	}
}

// Host-level records survive, can be replaced, and differ from missing ones even when empty.
func TestMeta(t *testing.T) {
	config := testConfig(t.TempDir())
	s := mustOpen(t, config)
	for _, value := range []string{"first", "", "second"} {
		if err := s.SetMeta("host", []byte(value)); err != nil {
			t.Fatal(err)
		}
		if got, found, err := s.Meta("host"); err != nil || !found || string(got) != value {
			t.Fatalf("Meta: %q %v %v, want %q", got, found, err, value)
		}
	}
	mustClose(t, s)
	s = mustOpen(t, config)
	defer mustClose(t, s)
	if got, found, err := s.Meta("host"); err != nil || !found || !bytes.Equal(got, []byte("second")) {
		t.Fatalf("Meta after reopening: %q %v %v", got, found, err)
	}
	if _, found, err := s.Meta("bootstrap"); err != nil || found {
		t.Fatalf("a record that was never set: %v %v", found, err)
	}
}

// A second Open is refused with the folder and the holder's process number; Close frees the folder.
func TestLock(t *testing.T) {
	config := testConfig(t.TempDir())
	s := mustOpen(t, config)
	_, err := Open(config)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), config.Dir) || !strings.Contains(err.Error(), "process ") {
		t.Fatalf("second Open: %v", err)
	}
	mustAppend(t, s.Group(1), consensus.Write{Entries: makeEntries(1, 1, 1, 1, 0)})
	mustClose(t, s)
	mustClose(t, mustOpen(t, config))
}

// After Close everything is refused, and done is still called.
func TestClosed(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()))
	g := s.Group(1)
	mustClose(t, s)
	for name, err := range map[string]error{
		"Append": appendSync(g, consensus.Write{}), "SetMeta": s.SetMeta("a", nil), "Compact": g.Compact(1),
		"SaveSnapshot": installSnapshot(g, testMeta(consensus.Cursor{})), "Remove": g.Remove(), "Close": s.Close(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

// Fields out of range are refused by name.
func TestBadConfig(t *testing.T) {
	for field, c := range map[string]Config{
		"Dir": {}, "MemTableBytes": {Dir: "x", MemTableBytes: 1},
		"CacheBytes": {Dir: "x", CacheBytes: -1}, "MaxQueuedBytes": {Dir: "x", MaxQueuedBytes: -1},
	} {
		if _, err := Open(c); !errors.Is(err, ErrBadConfig) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A record that is missing or stale inside intact library files is found by Load.
func TestLoadFindsWhatChecksumsCannot(t *testing.T) {
	damage := map[string]func(db *pebble.DB) error{
		"an entry in the middle": func(db *pebble.DB) error { return db.Delete(entryKey(1, 4), pebble.Sync) },
		"the last entry":         func(db *pebble.DB) error { return db.Delete(entryKey(1, 8), pebble.Sync) },
		"the first entry":        func(db *pebble.DB) error { return db.Delete(entryKey(1, 1), pebble.Sync) },
		"an entry too many":      func(db *pebble.DB) error { return storeEntry(db, 9, 2, 2) },
		"a stale entry":          func(db *pebble.DB) error { return storeEntry(db, 5, 1, 1) },
		"a stale last entry":     func(db *pebble.DB) error { return storeEntry(db, 8, 1, 2) },
		"an entry moved": func(db *pebble.DB) error {
			value, closer, err := db.Get(entryKey(1, 3))
			if err != nil {
				return err
			}
			defer closer.Close()
			return db.Set(entryKey(1, 4), value, pebble.Sync)
		},
		"the head":     func(db *pebble.DB) error { return db.Delete(groupKey(kindHead, 1), pebble.Sync) },
		"the snapshot": func(db *pebble.DB) error { return db.Delete(groupKey(kindSnapshot, 1), pebble.Sync) },
	}
	for name, harm := range damage {
		t.Run(name, func(t *testing.T) {
			config := testConfig(t.TempDir())
			s := mustOpen(t, config)
			g := s.Group(1)
			mustAppend(t, g, consensus.Write{Entries: makeEntries(1, 1, 4, 1, 0)})
			mustAppend(t, g, consensus.Write{Entries: makeEntries(1, 5, 4, 2, 0)})
			if err := g.SaveSnapshot(testMeta(consensus.Cursor{Term: 1, Index: 2})); err != nil {
				t.Fatal(err)
			}
			if err := harm(s.db); err != nil {
				t.Fatal(err)
			}
			again := &GroupLog{store: s, id: 1}
			_, err := again.Load()
			var corrupt *CorruptionError
			if !errors.As(err, &corrupt) || corrupt.Group == nil || *corrupt.Group != 1 {
				t.Fatalf("Load: %v", err)
			}
			if err := appendSync(again, consensus.Write{}); !errors.As(err, &corrupt) {
				t.Fatalf("a write after it: %v", err)
			}
			mustClose(t, s)
		})
	}
}

func storeEntry(db *pebble.DB, index consensus.Index, term, before consensus.Term) error {
	e := makeEntries(1, index, 1, term, 0)[0]
	value := make([]byte, entryValueBytes(e))
	putEntry(entryKey(1, index), value, e, before)
	return db.Set(entryKey(1, index), value, pebble.Sync)
}
