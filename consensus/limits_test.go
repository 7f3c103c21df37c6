package consensus

import (
	"errors"
	"testing"
)

// TestMaxUncommittedBytes shows that a leader refuses proposals past the bound, all or nothing, takes
// one of any size when nothing is uncommitted, and takes more once entries commit.
func TestMaxUncommittedBytes(t *testing.T) {
	c := newCluster(3)
	for _, n := range c.nodes {
		n.config.MaxUncommittedBytes = 100
		c.start(n)
	}
	if err := c.propose(1, "x"); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a follower took a proposal: %v", err)
	}
	c.elect(1)
	c.stabilize()
	large := string(make([]byte, 101))
	if err := c.propose(1, large); err != nil {
		t.Errorf("one proposal always fits: %v", err)
	}
	last := c.nodes[1].core.log.lastIndex()
	if err := c.propose(1, "a", "b"); !errors.Is(err, ErrBusy) || c.nodes[1].core.log.lastIndex() != last {
		t.Errorf("got %v, the log went from %d to %d", err, last, c.nodes[1].core.log.lastIndex())
	}
	c.stabilize()
	for range 2 {
		if err := c.propose(1, large[:50]); err != nil {
			t.Errorf("100 bytes do not fit: %v", err)
		}
	}
	if err := c.propose(1, "c"); !errors.Is(err, ErrBusy) {
		t.Errorf("101 bytes fit: %v", err)
	}
	if c.failure != nil {
		t.Error(c.failure)
	}
}

// TestUncommittedBytesOfPredecessors shows that the commit of a predecessor's entries does not make
// room for more of one's own than the bound allows.
func TestUncommittedBytesOfPredecessors(t *testing.T) {
	c := newCluster(3)
	n := c.nodes[1]
	n.config.MaxUncommittedBytes = 100
	n.disk = Restored{
		HardState: HardState{Term: 1},
		Entries:   []LogEntry{{Term: 1, Index: 1, Kind: EntryCommand, Payload: make([]byte, 1000)}},
	}
	c.start(n)
	for range 100 {
		n.core.Tick()
		c.settle(n)
		for len(c.network) > 0 && n.core.Role() != Leader {
			c.deliver(0)
			c.settle(c.nodes[2])
			c.settle(n)
		}
		if n.core.Role() == Leader {
			break
		}
	}
	if err := c.propose(1, string(make([]byte, 100))); err != nil {
		t.Fatal(err)
	}
	_, term := n.core.Leader()
	if err := n.core.Step(2, &AppendEntriesResponse{Term: term, Vote: Granted, LastLogIndex: 2}); err != nil {
		t.Fatal(err)
	}
	if n.core.Commit() != 2 {
		t.Fatalf("commit is %d, the scene is not set", n.core.Commit())
	}
	if err := c.propose(1, "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("with 100 bytes of its own uncommitted the leader takes more: %v", err)
	}
}

// TestProposeRefusesConfiguration shows that a membership is changed by ChangeMembership alone: the
// leader would not know of the other's being in force.
func TestProposeRefusesConfiguration(t *testing.T) {
	c := newCluster(1)
	c.elect(1)
	payload := EncodeConfiguration(Configuration{Voters: []MemberID{1, 2}})
	if _, _, err := c.nodes[1].core.Propose(EntryConfiguration, payload); !errors.Is(err, ErrBadConfiguration) {
		t.Errorf("got %v", err)
	}
	if c.checkMember(c.nodes[1]); c.failure != nil {
		t.Error(c.failure)
	}
}

// TestMaxPendingReads shows that reads past the bound are refused, and that answered ones make room.
func TestMaxPendingReads(t *testing.T) {
	c := newCluster(3)
	n := c.nodes[1]
	n.config.MaxPendingReads = 2
	c.start(n)
	c.elect(1)
	c.stabilize()
	for id := uint64(1); id <= 3; id++ {
		err := n.core.ReadIndex(id)
		if refused := errors.Is(err, ErrBusy); refused != (id == 3) {
			t.Errorf("read %d: %v", id, err)
		}
	}
	c.stabilize()
	if len(n.reads) != 2 {
		t.Errorf("%d reads were answered, want 2", len(n.reads))
	}
	if err := n.core.ReadIndex(4); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

// TestHeldMessagesAreBounded shows that messages which await a disk that never answers do not pile up
// beyond a bound, and that the latest are kept.
func TestHeldMessagesAreBounded(t *testing.T) {
	core, err := New(testConfig(1, Configuration{Voters: []MemberID{1, 2, 3}}), Restored{})
	if err != nil {
		t.Fatal(err)
	}
	const sent = maxHeld + 100
	for round := uint64(1); round <= sent; round++ {
		message := &AppendEntries{Term: 1, Leader: 2, PrevLogPosition: Cursor{Term: 1, Index: 9}, Round: round}
		if err := core.Step(2, message); err != nil {
			t.Fatal(err)
		}
		if rd := core.Ready(); len(rd.Messages) > 0 {
			t.Fatalf("%s left before its term was durable", rd.Messages[0].Message)
		}
	}
	core.Persisted(1)
	messages := core.Ready().Messages
	if n := len(messages); n != maxHeld+1 || messages[n-1].Message.(*AppendEntriesResponse).Vote != Granted {
		t.Fatalf("%d messages left, want %d that were held and one that the completion brings about", n, maxHeld)
	}
	for i, m := range messages[:maxHeld] {
		if want := uint64(sent - maxHeld + i + 1); m.Message.(*AppendEntriesResponse).Round != want {
			t.Fatalf("message %d is %s, want round %d", i, m.Message, want)
		}
	}
}

// TestPersistedIgnoresOthers shows that a completion that belongs to no write, or comes twice, has no
// effect.
func TestPersistedIgnoresOthers(t *testing.T) {
	c := newCluster(1)
	n := c.nodes[1]
	n.slowDisk = true
	for range 2 * n.config.ElectionTicks {
		n.core.Tick()
	}
	c.turn(n)
	n.core.Persisted(2)
	if n.core.Role() != Candidate {
		t.Error("the completion of a write that was never made elected a leader")
	}
	c.persistAll(n)
	if n.core.Role() != Leader {
		t.Error("the completion of the vote's write elected nobody")
	}
	c.turn(n)
	n.core.Persisted(1)
	if n.core.Commit() != 0 {
		t.Error("an old completion committed an entry")
	}
	c.persistAll(n)
	if n.core.Commit() != 1 || c.failure != nil {
		t.Errorf("commit is %d (%v)", n.core.Commit(), c.failure)
	}
}

// TestMaxApplyBytes shows that entries are handed out in batches within the bound, in order, one at
// least.
func TestMaxApplyBytes(t *testing.T) {
	c := newCluster(1)
	n := c.nodes[1]
	n.config.MaxApplyBytes = 100
	c.start(n)
	c.elect(1)
	if err := c.propose(1, string(make([]byte, 500)), "a", "b", "c", "d", "e"); err != nil {
		t.Fatal(err)
	}
	write := n.core.Ready().Write
	n.core.Persisted(write.Seq)
	var sizes []int
	for n.core.HasReady() {
		sizes = append(sizes, len(n.core.Ready().Committed))
	}
	if len(sizes) != 3 || sizes[0] != 1 || sizes[1] != 4 || sizes[2] != 1 {
		t.Errorf("batches of %v entries, want 1, 4 and 1", sizes)
	}
}

// TestSnapshotAtRefuses shows that a snapshot is only described where the member has applied and still
// holds the log.
func TestSnapshotAtRefuses(t *testing.T) {
	c := newCluster(1)
	n := c.nodes[1]
	c.elect(1)
	if err := c.propose(1, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.core.SnapshotAt(2, nil); !errors.Is(err, ErrBadState) {
		t.Errorf("a snapshot at an entry that is not applied: %v", err)
	}
	c.stabilize()
	meta, err := n.core.SnapshotAt(3, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n.core.SnapshotTaken(meta, 99); n.core.log.base.Index != 3 {
		t.Errorf("compacted up to %d, the anchor is 3", n.core.log.base.Index)
	}
	for _, index := range []Index{2, 4} {
		if _, err := n.core.SnapshotAt(index, nil); !errors.Is(err, ErrBadState) {
			t.Errorf("a snapshot at %d of a log that holds 3: %v", index, err)
		}
	}
	other, err := n.core.SnapshotAt(3, []byte("repaired"))
	if err != nil {
		t.Fatal(err)
	}
	if n.core.SnapshotTaken(other, 3); string(n.core.snapshot.Manifest) != "repaired" {
		t.Error("another snapshot at the same anchor did not replace the present one")
	}
	if n.core.SnapshotTaken(SnapshotMeta{Anchor: Cursor{Term: 1, Index: 2}}, 2); n.core.snapshot.Anchor.Index != 3 {
		t.Error("an older snapshot replaced the present one")
	}
}

// TestInstallRefuses shows that a snapshot is not installed when it is too old, when its configuration
// is broken, or by a leader.
func TestInstallRefuses(t *testing.T) {
	c := newCluster(1)
	n := c.nodes[1]
	if _, err := n.core.Install(SnapshotMeta{Anchor: Cursor{Term: 1, Index: 5}}); !errors.Is(err, ErrBadConfiguration) {
		t.Errorf("no voters: %v", err)
	}
	meta := SnapshotMeta{Configuration: Configuration{Voters: []MemberID{1}}}
	if wanted, err := n.core.Install(meta); wanted || err != nil {
		t.Errorf("at the commit index: %v %v", wanted, err)
	}
	c.elect(1)
	c.stabilize()
	if err := c.propose(1, "a", "b"); err != nil {
		t.Fatal(err)
	}
	c.stabilize()
	c.crash(n)
	c.elect(1)
	c.stabilize()
	n.core.becomeFollower(n.core.hard.Term, NoMember)
	meta.Anchor = Cursor{Term: 1, Index: 2}
	if wanted, err := n.core.Install(meta); wanted || err != nil || n.core.log.base.Index != 0 || n.core.Commit() != 4 {
		t.Errorf("below the commit index %d: %v %v", n.core.Commit(), wanted, err)
	}
	c.elect(1)
	meta.Anchor = Cursor{Term: 1, Index: 9}
	if wanted, err := n.core.Install(meta); wanted || err != nil {
		t.Errorf("by a leader: %v %v", wanted, err)
	}
}
