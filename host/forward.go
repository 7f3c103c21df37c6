package host

import (
	"slices"
	"time"

	"github.com/groutlabs/grout/consensus"
)

const (
	// maxForwards bounds the batches sent to a leader and not yet acknowledged.
	maxForwards = 1024
	// forwardLife is how long an acknowledgement is awaited.
	forwardLife = 2 * time.Second
	// forwardMemory is how many forwards of each member a leader remembers, to take each once.
	forwardMemory = 4096
	// maxForwardBytes bounds the payloads of one ForwardCommand, save that one command always fits.
	maxForwardBytes = 256 << 10
)

// forwards are the commands on their way to a leader, and what a leader has taken from others.
type forwards struct {
	next  uint64
	sent  map[uint64]forward
	taken map[consensus.MemberID]*recentIDs
	// led are the last terms that this member led since it started, ascending.
	led []consensus.Term
}

type forward struct {
	commands []pendingCommand
	at       time.Time
	// term is the leader's that it was sent to.
	term consensus.Term
}

// newForwards numbers forwards from a random start: those of an earlier run may still be on their way.
func newForwards(first uint64) forwards {
	return forwards{next: first, sent: map[uint64]forward{}, taken: map[consensus.MemberID]*recentIDs{}}
}

// expire forgets forwards whose acknowledgement was lost. Their commands may still be applied, and
// are answered then.
func (f *forwards) expire(now time.Time) {
	for id, sent := range f.sent {
		if now.Sub(sent.at) > forwardLife {
			delete(f.sent, id)
		}
	}
}

// overtaken removes the forwards to leaders before a term, and returns their commands that may be sent again, in
// order. The rest may still be applied, and are answered then.
func (f *forwards) overtaken(term consensus.Term) []pendingCommand {
	var ids []uint64
	for id, sent := range f.sent {
		if sent.term < term {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var commands []pendingCommand
	for _, id := range ids {
		commands = append(commands, slices.DeleteFunc(f.sent[id].commands, func(c pendingCommand) bool { return !c.once })...)
		delete(f.sent, id)
	}
	return commands
}

// ledTerms is how many of its terms of office a member remembers.
const ledTerms = 64

// lead notes that this member leads a term.
func (f *forwards) lead(term consensus.Term) {
	if n := len(f.led); n > 0 && f.led[n-1] == term {
		return
	}
	f.led = append(f.led, term)
	if len(f.led) > ledTerms {
		f.led = f.led[1:]
	}
}

// recentIDs remembers the last forwardMemory numbers of one member.
type recentIDs struct {
	known map[uint64]bool
	order []uint64
}

// fresh reports whether id is new, and remembers it.
func (r *recentIDs) fresh(id uint64) bool {
	if r.known[id] {
		return false
	}
	r.known[id] = true
	r.order = append(r.order, id)
	if len(r.order) > forwardMemory {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	return true
}

// forwardCommands sends the waiting commands to the leader, in their order. After a refusal they rest
// until the next tick, so that those which came back go first.
func (g *group) forwardCommands(leader consensus.MemberID, term consensus.Term) {
	for len(g.waiting) > 0 && len(g.forwards.sent) < maxForwards && !g.resting {
		g.core.Wake() // should the leader be gone, this member must notice
		n := forwardable(g.waiting)
		commands := g.waiting[:n]
		g.waiting = g.waiting[n:]
		message := &consensus.ForwardCommand{Term: term, Commands: make([][]byte, n)}
		for i, c := range commands {
			message.Commands[i] = c.encoded
		}
		g.forgotten.leave(commands)
		if slices.ContainsFunc(commands, func(c pendingCommand) bool { return !c.forgotten }) {
			g.forwards.next++
			message.RequestID = g.forwards.next
			g.forwards.sent[message.RequestID] = forward{commands: slices.Clone(commands), at: g.clock.Now(), term: term}
			g.waiters.sent(commands)
		}
		g.send([]consensus.Envelope{{From: g.self, To: leader, Message: message}})
	}
	if len(g.waiting) == 0 {
		g.waiting = nil
	}
}

// forwardAgain puts the commands back that went to a leader before the present one, who may never have got them.
func (g *group) forwardAgain() {
	leader, term := g.core.Leader()
	if leader == consensus.NoMember || len(g.forwards.sent) == 0 {
		return
	}
	if again := g.waiters.keep(g.forwards.overtaken(term)); len(again) > 0 {
		g.waiting = append(again, g.waiting...)
	}
}

// forwardable is how many of the first commands go into one message: whole batches, at least one.
func forwardable(commands []pendingCommand) int {
	n, size := 0, 0
	for i, c := range commands {
		size += len(c.encoded)
		if size > maxForwardBytes && n > 0 {
			return n
		}
		if i+1 == len(commands) || !commands[i+1].joined {
			n = i + 1
		}
	}
	return n
}

// takeForwarded proposes another member's commands and tells it their slots.
func (g *group) takeForwarded(from consensus.MemberID, m *consensus.ForwardCommand) {
	if !g.core.Configuration().IsMember(from) {
		return
	}
	recent := g.forwards.taken[from]
	if recent == nil {
		recent = &recentIDs{known: map[uint64]bool{}}
		g.forwards.taken[from] = recent
	}
	number, ack := m.RequestID, &consensus.CommandAck{RequestID: m.RequestID}
	now, published := g.clock.Now().UnixNano(), g.events.publishedTo()
	for _, encoded := range m.Commands {
		c, err := decodeCommand(encoded)
		if err != nil {
			g.logger.Warn("a forwarded command does not decode", "group", g.ref.Name, "from", from, "error", err)
			return
		}
		if number == 0 {
			number = c.Request
		}
		stampCommand(encoded, now, published)
	}
	if number == 0 || !recent.fresh(number) {
		return
	}
	switch leader, term := g.core.Leader(); {
	case !slices.Contains(g.forwards.led, m.Term):
		return // before a restart, maybe: then an earlier copy may have been taken, and a refusal would deny it
	case leader != g.self || m.Term != term:
		ack.Refused = consensus.RefusedNotLeader
	case g.busy():
		ack.Refused = consensus.RefusedBusy
	default:
		first, last, err := g.core.Propose(consensus.EntryCommand, m.Commands...)
		ack.Term, ack.First, ack.Last = first.Term, first.Index, last
		if err != nil {
			ack.Refused = consensus.RefusedBusy
		}
	}
	if m.RequestID != 0 {
		g.send([]consensus.Envelope{{From: g.self, To: from, Message: ack}})
	}
}

// takeAck learns the slots of forwarded commands, or puts the commands back after a refusal.
func (g *group) takeAck(m *consensus.CommandAck) {
	sent, ok := g.forwards.sent[m.RequestID]
	if !ok {
		return
	}
	delete(g.forwards.sent, m.RequestID)
	if m.Refused == consensus.NotRefused {
		g.waiters.assign(sent.commands, consensus.Cursor{Term: m.Term, Index: m.First}, g.leaderName())
		return
	}
	again := slices.DeleteFunc(sent.commands, func(c pendingCommand) bool { return c.forgotten })
	g.waiting = append(g.waiters.unsent(again), g.waiting...)
	g.resting = true
}

// takeForwardedQuery runs another member's query as if a client had asked here.
func (g *group) takeForwardedQuery(from consensus.MemberID, m *consensus.ForwardQuery) {
	if !g.core.Configuration().IsMember(from) {
		return
	}
	asked, err := decodeCommand(m.Query)
	if err != nil {
		g.logger.Warn("a forwarded query does not decode", "group", g.ref.Name, "from", from, "error", err)
		return
	}
	respond := func(reply Reply) {
		response := &consensus.QueryResponse{RequestID: m.RequestID, Position: reply.Index}
		packed, err := pack(storedReply{Reply: reply.Outcome, Err: reply.Err, Term: reply.Term})
		if response.Result = packed; err != nil {
			response.Refused = consensus.RefusedBusy
		}
		g.send([]consensus.Envelope{{From: g.self, To: from, Message: response}})
	}
	if leader, _ := g.core.Leader(); leader != g.self {
		g.send([]consensus.Envelope{{From: g.self, To: from, Message: &consensus.QueryResponse{
			RequestID: m.RequestID, Refused: consensus.RefusedNotLeader,
		}}})
		return
	}
	g.query(QueryRequest{Payload: asked.Payload, Caller: asked.Caller, Timeout: forwardLife}, respond)
}

// storedReply is what a QueryResponse carries.
type storedReply struct {
	Reply Outcome        `codec:"o"`
	Err   *Error         `codec:"e"`
	Term  consensus.Term `codec:"t"`
}
