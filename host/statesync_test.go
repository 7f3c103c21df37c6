package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/consensus"
)

// snapshotTiming makes a group take snapshots often and keep few entries.
func snapshotTiming() Timing {
	timing := simTiming()
	timing.SnapshotBytes = 1500
	return timing
}

// fill applies commands until every member that is up has a snapshot at or after the index.
func (s *sim) fill(m *simMember, after consensus.Index) {
	s.t.Helper()
	for i := range 2000 {
		done := true
		for _, other := range s.all() {
			done = done && (!other.up() || other.g.fetch.snapshot > after)
		}
		if done {
			return
		}
		s.apply(m, "add %c 1 fill%d", 'A'+byte(i%26), i%40)
	}
	s.t.Fatalf("seed %d: no snapshot after %d", s.seed, after)
}

// unevenly lets everything happen once, but disks complete what gathered in several steps, and members apply one by
// one, two by two, or all at once. It notes which positions are markers.
func (s *sim) unevenly(step int, markers map[consensus.Cursor]bool) {
	frames := s.net
	s.net = nil
	for _, f := range frames {
		s.arrive(f)
	}
	for j, m := range s.all() {
		if step%4 == j {
			m.log.complete(100)
		}
		m.turn()
		m.work(j * (step % 3))
		m.turn()
		m.publish()
		for _, e := range m.log.entries {
			markers[e.Position()] = e.Kind == consensus.EntrySnapshotMarker
		}
	}
	if s.rng.IntN(20) == 0 {
		s.round()
	}
}

// TestSnapshotsAreEqual shows M17: members that apply in batches of their own sizes take their snapshots
// at the same positions, with the same manifests, and forget the log behind them.
func TestSnapshotsAreEqual(t *testing.T) {
	s := newSim(t, 1, 3, snapshotTiming())
	leader := s.leader()
	const ahead = 20 // commands that are under way at a time, so that markers stand within batches
	var answers []*answered
	markers := map[consensus.Cursor]bool{}
	step := 0
	for i := range 300 {
		answers = append(answers, leader.execute(CommandRequest{
			Session: "s", Seq: uint64(i + 1), Acked: uint64(max(0, i-ahead)), Payload: fmt.Appendf(nil, "emit %c tag%d", 'A'+byte(i%26), i),
		}))
		for first := true; first || !answers[max(0, i-ahead)].done(); first = false {
			s.unevenly(step, markers)
			step++
		}
	}
	s.level()
	s.round()
	if s.saves < 2*len(s.digests) || len(s.digests) < 3 { // a member that is busy saving one leaves the next out
		t.Errorf("%d snapshots at %d positions", s.saves, len(s.digests))
	}
	for anchor := range s.digests {
		if marker, seen := markers[anchor]; seen && !marker {
			t.Errorf("a snapshot at %s, where no marker is", anchor)
		}
	}
	for _, m := range s.all() {
		base, snapshot := m.g.core.Status().Base.Index, m.g.fetch.snapshot
		if snapshot == 0 || base != snapshot-s.timing.RetainEntries {
			t.Errorf("%s: the log begins after %d, the snapshot is at %d", m.name, base, snapshot)
		}
		for _, digest := range []Digest{m.g.fetch.previous, m.g.fetch.current} {
			// Others may be fetching the one before.
			saved, err := loadManifest(m.g.chunks, digest)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := loadImage(m.g.chunks, saved); err != nil {
				t.Errorf("%s: %v", m.name, err)
			}
		}
		if m.log.entries[0].Index != base+1 {
			t.Errorf("%s: the durable log begins at %d", m.name, m.log.entries[0].Index)
		}
		names, err := filepath.Glob(filepath.Join(m.dir, "*"))
		if err != nil || len(names) > 2*6 {
			t.Errorf("%s keeps %d chunks, %v", m.name, len(names), err)
		}
	}
}

// TestCatchingUp shows M10: a member that was away for longer than the log reaches back fetches a
// snapshot from the others, though pieces are lost and commands go on, and then follows again. A restart
// at any later moment finds the same state.
func TestCatchingUp(t *testing.T) {
	s := newSim(t, 2, 3, snapshotTiming())
	leader := s.leader()
	away := s.others(leader)[1]
	s.apply(away, "add A 1")
	away.crash()
	s.fill(leader, leader.g.core.Last().Index+s.timing.RetainEntries)
	lost := 0
	s.lose = func(string, BlobRequest) bool {
		if s.fetches%3 == 0 {
			lost++
			return true
		}
		return false
	}
	away.start()
	for i := 0; away.g.applier.applied.Load() < leader.g.applier.applied.Load(); i++ {
		s.apply(leader, "add B 1")
		if i > 500 {
			t.Fatal("the member does not catch up")
		}
	}
	if s.fetches == 0 || lost == 0 {
		t.Fatalf("%d pieces were fetched, %d lost", s.fetches, lost)
	}
	s.apply(away, "add C 7")
	s.level()
	if away.stateHash() != leader.stateHash() {
		t.Error("the states differ")
	}
	away.crash()
	away.start()
	s.fill(leader, leader.g.core.Last().Index)
	s.level()
	if away.stateHash() != leader.stateHash() || away.g.fetch.snapshot == 0 {
		t.Error("after a restart the states differ")
	}
}

// TestAFetchFails shows that a fetch ends, and is begun again with the next offer, when no host gives
// what is asked for, when what it gives is damaged, and when the snapshot is gone meanwhile.
func TestAFetchFails(t *testing.T) {
	s := newSim(t, 3, 3, snapshotTiming())
	leader := s.leader()
	away := s.others(leader)[1]
	away.crash()
	s.fill(leader, leader.g.core.Last().Index+s.timing.RetainEntries)
	s.lose = func(string, BlobRequest) bool { return true }
	away.start()
	s.until("some fetches", func() bool { return s.fetches > 6 })
	if away.g.fetch.snapshot != 0 || away.stopped != nil {
		t.Errorf("a snapshot came out of nothing, or the member stopped: %v", away.stopped)
	}
	// Every chunk of every other host is damaged, but for the manifests.
	spoiled := map[string][]byte{}
	for _, m := range s.others(away) {
		names, err := filepath.Glob(filepath.Join(m.dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			spoiled[name] = data
			write(t, name, strings.Repeat("x", len(data)))
		}
	}
	s.lose = nil
	before := s.fetches
	s.until("more fetches", func() bool { return s.fetches > before+3 })
	for name, data := range spoiled {
		write(t, name, string(data))
	}
	s.until("the member catches up", func() bool { return away.g.fetch.snapshot > 0 })
	s.level()
	if away.stateHash() != leader.stateHash() {
		t.Error("the states differ")
	}
}

// TestRestart shows that a member comes back from its snapshot and the log behind it, whether or not
// its last snapshot was saved to the end.
func TestRestart(t *testing.T) {
	s := newSim(t, 4, 1, snapshotTiming())
	m := s.leader()
	s.fill(m, 1)
	for i := range 5 {
		s.apply(m, "emit Z late%d", i)
		if i%2 == 0 {
			// What a save that was interrupted leaves: chunks that no snapshot names, and a torn file.
			put(t, m.g.chunks, fmt.Sprintf("half a snapshot %d", i))
			write(t, filepath.Join(m.dir, "77.part"), "torn")
		}
		applied := m.g.applier.applied.Load()
		m.crash()
		m.start()
		s.until("the log is applied again", func() bool { return m.g.applier.applied.Load() > applied })
		s.apply(m, "add A 0")
		if got := m.machine.tags[fmt.Sprintf("late%d", i)]; got != 1 {
			t.Errorf("restart %d: the last command was applied %d times", i, got)
		}
	}
	s.fill(m, m.g.core.Last().Index)
	for _, left := range []string{"half a snapshot 0", "half a snapshot 4"} {
		if m.g.chunks.Has(digestOf([]byte(left))) {
			t.Errorf("%q is still stored", left)
		}
	}
}

// TestRestartWithDamage shows that a member whose snapshot is missing, damaged or of another module is
// not started, and says which.
func TestRestartWithDamage(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(*simMember)
		want error
	}{
		"a chunk is missing": {func(m *simMember) { removeAll(m.sim.t, m.dir, func(size int64) bool { return size > 4096 }) }, ErrMissing},
		"all is missing":     {func(m *simMember) { removeAll(m.sim.t, m.dir, func(int64) bool { return true }) }, ErrMissing},
		"a flipped bit": {func(m *simMember) {
			path := m.g.chunks.path(Digest(m.log.snapshot.Manifest))
			data, err := os.ReadFile(path)
			if err != nil {
				m.sim.t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			write(m.sim.t, path, string(data))
		}, ErrCorrupt},
		"no digest":      {func(m *simMember) { m.log.snapshot.Manifest = nil }, ErrCorrupt},
		"another anchor": {func(m *simMember) { m.log.snapshot.Anchor.Index-- }, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 5, 1, snapshotTiming())
			m := s.leader()
			s.fill(m, 1)
			m.settle()
			c.harm(m)
			config := m.g.groupConfig
			config.log = m.store.reopen().log(simGroup)
			config.chunks = openBlobs(t, m.dir)
			if _, err := newGroup(config); !errors.Is(err, c.want) {
				t.Errorf("starting: %v, expected %v", err, c.want)
			}
		})
	}
}

func removeAll(t *testing.T, dir string, which func(size int64) bool) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if which(info.Size()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestInstallBehindAQueue shows that a snapshot which arrives while the applier still has entries to do
// takes its place behind them, and that neither a second fetch nor a marker of before comes in between.
func TestInstallBehindAQueue(t *testing.T) {
	s := newSim(t, 6, 3, snapshotTiming())
	leader := s.leader()
	slow := s.others(leader)[0]
	s.level()
	held := slow.query(QueryRequest{Payload: []byte("get A"), Consistency: AtLeast, AtLeastIndex: leader.g.core.Last().Index + 60, Timeout: maxRequestTimeout})
	idle := func() { // the slow member's applier does nothing, its log and loop go on
		s.now = s.now.Add(s.timing.Tick)
		for _, m := range s.all() {
			m.tick()
		}
		for range 4 {
			frames := s.net
			s.net = nil
			for _, f := range frames {
				s.arrive(f)
			}
			for _, m := range s.all() {
				m.log.complete(100)
				m.turn()
				if m != slow {
					m.work(0)
					m.turn()
				}
			}
		}
	}
	for i := range 10 {
		leader.execute(CommandRequest{Payload: fmt.Appendf(nil, "add A 1 early%d", i)})
		idle()
	}
	queued := len(slow.g.applier.queue)
	s.isolate(slow)
	for i := range 100 {
		leader.execute(CommandRequest{Payload: fmt.Appendf(nil, "add A 1 late%d", i)})
		idle()
	}
	s.heal()
	for i := 0; slow.g.fetch.snapshot == 0; i++ {
		if idle(); i > 200 {
			t.Fatal("no snapshot is installed")
		}
	}
	if queued == 0 || slow.g.applier.replica.applied.Index >= slow.g.fetch.snapshot || held.done() {
		t.Fatalf("%d items were queued, %s is applied, the snapshot is at %d", queued, slow.g.applier.replica.applied, slow.g.fetch.snapshot)
	}
	s.level()
	if r := held.one(t); r.Err != nil || r.Index < slow.g.fetch.snapshot {
		t.Errorf("%+v", r)
	}
	if slow.stopped != nil || slow.stateHash() != leader.stateHash() {
		t.Errorf("stopped: %v, or the states differ", slow.stopped)
	}
}

// TestOneSnapshotAtATime shows that a member neither fetches while it saves or installs, nor saves while
// it fetches, and takes no offer that names no manifest.
func TestOneSnapshotAtATime(t *testing.T) {
	s := newSim(t, 7, 3, snapshotTiming())
	leader := s.leader()
	s.fill(leader, 1)
	m := s.others(leader)[0]
	offer := consensus.StateSyncOffer{Leader: leader.id, Snapshot: *leader.log.snapshot}
	bad := offer
	bad.Snapshot.Manifest = nil
	m.g.offered(bad)
	m.g.saving = &replicaImage{}
	m.g.offered(offer)
	m.g.saving = nil
	m.g.fetch.installing = true
	m.g.offered(offer)
	m.g.fetch.installing = false
	m.g.applier.restores.Add(1) // the chunks of what it restores are to stay
	m.g.offered(offer)
	m.g.applier.restores.Add(-1)
	if m.g.fetch.cancel != nil {
		t.Fatal("a fetch was begun")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m.g.fetch.cancel, m.g.fetch.ended = cancel, make(chan struct{})
	close(m.g.fetch.ended)
	m.g.offered(offer)
	m.g.beginSnapshot(replicaImage{anchor: m.g.applier.replica.applied})
	if m.g.saving != nil {
		t.Error("a snapshot is saved during a fetch")
	}
	m.g.fetch.cancelFetch()
	if ctx.Err() == nil || m.g.fetch.cancel != nil {
		t.Error("the fetch was not cancelled")
	}
	m.g.beginSnapshot(replicaImage{anchor: consensus.Cursor{Term: 1, Index: 1}})
	if m.g.saving != nil {
		t.Error("a snapshot of a forgotten position is saved")
	}
	m.g.offered(offer)
	other := offer
	other.Snapshot.Anchor.Index++
	m.settle()
	m.g.fetched(consensus.SnapshotMeta{Anchor: offer.Snapshot.Anchor}, other, nil)
	if m.g.fetch.cancel != nil || m.stopped != nil {
		t.Error("a snapshot of another anchor than offered was not dropped")
	}
}

// crooked is a Transport that fetches from a function.
type crooked struct {
	Transport
	fetch func(BlobRequest) ([]byte, int64, error)
}

func (c crooked) Fetch(_ context.Context, _ string, r BlobRequest) ([]byte, int64, error) {
	return c.fetch(r)
}

// TestCrookedHosts shows that what another host sends is believed only when it has the digest asked for,
// and that no answer makes a fetch endless or larger than its bound.
func TestCrookedHosts(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100)
	honest := func(r BlobRequest) ([]byte, int64, error) {
		end := min(int64(len(data)), r.Offset+7)
		return data[r.Offset:end], int64(len(data)), nil
	}
	for name, c := range map[string]struct {
		fetch func(BlobRequest) ([]byte, int64, error)
		bad   bool
	}{
		"honest, in small pieces": {honest, false},
		"lost":                    {func(BlobRequest) ([]byte, int64, error) { return nil, 0, errLost }, true},
		"too large":               {func(BlobRequest) ([]byte, int64, error) { return nil, 1 << 40, nil }, true},
		"empty pieces":            {func(BlobRequest) ([]byte, int64, error) { return nil, 1000, nil }, true},
		"other bytes":             {func(BlobRequest) ([]byte, int64, error) { return make([]byte, 1000), 1000, nil }, true},
		"nothing":                 {func(BlobRequest) ([]byte, int64, error) { return nil, 0, nil }, true},
		"growing":                 {func(r BlobRequest) ([]byte, int64, error) { return make([]byte, 700), r.Offset + 1000, nil }, true},
		"a reply lost midway": {func(r BlobRequest) ([]byte, int64, error) {
			if r.Offset > 500 {
				return nil, 0, errLost
			}
			return honest(r)
		}, true},
	} {
		got, err := fetchBlob(t.Context(), crooked{fetch: c.fetch}, "b", BlobRequest{Digest: digestOf(data)}, 2000)
		if (err != nil) != c.bad || (err == nil && !bytes.Equal(got, data)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	store := openBlobs(t, t.TempDir())
	f := fetcher{transport: crooked{fetch: honest}, store: store, sources: []string{"a", "b"}, workers: 2}
	if _, err := f.fetch(t.Context(), digestOf(data)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("bytes that are no manifest: %v", err)
	}
	if _, err := f.fetch(t.Context(), Digest{1}); err == nil {
		t.Error("a manifest with another digest was taken")
	}
	packed, err := pack(manifest{Pages: slices.Repeat([]byte{1}, 32*100)})
	if err != nil {
		t.Fatal(err)
	}
	digest := put(t, store, string(packed))
	if _, err := f.fetch(t.Context(), digest); err == nil {
		t.Error("a manifest whose chunks nobody has was taken")
	}
}
