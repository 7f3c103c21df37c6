package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// An upgrade in place is an entry of the group's own log, so every member changes its machine at the same
// index; so is a change of the limits alone, for which the machine stays (limits.go). The new machine takes
// over the state of the old one; when it cannot, the old one stays, and that is an outcome like any other:
// equal on every member, and the caller's answer.

// machineSpec is what a group's machine is made of now; the rest never changes.
type machineSpec struct {
	Module Digest     `codec:"m"`
	Limits api.Limits `codec:"l"`
	Init   []byte     `codec:"a"`
}

func (s *machineSpec) equal(other *machineSpec) bool {
	return s.sameMachine(other) && s.Limits == other.Limits
}

// sameMachine reports whether the limits alone may differ.
func (s *machineSpec) sameMachine(other *machineSpec) bool {
	return s.Module == other.Module && string(s.Init) == string(other.Init)
}

// commandLimit is the most bytes that a command may have.
func (s *machineSpec) commandLimit() int {
	if limit := s.Limits.CommandBytes; limit > 0 {
		return int(limit)
	}
	return MaxCommandBytes
}

// machineMaker makes the machines of one group on one host.
type machineMaker interface {
	// start makes a machine. A *lackError means that its module is not stored here.
	start(spec machineSpec) (Machine, error)
	// succeed makes the machine that takes over from old, which stays as it is. The machine is nil unless
	// the outcome is Applied. A *lackError as in start; any other error is no outcome.
	succeed(old Machine, spec machineSpec, entry EntryContext) (Machine, Outcome, error)
	// obtain fetches a module that is not stored here. It is durable on return.
	obtain(ctx context.Context, module Digest) error
	// version is that of what this host makes of a module, see Machines.
	version() int
}

// lackError says which module is missing here.
type lackError struct{ module Digest }

// Error implements error.
func (e *lackError) Error() string {
	return fmt.Sprintf("host: module %s is not stored here", hexDigest(e.module))
}

// fixedMachine is the maker of a group whose one machine is given and never changes.
type fixedMachine struct{ machine Machine }

func (f fixedMachine) start(machineSpec) (Machine, error) { return f.machine, nil }

func (f fixedMachine) succeed(Machine, machineSpec, EntryContext) (Machine, Outcome, error) {
	return nil, Outcome{Kind: Trapped, Message: "this group's machine is a part of the host and cannot be upgraded"}, nil
}

func (f fixedMachine) obtain(_ context.Context, module Digest) error { return &lackError{module} }

func (f fixedMachine) version() int { return 0 }

// upgradeEntry is the payload of an EntryUpgrade.
type upgradeEntry struct {
	// Origin and Request name who waits for the outcome, as in a command.
	Origin    consensus.MemberID `codec:"o"`
	Request   uint64             `codec:"r"`
	TimeNanos int64              `codec:"t"`
	// After is the index of the upgrade before, 0 for none: of two that were proposed at once, or of one that was
	// proposed twice, the second has no effect.
	After consensus.Index `codec:"a"`
	// Spec is the whole of what the machine is made of from this entry on.
	Spec machineSpec `codec:"s"`
	// Version is the leader's machineMaker.version: a member of another version would not make the same
	// of the module.
	Version int `codec:"v"`
}

// applyUpgrade changes the machine, or leaves the old one in place. With a *lackError nothing has
// happened: the entry is to be applied again once the module is here.
func (r *replica) applyUpgrade(e consensus.LogEntry) (answer, error) {
	var u upgradeEntry
	if err := unpack(e.Payload, &u); err != nil {
		return answer{}, err
	}
	if own := r.machines.version(); u.Version != own {
		return answer{}, fmt.Errorf("host: the upgrade is for hosts that make version %d of a module, this one makes version %d: run the same version of Grout on every host",
			u.Version, own)
	}
	entry := EntryContext{Index: e.Index, Term: e.Term, TimeNanos: max(r.timeNanos, u.TimeNanos)}
	outcome, err := r.replaceMachine(&u, entry)
	if err != nil {
		return answer{}, err
	}
	r.timeNanos = entry.TimeNanos
	return answer{origin: u.Origin, request: u.Request, reply: Reply{Outcome: outcome, Index: e.Index, Term: e.Term}}, nil
}

func (r *replica) replaceMachine(u *upgradeEntry, entry EntryContext) (Outcome, error) {
	switch {
	case u.Spec.equal(&r.spec):
		return Outcome{}, nil // an earlier try did it
	case u.After != r.upgraded:
		return Outcome{Kind: Trapped, Message: fmt.Sprintf("another upgrade or change of limits came first, at index %d", r.upgraded)}, nil
	case u.Spec.sameMachine(&r.spec):
		return r.changeLimits(u.Spec, entry.Index)
	}
	next, outcome, err := r.machines.succeed(r.machine, u.Spec, entry)
	if err != nil || outcome.Kind != Applied {
		return outcome, err
	}
	r.still()
	old := r.machine
	r.machine, r.spec, r.upgraded, r.pages = next, u.Spec, entry.Index, nil
	r.gauge.holds(next)
	if err := old.Close(); err != nil {
		return Outcome{}, fmt.Errorf("host: closing the machine before the upgrade: %w", err)
	}
	return outcome, nil
}

// rehearsal asks whether the present state could be taken over by a machine of spec.
type rehearsal struct {
	spec machineSpec
	done func(Outcome, error)
}

// rehearse makes the next machine and drops it: the state stays as it is.
func (r *replica) rehearse(spec machineSpec) (Outcome, error) {
	if spec.sameMachine(&r.spec) {
		return r.tooLow(spec.Limits), nil
	}
	next, outcome, err := r.machines.succeed(r.machine, spec, EntryContext{
		Index: r.applied.Index + 1, Term: r.applied.Term, TimeNanos: r.timeNanos,
	})
	if err == nil && next != nil {
		err = next.Close()
	}
	return outcome, err
}

// machineFor returns the machine that an image of spec can be restored to: the present one, if it is of
// that spec.
func (r *replica) machineFor(spec machineSpec) (machine Machine, fresh bool, err error) {
	if r.machine != nil && spec.equal(&r.spec) {
		return r.machine, false, nil
	}
	machine, err = r.machines.start(spec)
	return machine, true, err
}

// begin starts the machine of a replica that has applied nothing.
func (r *replica) begin() error {
	machine, err := r.machines.start(r.spec)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoMachine, err)
	}
	r.machine = machine
	r.gauge.holds(machine)
	return nil
}

// close frees the machine, if there is one.
func (r *replica) close() error {
	if r.machine == nil {
		return nil
	}
	r.still()
	return r.machine.Close()
}

// still waits until nothing else uses the machine.
func (r *replica) still() {
	if r.rest != nil {
		r.rest()
	}
}

// machineEvents is what an applier tells its group of the machine itself, from its goroutine.
type machineEvents interface {
	// upgraded reports the machine that the replica has now.
	upgraded(spec machineSpec, at consensus.Index)
	// lacks reports a module without which the applier cannot go on. It waits for supply.
	lacks(module Digest)
}

// stall puts work aside until a module is here.
func (a *applier) stall(w work, module Digest) {
	a.mu.Lock()
	a.lacking, a.supplied, a.parked = true, false, []work{w}
	a.mu.Unlock()
	a.machines.lacks(module)
}

// park puts work behind that which is put aside. It reports false when nothing is.
func (a *applier) park(w *work) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lacking {
		a.parked = append(a.parked, *w)
	}
	return a.lacking
}

// supply lets the applier go on.
func (a *applier) supply() {
	a.mu.Lock()
	a.supplied = true
	a.mu.Unlock()
	a.ring()
}

// waits reports whether the applier waits for a module.
func (a *applier) waits() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lacking && !a.supplied
}

// supersede drops whatever waits for a module, since a snapshot takes its place.
func (a *applier) supersede() {
	a.mu.Lock()
	lacking, queue := a.lacking, a.queue
	if lacking {
		a.epoch.Add(1)
		a.queue, a.supplied = nil, true
	}
	a.mu.Unlock()
	if lacking {
		for i := range queue {
			a.drop(&queue[i])
		}
	}
}

// upgrade has the group change the machine that came with the entry after, if this member leads it and no other
// has taken its place. reply gets the outcome once the entry is applied here; an error's code says whether the
// entry may still be applied.
func (g *group) upgrade(spec machineSpec, after consensus.Index, timeout time.Duration, reply func(Reply)) {
	if refusal := g.refusing.Load(); refusal != nil {
		reply(Reply{Err: refusal})
		return
	}
	id := g.await(1, waiter{reply: reply, deadline: g.deadline(timeout), size: len(spec.Init)})
	if id != 0 {
		g.inbox.call(func() { g.proposeUpgrade(id, spec, after) })
	}
}

func (g *group) proposeUpgrade(id uint64, spec machineSpec, after consensus.Index) {
	payload, err := pack(upgradeEntry{
		Origin: g.self, Request: id, TimeNanos: g.clock.Now().UnixNano(), After: after,
		Spec: spec, Version: g.machines.version(),
	})
	if err != nil {
		g.waiters.finish(id, Reply{Err: fault(api.CodeInternal, "%v", err)})
		return
	}
	first, _, err := g.core.Propose(consensus.EntryUpgrade, payload)
	switch {
	case err == nil:
		g.waiters.assign([]pendingCommand{{request: id}}, first, g.leaderName())
	case errors.Is(err, consensus.ErrBusy):
		g.waiters.finish(id, Reply{Err: busyFault(g.ref.Name)})
	default:
		g.waiters.finish(id, Reply{Err: noLeaderFault(g.ref.Name)})
	}
}

// The group's part: what is lacking is fetched beside the loop, and again at every sweep until it is here.

func (g *group) upgraded(spec machineSpec, at consensus.Index) {
	g.running.Store(&runningMachine{spec: spec, at: at})
	g.inbox.call(func() {
		if g.core.Role() != consensus.Leader || at == 0 {
			return
		}
		// A snapshot of the new machine spares every member that starts or lags the old one.
		if err := g.mark(); err != nil {
			g.logger.Debug("no snapshot marker after the upgrade", "group", g.ref.Name, "reason", err)
		}
	})
	if g.onUpgrade != nil {
		g.onUpgrade()
	}
}

func (g *group) lacks(module Digest) {
	g.inbox.call(func() { g.lacking = &lackError{module}; g.obtainLacking() })
}

// runningMachine is what a member runs, and the index of the upgrade that made it so, 0 for none.
type runningMachine struct {
	spec machineSpec
	at   consensus.Index
}

// obtainLacking fetches the module that the applier waits for.
func (g *group) obtainLacking() {
	lack := g.lacking
	if lack == nil || g.obtaining {
		return
	}
	if !g.applier.waits() {
		g.lacking = nil // a snapshot has taken the place of what needed it
		return
	}
	g.obtaining = true
	g.done.Add(1)
	g.background(func() {
		defer g.done.Done()
		err := g.machines.obtain(g.lifetime, lack.module)
		g.inbox.call(func() {
			g.obtaining = false
			if err != nil {
				g.logger.Warn("a module that the log needs is not here yet", "group", g.ref.Name, "module", hexDigest(lack.module), "error", err)
				return
			}
			if g.lacking == lack {
				g.lacking = nil
				g.applier.supply()
			}
		})
	})
}
