package consensus

import (
	"errors"
	"slices"
	"testing"
)

// survivor is a member of a group of three as its disk was left: one entry committed before a snapshot, one
// after it, and one that nobody knows to be committed.
func survivor() (Configuration, Restored) {
	initial := Configuration{Voters: []MemberID{1, 2, 3}}
	return initial, Restored{
		HardState: HardState{Term: 7, VotedFor: 3},
		Snapshot:  &SnapshotMeta{Anchor: Cursor{Term: 2, Index: 4}, Configuration: initial},
		Entries: []LogEntry{
			{Term: 2, Index: 5, Kind: EntryCommand, Payload: []byte("a")}, {Term: 6, Index: 6, Kind: EntryCommand, Payload: []byte("b")},
		},
	}
}

// TestRepairQuorum shows that a repaired survivor leads alone after its restart, in a term far above all that it knew, and
// commits everything that its log held; and that the report says what may be lost.
func TestRepairQuorum(t *testing.T) {
	initial, restored := survivor()
	r, err := RepairQuorum(2, initial, restored)
	if err != nil {
		t.Fatal(err)
	}
	if r.Last != (Cursor{6, 6}) || r.Committed != 4 || !slices.Equal(r.GivenUp, []MemberID{1, 3}) || !r.Configuration.Equal(initial) {
		t.Errorf("%+v", r)
	}
	restored.HardState = *r.Write.HardState
	restored.Entries = append(restored.Entries, r.Write.Entries...)
	core, err := New(testConfig(2, initial), restored)
	if err != nil {
		t.Fatal(err)
	}
	if core.hard.Term <= 7+1000 {
		t.Fatalf("term %d", core.hard.Term)
	}
	var applied []Index
	for tick := 0; core.Role() != Leader || core.Commit() < 8; tick++ {
		if tick > 100 {
			t.Fatalf("%+v", core.Status())
		}
		core.Tick()
		for core.HasReady() {
			rd := core.Ready()
			if len(rd.Messages) > 0 {
				t.Fatalf("it still speaks to %+v", rd.Messages)
			}
			if rd.Write != nil {
				core.Persisted(rd.Write.Seq)
			}
			for _, e := range rd.Committed {
				applied = append(applied, e.Index)
			}
		}
	}
	if !slices.Equal(applied[:4], []Index{5, 6, 7, 8}) {
		t.Errorf("applied %v", applied)
	}
	if _, err := RepairQuorum(2, initial, restored); !errors.Is(err, ErrNoSuchMember) {
		t.Errorf("a second repair: %v", err)
	}
}

// TestRepairRefused shows that nobody is repaired who is no member, whose log is broken, or who can lead already;
// and that a survivor in the middle of a change of members can be.
func TestRepairRefused(t *testing.T) {
	initial, restored := survivor()
	if _, err := RepairQuorum(9, initial, restored); !errors.Is(err, ErrNoSuchMember) {
		t.Errorf("a stranger: %v", err)
	}
	if _, err := RepairQuorum(1, Configuration{Voters: []MemberID{1}}, Restored{}); !errors.Is(err, ErrNoSuchMember) {
		t.Errorf("the only voter: %v", err)
	}
	broken := restored
	broken.Entries = restored.Entries[1:]
	if _, err := RepairQuorum(2, initial, broken); !errors.Is(err, ErrBadState) {
		t.Errorf("a gap: %v", err)
	}
	if _, err := RepairQuorum(2, Configuration{}, Restored{}); !errors.Is(err, ErrBadConfiguration) {
		t.Errorf("no configuration: %v", err)
	}
	joint := Configuration{Voters: []MemberID{2}, Outgoing: []MemberID{1, 2, 3}, Observers: []MemberID{4}}
	restored.Entries = append(restored.Entries, LogEntry{Term: 7, Index: 7, Kind: EntryConfiguration, Payload: EncodeConfiguration(joint)})
	r, err := RepairQuorum(2, initial, restored)
	if err != nil || !slices.Equal(r.GivenUp, []MemberID{1, 3, 4}) || r.Last.Index != 7 || r.ConfigurationIndex != 7 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err = RepairQuorum(4, initial, restored); err != nil || !slices.Equal(r.GivenUp, []MemberID{1, 2, 3}) {
		t.Errorf("an observer: %+v, %v", r, err)
	}
}
