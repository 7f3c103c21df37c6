package host

import (
	"bytes"

	"github.com/groutlabs/grout/consensus"
)

// simTruth is what an observer who sees everything knows of a group, and holds its members to.
type simTruth struct {
	w       *simWorld
	initial consensus.Configuration
	// leaders and supported are who led a term, and whom a member promised a term.
	leaders   map[consensus.Term]consensus.MemberID
	supported map[simPromise]consensus.MemberID
	// entries are all that were ever given to a log, by position; chosen are the committed ones.
	entries map[consensus.Cursor]*simEntry
	chosen  []*simEntry
	// membership is the latest committed configuration, and membershipAt its index.
	membership   consensus.Configuration
	membershipAt consensus.Index
	twin         simTwin
	// manifests are what was saved, by anchor.
	manifests map[consensus.Cursor]Digest
}

type simPromise struct {
	member consensus.MemberID
	term   consensus.Term
}

// simEntry is one entry, and what became of it.
type simEntry struct {
	consensus.LogEntry
	// before is the term of the entry before it.
	before consensus.Term
	// The rest is known once the entry is chosen: the term of the leader that committed it, and, for commands, what the machine must be told and
	// answer, and the machine's digest after it.
	in      consensus.Term
	command command
	runs    bool
	reply   Reply
	digest  uint64
	emitted int
	out     int
}

// simSeen is what the last check of a process saw.
type simSeen struct {
	commit  consensus.Index
	role    consensus.Role
	term    consensus.Term
	inForce consensus.Configuration
	// base is where the log began when the configuration in force was last compared with it.
	base consensus.Cursor
	// quarantined is set while the member is.
	quarantined bool
}

// look counts what became of a wrong state.
func (s *simSeen) look(l *simLife) {
	if now := l.g.quarantine != nil; now != s.quarantined {
		s.quarantined = now
		if now {
			l.node.w.stats.quarantined++
		} else {
			l.node.w.stats.repaired++
		}
	}
}

func (s *simSeen) start(l *simLife) {
	_, term := l.g.core.Leader()
	*s = simSeen{commit: 0, term: term, inForce: l.g.core.Configuration()}
}

func (t *simTruth) init(w *simWorld) {
	t.w = w
	t.leaders, t.supported = map[consensus.Term]consensus.MemberID{}, map[simPromise]consensus.MemberID{}
	t.entries, t.manifests = map[consensus.Cursor]*simEntry{}, map[consensus.Cursor]Digest{}
	t.twin.init(w)
}

// written notes what a member gives to its log. Two entries of one position must be the same, and
// follow the same: then logs match (Raft, section 5.3).
func (t *simTruth) written(l *simLife, write *consensus.Write) {
	for i, e := range write.Entries {
		before := consensus.Term(0)
		if i > 0 {
			before = write.Entries[i-1].Term
		} else if e.Index > 1 {
			before, _ = l.g.core.TermAt(e.Index - 1)
		}
		known := t.entries[e.Position()]
		if known == nil {
			e.Payload = bytes.Clone(e.Payload)
			t.entries[e.Position()] = &simEntry{LogEntry: e, before: before}
			if e.Kind == consensus.EntryConfiguration {
				t.checkChange(l, e)
			}
			continue
		}
		if known.Kind != e.Kind || known.before != before || !bytes.Equal(known.Payload, e.Payload) {
			t.w.fail("%s logs %s after term %d, another member logged %s after term %d there", l.node.name, e, before, known.LogEntry, known.before)
		}
	}
}

// check tests what must hold of a member after every event that it took part in.
func (t *simTruth) check(l *simLife) {
	core := l.g.core
	_, term := core.Leader()
	if term < l.seen.term {
		t.w.fail("%s falls from term %d to %d", l.node.name, l.seen.term, term)
	}
	l.seen.look(l)
	if l.g.quarantine != nil && !l.node.spoiled {
		t.w.fail("%s is quarantined, and no state was ever wrong: %s", l.node.name, l.g.quarantine)
	}
	t.checkCommit(l)
	if base := l.g.status.Load().Base; base != l.seen.base {
		l.seen.base = base
		t.checkInForce(l)
	}
	if core.Role() == consensus.Leader && (l.seen.role != consensus.Leader || l.seen.term != term) {
		t.checkLeader(l, term)
	}
	l.seen.role, l.seen.term, l.seen.inForce = core.Role(), term, core.Configuration()
}

// checkChange tests that a leader changes the membership only after an entry of its own term has
// committed, and one change at a time (R4).
func (t *simTruth) checkChange(l *simLife, e consensus.LogEntry) {
	core := l.g.core
	if term, ok := core.TermAt(core.Commit()); !ok || term != e.Term {
		t.w.fail("%s changes the membership by %s before an entry of its term has committed", l.node.name, e)
	}
	for _, earlier := range core.Entries(core.Commit()+1, e.Index-1) {
		if earlier.Kind == consensus.EntryConfiguration {
			t.w.fail("%s changes the membership by %s before %s has committed", l.node.name, e, earlier)
		}
	}
}

// checkInForce tests that the configuration in force is the latest in the log (R1).
func (t *simTruth) checkInForce(l *simLife) {
	status := l.g.core.Status()
	if status.Base.Index > t.lastChosen() {
		return
	}
	want, at := t.initial, consensus.Index(0)
	for _, e := range t.chosen[:status.Base.Index] {
		if e.Kind == consensus.EntryConfiguration {
			want, at = t.decoded(e.LogEntry), e.Index
		}
	}
	for _, e := range l.g.core.Entries(status.Base.Index+1, status.Last.Index) {
		if e.Kind == consensus.EntryConfiguration {
			want, at = t.decoded(e), e.Index
		}
	}
	if at != status.ConfigurationIndex || !want.Equal(status.Configuration) {
		t.w.fail("%s has %s of %d in force, its log has %s at %d", l.node.name, status.Configuration, status.ConfigurationIndex, want, at)
	}
}

func (t *simTruth) decoded(e consensus.LogEntry) consensus.Configuration {
	c, err := consensus.DecodeConfiguration(e.Payload)
	if err != nil {
		t.w.fail("entry %s: %v", e, err)
	}
	return c
}

// checkLeader tests election safety and leader completeness (Raft, sections 5.2 and 5.4).
func (t *simTruth) checkLeader(l *simLife, term consensus.Term) {
	name := l.node.name
	t.w.stats.elected++
	if other, known := t.leaders[term]; known && other != l.g.self {
		t.w.fail("%s leads term %d, and so does %s", name, term, other)
	}
	t.leaders[term] = l.g.self
	if want := (consensus.HardState{Term: term, VotedFor: l.g.self}); l.node.disk.log.hard != want {
		t.w.fail("%s leads term %d, but its disk has %+v", name, term, l.node.disk.log.hard)
	}
	for _, half := range [][]consensus.MemberID{l.seen.inForce.Voters, l.seen.inForce.Outgoing} {
		promised := 0
		for _, id := range half {
			if t.supported[simPromise{id, term}] == l.g.self || id == l.g.self {
				promised++
			}
		}
		if len(half) > 0 && 2*promised <= len(half) {
			t.w.fail("%s leads term %d by %d votes of %v", name, term, promised, half)
		}
	}
	base := l.g.core.Status().Base.Index
	for i, e := range t.chosen {
		if at := consensus.Index(i + 1); at > base && e.in < term {
			if got, ok := l.g.core.TermAt(at); !ok || got != e.Term {
				t.w.fail("%s leads term %d without the committed entry %s", name, term, e.LogEntry)
				return
			}
		}
	}
}

// checkCommit tests that what is committed never changes, that leaders alone commit anything new, and
// that it is on the disks of a majority.
func (t *simTruth) checkCommit(l *simLife) {
	commit := l.g.core.Commit()
	if commit < l.seen.commit {
		t.w.fail("%s falls from commit index %d to %d", l.node.name, l.seen.commit, commit)
	}
	fresh := false
	for at := l.seen.commit + 1; at <= commit && t.w.failure == nil; at++ {
		term, known := l.g.core.TermAt(at)
		switch {
		case !known && at > consensus.Index(len(t.chosen)):
			t.w.fail("%s commits %d, which nobody has", l.node.name, at)
		case !known:
		case at <= consensus.Index(len(t.chosen)):
			if t.chosen[at-1].Term != term {
				t.w.fail("%s commits %d/%d, but %s is committed", l.node.name, term, at, t.chosen[at-1].LogEntry)
			}
		default:
			fresh = true
			t.choose(l, consensus.Cursor{Term: term, Index: at})
		}
	}
	l.seen.commit = commit
	if !fresh || t.w.failure != nil {
		return
	}
	if l.g.core.Role() != consensus.Leader && l.seen.role != consensus.Leader {
		t.w.fail("%s commits %d before any leader did", l.node.name, commit)
	}
	if last := t.chosen[commit-1]; last.Term != last.in {
		t.w.fail("%s commits %s, which is not of its term %d, by itself (R3)", l.node.name, last.LogEntry, last.in)
	}
	t.checkMajority(l, t.chosen[commit-1].Position())
}

// checkMajority counts disks, in the configuration that was in force before this event or in the one that
// the event put in force. A disk that was lost after its member's word counts: what is committed survives
// on the others (see mayLose).
func (t *simTruth) checkMajority(l *simLife, at consensus.Cursor) {
	before, after := l.seen.inForce, l.g.core.Configuration()
	if !t.onMajority(before, at) && !t.onMajority(after, at) {
		t.w.fail("%s commits %s, which is not on the disks of a majority of %s", l.node.name, at, before)
	}
}

func (t *simTruth) onMajority(config consensus.Configuration, at consensus.Cursor) bool {
	for _, half := range [][]consensus.MemberID{config.Voters, config.Outgoing} {
		holders := 0
		for _, id := range half {
			if t.w.operator.diskOf(id).holds(at) {
				holders++
			}
		}
		if len(half) > 0 && 2*holders <= len(half) {
			return false
		}
	}
	return true
}

func (t *simTruth) choose(l *simLife, at consensus.Cursor) {
	e := t.entries[at]
	if e == nil {
		t.w.fail("%s commits %s, which no log was given", l.node.name, at)
		return
	}
	_, e.in = l.g.core.Leader()
	if l.seen.role == consensus.Leader && l.seen.term == e.Term {
		e.in = e.Term // it may have gone on to another term in the same turn
	}
	t.chosen = append(t.chosen, e)
	if t.w.trace.on {
		t.w.trace.note("chosen: %s %q", e.LogEntry, e.Payload)
	}
	switch e.Kind {
	case consensus.EntryConfiguration:
		next := t.decoded(e.LogEntry)
		t.w.stats.membership(t.membership, next)
		t.membership, t.membershipAt = next, e.Index
	case consensus.EntrySnapshotMarker:
		t.w.stats.markers++
	case consensus.EntryUpgrade:
		t.twin.upgrade(e)
		t.w.clients.chosen(e)
	case consensus.EntryCommand:
		t.twin.apply(e)
		t.w.clients.chosen(e)
	}
}

// word tests a message as it leaves: what it promises must be on the disk by then (R2, R6), and no
// member may support two candidates in one term.
func (t *simTruth) word(l *simLife, m consensus.Envelope) {
	disk := &l.node.disk.log
	switch word := m.Message.(type) {
	case *consensus.RequestVote:
		if word.PreVote {
			return
		}
		t.promise(l, word.Term, word.Candidate)
	case *consensus.RequestVoteResponse:
		if word.PreVote {
			return
		}
		if word.Vote != consensus.Denied {
			t.promise(l, word.Term, m.To)
			l.node.voted()
		}
	case *consensus.AppendEntriesResponse:
		if word.Vote == consensus.Granted && word.LastLogIndex > disk.last().Index {
			t.w.fail("%s acknowledges %d, but its disk ends at %s", l.node.name, word.LastLogIndex, disk.last())
		}
	}
	if term, carries := m.Message.MessageTerm(); carries && term > disk.hard.Term {
		t.w.fail("%s sends %s, but its disk is at term %d", l.node.name, m.Message, disk.hard.Term)
	}
}

func (t *simTruth) promise(l *simLife, term consensus.Term, candidate consensus.MemberID) {
	key := simPromise{l.g.self, term}
	if other, promised := t.supported[key]; promised && other != candidate {
		t.w.fail("%s supports both %s and %s in term %d", l.node.name, other, candidate, term)
	}
	t.supported[key] = candidate
	if hard := l.node.disk.log.hard; hard.Term < term || hard.Term == term && hard.VotedFor != candidate {
		t.w.fail("%s promises term %d to %s, but its disk has %+v", l.node.name, term, candidate, hard)
	}
}

// applied holds a machine to what the twin did with the same entry.
func (t *simTruth) applied(l *simLife, entry EntryContext, m *simMachine) {
	if entry.Index > consensus.Index(len(t.chosen)) {
		t.w.fail("%s applies %d, which is not committed", l.node.name, entry.Index)
		return
	}
	e := t.chosen[entry.Index-1]
	switch {
	case !e.runs:
		t.w.fail("%s applies %s, which must have no effect: %+v", l.node.name, e.LogEntry, e.reply)
	case e.digest != m.digest:
		t.w.fail("%s has another state after %s", l.node.name, e.LogEntry)
	}
}

// saved compares the manifests of equal anchors.
func (t *simTruth) saved(l *simLife, meta consensus.SnapshotMeta) {
	t.w.stats.snapshots++
	if l.node.spoiled {
		return
	}
	digest := Digest(meta.Manifest)
	if other, known := t.manifests[meta.Anchor]; known && other != digest {
		t.w.fail("%s saves the manifest %x at %s, another member saved %x", l.node.name, digest[:4], meta.Anchor, other[:4])
	}
	t.manifests[meta.Anchor] = digest
}

// published notes an event that went out.
func (t *simTruth) published(e *Emitted) {
	if e.Index > consensus.Index(len(t.chosen)) || t.chosen[e.Index-1].emitted == 0 {
		t.w.fail("an event of entry %d is published, which emitted none", e.Index)
		return
	}
	t.chosen[e.Index-1].out++
}

// lastChosen is the last committed index.
func (t *simTruth) lastChosen() consensus.Index { return consensus.Index(len(t.chosen)) }
