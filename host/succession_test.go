package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// The modules of the tests below, by the first byte of their digest.
const (
	firstModule   = 1
	nextModule    = 2
	laterModule   = 3
	refusesModule = 0xf0
	trapsModule   = 0xf1
)

// shop makes registers for the members of one group. An upgrade marks the cell Z with the module's number.
type shop struct {
	// stocked are the modules that each host stores; it outlives the host's process.
	stocked map[string]map[byte]bool
	// closed is a module that no host gives to others.
	closed map[byte]bool
	// changes are the indexes at which each host changed its machine, by module.
	changes map[string]map[byte]consensus.Index
	// failing makes the next machines fail to be made on a host.
	failing map[string]error
}

func newShop(s *sim, modules ...byte) *shop {
	p := &shop{
		stocked: map[string]map[byte]bool{}, closed: map[byte]bool{}, changes: map[string]map[byte]consensus.Index{},
		failing: map[string]error{},
	}
	for _, name := range s.names {
		p.stocked[name], p.changes[name] = map[byte]bool{firstModule: true}, map[byte]consensus.Index{}
		for _, m := range modules {
			p.stocked[name][m] = true
		}
	}
	return p
}

// counter is one member's machineMaker.
type counter struct {
	*shop
	m *simMember
}

func (c counter) start(spec machineSpec) (Machine, error) {
	if err := c.failing[c.m.name]; err != nil {
		return nil, err
	}
	if !c.stocked[c.m.name][spec.Module[0]] {
		return nil, &lackError{spec.Module}
	}
	c.m.machine = newRegister()
	c.m.machine.limits = spec.Limits
	return c.m.machine, nil
}

func (c counter) succeed(old Machine, spec machineSpec, entry EntryContext) (Machine, Outcome, error) {
	if !c.stocked[c.m.name][spec.Module[0]] {
		return nil, Outcome{}, &lackError{spec.Module}
	}
	switch spec.Module[0] {
	case refusesModule:
		return nil, Outcome{Kind: Refused, Code: 9, Message: "grout_migrate: as asked"}, nil
	case trapsModule:
		return nil, Outcome{Kind: Trapped, Message: "grout_migrate: as asked"}, nil
	}
	next, from := newRegister(), old.(*register)
	next.limits = spec.Limits
	next.cells, next.tags = from.cells, maps.Clone(from.tags)
	next.cells[25] = 100*next.cells[25] + int64(spec.Module[0])
	c.m.machine = next
	c.changes[c.m.name][spec.Module[0]] = entry.Index
	return next, Outcome{}, nil
}

func (c counter) obtain(_ context.Context, module Digest) error {
	for name, stock := range c.stocked {
		if name != c.m.name && stock[module[0]] && !c.closed[module[0]] && c.m.sim.members[name].up() && !c.m.sim.cut[link(name, c.m.name)] {
			c.stocked[c.m.name][module[0]] = true
			return nil
		}
	}
	return &lackError{module}
}

func (c counter) version() int { return 1 }

// newShopSim is a group whose hosts all store the given modules beside the first.
func newShopSim(t *testing.T, seed uint64, members int, modules ...byte) (*sim, *shop) {
	var p *shop
	s := prepareSim(t, seed, members, snapshotTiming())
	p = newShop(s, modules...)
	s.makers = func(m *simMember) machineMaker { return counter{p, m} }
	s.startAll()
	return s, p
}

// upgrade asks the member for another module.
func (m *simMember) upgrade(module byte) *answered {
	return m.upgradeAfter(m.g.running.Load().at, module)
}

// upgradeAfter is for who knows the machine that came with an entry.
func (m *simMember) upgradeAfter(at consensus.Index, module byte) *answered {
	a := &answered{}
	m.g.upgrade(machineSpec{Module: Digest{module}}, at, maxRequestTimeout, a.take)
	return a
}

// wantUpgraded waits until every member runs the module, requires that all changed at one index, and returns that.
func (s *sim) wantUpgraded(p *shop, module byte) consensus.Index {
	s.t.Helper()
	s.until("every member runs the module", func() bool {
		for _, m := range s.all() {
			if !m.up() || m.g.running.Load().spec.Module[0] != module {
				return false
			}
		}
		return true
	})
	s.level()
	var at consensus.Index
	for i, m := range s.all() {
		if i == 0 {
			at = m.g.running.Load().at
		}
		if m.g.running.Load().at != at || m.stateHash() != s.all()[0].stateHash() {
			s.t.Errorf("seed %d: %s changed at %d and not at %d, or the states differ", s.seed, m.name, m.g.running.Load().at, at)
		}
		if own, changed := p.changes[m.name][module]; changed && own != at {
			s.t.Errorf("seed %d: %s changed its machine at %d", s.seed, m.name, own)
		}
	}
	return at
}

func (s *sim) arriveAll() {
	frames := s.net
	s.net = nil
	for _, f := range frames {
		s.arrive(f)
	}
}

// TestUpgradeUnderLoad shows that every member changes its machine at the same index while commands flow, that
// no command is lost, and that the caller hears the outcome.
func TestUpgradeUnderLoad(t *testing.T) {
	for seed := range uint64(5) {
		s, p := newShopSim(t, seed, 3, nextModule)
		leader := s.leader()
		var pending []*answered
		var upgrade *answered
		for i := range 60 {
			pending = append(pending, s.all()[i%3].execute(CommandRequest{Payload: fmt.Appendf(nil, "add A 1 tag%d", i)}))
			if i == 30 {
				upgrade = leader.upgrade(nextModule)
			}
			for j, m := range s.all() {
				s.arriveAll()
				m.log.complete(1 + j)
				m.turn()
				m.work(1 + s.rng.IntN(3)*j)
				m.turn()
			}
		}
		s.until("all answers", func() bool {
			for _, a := range pending {
				if !a.done() {
					return false
				}
			}
			return upgrade.done()
		})
		if r := upgrade.one(t); r.Err != nil || r.Outcome.Kind != Applied {
			t.Fatalf("the upgrade: %+v", r)
		}
		at := s.wantUpgraded(p, nextModule)
		if at != upgrade.one(t).Index {
			t.Errorf("changed at %d, answered %d", at, upgrade.one(t).Index)
		}
		for _, m := range s.all() {
			if m.machine.cells[0] != 60 || m.machine.cells[25] != nextModule {
				t.Errorf("%s: A is %d, Z %d", m.name, m.machine.cells[0], m.machine.cells[25])
			}
		}
		s.until("a snapshot of the new module", func() bool { return leader.g.fetch.snapshot > at })
	}
}

// TestUpgradeThatFails shows that a new machine which refuses or traps leaves the old one in place on every
// member, that the caller hears why, and that the next upgrade works.
func TestUpgradeThatFails(t *testing.T) {
	s, p := newShopSim(t, 10, 3, nextModule, refusesModule, trapsModule)
	leader := s.leader()
	s.apply(leader, "add A 5")
	for module, want := range map[byte]Outcome{
		refusesModule: {Kind: Refused, Code: 9, Message: "grout_migrate: as asked"},
		trapsModule:   {Kind: Trapped, Message: "grout_migrate: as asked"},
	} {
		a := leader.upgrade(module)
		s.until("the outcome", a.done)
		if r := a.one(t); r.Err != nil || r.Outcome.Kind != want.Kind || r.Outcome.Code != want.Code || r.Outcome.Message != want.Message {
			t.Errorf("module %x: %+v", module, r)
		}
		s.wantUpgraded(p, firstModule)
		if got := s.apply(s.all()[1], "add A 0"); got != "5" {
			t.Errorf("after a failed upgrade A is %s", got)
		}
	}
	twice := []*answered{leader.upgrade(nextModule), leader.upgrade(nextModule), leader.upgrade(refusesModule)}
	s.until("the outcomes", func() bool { return twice[0].done() && twice[1].done() && twice[2].done() })
	if a, b := twice[0].one(t), twice[1].one(t); a.Outcome.Kind != Applied || b.Outcome.Kind != Applied || a.Index == b.Index {
		t.Errorf("the same upgrade twice: %+v, %+v", a, b)
	}
	if r := twice[2].one(t); r.Outcome.Kind != Trapped || !strings.Contains(r.Outcome.Message, "another upgrade or change of limits came first") {
		t.Errorf("an upgrade behind another: %+v", r)
	}
	late := leader.upgradeAfter(0, refusesModule) // its requester has looked at the first machine
	s.until("the outcome", late.done)
	if r := late.one(t); r.Outcome.Kind != Trapped || !strings.Contains(r.Outcome.Message, "another upgrade or change of limits came first") {
		t.Errorf("an upgrade of a machine that is gone: %+v", r)
	}
	s.wantUpgraded(p, nextModule)
	for _, m := range s.all() {
		if m.machine.cells[25] != nextModule {
			t.Errorf("%s was upgraded to %d", m.name, m.machine.cells[25])
		}
	}
	follower := s.others(s.leader())[0]
	a := follower.upgrade(laterModule)
	s.until("a refusal", a.done)
	if r := a.one(t); r.Err == nil || r.Err.Code != api.CodeNoLeader {
		t.Errorf("an upgrade at a follower: %+v", r)
	}
}

// TestUpgradeAcrossCrashes shows that members that crash before, at and after an upgrade come back with the right
// module, from the log or from a snapshot of either.
func TestUpgradeAcrossCrashes(t *testing.T) {
	for seed := range uint64(20) {
		s, p := newShopSim(t, 20+seed, 3, nextModule, laterModule)
		leader := s.leader()
		victims := s.others(leader)
		s.apply(leader, "add A 1")
		if seed%2 == 0 {
			s.fill(leader, 1)
		}
		a := leader.upgrade(nextModule)
		for range s.rng.IntN(12) {
			s.flush()
		}
		victims[0].crash()
		victims[0].start()
		s.until("the outcome", a.done)
		for range s.rng.IntN(30) {
			s.apply(leader, "add B 1 tag")
		}
		if seed%3 == 0 {
			s.fill(leader, leader.g.core.Last().Index)
		}
		for _, m := range s.all() {
			m.crash()
			m.start()
		}
		s.leader()
		first := s.wantUpgraded(p, nextModule)
		leader = s.leader()
		a = leader.upgrade(laterModule)
		s.until("the second outcome", a.done)
		for _, m := range s.all() {
			m.crash()
		}
		for _, m := range s.all() {
			m.start()
		}
		s.leader()
		if r := a.one(t); r.Err != nil || s.wantUpgraded(p, laterModule) <= first {
			t.Errorf("seed %d: %+v", s.seed, r)
		}
		for _, m := range s.all() {
			if m.machine.cells[25] != 100*nextModule+laterModule {
				t.Errorf("seed %d: %s went through %d", s.seed, m.name, m.machine.cells[25])
			}
		}
	}
}

// TestSleptThroughAnUpgrade shows that a member which was away gets the snapshot of the new module, and the module
// itself, and needs nothing from before.
func TestSleptThroughAnUpgrade(t *testing.T) {
	s, p := newShopSim(t, 50, 3, nextModule)
	leader := s.leader()
	away := s.others(leader)[0]
	s.apply(leader, "add A 3")
	s.level()
	away.crash()
	delete(p.stocked[away.name], nextModule)
	a := leader.upgrade(nextModule)
	s.until("the outcome", a.done)
	s.until("the log is compacted up to the upgrade", func() bool { return leader.g.status.Load().Base.Index >= a.one(t).Index })
	s.apply(leader, "add A 4")
	away.start()
	s.wantUpgraded(p, nextModule)
	if _, replayed := p.changes[away.name][nextModule]; replayed || away.machine.cells[0] != 7 {
		t.Errorf("it ran the upgrade itself (%v), or A is %d", replayed, away.machine.cells[0])
	}
	away.crash()
	away.start()
	s.wantUpgraded(p, nextModule)
}

// TestWithoutTheModule shows that a member which lacks the module when it gets to the upgrade waits for it, applying
// nothing and saying so, and goes on as soon as another host gives it.
func TestWithoutTheModule(t *testing.T) {
	s, p := newShopSim(t, 60, 3, nextModule)
	leader := s.leader()
	lacks := s.others(leader)[1]
	delete(p.stocked[lacks.name], nextModule)
	p.closed[nextModule] = true
	s.apply(leader, "add A 1")
	s.level()
	a := leader.upgrade(nextModule)
	s.until("the outcome", a.done)
	at := a.one(t).Index
	for range 8 {
		s.apply(leader, "add A 1")
	}
	for range 20 {
		s.round()
	}
	if applied := lacks.g.applier.applied.Load(); applied != uint64(at)-1 || lacks.machine.cells[0] != 1 {
		t.Errorf("it applied up to %d, the upgrade is at %d", applied, at)
	}
	if p := lacks.g.status.Load().problem; !strings.Contains(p, "waits for module 02") {
		t.Errorf("it reports %q", p)
	}
	lacks.crash() // waiting survives a restart
	lacks.start()
	for range 20 {
		s.round()
	}
	delete(p.closed, nextModule)
	s.wantUpgraded(p, nextModule)
	if p.changes[lacks.name][nextModule] != at || lacks.machine.cells[0] != 9 {
		t.Errorf("it changed at %d, A is %d", p.changes[lacks.name][nextModule], lacks.machine.cells[0])
	}
	s.until("no more trouble", func() bool { return lacks.g.trouble() == "" })
}

// TestASnapshotOverAMissingModule shows that a member which waits for a module that nobody has any more is freed by
// a snapshot of a later one.
func TestASnapshotOverAMissingModule(t *testing.T) {
	s, p := newShopSim(t, 70, 3, nextModule, laterModule)
	leader := s.leader()
	lacks := s.others(leader)[0]
	delete(p.stocked[lacks.name], nextModule)
	p.closed[nextModule] = true
	a := leader.upgrade(nextModule)
	s.until("the outcome", a.done)
	s.until("it waits", func() bool { return lacks.g.applier.waits() })
	s.isolate(lacks)
	a = s.leader().upgrade(laterModule)
	s.until("the outcome", a.done)
	s.until("the log is compacted", func() bool { return s.leader().g.status.Load().Base.Index >= a.one(t).Index })
	s.heal()
	s.wantUpgraded(p, laterModule)
}

// TestUpgradeAndQuarantine shows that a member whose state is repaired from before an upgrade goes through it
// again, and that one that was wrong at it is repaired to the new module.
func TestUpgradeAndQuarantine(t *testing.T) {
	for seed := range uint64(10) {
		s, p := newShopSim(t, 80+seed, 3, nextModule)
		s.spoiled = true
		leader := s.leader()
		wrong := s.all()[seed%3]
		s.apply(leader, "add A 1")
		s.fill(leader, 1)
		wrong.machine.cells[24] = 77
		a := leader.upgrade(nextModule)
		s.until("the end of the request", a.done)
		if r := a.one(t); r.Err != nil {
			t.Fatalf("seed %d: %v", s.seed, r.Err)
		}
		s.until("the repair", func() bool {
			for _, m := range s.all() {
				if m.g.quarantine != nil || m.machine.cells[24] != 0 {
					return false
				}
			}
			return true
		})
		s.leader()
		s.wantUpgraded(p, nextModule)
	}
}

// TestRehearsal shows that a rehearsal tells the outcome that an upgrade would have, and changes nothing.
func TestRehearsal(t *testing.T) {
	s, _ := newShopSim(t, 100, 1, nextModule, refusesModule)
	m := s.leader()
	s.apply(m, "add A 2")
	before := m.stateHash()
	for module, want := range map[byte]OutcomeKind{nextModule: Applied, refusesModule: Refused} {
		present := m.machine
		called := false
		m.g.applier.add(work{rehearse: &rehearsal{machineSpec{Module: Digest{module}}, func(o Outcome, err error) {
			called = true
			if o.Kind != want || err != nil {
				t.Errorf("module %x: %+v, %v", module, o, err)
			}
		}}})
		m.work(0)
		m.machine = present
		if !called || m.stateHash() != before {
			t.Error("the rehearsal was not held, or changed the state")
		}
	}
}

// TestNoMachine shows that a member whose machine cannot be made, or whose module is missing, does not start and
// says that it may later, and that hosts of different versions do not both apply an upgrade.
func TestNoMachine(t *testing.T) {
	s, p := newShopSim(t, 110, 1, nextModule)
	m := s.leader()
	s.apply(m, "add A 2")
	config := m.g.groupConfig
	m.crash()
	config.log = m.store.reopen().log(simGroup)
	p.failing[m.name] = errBroken
	if _, err := newGroup(config); !errors.Is(err, errNoMachine) || !errors.Is(err, errBroken) {
		t.Errorf("a machine that cannot be made: %v", err)
	}
	delete(p.failing, m.name)
	delete(p.stocked[m.name], firstModule)
	var lack *lackError
	if _, err := newGroup(config); !errors.Is(err, errNoMachine) || !errors.As(err, &lack) || lack.module[0] != firstModule {
		t.Errorf("a missing module: %v", err)
	}
	p.stocked[m.name][firstModule] = true
	m.start()
	s.leader()
	payload, err := pack(upgradeEntry{Spec: machineSpec{Module: Digest{nextModule}}, Version: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.g.core.Propose(consensus.EntryUpgrade, payload); err != nil {
		t.Fatal(err)
	}
	s.until("the member stops", func() bool { return m.stopped != nil })
	if !strings.Contains(m.stopped.Error(), "run the same version of Grout on every host") {
		t.Errorf("stopped by %v", m.stopped)
	}
}

// TestWorkBehindAMissingModule shows that what was already taken from the queue, and what comes later, keeps its
// place behind the work that waits for a module.
func TestWorkBehindAMissingModule(t *testing.T) {
	s, p := newShopSim(t, 120, 1)
	m := s.leader()
	s.level()
	payload, err := pack(upgradeEntry{Spec: machineSpec{Module: Digest{nextModule}}, Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, at := m.g.applier, m.g.applier.replica.applied
	entry := func(i consensus.Index, kind consensus.EntryKind, payload []byte) consensus.LogEntry {
		return consensus.LogEntry{Term: at.Term, Index: at.Index + i, Kind: kind, Payload: payload}
	}
	add := encodeCommand(command{Payload: []byte("add A 1")})
	a.add(work{entries: []consensus.LogEntry{entry(1, consensus.EntryUpgrade, payload)}})
	a.add(work{entries: []consensus.LogEntry{entry(2, consensus.EntryCommand, add)}})
	m.work(0)
	a.add(work{entries: []consensus.LogEntry{entry(3, consensus.EntryCommand, add)}})
	m.work(0)
	if !a.waits() || a.replica.applied != at {
		t.Fatalf("it waits: %v, applied %s", a.waits(), a.replica.applied)
	}
	p.stocked[m.name][nextModule] = true
	a.supply()
	m.work(0)
	if a.replica.applied.Index != at.Index+3 || m.machine.cells[0] != 2 || m.machine.cells[25] != nextModule {
		t.Errorf("applied up to %s: A is %d, Z %d", a.replica.applied, m.machine.cells[0], m.machine.cells[25])
	}
	if a.backlog.Load() != 0 {
		t.Errorf("a backlog of %d bytes", a.backlog.Load())
	}
}
