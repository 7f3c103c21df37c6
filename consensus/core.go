package consensus

import (
	"fmt"
	"math/rand/v2"
)

// maxTermLeap bounds how far one message may move a member's term. Terms grow by one per election,
// so a larger leap is a forged or broken frame; following it would bring the member close to the
// end of the number range, where no election is possible any more (M16).
const maxTermLeap = 1 << 32

// Core is one member of one group. It is not safe for concurrent use: one loop owns it.
//
// Invariants, checked by tests after every step:
//  1. At most one Granted or Abstained per term, to hard.VotedFor (R2).
//  2. A message that speaks for hard.Term or hard.VotedFor leaves only when they are durable (R6).
//  3. Only a leader has peers, reads and a transfer.
//  4. config is the latest configuration in the log, committed or not (R1).
type Core struct {
	cfg Config
	rng *rand.Rand

	role   Role
	hard   HardState
	leader MemberID
	log    entryLog

	configs  []placedConfiguration
	snapshot *SnapshotMeta

	// electionElapsed counts ticks since the leader was heard, or, on a leader, since the last
	// check of the quorum.
	electionElapsed  int
	electionTimeout  int
	heartbeatElapsed int

	votes map[MemberID]Vote

	// verified is the index up to which the log is known to equal that of the leader of this term.
	verified Index
	// ackedIndex and ackedRound are what the leader was last told.
	ackedIndex Index
	ackedRound uint64
	// leaderRound is the round of the latest AppendEntries of this term.
	leaderRound uint64

	peers       map[MemberID]*progress
	peerIDs     []MemberID
	round       uint64
	uncommitted int
	reads       []pendingRead
	transferee  MemberID

	// quiet is set while time stands still for the group. lastWord says that the leader's last word was that it falls quiet;
	// idleTicks counts a leader's ticks with nothing to do.
	quiet     bool
	lastWord  bool
	idleTicks int
	// suspected are the members whose hosts are not heard, as the host says.
	suspected map[MemberID]bool

	out effects
}

// placedConfiguration is a configuration and the index of the entry that carried it.
type placedConfiguration struct {
	index         Index
	configuration Configuration
}

// New returns a member as the durable log left it.
//
// # Errors
//
// ErrBadConfig and ErrBadConfiguration for a Config out of range, ErrBadState when restored breaks
// an invariant of the log.
func New(cfg Config, restored Restored) (*Core, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Core{
		cfg:  cfg,
		rng:  rand.New(rand.NewPCG(cfg.Seed, uint64(cfg.ID))),
		hard: restored.HardState,
	}
	c.configs = []placedConfiguration{{configuration: cfg.Initial}}
	if err := c.restore(restored); err != nil {
		return nil, err
	}
	c.out.durableHard, c.out.writtenHard = c.hard, c.hard
	c.becomeFollower(c.hard.Term, NoMember)
	return c, nil
}

// restore takes over the snapshot and the entries that survived a restart.
func (c *Core) restore(restored Restored) error {
	entries := restored.Entries
	if meta := restored.Snapshot; meta != nil {
		if err := meta.Configuration.valid(); err != nil || meta.Anchor.Term > c.hard.Term {
			return fmt.Errorf("%w: snapshot at %s in term %d (configuration: %v)", ErrBadState, meta.Anchor, c.hard.Term, err)
		}
		c.snapshot = meta
		c.configs = []placedConfiguration{{meta.ConfigurationIndex, meta.Configuration}}
		c.log.base = meta.Anchor
		if len(entries) > 0 && entries[0].Index <= meta.Anchor.Index {
			// The term before the first entry is not stored: give that entry up for a base.
			c.log.base, entries = entries[0].Position(), entries[1:]
		}
		c.log.commit, c.log.handed = meta.Anchor.Index, meta.Anchor.Index
	}
	previous := c.log.base
	for _, e := range entries {
		if e.Index != previous.Index+1 || e.Term < previous.Term || e.Term > c.hard.Term {
			return fmt.Errorf("%w: entry %s follows position %s in term %d",
				ErrBadState, e, previous, c.hard.Term)
		}
		previous = e.Position()
		if err := c.noteConfiguration(e); err != nil {
			return fmt.Errorf("%w: %w", ErrBadState, err)
		}
	}
	c.log.append(entries...)
	if c.snapshot != nil && !c.log.matches(c.snapshot.Anchor) {
		return fmt.Errorf("%w: the log from %s to %s does not hold the snapshot's anchor %s",
			ErrBadState, c.log.base, c.log.last(), c.snapshot.Anchor)
	}
	c.log.stable, c.log.unwritten = c.log.lastIndex(), c.log.lastIndex()+1
	return nil
}

// Step takes one message from another member.
//
// # Errors
//
// ErrInvariant when the message proves that a rule of the protocol is broken; the member must stop.
// A message that makes no sense without proving that is ignored.
func (c *Core) Step(from MemberID, message Message) error {
	if from == NoMember || from == c.cfg.ID {
		return nil
	}
	term, carries := message.MessageTerm()
	if !carries {
		return nil // Forward messages are the host's.
	}
	if term < c.hard.Term {
		c.answerStale(from, message)
		return nil
	}
	if term > c.hard.Term {
		if term-c.hard.Term > maxTermLeap || !c.followTerm(from, term, message) {
			return nil
		}
	}
	if c.quiet && c.disturbs(from, message) {
		c.wakeUp()
	}
	switch m := message.(type) {
	case *AppendEntries:
		return c.handleAppendEntries(from, m)
	case *AppendEntriesResponse:
		c.handleAppendEntriesResponse(from, m)
	case *RequestVote:
		c.handleRequestVote(from, m)
	case *RequestVoteResponse:
		c.handleRequestVoteResponse(from, m)
	case *TimeoutNow:
		c.handleTimeoutNow(from, m)
	case *StateSyncOffer:
		return c.handleStateSyncOffer(from, m)
	}
	return nil
}

// followTerm moves on to the newer term of a message, if the message gives cause to. It reports
// whether the message is to be handled further.
func (c *Core) followTerm(from MemberID, term Term, message Message) bool {
	switch m := message.(type) {
	case *RequestVote:
		if m.PreVote {
			return true // asks about a term that nobody has entered yet
		}
		// A leader in office protects itself: a removed or cut-off member's election would only
		// unsettle the group (Ongaro's thesis, section 4.2.3).
		if !m.Transfer && c.hearsLeader() {
			return false
		}
		c.becomeFollower(term, NoMember)
	case *RequestVoteResponse:
		if m.PreVote && m.Vote != Denied {
			return true // speaks of the term that we asked about
		}
		return c.followAnswer(from, term)
	case *AppendEntriesResponse:
		return c.followAnswer(from, term)
	default:
		c.becomeFollower(term, NoMember)
	}
	return true
}

// followAnswer enters the newer term of an answer, unless it comes from outside the configuration: what
// was sent to a member before its removal may still reach it, and its term must not unsettle the group.
func (c *Core) followAnswer(from MemberID, term Term) bool {
	if !c.configuration().IsMember(from) {
		return false
	}
	c.becomeFollower(term, NoMember)
	return true
}

// hearsLeader reports whether a leader has been in touch within the shortest election timeout.
func (c *Core) hearsLeader() bool {
	return c.role == Leader || (c.leader != NoMember && c.electionElapsed < c.cfg.ElectionTicks)
}

// answerStale tells the sender of an old term's request which term it is, so that it stops.
func (c *Core) answerStale(from MemberID, message Message) {
	switch m := message.(type) {
	case *AppendEntries:
		c.send(from, &AppendEntriesResponse{Term: c.hard.Term, Vote: Denied, Round: m.Round})
	case *StateSyncOffer:
		c.send(from, &AppendEntriesResponse{Term: c.hard.Term, Vote: Denied, Round: m.Round})
	case *RequestVote:
		c.send(from, &RequestVoteResponse{Term: c.hard.Term, Vote: Denied, PreVote: m.PreVote})
	}
}

// Tick takes one tick of time. It does nothing to a quiet member.
func (c *Core) Tick() {
	if c.quiet {
		return
	}
	c.electionElapsed++
	if c.role == Leader {
		c.tickLeader()
		return
	}
	if c.electionElapsed >= c.electionTimeout {
		c.electionElapsed = 0
		c.electionTimeout = c.randomTimeout()
		c.leader = NoMember // those that cannot stand must not refuse others for its sake
		if c.promotable() {
			c.startElection(true, false)
		} else {
			c.callLeader()
		}
	}
}

func (c *Core) tickLeader() {
	c.heartbeatElapsed++
	c.idleTicks++
	if c.heartbeatElapsed >= c.cfg.HeartbeatTicks {
		c.heartbeatElapsed = 0
		if c.mayFallQuiet() {
			c.fallQuiet()
			return
		}
		c.round++
		c.heartbeat()
	}
	if c.electionElapsed >= c.cfg.ElectionTicks {
		c.electionElapsed = 0
		c.transferee = NoMember
		if !c.checkQuorum() {
			c.becomeFollower(c.hard.Term, NoMember)
			return
		}
	}
	c.demoteSilent()
}

// promotable reports whether this member may stand for election. While the change that takes its
// vote away is not known to be committed, its log may be the only one that can complete the change
// (Ongaro's thesis, section 4.2.2); its own vote does not count then.
func (c *Core) promotable() bool {
	for i := len(c.configs) - 1; i >= 0; i-- {
		if c.configs[i].configuration.IsVoter(c.cfg.ID) {
			return true
		}
		if c.configs[i].index <= c.log.commit {
			return false
		}
	}
	return false
}

// randomTimeout is how long this member waits for a leader. A reluctant one waits longer before it
// stands itself, but gives up on a silent leader as early as all others (see hearsLeader).
func (c *Core) randomTimeout() int {
	return max(1, c.cfg.Reluctance)*c.cfg.ElectionTicks + c.rng.IntN(c.cfg.ElectionTicks)
}

// becomeFollower enters term as a follower of leader, which may be unknown.
func (c *Core) becomeFollower(term Term, leader MemberID) {
	if term != c.hard.Term {
		c.hard = HardState{Term: term}
		c.forgetLeaderTerm()
	}
	if c.role == Leader {
		c.out.refuseReads(c.reads)
		c.forgetLeaderTerm()
	}
	c.role, c.leader = Follower, leader
	c.peers, c.peerIDs, c.reads, c.votes = nil, nil, nil, nil
	c.transferee, c.uncommitted = NoMember, 0
	c.quiet, c.lastWord, c.electionElapsed = false, false, 0
	c.electionTimeout = c.randomTimeout()
}

// forgetLeaderTerm forgets what only holds for the leader of one term.
func (c *Core) forgetLeaderTerm() {
	c.verified, c.ackedIndex, c.ackedRound, c.leaderRound = 0, 0, 0, 0
}

// send queues a message that leaves when the hard state it speaks for is durable.
func (c *Core) send(to MemberID, message Message) {
	c.out.messages = append(c.out.messages, Envelope{From: c.cfg.ID, To: to, Message: message})
}

// Status is what an operator may know of a member.
type Status struct {
	ID            MemberID
	Role          Role
	Term          Term
	Leader        MemberID
	Commit        Index
	Last          Cursor
	Base          Cursor
	LogBytes      int
	Configuration Configuration
	// ConfigurationIndex is the entry that carried Configuration, 0 for the initial one: the
	// configuration is committed when Commit has reached it.
	ConfigurationIndex Index
	// Match holds, on a leader, each peer's verified index.
	Match map[MemberID]Index
}

// Status describes the member.
func (c *Core) Status() Status {
	s := Status{
		ID: c.cfg.ID, Role: c.role, Term: c.hard.Term, Leader: c.leader,
		Commit: c.log.commit, Last: c.log.last(), Base: c.log.base, LogBytes: c.log.bytes,
		Configuration: c.configuration(), ConfigurationIndex: c.configs[len(c.configs)-1].index,
	}
	if c.role == Leader {
		s.Match = make(map[MemberID]Index, len(c.peers))
		for id, p := range c.peers {
			s.Match[id] = p.match
		}
	}
	return s
}

// Leader returns the leader of the present term as far as it is known, and that term.
func (c *Core) Leader() (MemberID, Term) { return c.leader, c.hard.Term }

// Role returns what the member currently is.
func (c *Core) Role() Role { return c.role }

// LogBytes returns what the entries held in memory count against byte bounds.
func (c *Core) LogBytes() int { return c.log.bytes }

// LogBytesTo returns the part of LogBytes up to and including index.
func (c *Core) LogBytesTo(index Index) int { return c.log.bytesTo(index) }

// Tail returns an index after which there are at most so many entries and bytes up to and including last, as LogBytes counts
// them.
func (c *Core) Tail(last, entries Index, bytes int) Index { return c.log.tail(last, entries, bytes) }

// Last returns the position of the last entry, committed or not.
func (c *Core) Last() Cursor { return c.log.last() }

// Commit returns the commit index.
func (c *Core) Commit() Index { return c.log.commit }

// Entries returns the entries from first to last, both included; nil when the log in memory does not
// hold all of them. They are the core's own: nobody may write to the slice or to a payload.
func (c *Core) Entries(first, last Index) []LogEntry {
	if first <= c.log.base.Index || first > last || last > c.log.lastIndex() {
		return nil
	}
	return c.log.slice(first, last, int(^uint(0)>>1))
}

// TermAt returns the term of the entry at index; false when it is compacted away or not there yet.
func (c *Core) TermAt(index Index) (Term, bool) { return c.log.term(index) }
