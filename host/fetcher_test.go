package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/groutlabs/grout/consensus"
)

// shelf is a Transport that fetches from the stores of other hosts, and counts.
type shelf struct {
	Transport
	stores map[string]*BlobStore

	mu    sync.Mutex
	bytes map[string]int
	asked map[Digest]int
}

func (s *shelf) Fetch(_ context.Context, from string, r BlobRequest) ([]byte, int64, error) {
	piece, total, err := s.stores[from].Piece(r.Digest, r.Offset, r.Limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes[from] += len(piece)
	s.asked[r.Digest]++
	return piece, total, err
}

// TestOnlyWhatIsMissingIsFetched shows that a member which has most chunks of a snapshot fetches only the
// rest, and a chunk that is damaged here, from several hosts, and from the leader only what no other has.
func TestOnlyWhatIsMissingIsFetched(t *testing.T) {
	stores := map[string]*BlobStore{}
	for _, name := range []string{"a", "b", "leader", "self"} {
		stores[name] = openBlobs(t, t.TempDir())
	}
	image := replicaImage{state: []byte("the rest")}
	var pages [][]byte
	for i := range 64 {
		pages = append(pages, bytes.Repeat([]byte{byte(i + 1)}, PageBytes))
	}
	meta := consensus.SnapshotMeta{Anchor: consensus.Cursor{Term: 1, Index: 9}, Configuration: consensus.Configuration{Voters: []consensus.MemberID{1}}}
	var digest Digest
	for _, name := range []string{"a", "b", "leader"} {
		image.pages = imagePages(pages)
		var err error
		if digest, err = saveImage(stores[name], image, meta, Digest{}, unpaced); err != nil {
			t.Fatal(err)
		}
	}
	manifest, err := stores["a"].Get(digest)
	if err != nil {
		t.Fatal(err)
	}
	const missing = 10 // chunks of which the last but one is damaged here, and the last only with the leader
	for _, page := range pages[:64-missing] {
		put(t, stores["self"], string(page))
	}
	harmed := put(t, stores["self"], string(pages[62]))
	write(t, stores["self"].path(harmed), "other bytes")
	for _, name := range []string{"a", "b"} {
		if err := stores[name].Delete(digestOf(pages[63])); err != nil {
			t.Fatal(err)
		}
	}
	from := &shelf{stores: stores, bytes: map[string]int{}, asked: map[Digest]int{}}
	f := fetcher{transport: from, store: stores["self"], sources: []string{"a", "b"}, last: "leader", workers: fetchWorkers}
	if got, err := f.fetch(t.Context(), digest); err != nil || got.Anchor != meta.Anchor {
		t.Fatalf("%v, %v", got, err)
	}
	total := from.bytes["a"] + from.bytes["b"] + from.bytes["leader"]
	if want := missing*PageBytes + len(image.state) + len(manifest); total != want {
		t.Errorf("%d bytes came, %d were missing", total, want)
	}
	if from.bytes["leader"] != PageBytes || from.bytes["a"] == 0 || from.bytes["b"] == 0 {
		t.Errorf("the hosts gave %v", from.bytes)
	}
	m, err := loadManifest(stores["self"], digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loadImage(stores["self"], m); err != nil {
		t.Errorf("the fetched snapshot: %v", err)
	}
	clear(from.bytes)
	if _, err := f.fetch(t.Context(), digest); err != nil || len(from.bytes) != 0 {
		t.Errorf("fetched again: %v, %v", from.bytes, err)
	}
}

// brokenRecords fail to store.
type brokenRecords struct{ Records }

var errRecords = errors.New("the disk is full")

func (brokenRecords) SetMeta(string, []byte) error { return errRecords }

// TestNoteFails shows that a member which cannot note its quarantine, or the end of it, stops, and that
// after a restart it is repaired all the same.
func TestNoteFails(t *testing.T) {
	for _, when := range []string{"at the start", "at the end"} {
		a := newAlarm(t, 80, 3)
		wrong := a.others(a.leader())[0]
		wrong.flip()
		a.lose = func(string, BlobRequest) bool { return true }
		if when == "at the end" {
			a.commandsUntil("the quarantine", wrong.quarantined)
		}
		wrong.g.records = brokenRecords{wrong.g.records}
		a.lose = nil
		a.commandsUntil("the failure", func() bool { return wrong.stopped != nil })
		if !errors.Is(wrong.stopped, errRecords) || !wrong.quarantined() {
			t.Errorf("%s: stopped by %v", when, wrong.stopped)
		}
		wrong.crash()
		wrong.start()
		a.healed()
	}
}

// TestCopiesProveNothing shows that a state which was fetched from another member does not count as an
// agreement with it, neither at once nor after a restart, and that a snapshot in dispute is given to nobody.
func TestCopiesProveNothing(t *testing.T) {
	a := newAlarm(t, 90, 3)
	leader := a.leader()
	right, away := a.others(leader)[0], a.others(leader)[1]
	a.command()
	a.level()
	away.crash()
	a.fill(leader, leader.g.core.Last().Index+a.timing.RetainEntries)
	away.start()
	a.until("the snapshot is installed", func() bool { return away.g.hashes.latest().Index > 0 })
	for range 2 {
		if hash := away.g.hashes.known[away.g.hashes.latest()]; !hash.copied {
			t.Error("an installed snapshot counts as the member's own work")
		}
		a.level()
		away.crash()
		away.start()
	}
	away.crash()
	a.level()
	leader = a.leader()
	leader.flip()
	before := right.g.hashes.latest().Index
	for i := range 80 {
		a.apply(leader, "add A 1 more%d", i)
	}
	if right.g.hashes.latest().Index <= before {
		t.Fatal("no snapshot was taken meanwhile")
	}
	away.start()
	for range 300 {
		a.round()
		if away.g.hashes.latest().Index > before {
			t.Fatalf("%s took a state in dispute", away.name)
		}
	}
	if len(a.wasQuarantined) != 0 {
		t.Errorf("quarantined were %v", a.wasQuarantined)
	}
	if p := leader.g.status.Load().problem; p == "" {
		t.Error("the leader reports nothing")
	}
}

// TestACopyIsNoWitness shows that a wrong leader and the member that copied its state are no majority against
// the member that is right and was not heard in time.
func TestACopyIsNoWitness(t *testing.T) {
	a := newAlarm(t, 95, 3)
	leader := a.leader()
	right, away := a.others(leader)[0], a.others(leader)[1]
	a.command()
	a.level()
	away.crash()
	leader.flip()
	a.lossy = func(f simFrame) bool {
		_, digest := f.envelope.Message.(*consensus.StateDigest)
		return digest && f.from == right.name
	}
	a.fill(leader, leader.g.core.Last().Index+a.timing.RetainEntries)
	away.start()
	a.until("the snapshot is installed", func() bool { return away.g.hashes.latest().Index > 0 })
	if hash := away.g.hashes.known[away.g.hashes.latest()]; !hash.copied || away.machine.cells[25] == 0 {
		t.Fatal("the wrong state was not copied")
	}
	a.lossy = nil
	a.until("the leader reports it", func() bool { return strings.Contains(leader.g.status.Load().problem, "differ") })
	for range 300 {
		a.round()
	}
	if len(a.wasQuarantined) != 0 || right.quarantined() || leader.quarantined() {
		t.Errorf("quarantined were %v", a.wasQuarantined)
	}
}

// TestHashesAreBounded shows that a member remembers its last state hashes, and no more.
func TestHashesAreBounded(t *testing.T) {
	var h hashes
	for i := range consensus.Index(3 * rememberedDigests) {
		h.add(consensus.Cursor{Term: 1, Index: i + 1}, stateHash{digest: digestOf(fmt.Append(nil, i))})
		h.add(consensus.Cursor{Term: 1, Index: i + 1}, stateHash{digest: digestOf(fmt.Append(nil, i))})
	}
	if len(h.order) != rememberedDigests || len(h.known) != rememberedDigests || h.latest().Index != 3*rememberedDigests {
		t.Errorf("%d of %d known, the latest %s", len(h.order), len(h.known), h.latest())
	}
	h.replaced(consensus.Cursor{Term: 2, Index: 99}, Digest{9})
	if len(h.known) != 1 || !h.known[h.latest()].copied {
		t.Errorf("after a copy: %+v", h)
	}
}
