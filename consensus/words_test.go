package consensus

import "testing"

// TestWords pins the texts that traces and logs are made of.
func TestWords(t *testing.T) {
	entry := LogEntry{Term: 2, Index: 3, Kind: EntryUpgrade, Payload: []byte("abc")}
	joint := Configuration{Voters: []MemberID{1}, Outgoing: []MemberID{2}, Observers: []MemberID{3}}
	for want, got := range map[string]string{
		"000000000000002a":                    MemberID(42).String(),
		"2/3 upgrade 3B":                      entry.String(),
		"no-op":                               EntryNoOp.String(),
		"command":                             EntryCommand.String(),
		"configuration":                       EntryConfiguration.String(),
		"snapshot-marker":                     EntrySnapshotMarker.String(),
		"kind(9)":                             EntryKind(9).String(),
		"Granted":                             Granted.String(),
		"Denied":                              Denied.String(),
		"Abstained":                           Abstained.String(),
		"vote(9)":                             Vote(9).String(),
		"pre-candidate":                       PreCandidate.String(),
		"TimeoutNow[t=4]":                     (&TimeoutNow{Term: 4}).String(),
		"ForwardQuery[id=1/3B]":               (&ForwardQuery{RequestID: 1, Query: []byte("abc")}).String(),
		"ForwardCommand[id=1/t=3/n=2]":        (&ForwardCommand{RequestID: 1, Term: 3, Commands: make([][]byte, 2)}).String(),
		"CommandAck[id=1/t=2/3..4/refused=0]": (&CommandAck{RequestID: 1, Term: 2, First: 3, Last: 4}).String(),
		"QueryResponse[id=1/at=2/refused=1]":  (&QueryResponse{RequestID: 1, Position: 2, Refused: RefusedNotLeader}).String(),
		"voters=[0000000000000001] outgoing=[0000000000000002] observers=[0000000000000003]": joint.String(),
		"StateSyncOffer[t=1/anchor=0/0/c=2]":                                                 (&StateSyncOffer{Term: 1, LeaderCommit: 2}).String(),
		"StateDigest[ask/copied/anchor=1/2/01020304/agreed=]": (&StateDigest{Ask: true, Copied: true,
			Anchor: Cursor{Term: 1, Index: 2}, Digest: []byte{1, 2, 3, 4, 5}}).String(),
		"StateDigest[plea/anchor=0/0//agreed=09]": (&StateDigest{Quarantined: true, Agreed: []byte{9}}).String(),
		"RequestVote[t=1/log=0/0/transfer]":       (&RequestVote{Term: 1, Transfer: true}).String(),
		"PreVoteResponse[t=1/Denied]":             (&RequestVoteResponse{Term: 1, PreVote: true}).String(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, m := range []Message{&ForwardCommand{}, &CommandAck{Term: 3}, &ForwardQuery{}, &QueryResponse{}, &StateDigest{}} {
		if term, carries := m.MessageTerm(); carries || term != 0 {
			t.Errorf("%s carries term %d", m, term)
		}
	}
}
