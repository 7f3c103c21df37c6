package host

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// simClients send commands and queries, and judge every answer as it comes.
type simClients struct {
	w    *simWorld
	all  []*simClient
	tags int
	// floor is the highest index that a finished request has seen: whatever begins later comes after it.
	floor   consensus.Index
	replies []simReply
	// byRequest finds the attempt behind an entry.
	byRequest map[simRequest]*simAttempt
	attempts  int
	history   simHistory
}

type simRequest struct {
	origin consensus.MemberID
	number uint64
}

// simKind is how a client works.
type simKind int

const (
	kindSession simKind = iota
	kindMessageID
	kindPlain
	kindReader
	kindUpgrade
)

type simClient struct {
	kind    simKind
	name    string
	lives   int
	session string
	seq     uint64
	acked   uint64
	ops     []*simOp
}

// simOp is one command or query, and the attempts at it.
type simOp struct {
	client  *simClient
	command CommandRequest
	query   QueryRequest
	cell    int
	began   int
	// floor is that of the clients when the first attempt was made.
	floor    consensus.Index
	attempts []*simAttempt
	done     bool
	// answered is set when a result came before the client gave up.
	answered bool
}

type simAttempt struct {
	op     *simOp
	number int
	// key is zero when the member took nothing.
	key     simRequest
	life    *simLife
	began   int64
	replied bool
	// ruled is set when the answer was that nothing happened.
	ruled  bool
	chosen consensus.Index
}

type simReply struct {
	attempt *simAttempt
	reply   Reply
}

func (c *simClients) init(w *simWorld) {
	c.w, c.byRequest = w, map[simRequest]*simAttempt{}
	c.history.init(w)
	add := func(kind simKind, n int) {
		for range n {
			client := &simClient{kind: kind, name: fmt.Sprintf("%c%d", "smpq"[kind], len(c.all))}
			client.session = client.name
			c.all = append(c.all, client)
			w.after(w.between(simTick, 20*simTick), "client", func() { c.act(client) })
		}
	}
	add(kindSession, w.profile.sessions)
	add(kindMessageID, 1)
	add(kindPlain, w.profile.plain)
	add(kindReader, 2)
}

// act lets a client begin something, or try something again.
func (c *simClients) act(client *simClient) {
	w := c.w
	w.after(w.between(1, 2*w.profile.think), "client", func() { c.act(client) })
	if op := c.stale(client); op != nil {
		c.attempt(op)
		return
	}
	limit := 1
	if client.kind == kindSession && client.acked > 0 {
		limit = 3 // the first command begins the session: the others wait for it
	}
	if w.calm || len(client.ops) >= limit {
		return
	}
	op := c.newOp(client)
	client.ops = append(client.ops, op)
	c.attempt(op)
}

// stale returns a request that deserves another attempt, and gives up those that allow none.
func (c *simClients) stale(client *simClient) *simOp {
	w := c.w
	for _, op := range client.ops {
		last := op.attempts[len(op.attempts)-1]
		late := w.now-last.began > int64(w.profile.timing.RequestTimeout)*2
		over := last.replied || last.life.dead || late
		switch {
		case client.kind == kindPlain || client.kind == kindReader:
			if over {
				c.finish(op)
				return nil
			}
		case over, w.chance(30):
			return op
		}
	}
	return nil
}

func (c *simClients) finish(op *simOp) {
	op.done = true
	op.client.ops = slices.DeleteFunc(op.client.ops, func(o *simOp) bool { return o == op })
}

func (c *simClients) newOp(client *simClient) *simOp {
	w := c.w
	c.tags++
	op := &simOp{client: client, floor: c.floor, began: w.steps, cell: w.rng.IntN(12)}
	tag := fmt.Sprintf("%s-%d", client.name, c.tags)
	if client.kind == kindReader {
		op.query = QueryRequest{Payload: fmt.Appendf(nil, "get %d", op.cell), Consistency: []Consistency{Linearizable, Linearizable, Stale, AtLeast}[w.rng.IntN(4)]}
		if op.query.Consistency == AtLeast {
			op.query.AtLeastIndex = c.floor + consensus.Index(w.rng.IntN(3))
		}
		return op
	}
	op.command = CommandRequest{Payload: c.words(op, tag), Caller: client.name}
	switch client.kind {
	case kindMessageID:
		op.command.MsgID = tag
	case kindSession:
		client.seq++
		op.command.Session, op.command.Seq, op.command.Acked = client.session, client.seq, client.acked
	}
	if w.chance(3) {
		op.command.Timeout = time.Duration(simTick) * time.Duration(1+w.rng.IntN(30))
	}
	return op
}

// words are a command. Cells 8 to 11 are set and compared, the others count.
func (c *simClients) words(op *simOp, tag string) []byte {
	rng := c.w.rng
	switch {
	case op.cell >= 8 && rng.IntN(2) == 0:
		return fmt.Appendf(nil, "put %d %d %s", op.cell, rng.IntN(5), tag)
	case op.cell >= 8:
		return fmt.Appendf(nil, "cas %d %d %d %s", op.cell, rng.IntN(5), rng.IntN(5), tag)
	case rng.IntN(4) == 0:
		return fmt.Appendf(nil, "emit %d %s", op.cell, tag)
	case rng.IntN(12) == 0:
		return fmt.Appendf(nil, "%s %s", []string{"refuse", "trap"}[rng.IntN(2)], tag)
	}
	return fmt.Appendf(nil, "add %d %d %s", op.cell, 1+rng.IntN(3), tag)
}

// attempt sends a request through some member that runs.
func (c *simClients) attempt(op *simOp) {
	lives := c.w.lives()
	if len(lives) == 0 {
		if len(op.attempts) == 0 {
			op.attempts = append(op.attempts, &simAttempt{op: op, life: &simLife{dead: true}})
		}
		return
	}
	l := lives[c.w.rng.IntN(len(lives))]
	c.attempts++
	a := &simAttempt{op: op, number: c.attempts, life: l, began: c.w.now}
	op.attempts = append(op.attempts, a)
	l.place(c.w.between(1, c.w.profile.netDelay), "request", func() { c.deliver(l, a) })
}

func (c *simClients) deliver(l *simLife, a *simAttempt) {
	if a.op.done && a.op.client.kind != kindSession {
		return
	}
	take := func(r Reply) { c.replies = append(c.replies, simReply{a, r}) }
	if a.op.client.kind == kindReader {
		l.g.query(a.op.query, take)
		return
	}
	before := len(c.replies)
	l.g.execute(a.op.command, take)
	if len(c.replies) > before {
		return // refused on the spot
	}
	a.key = simRequest{l.g.self, l.g.waiters.next}
	c.byRequest[a.key] = a
}

// probe asks a linearizable query of a member that may not know that it has been replaced.
func (c *simClients) probe(l *simLife) {
	op := &simOp{
		client: &simClient{kind: kindReader}, floor: c.floor, began: c.w.steps, cell: c.w.rng.IntN(12),
	}
	op.query = QueryRequest{Payload: fmt.Appendf(nil, "get %d", op.cell)}
	c.attempts++
	a := &simAttempt{op: op, number: c.attempts, life: l, began: c.w.now}
	op.attempts = append(op.attempts, a)
	l.place(0, "probe", func() { c.deliver(l, a) })
}

// settle takes the replies of one event, in the order of their requests.
func (c *simClients) settle() {
	for len(c.replies) > 0 {
		replies := c.replies
		c.replies = nil
		slices.SortFunc(replies, func(a, b simReply) int { return cmp.Compare(a.attempt.number, b.attempt.number) })
		for _, r := range replies {
			c.take(r.attempt, r.reply)
		}
	}
}

func (c *simClients) take(a *simAttempt, r Reply) {
	w := c.w
	if a.replied {
		w.fail("attempt %d at %s has two replies, the second is %+v", a.number, a.op.command.Payload, r)
		return
	}
	a.replied = true
	if w.trace.on {
		w.trace.note("reply to attempt %d of %q: %+v", a.number, a.op.command.Payload, r)
	}
	switch {
	case a.op.client.kind == kindReader:
		c.tookRead(a, r)
	case a.op.client.kind == kindUpgrade:
		c.tookUpgrade(a, r)
	case r.Err == nil:
		c.tookResult(a, r)
	default:
		c.tookError(a, r)
	}
}

func (c *simClients) tookRead(a *simAttempt, r Reply) {
	w, op := c.w, a.op
	if r.Err != nil {
		return
	}
	w.stats.reads++
	switch {
	case r.Index > w.truth.lastChosen():
		w.fail("a query ran at %d, which is not committed", r.Index)
	case op.query.Consistency == Linearizable && r.Index < op.floor:
		w.fail("a query of %s ran at %d, though %d had been seen before it was asked", a.life.node.name, r.Index, op.floor)
	case op.query.Consistency == AtLeast && r.Index < op.query.AtLeastIndex:
		w.fail("a query for %d at least ran at %d", op.query.AtLeastIndex, r.Index)
	}
	if want := strconv.FormatInt(w.truth.twin.valueAt(op.cell, r.Index), 10); string(r.Outcome.Output) != want && !w.spoiled() {
		w.fail("a query of cell %d at %d answers %s, not %s", op.cell, r.Index, r.Outcome.Output, want)
	}
	if op.query.Consistency == Linearizable && !op.done {
		w.stats.linearizable++
		c.floor = max(c.floor, r.Index)
		c.history.read(op, r.Outcome.Output)
	}
}

// tookResult compares a result with the twin's.
func (c *simClients) tookResult(a *simAttempt, r Reply) {
	w, op := c.w, a.op
	if r.Index > w.truth.lastChosen() {
		w.fail("%s is answered at %d, which is not committed", op.command.Payload, r.Index)
		return
	}
	e := w.truth.chosen[r.Index-1]
	switch want := e.reply; {
	case string(e.command.Payload) != string(op.command.Payload) || e.command.Session != op.command.Session:
		w.fail("%s is answered with the result of %s", op.command.Payload, e.command.Payload)
	case e.Term != r.Term || !e.runs || fmt.Sprint(want.Outcome) != fmt.Sprint(r.Outcome) && !w.spoiled():
		w.fail("%s is answered %+v, not %+v", op.command.Payload, r, want)
	case !r.Duplicate && (simRequest{e.command.Origin, e.command.Request}) != a.key:
		w.fail("%s is answered for entry %s, which is another attempt's", op.command.Payload, e.LogEntry)
	case r.Index <= op.floor:
		w.fail("%s was applied at %d, but %d had been seen before it was sent", op.command.Payload, r.Index, op.floor)
	}
	if op.done {
		return
	}
	w.stats.acknowledged++
	op.answered = true
	c.floor = max(c.floor, r.Index)
	c.history.wrote(op, &r.Outcome)
	c.finish(op)
	c.advance(op)
}

// advance moves a session's acknowledgement.
func (c *simClients) advance(op *simOp) {
	client := op.client
	if client.kind != kindSession || op.command.Session != client.session {
		return
	}
	acked := client.seq
	for _, other := range client.ops {
		if other.command.Session == client.session {
			acked = min(acked, other.command.Seq-1)
		}
	}
	client.acked = acked
}

func (c *simClients) tookError(a *simAttempt, r Reply) {
	w, op := c.w, a.op
	switch r.Err.Code {
	case api.CodeUnknown:
	case api.CodeSession:
		w.stats.refusedSessions++
		if r.Index == 0 || r.Index > w.truth.lastChosen() || w.truth.chosen[r.Index-1].reply.Err == nil {
			w.fail("%s is refused by its session, wrongly: %+v", op.command.Payload, r)
		}
		if !op.done { // its result is forgotten: only a new session can go on
			c.finish(op)
			c.renew(op.client)
		}
	case api.CodeNoLeader, api.CodeBusy, api.CodeInternal:
		a.ruled = true
		w.stats.ruled++
		if a.chosen != 0 {
			w.fail("%s is answered with %q, but it is entry %d", op.command.Payload, r.Err.Text, a.chosen)
		}
	default:
		w.fail("%s is answered with %+v", op.command.Payload, r.Err)
	}
}

func (c *simClients) renew(client *simClient) {
	for _, op := range slices.Clone(client.ops) {
		c.finish(op)
	}
	client.lives++
	client.session, client.seq, client.acked = fmt.Sprintf("%s.%d", client.name, client.lives), 0, 0
}

// chosen is told of every committed command.
func (c *simClients) chosen(e *simEntry) {
	a := c.byRequest[simRequest{e.command.Origin, e.command.Request}]
	switch {
	case a == nil:
		c.w.fail("entry %s is nobody's: %+v", e.LogEntry, e.command)
	case a.ruled:
		c.w.fail("%s is committed as %s, but its client was told that nothing happened", e.command.Payload, e.LogEntry)
	case a.chosen != 0 && e.runs:
		c.w.fail("%s is entry %d, and again %d", e.command.Payload, a.chosen, e.Index)
	default:
		a.chosen = e.Index
	}
}
