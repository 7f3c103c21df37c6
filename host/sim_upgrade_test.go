package host

import (
	"context"

	"github.com/groutlabs/grout/consensus"
)

// simMaker makes the machines of one process. The first byte of a module's digest is its version. A host has
// a module once it has fetched it.
type simMaker struct{ life *simLife }

func (m simMaker) start(spec machineSpec) (Machine, error) {
	if !m.life.node.modules[spec.Module] {
		return nil, &lackError{spec.Module}
	}
	machine := newSimMachine()
	machine.life, machine.version = m.life, spec.Module[0]
	return machine, nil
}

func (m simMaker) succeed(old Machine, spec machineSpec, entry EntryContext) (Machine, Outcome, error) {
	if !m.life.node.modules[spec.Module] {
		return nil, Outcome{}, &lackError{spec.Module}
	}
	next, outcome := old.(*simMachine).next(spec, entry)
	if next == nil {
		return nil, outcome, nil
	}
	return next, outcome, nil
}

func (m simMaker) obtain(_ context.Context, module Digest) error {
	w := m.life.node.w
	w.current.sleep(w.between(1, 20*w.profile.netDelay), "module")
	if m.life.dead || w.net.percent(30) {
		return errLost
	}
	m.life.node.modules[module] = true
	return nil
}

func (m simMaker) version() int { return 1 }

// next is what becomes of a machine by an upgrade, nil when its state cannot be taken over: the init
// argument decides that, as code would.
func (m *simMachine) next(spec machineSpec, entry EntryContext) (*simMachine, Outcome) {
	switch string(spec.Init) {
	case "refuse":
		return nil, Outcome{Kind: Refused, Code: 3, Message: "as asked"}
	case "trap":
		return nil, Outcome{Kind: Trapped, Message: "as asked"}
	}
	next := *m.awake()
	next.told = nil
	next.version = spec.Module[0]
	next.cells[12]++
	next.fold([]byte{next.version, byte(entry.Index), byte(entry.Term)})
	return &next, Outcome{Output: []byte{next.version}}
}

// upgrade asks the leader for another module.
func (w *simWorld) upgrade() {
	l := w.leader()
	if l == nil {
		return
	}
	spec := machineSpec{Module: Digest{w.truth.twin.machine.version + 1 - uint8(w.rng.IntN(2))}}
	if w.chance(3) {
		spec.Init = []byte([]string{"refuse", "trap", "other"}[w.rng.IntN(3)])
	}
	w.stats.count(faultUpgrade)
	c := &w.clients
	c.attempts++
	a := &simAttempt{op: &simOp{client: &simClient{kind: kindUpgrade}}, number: c.attempts, life: l, began: w.now}
	l.place(1, "upgrade", func() {
		before := len(c.replies)
		l.g.upgrade(spec, l.g.running.Load().at, l.g.timing.RequestTimeout, func(r Reply) { c.replies = append(c.replies, simReply{a, r}) })
		if len(c.replies) == before {
			a.key = simRequest{l.g.self, l.g.waiters.next}
			c.byRequest[a.key] = a
		}
	})
}

// upgrade is the twin's copy of an upgrade.
func (t *simTwin) upgrade(e *simEntry) {
	var u upgradeEntry
	if err := unpack(e.Payload, &u); err != nil {
		t.w.fail("entry %s: %v", e.LogEntry, err)
		return
	}
	e.command.Origin, e.command.Request = u.Origin, u.Request
	t.now = max(t.now, u.TimeNanos)
	e.reply = Reply{Index: e.Index, Term: e.Term}
	switch {
	case u.Spec.equal(&t.spec):
	case u.After != t.upgraded:
		e.reply.Outcome.Kind = Trapped
	default:
		next, outcome := t.machine.next(u.Spec, EntryContext{Index: e.Index, Term: e.Term, TimeNanos: t.now})
		if e.reply.Outcome = outcome; next != nil {
			t.machine, t.spec, t.upgraded = next, u.Spec, e.Index
			t.w.stats.upgraded++
			t.note(e.Index)
		}
	}
	e.digest = t.machine.digest
}

// tookUpgrade compares the answer to an upgrade with the twin's.
func (c *simClients) tookUpgrade(a *simAttempt, r Reply) {
	if r.Err != nil {
		c.tookError(a, r)
		return
	}
	if r.Index > c.w.truth.lastChosen() {
		c.w.fail("an upgrade is answered at %d, which is not committed", r.Index)
		return
	}
	e := c.w.truth.chosen[r.Index-1]
	if (simRequest{e.command.Origin, e.command.Request}) != a.key || e.Kind != consensus.EntryUpgrade || e.reply.Outcome.Kind != r.Outcome.Kind {
		c.w.fail("an upgrade is answered %+v, not %+v, by entry %s", r, e.reply, e.LogEntry)
	}
}
