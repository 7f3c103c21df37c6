package durable

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/groutlabs/grout/consensus"
)

var seedFlag = flag.Uint64("seed", 0, "replay random tests from this seed")

// newRand returns the source of a random test and logs its seed.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with -seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func testConfig(dir string) Config { return Config{Dir: dir, MemTableBytes: minMemTableBytes} }

func memConfig(fs vfs.FS) Config {
	return Config{Dir: "host", MemTableBytes: minMemTableBytes, fs: fs}
}

func mustOpen(t testing.TB, config Config) *Store {
	t.Helper()
	s, err := Open(config)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func mustLoad(t testing.TB, g *GroupLog) consensus.Restored {
	t.Helper()
	restored, err := g.Load()
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return restored
}

// appendSync appends and waits.
func appendSync(g *GroupLog, w consensus.Write) error {
	done := make(chan error, 1)
	g.Append(w, func(err error) { done <- err })
	return <-done
}

func mustAppend(t testing.TB, g *GroupLog, w consensus.Write) {
	t.Helper()
	if err := appendSync(g, w); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// payload is the content that entry index of term has in group, so that a reader can check it. Its length
// varies from 8 to 8+spread.
func payload(group uint64, index consensus.Index, term consensus.Term, spread int) []byte {
	var name [24]byte
	binary.BigEndian.PutUint64(name[:], group)
	binary.BigEndian.PutUint64(name[8:], uint64(index))
	binary.BigEndian.PutUint64(name[16:], uint64(term))
	sum := checksum(nil, name[:])
	size := 8
	if spread > 0 {
		size += int(sum) % spread
	}
	return bytes.Repeat(binary.BigEndian.AppendUint32(nil, sum), size/4)
}

func makeEntries(group uint64, first consensus.Index, n int, term consensus.Term, spread int) []consensus.LogEntry {
	entries := make([]consensus.LogEntry, n)
	for i := range entries {
		index := first + consensus.Index(i)
		entries[i] = consensus.LogEntry{
			Term: term, Index: index, Kind: consensus.EntryCommand, Payload: payload(group, index, term, spread),
		}
	}
	return entries
}

func testMeta(anchor consensus.Cursor) consensus.SnapshotMeta {
	return consensus.SnapshotMeta{
		Anchor:             anchor,
		Configuration:      consensus.Configuration{Voters: []consensus.MemberID{1, 2, 3}, Observers: []consensus.MemberID{9}},
		ConfigurationIndex: 1,
		Manifest:           fmt.Appendf(nil, "manifest of %s", anchor),
	}
}

func sameEntry(a, b consensus.LogEntry) bool {
	return a.Position() == b.Position() && a.Kind == b.Kind && bytes.Equal(a.Payload, b.Payload)
}

// model is what a group must hold: a twin of GroupLog that keeps everything in memory.
type model struct {
	group    uint64
	hard     consensus.HardState
	snapshot *consensus.SnapshotMeta
	// first is the index of entries[0], or the one after the log when there are none.
	first   consensus.Index
	base    consensus.Term
	entries []consensus.LogEntry
}

func newModel(group uint64) *model { return &model{group: group, first: 1} }

func (m *model) clone() *model {
	c := *m
	c.entries = append([]consensus.LogEntry(nil), m.entries...)
	return &c
}

func (m *model) last() consensus.Index { return m.first + consensus.Index(len(m.entries)) - 1 }

func (m *model) termAt(index consensus.Index) consensus.Term {
	if index < m.first {
		return m.base
	}
	return m.entries[index-m.first].Term
}

func (m *model) apply(w consensus.Write) {
	if w.HardState != nil {
		m.hard = *w.HardState
	}
	if len(w.Entries) > 0 {
		keep := w.Entries[0].Index - m.first
		m.entries = append(m.entries[:keep:keep], w.Entries...)
	}
}

func (m *model) save(meta consensus.SnapshotMeta, install bool) {
	m.snapshot = &meta
	if install {
		m.first, m.base, m.entries = meta.Anchor.Index+1, meta.Anchor.Term, nil
	}
}

func (m *model) compact(index consensus.Index) {
	if index < m.first {
		return
	}
	m.base = m.termAt(index)
	m.entries = m.entries[index-m.first+1:]
	m.first = index + 1
}

// differs returns how restored differs from the model, "" when it does not.
func (m *model) differs(r consensus.Restored) string {
	if r.HardState != m.hard {
		return fmt.Sprintf("hard state %+v, want %+v", r.HardState, m.hard)
	}
	if (r.Snapshot == nil) != (m.snapshot == nil) {
		return fmt.Sprintf("snapshot %v, want %v", r.Snapshot, m.snapshot)
	}
	if s := r.Snapshot; s != nil && (s.Anchor != m.snapshot.Anchor || !s.Configuration.Equal(m.snapshot.Configuration) ||
		s.ConfigurationIndex != m.snapshot.ConfigurationIndex || !bytes.Equal(s.Manifest, m.snapshot.Manifest)) {
		return fmt.Sprintf("snapshot %+v, want %+v", *s, *m.snapshot)
	}
	if len(r.Entries) != len(m.entries) {
		return fmt.Sprintf("%d entries, want %d from %d", len(r.Entries), len(m.entries), m.first)
	}
	for i, e := range r.Entries {
		if !sameEntry(e, m.entries[i]) {
			return fmt.Sprintf("entry %s, want %s", e, m.entries[i])
		}
	}
	return ""
}

// randomWrite makes the next write that a member could ask for: mostly growth, sometimes a new
// term, a vote, or the replacement of a tail.
func (m *model) randomWrite(rng *rand.Rand) consensus.Write {
	var w consensus.Write
	hard := m.hard
	if rng.IntN(4) == 0 || hard.Term == 0 {
		hard = consensus.HardState{Term: hard.Term + 1, VotedFor: consensus.MemberID(rng.IntN(4))}
		w.HardState = &hard
	}
	if rng.IntN(8) == 0 {
		return w
	}
	first := m.last() + 1
	floor := m.first
	if m.snapshot != nil {
		floor = max(floor, m.snapshot.Anchor.Index+1)
	}
	if w.HardState != nil && first > floor && rng.IntN(2) == 0 {
		first -= min(consensus.Index(rng.IntN(6)), first-floor)
	}
	w.Entries = makeEntries(m.group, first, 1+rng.IntN(5), hard.Term, 600)
	return w
}

// randomBytes does not compress.
func randomBytes(seed uint64, n int) []byte {
	data := make([]byte, 0, n)
	source := rand.NewPCG(seed, 3)
	for len(data) < n {
		data = binary.LittleEndian.AppendUint64(data, source.Uint64())
	}
	return data[:n]
}

func withTableDeleted(config Config, tell func()) Config {
	config.events.TableDeleted = func(pebble.TableDeleteInfo) { tell() }
	config.events.WALDeleted = func(pebble.WALDeleteInfo) { tell() }
	return config
}

// makeChunk lays out a whole record as the library does.
func makeChunk(number uint32, synced uint64, payload []byte) []byte {
	chunk := make([]byte, 4, chunkHeader+len(payload))
	chunk = binary.LittleEndian.AppendUint16(chunk, uint16(len(payload)))
	chunk = append(chunk, chunkTypeMin)
	chunk = binary.LittleEndian.AppendUint32(chunk, number)
	chunk = binary.LittleEndian.AppendUint64(chunk, synced)
	chunk = append(chunk, payload...)
	binary.LittleEndian.PutUint32(chunk, maskedCRC(chunk[6:]))
	return chunk
}
