package host

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// chaos is a random run of a group and the clients that judge its answers.
type chaos struct {
	*sim
	ops     []*chaosOp
	queries []*chaosQuery
	// acknowledged is how many increments of A were answered.
	acknowledged int64
	sessions     int
}

// chaosOp is one command, and the attempts at it.
type chaosOp struct {
	request CommandRequest
	tag     string
	at      *simMember
	// life is the member's group at the attempt: another one will not answer.
	life    *group
	answer  *answered
	applied *Reply
	// ruled is set when the only attempt was answered with "nothing happened".
	ruled bool
	over  bool
	next  *chaosOp
}

type chaosQuery struct {
	answer *answered
	// least is what was acknowledged before the query was asked.
	least int64
}

// TestChaos shows, under losses, repetitions, reordering, cut links, crashes, slow disks and slow
// machines: that a command under a session or a message ID is applied exactly once and always answered
// alike; that one without is applied at most once, and not at all when the answer said so (M13, M14);
// that a linearizable query never misses an answered command (M12); that snapshots are taken at equal
// positions with equal manifests whatever the batches (M17); that members which were away catch up
// through snapshots (M10); and that every event of an applied command is published.
func TestChaos(t *testing.T) {
	seeds := []uint64{}
	if replay, err := strconv.ParseUint(os.Getenv("GROUT_SEED"), 10, 64); err == nil {
		seeds = append(seeds, replay)
	}
	for seed := uint64(1); len(os.Getenv("GROUT_SEED")) == 0 && seed <= chaosSeeds(t); seed++ {
		seeds = append(seeds, seed)
	}
	installs, markers, duplicates := 0, 0, 0
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("GROUT_SEED=%d", seed), func(t *testing.T) {
			c := newChaos(t, seed)
			c.storm(8000)
			c.calm()
			c.judge()
			markers += len(c.digests)
			installs += c.installed()
			for _, op := range c.ops {
				if op.applied != nil && op.applied.Duplicate {
					duplicates++
				}
			}
		})
	}
	t.Logf("%d anchors, %d runs in which a snapshot was fetched, %d answers were remembered ones", markers, installs, duplicates)
	if len(seeds) > 10 && (markers == 0 || installs == 0 || duplicates == 0) {
		t.Error("the runs did not reach what they are meant to test")
	}
}

// TestTheStormReplays shows that a seed decides everything: two runs of it end alike.
func TestTheStormReplays(t *testing.T) {
	run := func() string {
		c := newChaos(t, 7)
		c.storm(6000)
		c.calm()
		return fmt.Sprint(c.now, len(c.ops), c.acknowledged, len(c.published), c.saves, c.leader().stateHash())
	}
	if first, second := run(), run(); first != second {
		t.Errorf("one run ended as %s, the other as %s", first, second)
	}
}

func chaosSeeds(t *testing.T) uint64 {
	if runs, err := strconv.ParseUint(os.Getenv("GROUT_RUNS"), 10, 64); err == nil {
		return runs
	}
	if testing.Short() {
		return 4
	}
	return 12
}

func newChaos(t *testing.T, seed uint64) *chaos {
	timing := simTiming()
	timing.SnapshotBytes = 2500
	c := &chaos{sim: newSim(t, seed, 3+2*int(seed%2), timing)}
	for range 4 {
		c.newSession()
	}
	// What a host sends is lost for some of the time: so it does not matter which of the fetchers asks first.
	c.lose = func(from string, _ BlobRequest) bool {
		return (int64(from[0])+c.now.UnixNano()/int64(timing.Tick))%3 != 0
	}
	return c
}

// newSession begins a client that sends one command after the other under a session, or under
// message IDs.
func (c *chaos) newSession() {
	c.sessions++
	c.continueSession(&chaosOp{request: CommandRequest{Session: fmt.Sprintf("s%d", c.sessions)}})
}

func (c *chaos) continueSession(last *chaosOp) {
	op := &chaosOp{request: CommandRequest{Session: last.request.Session, Seq: last.request.Seq + 1, Acked: last.request.Seq}}
	op.tag = fmt.Sprintf("%s-%d", op.request.Session, op.request.Seq)
	if op.request.Session == "s1" { // this client uses message IDs
		op.request.MsgID, op.request.Session, op.request.Acked = op.tag, "", 0
		op.tag = "m" + op.tag
		op.next = &chaosOp{request: CommandRequest{Session: "s1", Seq: op.request.Seq}}
		op.request.Seq = 0
	}
	op.request.Payload = fmt.Appendf(nil, "emit A %s", op.tag)
	c.ops = append(c.ops, op)
}

func (c *chaos) pick() *simMember { return c.members[c.names[c.rng.IntN(len(c.names))]] }

func (c *chaos) storm(steps int) {
	for range steps {
		c.step()
	}
}

// step does one thing by chance.
func (c *chaos) step() {
	m := c.pick()
	switch n := c.rng.IntN(1000); {
	case n < 500:
		c.shuffle()
	case n < 560:
		c.now = c.now.Add(c.timing.Tick / 3)
		m.tick()
	case n < 680:
		m.turn()
	case n < 800 && m.up():
		m.log.complete(1 + c.rng.IntN(3))
	case n < 880:
		m.work(c.rng.IntN(3))
	case n < 900:
		m.publish()
	case n < 994:
		c.client(m)
	case n < 995:
		m.crash()
	case n < 997:
		if m.g == nil {
			m.start()
		}
	case n < 998:
		c.isolate(m)
	default:
		c.heal()
	}
}

// shuffle lets one message arrive, or go lost, or arrive and stay on its way.
func (c *chaos) shuffle() {
	if len(c.net) == 0 {
		return
	}
	i := c.rng.IntN(min(len(c.net), 8))
	f := c.net[i]
	fate := c.rng.IntN(20)
	if fate != 0 {
		c.net = slices.Delete(c.net, i, i+1)
	} else if f2, ok := f.envelope.Message.(*consensus.ForwardCommand); ok {
		own := *f2
		own.Commands = nil
		for _, command := range f2.Commands {
			own.Commands = append(own.Commands, slices.Clone(command))
		}
		f.envelope.Message = &own
	}
	if fate != 1 {
		c.arrive(f)
		if c.rng.IntN(2) == 0 {
			c.members[f.to].turn()
		}
	}
	if len(c.net) > 400 {
		c.net = c.net[100:]
	}
}

// client lets a client look at its answers, or send something through a member.
func (c *chaos) client(m *simMember) {
	c.look()
	if !m.up() {
		return
	}
	switch c.rng.IntN(3) {
	case 0:
		tag := fmt.Sprintf("x%d", len(c.ops))
		op := &chaosOp{tag: tag, request: CommandRequest{Payload: fmt.Appendf(nil, "add B 1 %s", tag)}}
		c.ops = append(c.ops, op)
		c.send(op, m)
	case 1:
		c.queries = append(c.queries, &chaosQuery{least: c.acknowledged, answer: m.query(QueryRequest{Payload: []byte("get A")})})
	default:
		c.retry(m)
	}
}

func (c *chaos) send(op *chaosOp, m *simMember) {
	op.at, op.life = m, m.g
	op.answer = m.execute(op.request)
}

// retry sends commands of sessions that have no answer yet.
func (c *chaos) retry(m *simMember) {
	for _, op := range c.ops {
		if op.over || (op.request.Session == "" && op.request.MsgID == "") {
			continue
		}
		if op.answer == nil || op.answer.done() || op.at.g != op.life || c.rng.IntN(10) == 0 {
			c.send(op, m)
		}
	}
}

// look takes the answers that have come.
func (c *chaos) look() {
	for _, op := range c.ops {
		if op.answer == nil || !op.answer.done() || op.over {
			continue
		}
		r := op.answer.one(c.t)
		switch {
		case r.Err == nil && r.Outcome.Kind == Applied:
			op.applied, op.over = &r, true
			c.advance(op)
		case r.Err == nil:
			c.t.Fatalf("seed %d: %s ended as %+v", c.seed, op.tag, r.Outcome)
		case op.request.Session == "" && op.request.MsgID == "":
			op.over = true
			op.ruled = r.Err.Code == api.CodeNoLeader || r.Err.Code == api.CodeBusy
		case r.Err.Code == api.CodeSession:
			c.t.Fatalf("seed %d: %s: %v", c.seed, op.tag, r.Err)
		}
	}
}

func (c *chaos) advance(op *chaosOp) {
	switch {
	case op.next != nil:
		c.acknowledged++
		c.continueSession(op.next)
	case op.request.Session != "":
		c.acknowledged++
		c.continueSession(op)
	}
}

// calm mends everything and waits until all clients have their answers and all members are level.
func (c *chaos) calm() {
	c.heal()
	c.lose = nil
	for _, m := range c.all() {
		if m.stopped != nil {
			c.t.Fatalf("seed %d: %s stopped: %v", c.seed, m.name, m.stopped)
		}
		if m.g == nil {
			m.start()
		}
	}
	leader := c.leader()
	pending := slices.Clone(c.ops)
	for _, op := range pending {
		if op.answer == nil {
			c.send(op, leader)
		}
	}
	c.until("every answer", func() bool {
		c.look()
		open := false
		for _, op := range pending {
			if op.over || op.at.g != op.life && op.request.Session == "" && op.request.MsgID == "" {
				continue
			}
			open = true
			if op.answer.done() || op.at.g != op.life {
				c.send(op, c.leader())
			}
		}
		return !open
	})
	c.apply(c.leader(), "add C 1") // carries how far events are published
	c.round()
	c.apply(c.leader(), "add C 1")
	c.level()
}

func (c *chaos) judge() {
	m := c.leader()
	published := map[string]int{}
	for _, e := range c.published {
		published[string(e.Payload)]++
	}
	results := map[string]string{}
	for _, op := range c.ops {
		count := m.machine.tags[op.tag]
		if count > 1 {
			c.t.Errorf("seed %d: %s was applied %d times", c.seed, op.tag, count)
		}
		if op.applied != nil && count != 1 {
			c.t.Errorf("seed %d: %s was answered, and applied %d times", c.seed, op.tag, count)
		}
		if op.ruled && count != 0 {
			c.t.Errorf("seed %d: %s was answered with %v, and applied", c.seed, op.tag, op.answer.replies[0].Err)
		}
		if op.request.Session+op.request.MsgID == "" {
			continue
		}
		if (published[op.tag] > 0) != (count > 0) {
			c.t.Errorf("seed %d: %s was applied %d times and its event published %d times", c.seed, op.tag, count, published[op.tag])
		}
		if op.applied != nil {
			sum := string(op.applied.Outcome.Output)
			if other, twice := results[sum]; twice {
				c.t.Errorf("seed %d: %s and %s have the same result %s", c.seed, op.tag, other, sum)
			}
			results[sum] = op.tag
		}
	}
	c.judgeQueries()
	for _, other := range c.all() {
		if other.stateHash() != m.stateHash() {
			c.t.Errorf("seed %d: the states of %s and %s differ", c.seed, other.name, m.name)
		}
		if n := len(other.g.applier.replica.outbox.events); n != 0 {
			c.t.Errorf("seed %d: %s still holds %d events", c.seed, other.name, n)
		}
	}
}

func (c *chaos) judgeQueries() {
	for _, q := range c.queries {
		if !q.answer.done() {
			continue
		}
		r := q.answer.one(c.t)
		if r.Err != nil {
			continue
		}
		if got, err := strconv.ParseInt(string(r.Outcome.Output), 10, 64); err != nil || got < q.least {
			c.t.Errorf("seed %d: a query saw %d (%v) after %d commands were answered", c.seed, got, err, q.least)
		}
	}
}

// installed is 1 when a member fetched another's snapshot.
func (c *chaos) installed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fetches > 0 {
		return 1
	}
	return 0
}
