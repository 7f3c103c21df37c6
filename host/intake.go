package host

import (
	"errors"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// execute takes a client's command, or a batch of them.
func (g *group) execute(request CommandRequest, reply func(Reply)) {
	if refusal := g.refusing.Load(); refusal != nil {
		reply(Reply{Err: refusal})
		return
	}
	if g.busy() {
		reply(Reply{Err: busyFault(g.ref.Name)})
		return
	}
	if request.Mode == ModeForget {
		g.executeForgotten(request, reply)
		return
	}
	waiting := waiter{reply: reply, deadline: g.deadline(request.Timeout), size: request.bytes(), mode: request.Mode}
	if request.Batch != nil && request.Mode == ModeExecute {
		waiting.answers = make([]Reply, len(request.Batch))
	}
	id := g.await(request.commands(), waiting)
	if id == 0 {
		return
	}
	g.inbox.command(g.pending(request, id)...)
}

// executeForgotten takes a command that nobody waits for.
func (g *group) executeForgotten(request CommandRequest, reply func(Reply)) {
	first, stopped := g.waiters.numbers(request.commands())
	if stopped != nil {
		reply(Reply{Err: stopped})
		return
	}
	commands, deadline := g.pending(request, first), g.deadline(request.Timeout)
	for i := range commands {
		commands[i].forgotten, commands[i].deadline = true, deadline
	}
	if !g.forgotten.enter(commands) {
		reply(Reply{Err: busyFault(g.ref.Name)})
		return
	}
	g.inbox.command(commands...)
	reply(Reply{})
}

// pending makes the commands of a request, numbered from first on.
func (g *group) pending(request CommandRequest, first uint64) []pendingCommand {
	commands := make([]pendingCommand, request.commands())
	for n := range commands {
		c := request.command(n)
		c.Origin, c.Request = g.self, first+uint64(n)
		commands[n] = pendingCommand{request: c.Request, encoded: encodeCommand(c), joined: n > 0, once: c.once()}
	}
	return commands
}

// query takes a client's query.
func (g *group) query(request QueryRequest, reply func(Reply)) {
	if refusal := g.refusing.Load(); refusal != nil {
		reply(Reply{Err: refusal})
		return
	}
	if g.applier.asked.Load() > maxWaiters {
		reply(Reply{Err: busyFault(g.ref.Name)})
		return
	}
	deadline := g.deadline(request.Timeout)
	id := g.await(1, waiter{reply: reply, deadline: deadline, size: len(request.Payload)})
	if id == 0 {
		return
	}
	g.inbox.query(pendingQuery{
		request: id, payload: request.Payload, caller: request.Caller, level: request.Consistency,
		index: request.AtLeastIndex, deadline: deadline,
	})
}

// busy reports whether the group should take no more commands for now.
func (g *group) busy() bool { return g.applier.busy() || g.events.full() }

// await registers a request of n commands, or answers that it is not taken and returns 0.
func (g *group) await(n int, request waiter) uint64 {
	id, stopped := g.waiters.add(n, request)
	switch {
	case stopped != nil:
		request.reply(Reply{Err: stopped})
	case id == 0:
		request.reply(Reply{Err: busyFault(g.ref.Name)})
	}
	return id
}

func (g *group) deadline(timeout time.Duration) time.Time {
	if timeout <= 0 {
		timeout = g.timing.RequestTimeout
	}
	return g.clock.Now().Add(min(timeout, maxRequestTimeout))
}

// maxRequestTimeout bounds what a client may ask for.
const maxRequestTimeout = time.Minute

// propose moves the waiting commands on: into the log on the leader, to the leader elsewhere. Those
// that cannot move yet wait until their deadline.
func (g *group) propose() {
	if len(g.waiting) == 0 {
		return
	}
	leader, term := g.core.Leader()
	switch leader {
	case g.self:
		g.proposeHere()
	case consensus.NoMember:
	default:
		g.forwardCommands(leader, term)
	}
}

func (g *group) proposeHere() {
	payloads := make([][]byte, len(g.waiting))
	now, published := g.clock.Now().UnixNano(), g.events.publishedTo()
	for i, c := range g.waiting {
		stampCommand(c.encoded, now, published)
		payloads[i] = c.encoded
	}
	first, _, err := g.core.Propose(consensus.EntryCommand, payloads...)
	switch {
	case err == nil:
		g.waiters.assign(g.waiting, first, g.hostOf(g.self))
	case errors.Is(err, consensus.ErrBusy):
		for _, c := range g.waiting {
			g.waiters.finish(c.request, Reply{Err: busyFault(g.ref.Name)})
		}
	default:
		return // a transfer is under way: they wait for its end
	}
	g.forgotten.leave(g.waiting)
	g.waiting = g.waiting[:0]
}

// ask moves the waiting queries on.
func (g *group) ask() {
	if len(g.asking) == 0 {
		return
	}
	leader, _ := g.core.Leader()
	var local, confirm, kept []pendingQuery
	for _, q := range g.asking {
		switch {
		case q.level != Linearizable:
			local = append(local, q)
		case leader == g.self:
			confirm = append(confirm, q)
		case leader != consensus.NoMember:
			g.forwardQuery(leader, q)
		default:
			kept = append(kept, q)
		}
	}
	g.asking = append(g.asking[:0], kept...)
	if len(local) > 0 {
		g.applier.add(work{queries: local})
	}
	if len(confirm) > 0 {
		g.confirm(confirm)
	}
}

// confirm asks the core for one read index for all queries of this turn.
func (g *group) confirm(queries []pendingQuery) {
	g.nextRead++
	if err := g.core.ReadIndex(g.nextRead); err != nil {
		g.asking = append(g.asking, queries...) // no leader after all, or too many rounds: later
		return
	}
	g.reads[g.nextRead] = queries
}

// answerReads runs the queries whose read index is known.
func (g *group) answerReads(reads []consensus.Read) {
	for _, r := range reads {
		queries := g.reads[r.ID]
		delete(g.reads, r.ID)
		if r.Refused {
			g.asking = append(g.asking, queries...)
			continue
		}
		for i := range queries {
			queries[i].index = r.Index
		}
		g.applier.add(work{queries: queries})
	}
}
