package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// pipeTraffic is a random run of callers that send batches, strictly ordered pipelines and fed commands
// through members that crash, over links that lose, double and reorder.
type pipeTraffic struct {
	*sim
	pipelines []*pipeliner
	fed       []*fedCommand
	forgotten int
	early     int
	lost      int
	stormy    bool
}

// pipeliner keeps several requests under way in one strictly ordered session, each a command or a batch,
// and goes back to the first without an answer when one is refused for the order.
type pipeliner struct {
	name  string
	next  uint64
	acked uint64
	under []*pipedRequest
	// indexes are where the commands were applied, by sequence from 1.
	indexes []consensus.Index
}

type pipedRequest struct {
	request CommandRequest
	member  *simMember
	life    *group
	answer  *answered
	since   time.Time
}

// fedCommand is a command that was fed under a tag of its own, and the waits for its position.
type fedCommand struct {
	tag    string
	life   *group
	answer *answered
	waits  []*watched
	lives  []*group
}

func newPipeTraffic(t *testing.T, seed uint64) *pipeTraffic {
	timing := simTiming()
	timing.SnapshotBytes, timing.MaxMessageBytes = 4000, 400
	c := &pipeTraffic{sim: newSim(t, seed, 3, timing), stormy: true}
	for i := range 3 {
		c.pipelines = append(c.pipelines, &pipeliner{name: fmt.Sprint("p", i), next: 1})
	}
	return c
}

func (c *pipeTraffic) up() []*simMember {
	return slices.DeleteFunc(c.all(), func(m *simMember) bool { return !m.up() })
}

// submit sends a new request of a pipeline, of one to five commands.
func (c *pipeTraffic) submit(p *pipeliner) {
	if len(p.under) >= 6 {
		return
	}
	r := CommandRequest{Session: p.name, Seq: p.next, Ordered: true, Timeout: time.Second}
	n := 1 + c.rng.IntN(5)
	for i := range n {
		r.Batch = append(r.Batch, fmt.Appendf(nil, "emit A %s-%d", p.name, p.next+uint64(i)))
	}
	if n == 1 {
		r.Payload, r.Batch = r.Batch[0], nil
	}
	p.next += uint64(n)
	p.under = append(p.under, &pipedRequest{request: r})
	c.send(p, p.under[len(p.under)-1])
}

func (c *pipeTraffic) send(p *pipeliner, r *pipedRequest) {
	up := c.up()
	if len(up) == 0 || (p.acked == 0 && len(p.indexes) == 0 && r != p.under[0]) {
		r.answer = nil // a session begins with its first command
		return
	}
	r.request.Acked = p.acked
	r.member = up[c.rng.IntN(len(up))]
	r.life, r.since = r.member.g, c.now
	r.answer = r.member.execute(r.request)
}

// settle takes answers, and sends everything again from the first request that has none.
func (c *pipeTraffic) settle(p *pipeliner) {
	back := false
	for _, r := range p.under {
		if r.answer == nil || !r.member.up() || r.member.g != r.life || c.now.Sub(r.since) > 3*time.Second {
			back = true
			continue
		}
		if r.answer.done() && !r.complete(c.t) {
			back = true
			if e := r.firstError(); e != nil && e.Code == api.CodeOutOfOrder {
				c.early++
			}
		}
	}
	for len(p.under) > 0 && p.under[0].answer != nil && p.under[0].answer.done() && p.under[0].complete(c.t) {
		for _, one := range p.under[0].results() {
			p.indexes = append(p.indexes, one.Index)
			p.acked++
		}
		p.under = p.under[1:]
	}
	if !back {
		return
	}
	for _, r := range p.under {
		if r.answer == nil || !r.answer.done() || !r.complete(c.t) {
			c.send(p, r)
		}
	}
}

func (r *pipedRequest) results() []Reply {
	if reply := r.answer.replies[0]; reply.Batch != nil {
		return reply.Batch
	}
	return r.answer.replies[:1]
}

// complete reports whether every command of the request has its result.
func (r *pipedRequest) complete(t *testing.T) bool {
	r.answer.one(t)
	return r.firstError() == nil
}

func (r *pipedRequest) firstError() *Error {
	for _, one := range r.results() {
		if one.Err != nil {
			return one.Err
		}
	}
	return nil
}

// feedOne feeds a command of its own name.
func (c *pipeTraffic) feedOne() {
	up := c.up()
	if len(up) == 0 {
		return
	}
	m := up[c.rng.IntN(len(up))]
	tag := fmt.Sprint("f", len(c.fed))
	c.fed = append(c.fed, &fedCommand{tag: tag, life: m.g, answer: m.execute(fed("emit B %s", tag))})
}

// awaitFed begins a wait for a fed command's position on some member.
func (c *pipeTraffic) awaitFed(f *fedCommand) {
	up := c.up()
	if len(up) == 0 || !f.answer.done() || f.answer.replies[0].Err != nil {
		return
	}
	m, r := up[c.rng.IntN(len(up))], f.answer.replies[0]
	f.waits = append(f.waits, m.awaitAt(api.UntilApplied, consensus.Cursor{Term: r.Term, Index: r.Index}))
	f.lives = append(f.lives, m.g)
}

// step lets one thing happen by chance.
func (c *pipeTraffic) step() {
	m := c.all()[c.rng.IntN(len(c.all()))]
	switch n := c.rng.IntN(100); {
	case n < 45 && len(c.net) > 0:
		c.deliverOne()
	case n < 60 && m.up():
		m.log.complete(1 + c.rng.IntN(3))
		m.turn()
	case n < 75 && m.up():
		m.work(1 + c.rng.IntN(3))
		m.turn()
	case n < 88:
		c.now = c.now.Add(c.timing.Tick / 3)
		m.tick()
	case n < 91:
		c.submit(c.pipelines[c.rng.IntN(len(c.pipelines))])
	case n < 94:
		c.settle(c.pipelines[c.rng.IntN(len(c.pipelines))])
	case n < 96:
		c.feedOne()
	case n < 98 && len(c.fed) > 0:
		c.awaitFed(c.fed[c.rng.IntN(len(c.fed))])
	case n == 98 && m.up():
		m.execute(CommandRequest{Mode: ModeForget, Payload: fmt.Appendf(nil, "emit C g%d", c.forgotten)})
		c.forgotten++
	case c.rng.IntN(8) == 0:
		c.disturb(m)
	}
}

// deliverOne hands over one of the first frames, drops it, or hands it over twice.
func (c *pipeTraffic) deliverOne() {
	i := c.rng.IntN(min(len(c.net), 8))
	f := c.net[i]
	c.net = slices.Delete(c.net, i, i+1)
	if c.rng.IntN(25) == 0 {
		return
	}
	c.arrive(f)
	if c.rng.IntN(25) == 0 {
		if forward, ok := f.envelope.Message.(*consensus.ForwardCommand); ok {
			own := &consensus.ForwardCommand{RequestID: forward.RequestID, Term: forward.Term}
			for _, one := range forward.Commands {
				own.Commands = append(own.Commands, slices.Clone(one))
			}
			f.envelope.Message = own
		}
		c.net = append(c.net, f)
	}
	if m := c.members[f.to]; m.up() && c.rng.IntN(3) > 0 {
		m.turn()
	}
}

func (c *pipeTraffic) disturb(m *simMember) {
	switch {
	case !m.up():
		m.start()
	case c.rng.IntN(2) == 0 && len(c.up()) == len(c.all()):
		m.crash()
	case len(c.cut) > 0:
		c.heal()
	default:
		c.isolate(m)
	}
}

// TestOrderedTraffic shows, under losses, repetitions, reordering, crashes and changes of leader: that every
// command of batches and pipelines under a strictly ordered session is applied exactly once and in the order
// of the sequences; that a fed command is applied exactly when a wait for its position says so, and never
// when one says that it is lost, the same on every member; that a forgotten command is applied once at most;
// and that no request and no wait is left over.
func TestOrderedTraffic(t *testing.T) {
	seeds := []uint64{}
	if replay, err := strconv.ParseUint(os.Getenv("GROUT_SEED"), 10, 64); err == nil {
		seeds = append(seeds, replay)
	}
	for seed := uint64(1); len(os.Getenv("GROUT_SEED")) == 0 && seed <= trafficSeeds(t); seed++ {
		seeds = append(seeds, seed)
	}
	early, lost, applied := 0, 0, 0
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("GROUT_SEED=%d", seed), func(t *testing.T) {
			c := newPipeTraffic(t, seed)
			for range 6000 {
				c.step()
			}
			c.end()
			early += c.early
			lost += c.lost
			for _, p := range c.pipelines {
				applied += len(p.indexes)
			}
		})
	}
	t.Logf("%d commands in order, %d requests came out of order, %d fed commands were lost", applied, early, lost)
	if len(seeds) > 5 && (early == 0 || lost == 0 || applied < 40*len(seeds)) {
		t.Error("the runs did not reach what they are meant to test")
	}
}

func trafficSeeds(t *testing.T) uint64 {
	if runs, err := strconv.ParseUint(os.Getenv("GROUT_RUNS"), 10, 64); err == nil {
		return runs
	}
	if testing.Short() {
		return 6
	}
	return 20
}

// end lets everything come to rest, and judges.
func (c *pipeTraffic) end() {
	c.heal()
	for _, m := range c.all() {
		if !m.up() {
			m.start()
		}
	}
	c.leader()
	c.until("every pipeline is done", func() bool {
		done := true
		for _, p := range c.pipelines {
			c.settle(p)
			done = done && len(p.under) == 0
		}
		return done
	})
	for _, f := range c.fed {
		c.awaitFed(f)
	}
	c.apply(c.leader(), "add Z 1")
	c.level()
	for range 250 { // longer than any request lives
		c.round()
	}
	c.judgeOrder()
	c.judgeFed()
	for _, m := range c.all() {
		left := len(m.g.waiters.byID) + m.g.waiters.bytes + len(m.g.asked) + m.g.forgotten.commands + m.g.forgotten.bytes
		if left != 0 || m.g.watch.active.Load() != 0 || len(m.g.forwards.sent) != 0 {
			c.t.Errorf("seed %d: %s has something left over: %d, %d waits, %d forwards", c.seed, m.name, left, m.g.watch.active.Load(), len(m.g.forwards.sent))
		}
	}
}

func (c *pipeTraffic) judgeOrder() {
	for _, p := range c.pipelines {
		if uint64(len(p.indexes)) != p.next-1 {
			c.t.Errorf("seed %d: %s has %d results for %d commands", c.seed, p.name, len(p.indexes), p.next-1)
		}
		if !slices.IsSorted(p.indexes) || len(slices.Compact(slices.Clone(p.indexes))) != len(p.indexes) {
			c.t.Errorf("seed %d: the commands of %s were applied at %v", c.seed, p.name, p.indexes)
		}
		for _, m := range c.all() {
			for seq := uint64(1); seq < p.next; seq++ {
				if n := m.machine.tags[fmt.Sprintf("%s-%d", p.name, seq)]; n != 1 {
					c.t.Errorf("seed %d: %s applied sequence %d of %s %d times", c.seed, m.name, seq, p.name, n)
				}
			}
		}
	}
	for _, m := range c.all() {
		for n := range c.forgotten {
			if times := m.machine.tags[fmt.Sprint("g", n)]; times > 1 {
				c.t.Errorf("seed %d: %s applied the forgotten command %d %d times", c.seed, m.name, n, times)
			}
		}
	}
}

func (c *pipeTraffic) judgeFed() {
	for _, f := range c.fed {
		applied := c.all()[0].machine.tags[f.tag]
		for i, w := range f.waits {
			if !w.over() && slices.ContainsFunc(c.all(), func(m *simMember) bool { return m.g == f.lives[i] }) {
				c.t.Errorf("seed %d: a wait for %s goes on", c.seed, f.tag)
			}
			if !w.over() {
				continue // its member has crashed
			}
			switch err := w.one(c.t); {
			case err == nil && applied == 1, errors.Is(err, ErrTimeout):
			case errors.Is(err, ErrLost) && applied == 0:
				c.lost++
			default:
				c.t.Errorf("seed %d: %s was applied %d times, and a wait for it says %v", c.seed, f.tag, applied, err)
			}
		}
		if f.answer.done() && f.answer.replies[0].Err != nil && f.answer.replies[0].Err.Code != api.CodeUnknown && applied != 0 {
			c.t.Errorf("seed %d: %s was applied, its answer was %v", c.seed, f.tag, f.answer.replies[0].Err)
		}
		if applied > 1 {
			c.t.Errorf("seed %d: %s was applied %d times", c.seed, f.tag, applied)
		}
	}
}
