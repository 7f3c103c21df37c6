package consensus

import (
	"slices"
	"strings"
)

// actInject hands a made-up message to a member and returns what Step returns:
//
//	inject 3>1 append term=2 prev=1/1 commit=3 round=1 entries=2:b,2:c
//	inject 3>1 ack term=2 vote=Granted last=3 hint=1/1 round=1
//	inject 3>1 vote term=2 log=1/1 kind=pre|transfer
//	inject 3>1 promise term=2 vote=Granted kind=pre
//	inject 3>1 timeout-now term=2
//	inject 3>1 offer term=2 anchor=1/5 commit=5 voters=1,2,3
func actInject(s *script, args []string) error {
	want(args, 2, 99)
	from, to, found := strings.Cut(args[0], ">")
	n := s.nodes[MemberID(number(to))]
	if !found || n == nil {
		misuse("want: inject from>to kind name=value...")
	}
	sender := MemberID(number(from))
	message := injected(sender, args[1], fieldsOf(args[2:]))
	s.outside = true
	s.logf("%d -> %d %s (made up)", sender, n.id, message)
	return n.core.Step(sender, message)
}

// messageFields are the name=value words of an inject line.
type messageFields map[string]string

func fieldsOf(words []string) messageFields {
	known := []string{"term", "prev", "commit", "round", "entries", "vote", "last", "hint", "log", "kind", "anchor", "voters"}
	fields := messageFields{}
	for _, w := range words {
		name, value, found := strings.Cut(w, "=")
		if !found || !slices.Contains(known, name) {
			misuse("%q is no name=value of %v", w, known)
		}
		fields[name] = value
	}
	return fields
}

func (f messageFields) number(name string) uint64 {
	if f[name] == "" {
		return 0
	}
	return number(f[name])
}

func (f messageFields) cursor(name string) Cursor {
	if f[name] == "" {
		return Cursor{}
	}
	term, index, found := strings.Cut(f[name], "/")
	if !found {
		misuse("%q is no term/index", f[name])
	}
	return Cursor{Term: Term(number(term)), Index: Index(number(index))}
}

func (f messageFields) vote() Vote {
	for _, v := range []Vote{Denied, Granted, Abstained} {
		if v.String() == f["vote"] {
			return v
		}
	}
	misuse("%q is no vote", f["vote"])
	return Denied
}

func (f messageFields) words(name string) []string {
	if f[name] == "" {
		return nil
	}
	return strings.Split(f[name], ",")
}

func injected(from MemberID, kind string, f messageFields) Message {
	term, round := Term(f.number("term")), f.number("round")
	switch kind {
	case "append":
		prev := f.cursor("prev")
		return &AppendEntries{
			Term: term, Leader: from, PrevLogPosition: prev, Entries: entriesOf(f.words("entries"), prev.Index+1),
			LeaderCommit: Index(f.number("commit")), Round: round,
		}
	case "ack":
		return &AppendEntriesResponse{
			Term: term, Vote: f.vote(), LastLogIndex: Index(f.number("last")), Hint: f.cursor("hint"), Round: round,
		}
	case "vote":
		return &RequestVote{
			Term: term, Candidate: from, LogPosition: f.cursor("log"),
			PreVote: f["kind"] == "pre", Transfer: f["kind"] == "transfer",
		}
	case "promise":
		return &RequestVoteResponse{Term: term, Vote: f.vote(), PreVote: f["kind"] == "pre"}
	case "timeout-now":
		return &TimeoutNow{Term: term, Leader: from}
	case "offer":
		return &StateSyncOffer{
			Term: term, Leader: from, LeaderCommit: Index(f.number("commit")), Round: round,
			Snapshot: SnapshotMeta{
				Anchor: f.cursor("anchor"), Configuration: Configuration{Voters: memberIDs(f.words("voters"))},
				Manifest: encodeState(0),
			},
		}
	}
	misuse("unknown kind of message %q", kind)
	return nil
}
