package consensus

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestConfigValidate shows that every field out of range is named, and that New refuses it.
func TestConfigValidate(t *testing.T) {
	good := testConfig(1, Configuration{Voters: []MemberID{1, 2, 3}})
	if _, err := New(good, Restored{}); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"ID":                  func(c *Config) { c.ID = NoMember },
		"HeartbeatTicks":      func(c *Config) { c.HeartbeatTicks = 0 },
		"ElectionTicks":       func(c *Config) { c.ElectionTicks = 2*c.HeartbeatTicks - 1 },
		"Reluctance":          func(c *Config) { c.Reluctance = -1 },
		"DemoteAfterTicks":    func(c *Config) { c.DemoteAfterTicks, c.VoterFloor = 2*c.ElectionTicks-1, 3 },
		"VoterFloor":          func(c *Config) { c.DemoteAfterTicks = 2 * c.ElectionTicks },
		"MaxMessageBytes":     func(c *Config) { c.MaxMessageBytes = 0 },
		"MaxInflightMessages": func(c *Config) { c.MaxInflightMessages = -1 },
		"MaxUncommittedBytes": func(c *Config) { c.MaxUncommittedBytes = 0 },
		"MaxPendingReads":     func(c *Config) { c.MaxPendingReads = 0 },
		"MaxApplyBytes":       func(c *Config) { c.MaxApplyBytes = 0 },
	} {
		bad := good
		spoil(&bad)
		if _, err := New(bad, Restored{}); !errors.Is(err, ErrBadConfig) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s out of range: got %v", name, err)
		}
	}
	bad := good
	bad.Initial = Configuration{}
	if _, err := New(bad, Restored{}); !errors.Is(err, ErrBadConfiguration) {
		t.Errorf("no voters: got %v", err)
	}
}

// TestNewRefusesBadState shows that New refuses what no correct member can have written.
func TestNewRefusesBadState(t *testing.T) {
	voters := Configuration{Voters: []MemberID{1, 2, 3}}
	entry := func(term Term, index Index) LogEntry { return LogEntry{Term: term, Index: index, Kind: EntryCommand} }
	snapshot := func(term Term, index Index) *SnapshotMeta {
		return &SnapshotMeta{Anchor: Cursor{Term: term, Index: index}, Configuration: voters}
	}
	configuration := LogEntry{Term: 1, Index: 1, Kind: EntryConfiguration, Payload: []byte{9}}
	for name, bad := range map[string]Restored{
		"gap at the start":             {Entries: []LogEntry{entry(1, 2)}},
		"gap":                          {Entries: []LogEntry{entry(1, 1), entry(1, 3)}},
		"falling term":                 {Entries: []LogEntry{entry(2, 1), entry(1, 2)}},
		"entry of a later term":        {Entries: []LogEntry{entry(4, 1)}},
		"unreadable configuration":     {Entries: []LogEntry{configuration}},
		"gap after the snapshot":       {Snapshot: snapshot(1, 5), Entries: []LogEntry{entry(1, 7)}},
		"log ends before the snapshot": {Snapshot: snapshot(1, 5), Entries: []LogEntry{entry(1, 3), entry(1, 4)}},
		"snapshot of a later term":     {Snapshot: snapshot(4, 5)},
		"snapshot without voters":      {Snapshot: &SnapshotMeta{Anchor: Cursor{Term: 1, Index: 5}}},
		"entry at the anchor differs":  {Snapshot: snapshot(1, 5), Entries: []LogEntry{entry(1, 4), entry(2, 5)}},
		"first entry of a later term":  {Snapshot: snapshot(1, 5), Entries: []LogEntry{entry(4, 5)}},
	} {
		bad.HardState = HardState{Term: 3}
		if _, err := New(testConfig(1, voters), bad); !errors.Is(err, ErrBadState) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestNewRestores shows that a member comes back with its term, vote, log, configuration and snapshot.
func TestNewRestores(t *testing.T) {
	voters := Configuration{Voters: []MemberID{1, 2, 3}}
	later := Configuration{Voters: []MemberID{1, 2}, Observers: []MemberID{3}}
	restored := Restored{
		HardState: HardState{Term: 7, VotedFor: 2},
		Snapshot:  &SnapshotMeta{Anchor: Cursor{Term: 5, Index: 10}, Configuration: voters, ConfigurationIndex: 4},
		Entries: []LogEntry{
			{Term: 4, Index: 9, Kind: EntryCommand, Payload: []byte("given up for the base")},
			{Term: 5, Index: 10, Kind: EntrySnapshotMarker},
			{Term: 7, Index: 11, Kind: EntryConfiguration, Payload: EncodeConfiguration(later)},
		},
	}
	core, err := New(testConfig(1, Configuration{Voters: []MemberID{1}}), restored)
	if err != nil {
		t.Fatal(err)
	}
	status := core.Status()
	if status.Term != 7 || status.Commit != 10 || status.Last != (Cursor{Term: 7, Index: 11}) || status.Base != (Cursor{Term: 4, Index: 9}) {
		t.Errorf("got %+v", status)
	}
	if !core.Configuration().Equal(later) || core.HasReady() {
		t.Errorf("got %s, ready %v", core.Configuration(), core.HasReady())
	}
	if vote := core.judge(&RequestVote{Term: 7, Candidate: 3, LogPosition: Cursor{Term: 9, Index: 99}}); vote != Denied {
		t.Errorf("the restored vote was forgotten: %s", vote)
	}
	meta, err := core.SnapshotAt(10, nil)
	if err != nil || !meta.Configuration.Equal(voters) || meta.ConfigurationIndex != 4 {
		t.Errorf("snapshot at 10: %+v, %v", meta, err)
	}
}

// TestStatus shows what an operator sees of a leader and of a follower.
func TestStatus(t *testing.T) {
	c := newCluster(3)
	c.elect(1)
	c.stabilize()
	if err := c.propose(1, "abc"); err != nil {
		t.Fatal(err)
	}
	c.stabilize()
	want := Status{
		ID: 1, Role: Leader, Term: 1, Leader: 1, Commit: 2, Last: Cursor{Term: 1, Index: 2}, LogBytes: 2*24 + 3,
		Configuration: Configuration{Voters: []MemberID{1, 2, 3}}, Match: map[MemberID]Index{2: 2, 3: 2},
	}
	if got := c.nodes[1].core.Status(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("leader:\n got %+v\nwant %+v", got, want)
	}
	want.ID, want.Role, want.Match = 2, Follower, nil
	if got := c.nodes[2].core.Status(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("follower:\n got %+v\nwant %+v", got, want)
	}
	if term, ok := c.nodes[2].core.TermAt(2); term != 1 || !ok {
		t.Errorf("term at 2 is %d, %v", term, ok)
	}
	if _, ok := c.nodes[2].core.TermAt(3); ok {
		t.Error("there is a term at 3")
	}
}

func (c *cluster) propose(id MemberID, payloads ...string) error {
	var commands [][]byte
	for _, p := range payloads {
		commands = append(commands, []byte(p))
	}
	_, _, err := c.nodes[id].core.Propose(EntryCommand, commands...)
	return err
}

// TestStepIgnoresNonsense shows that messages without sense change nothing, and are no error either.
func TestStepIgnoresNonsense(t *testing.T) {
	c := newCluster(3)
	c.elect(1)
	c.stabilize()
	lead, follower := c.nodes[1].core, c.nodes[2].core
	before := fmt.Sprintf("%+v %+v", lead.Status(), follower.Status())
	for _, m := range []Envelope{
		{From: NoMember, To: 1, Message: &RequestVote{Term: 9}},
		{From: 1, To: 1, Message: &RequestVote{Term: 9, Candidate: 1}},
		{From: 2, To: 1, Message: &ForwardCommand{}},
		{From: 2, To: 1, Message: &CommandAck{}},
		{From: 2, To: 1, Message: &ForwardQuery{}},
		{From: 2, To: 1, Message: &QueryResponse{}},
		{From: 3, To: 2, Message: &RequestVote{Term: 1, Candidate: 1}},
		{From: 3, To: 2, Message: &AppendEntries{Term: 1, Leader: 1, Entries: []LogEntry{{Term: 1, Index: 2}}}},
		{From: 3, To: 2, Message: &StateSyncOffer{Term: 1, Leader: 1}},
		{From: 3, To: 2, Message: &TimeoutNow{Term: 1, Leader: 1}},
		{From: 2, To: 1, Message: &AppendEntriesResponse{Term: 1, Vote: Granted, LastLogIndex: 9}},
		{From: 2, To: 1, Message: &AppendEntriesResponse{Term: 1, Vote: Granted, Round: 99}},
		{From: 9, To: 1, Message: &AppendEntriesResponse{Term: 1, Vote: Granted, LastLogIndex: 1}},
		{From: 2, To: 1, Message: &RequestVoteResponse{Term: 1, Vote: Granted}},
		{From: 2, To: 1, Message: &TimeoutNow{Term: 1, Leader: 2}},
	} {
		if err := c.nodes[m.To].core.Step(m.From, m.Message); err != nil {
			t.Errorf("%s: %v", m.Message, err)
		}
		c.stabilize()
		if after := fmt.Sprintf("%+v %+v", lead.Status(), follower.Status()); after != before {
			t.Fatalf("%s from %d changed\n%s\nto\n%s", m.Message, m.From, before, after)
		}
	}
}

// TestStepHaltsOnBrokenInvariant shows that a message which proves a broken rule stops the member.
func TestStepHaltsOnBrokenInvariant(t *testing.T) {
	command := func(term Term, index Index) LogEntry { return LogEntry{Term: term, Index: index, Kind: EntryCommand} }
	unreadable := LogEntry{Term: 1, Index: 2, Kind: EntryConfiguration, Payload: []byte{1}}
	first := &AppendEntries{Term: 2, Leader: 1, Entries: []LogEntry{command(1, 1)}, LeaderCommit: 1}
	for name, bad := range map[string]Message{
		"two leaders":                &AppendEntries{Term: 2, Leader: 3},
		"two leaders, in an offer":   &StateSyncOffer{Term: 2, Leader: 3},
		"gap in a batch":             &AppendEntries{Term: 2, Leader: 1, PrevLogPosition: Cursor{1, 1}, Entries: []LogEntry{command(1, 2), command(1, 4)}},
		"gap before a batch":         &AppendEntries{Term: 2, Leader: 1, PrevLogPosition: Cursor{1, 1}, Entries: []LogEntry{command(1, 3)}},
		"entry of a later term":      &AppendEntries{Term: 2, Leader: 1, PrevLogPosition: Cursor{1, 1}, Entries: []LogEntry{command(1, 2), command(3, 3)}},
		"falling term":               &AppendEntries{Term: 2, Leader: 1, PrevLogPosition: Cursor{1, 1}, Entries: []LogEntry{command(2, 2), command(1, 3)}},
		"committed entry differs":    &AppendEntries{Term: 2, Leader: 1, Entries: []LogEntry{command(2, 1)}},
		"unreadable configuration":   &AppendEntries{Term: 2, Leader: 1, PrevLogPosition: Cursor{1, 1}, Entries: []LogEntry{unreadable}},
		"leader replaces its own":    &AppendEntries{Term: 2, Leader: 1, PrevLogPosition: Cursor{1, 1}, Entries: []LogEntry{command(1, 2)}},
		"entries that index nothing": &AppendEntries{Term: 2, Leader: 1, Entries: []LogEntry{command(1, 0)}},
	} {
		core, err := New(testConfig(2, Configuration{Voters: []MemberID{1, 2, 3}}), Restored{})
		if err != nil {
			t.Fatal(err)
		}
		if err := core.Step(1, first); err != nil {
			t.Fatal(err)
		}
		from := MemberID(1)
		switch {
		case strings.HasPrefix(name, "two leaders"):
			from = 3
		case strings.HasPrefix(name, "leader replaces"):
			own := &AppendEntries{Term: 2, Leader: 1, PrevLogPosition: Cursor{1, 1}, Entries: []LogEntry{command(2, 2)}}
			if err := core.Step(1, own); err != nil {
				t.Fatal(err)
			}
		}
		if err := core.Step(from, bad); !errors.Is(err, ErrInvariant) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestForgedCandidate shows that nobody can spend a vote in another's name.
func TestForgedCandidate(t *testing.T) {
	core, err := New(testConfig(1, Configuration{Voters: []MemberID{1, 2, 3}}), Restored{})
	if err != nil {
		t.Fatal(err)
	}
	for _, forged := range []*RequestVote{{Term: 1, Candidate: 2}, {Term: 1, Candidate: 2, PreVote: true}} {
		if err := core.Step(3, forged); err != nil {
			t.Fatal(err)
		}
	}
	if core.hard.VotedFor != NoMember || len(core.out.messages) != 0 {
		t.Errorf("voted for %d and sent %v", core.hard.VotedFor, core.out.messages)
	}
}

// TestLastTerm shows that a member at the end of the number range does not wrap around to term 0 (M16).
func TestLastTerm(t *testing.T) {
	last := Restored{HardState: HardState{Term: ^Term(0)}}
	core, err := New(testConfig(1, Configuration{Voters: []MemberID{1}}), last)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		core.Tick()
	}
	if status := core.Status(); status.Term != ^Term(0) || status.Role != Follower || core.HasReady() {
		t.Errorf("got %+v", status)
	}
}
