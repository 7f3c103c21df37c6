package consensus

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var eventsFlag = flag.Int("events", 60_000, "how many events TestExplore tries in each scope")

// scope is a world small enough to be searched whole: so many members, and so many of each event.
type scope struct {
	name    string
	members int
	// spare members exist and belong to no configuration at first.
	spare int
	budget
	// slowDisk makes the completion of a write an event of its own: a crash may come before it.
	slowDisk bool
	// exchanges lets an answer arrive at once, or never: half as many events for the same story.
	exchanges bool
	// preVote lets elections begin with a pre-vote. Without it a member stands at once, which allows
	// everything that a pre-vote allows, in fewer events.
	preVote bool
}

// budget is how often an event may still happen in a run.
type budget struct {
	timeouts, proposals, crashes, doubles, heartbeats, reads, snapshots, changes, transfers int
}

// scopes are searched in the gate; together they reach every rule of the core.
var scopes = []scope{
	{name: "messages", members: 3, budget: budget{timeouts: 2, proposals: 1}},
	{name: "doubled messages", members: 3, budget: budget{timeouts: 2, doubles: 1, heartbeats: 1}},
	{name: "pre-votes", members: 3, preVote: true, budget: budget{timeouts: 2}},
	{name: "slow disks", members: 3, slowDisk: true, budget: budget{timeouts: 2, crashes: 1}},
	{name: "three leaders", members: 3, exchanges: true, budget: budget{timeouts: 3, proposals: 1, heartbeats: 1}},
	{name: "five members", members: 5, exchanges: true, budget: budget{timeouts: 3, proposals: 1}},
	{name: "crashes", members: 3, exchanges: true, slowDisk: true, budget: budget{timeouts: 2, proposals: 1, crashes: 2}},
	{name: "reads", members: 3, exchanges: true, budget: budget{timeouts: 2, proposals: 1, reads: 2}},
	{name: "snapshots", members: 3, exchanges: true, budget: budget{timeouts: 2, proposals: 1, heartbeats: 2, snapshots: 2}},
	{name: "membership", members: 3, spare: 1, exchanges: true, budget: budget{timeouts: 2, changes: 2}},
	{name: "membership and crashes", members: 2, spare: 1, exchanges: true, budget: budget{timeouts: 2, changes: 2, crashes: 1}},
	{name: "membership and snapshots", members: 2, spare: 1, exchanges: true, budget: budget{timeouts: 1, changes: 2, snapshots: 1, heartbeats: 2}},
	{name: "rewritten entries", members: 3, exchanges: true, slowDisk: true, budget: budget{timeouts: 3}},
	{name: "a single voter", members: 1, spare: 1, slowDisk: true, budget: budget{timeouts: 2, proposals: 2, crashes: 2, changes: 2, reads: 1}},
	{name: "transfer", members: 3, exchanges: true, budget: budget{timeouts: 1, proposals: 1, transfers: 2, crashes: 1}},
}

// TestExplore shows, for small worlds, not that random runs found nothing but that there is nothing:
// it searches every order of every event, deeper and deeper (bounded model checking by iterative
// deepening, with states that were met before cut off), and tests all invariants after each. Loss needs
// no event: a message that is never delivered is lost. A failure prints a shortest way to it.
func TestExplore(t *testing.T) {
	limit := *eventsFlag
	if testing.Short() {
		limit /= 10
	}
	for _, s := range scopes {
		t.Run(strings.ReplaceAll(s.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			x := &explorer{scope: s, limit: limit}
			depth := x.deepen()
			t.Logf("every order of %d events: %d states, %d elections won, %d entries committed, %d crashes, %d installs",
				depth, x.states, x.won, x.committed, x.crashed, x.installed)
			if x.failure != nil {
				t.Fatalf("%v\nafter:\n  %s", x.failure, strings.Join(x.failurePath, "\n  "))
			}
			if x.won == 0 || (x.committed == 0 && !testing.Short()) {
				t.Error("no leader was elected or nothing committed: this shows nothing")
			}
		})
	}
}

// explorer searches one scope.
type explorer struct {
	scope
	// limit is how many events may be tried.
	limit int
	// seen holds, for every state met, with how much depth left it was searched.
	seen map[fingerprint]uint8
	path []string

	failure     error
	failurePath []string

	events, states, won, committed, crashed, installed int
}

// deepen searches to depth 1, 2 and so on, and returns the last depth that was searched whole.
func (x *explorer) deepen() int {
	for depth := 1; ; depth++ {
		x.seen = map[fingerprint]uint8{}
		x.search(x.start(), depth)
		if x.failure != nil || x.events >= x.limit {
			return depth - 1
		}
		x.states = len(x.seen)
	}
}

// situation is one state of a scope's world.
type situation struct {
	*cluster
	left budget
	// floors holds what a linearizable read must see.
	floors map[uint64]Index
}

func (x *explorer) start() *situation {
	s := &situation{cluster: newCluster(x.members), left: x.budget, floors: map[uint64]Index{}}
	initial := s.nodes[1].config.Initial
	for range x.spare {
		s.add(MemberID(len(s.ids)+1), initial)
	}
	x.settleAll(s)
	return s
}

// event is one thing that may happen next.
type event struct {
	name string
	do   func(s *situation)
}

// search tries every event from s on, depth events deep.
func (x *explorer) search(s *situation, depth int) {
	mark := s.fingerprint()
	if left, seen := x.seen[mark]; (seen && int(left) >= depth) || x.failure != nil || x.events >= x.limit {
		return
	}
	x.seen[mark] = uint8(depth)
	if depth == 0 {
		return
	}
	for _, e := range x.possible(s) {
		next := s.clone()
		x.path = append(x.path, e.name)
		x.happen(next, e)
		if next.failure != nil && x.failure == nil {
			x.failure, x.failurePath = next.failure, slices.Clone(x.path)
		}
		x.search(next, depth-1)
		x.path = x.path[:len(x.path)-1]
	}
}

// happen lets an event happen, and whatever follows from it without any choice.
func (x *explorer) happen(s *situation, e event) {
	x.events++
	leaders, committed := len(s.leaders), s.committed()
	e.do(s)
	x.settleAll(s)
	s.judgeReads()
	x.won += len(s.leaders) - leaders
	x.committed += int(s.committed() - committed)
}

func (x *explorer) settleAll(s *situation) {
	for _, id := range s.ids {
		x.settle(s, s.nodes[id])
	}
	s.network = slices.DeleteFunc(s.network, s.pointless)
}

// pointless reports whether a message can never have an effect any more: an answer of a term that its
// receiver has left.
func (s *situation) pointless(m Envelope) bool {
	term, _ := m.Message.MessageTerm()
	switch answer := m.Message.(type) {
	case *AppendEntriesResponse:
	case *RequestVoteResponse:
		if answer.PreVote {
			return false // speaks of a term that nobody may have entered
		}
	default:
		return false
	}
	return term < s.nodes[m.To].core.hard.Term
}

// settle gives a member its turns, its disk included where that is fast.
func (x *explorer) settle(s *situation, n *node) {
	for s.failure == nil && (n.core.HasReady() || (len(n.writes) > 0 && !x.slowDisk)) {
		s.turn(n)
		if !x.slowDisk {
			s.persistAll(n)
		}
	}
	s.checkMember(n)
	n.still()
}

// still takes what only time would change out of a member's state. Whoever follows a leader has always
// just lost patience: the protection of a leader in office is a loss of messages, which is possible anyway.
func (n *node) still() {
	c := n.core
	c.heartbeatElapsed, c.electionTimeout = 0, 2*c.cfg.ElectionTicks
	c.electionElapsed = c.cfg.ElectionTicks
	if c.role == Leader {
		c.electionElapsed = 0
	}
	for _, p := range c.peers {
		p.active = true
	}
}

// possible lists what may happen next.
func (x *explorer) possible(s *situation) []event {
	out := x.deliveries(s)
	for _, id := range s.ids {
		out = append(out, x.ofMember(s, id)...)
		if s.nodes[id].core.Role() == Leader {
			out = append(out, x.ofLeader(s, id)...)
		} else if len(s.nodes[id].offers) > 0 {
			out = append(out, event{fmt.Sprintf("%d installs a snapshot", id), func(s *situation) {
				s.install(s.nodes[id])
				x.installed++
			}})
		}
	}
	return out
}

// deliveries lists the messages that may arrive; equal ones once.
func (x *explorer) deliveries(s *situation) []event {
	var out []event
	met := map[string]bool{}
	for i, m := range s.network {
		name := fmt.Sprintf("%d -> %d %s", m.From, m.To, m.Message)
		if met[name] {
			continue
		}
		met[name] = true
		out = append(out, event{name, func(s *situation) { x.deliver(s, i) }})
		if s.left.doubles > 0 {
			out = append(out, event{name + " (will come again)", func(s *situation) {
				s.left.doubles--
				s.hand(s.network[i])
			}})
		}
	}
	return out
}

// deliver lets a message arrive, and in a scope of exchanges its answers with it.
func (x *explorer) deliver(s *situation, i int) {
	m, before := s.network[i], len(s.network)-1
	s.deliver(i)
	if !x.exchanges {
		return
	}
	x.settle(s, s.nodes[m.To])
	for i := before; i < len(s.network); {
		if s.network[i].To == m.From && isAnswer(s.network[i].Message) {
			s.deliver(i)
			continue
		}
		i++
	}
}

func isAnswer(m Message) bool {
	switch m.(type) {
	case *AppendEntriesResponse, *RequestVoteResponse:
		return true
	}
	return false
}

// ofMember lists what may happen to any member.
func (x *explorer) ofMember(s *situation, id MemberID) []event {
	var out []event
	n := s.nodes[id]
	// The first to stand is member 1: the others are the same under other names.
	if s.left.timeouts > 0 && n.core.Role() != Leader && n.core.promotable() && (id == 1 || s.left.timeouts < x.timeouts) {
		out = append(out, event{fmt.Sprintf("%d times out", id), func(s *situation) {
			s.left.timeouts--
			s.nodes[id].core.leader = NoMember
			s.nodes[id].core.startElection(x.preVote, false)
		}})
	}
	if len(n.writes) > 0 {
		out = append(out, event{fmt.Sprintf("%d completes a write", id), func(s *situation) { s.persistOne(s.nodes[id]) }})
	}
	if s.left.crashes > 0 && n.core.hard.Term > 0 {
		out = append(out, event{fmt.Sprintf("%d crashes", id), func(s *situation) {
			s.left.crashes--
			x.crashed++
			s.crash(s.nodes[id])
		}})
	}
	if s.left.snapshots > 0 && n.applied > n.core.log.base.Index {
		out = append(out, event{fmt.Sprintf("%d takes a snapshot", id), func(s *situation) {
			s.left.snapshots--
			s.snapshot(s.nodes[id], 0)
		}})
	}
	return out
}

// ofLeader lists what a member may do that takes itself for the leader.
func (x *explorer) ofLeader(s *situation, id MemberID) []event {
	var out []event
	add := func(left *int, name string, do func(s *situation, n *node)) {
		if *left > 0 {
			out = append(out, event{fmt.Sprintf("%d %s", id, name), func(s *situation) { do(s, s.nodes[id]) }})
		}
	}
	add(&s.left.proposals, "proposes", func(s *situation, n *node) {
		s.left.proposals--
		payload := []byte{byte(s.left.proposals)}
		if _, _, err := n.core.Propose(EntryCommand, payload); err != nil && n.core.transferee == NoMember {
			s.fail("member %d refuses a command: %v", id, err)
		}
	})
	add(&s.left.heartbeats, "sends heartbeats", func(s *situation, n *node) {
		s.left.heartbeats--
		for _, p := range n.core.peers {
			p.stalled = stalledHeartbeats // what is in flight counts as lost
		}
		n.core.round++
		n.core.heartbeat()
	})
	add(&s.left.reads, "is asked for a read index", func(s *situation, n *node) {
		s.left.reads--
		s.floors[uint64(s.left.reads)] = s.committed()
		if err := n.core.ReadIndex(uint64(s.left.reads)); err != nil {
			s.fail("member %d refuses a read: %v", id, err)
		}
	})
	return append(out, x.ofOperator(s, id)...)
}

// ofOperator lists what an operator may ask of a leader.
func (x *explorer) ofOperator(s *situation, id MemberID) []event {
	var out []event
	for _, other := range s.ids {
		if s.left.transfers > 0 && other != id {
			out = append(out, event{fmt.Sprintf("%d hands over to %d", id, other), func(s *situation) {
				s.left.transfers--
				_ = s.nodes[id].core.TransferLeadership(other) // refused when it has no vote: that is fine here
			}})
		}
		if s.left.changes > 0 {
			out = append(out, event{fmt.Sprintf("%d changes the role of %d", id, other), func(s *situation) {
				s.left.changes--
				voters, observers := toggled(s.nodes[id].core.Configuration(), other)
				_ = s.nodes[id].core.ChangeMembership(voters, observers) // refused while another is under way: that is fine here
			}})
		}
	}
	return out
}

// toggled takes a voter out of the configuration, or makes anybody else a voter.
func toggled(c Configuration, id MemberID) (voters, observers []MemberID) {
	voters, observers = slices.Clone(c.Voters), slices.Clone(c.Observers)
	if i := slices.Index(voters, id); i >= 0 {
		return slices.Delete(voters, i, i+1), observers
	}
	observers = slices.DeleteFunc(observers, func(o MemberID) bool { return o == id })
	return append(voters, id), observers
}

// judgeReads tests that reads see everything that was committed before they were asked for (R5).
func (s *situation) judgeReads() {
	for _, id := range s.ids {
		n := s.nodes[id]
		for _, r := range n.reads {
			if !r.Refused && r.Index < s.floors[r.ID] {
				s.fail("member %d answers a read at %d, but %d was committed before", id, r.Index, s.floors[r.ID])
			}
		}
		n.reads = nil
	}
}
