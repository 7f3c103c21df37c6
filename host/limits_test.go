package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk/api"
)

// limit asks the member for other limits of the first module.
func (m *simMember) limit(limits api.Limits) *answered {
	a := &answered{}
	m.g.upgrade(machineSpec{Module: Digest{firstModule}, Limits: limits}, m.g.running.Load().at, maxRequestTimeout, a.take)
	return a
}

// TestLimitsUnderLoad shows that every member switches to new limits at the same index while commands flow: what
// comes before it applies under the old ones and what comes after it under the new, on members that replay the
// log and on those that start from a snapshot too.
func TestLimitsUnderLoad(t *testing.T) {
	for seed := range uint64(6) {
		s, _ := newShopSim(t, 700+seed, 3)
		leader := s.leader()
		if seed%2 == 0 {
			s.fill(leader, 1)
		}
		s.level()
		applied := leader.machine.cells[2]
		var pending []*answered
		var changed *answered
		for i := range 60 {
			pending = append(pending, s.all()[i%3].execute(CommandRequest{Payload: []byte("spend C 50")}))
			if i == 30 {
				changed = leader.limit(api.Limits{OutputBytes: 49, MemoryBytes: 900 * PageBytes})
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
			return changed.done() && !slices.ContainsFunc(pending, func(a *answered) bool { return !a.done() })
		})
		r := changed.one(t)
		if r.Err != nil || r.Outcome.Kind != Applied {
			t.Fatalf("seed %d: the change: %+v", s.seed, r)
		}
		for _, a := range pending {
			c := a.one(t)
			if want := c.Index < r.Index; c.Err != nil || (c.Outcome.Kind == Applied) != want {
				t.Fatalf("seed %d: the limits changed at %d, and a command at %d ended so: %+v", s.seed, r.Index, c.Index, c)
			} else if want {
				applied++
			}
		}
		for round := range 2 {
			s.level()
			for _, m := range s.all() {
				running := m.g.running.Load()
				if running.at != r.Index || running.spec.Limits.OutputBytes != 49 || m.machine.limits != running.spec.Limits || m.machine.cells[2] != applied {
					t.Fatalf("seed %d, round %d: %s runs %+v since %d, with C %d and not %d", s.seed, round, m.name, running.spec, running.at, m.machine.cells[2], applied)
				}
				m.crash()
			}
			for _, m := range s.all() {
				m.start()
			}
			s.leader()
		}
	}
}

// TestLimitsThatAreTooLow shows that memory cannot be bounded below what the machine has when the change is applied,
// on any member, whatever it had when it was proposed; and that of two changes at once one wins.
func TestLimitsThatAreTooLow(t *testing.T) {
	s, _ := newShopSim(t, 720, 3)
	leader := s.leader()
	grown := leader.execute(CommandRequest{Payload: []byte("add M 5")})
	leader.turn() // proposes it
	low := leader.limit(api.Limits{MemoryBytes: 4 * PageBytes})
	s.until("both answers", func() bool { return grown.done() && low.done() })
	if r := low.one(t); r.Err != nil || r.Outcome.Kind != Trapped || !strings.Contains(r.Outcome.Message, "the machine's memory has 327680 bytes") {
		t.Errorf("too low: %+v", r)
	}
	one, other := leader.limit(api.Limits{MemoryBytes: 5 * PageBytes}), leader.limit(api.Limits{MemoryBytes: 6 * PageBytes})
	s.until("both answers", func() bool { return one.done() && other.done() })
	if r := one.one(t); r.Outcome.Kind != Applied {
		t.Errorf("exactly what it has: %+v", r)
	}
	if r := other.one(t); r.Outcome.Kind != Trapped || !strings.Contains(r.Outcome.Message, "came first, at index") {
		t.Errorf("the second of two: %+v", r)
	}
	s.level()
	for _, m := range s.all() {
		if m.machine.limits.MemoryBytes != 5*PageBytes {
			t.Errorf("%s has %+v", m.name, m.machine.limits)
		}
	}
}

// TestCommandsOverALoweredLimit shows that a command which was appended before the limit on its size was lowered, and
// comes after that, is a trap on every member.
func TestCommandsOverALoweredLimit(t *testing.T) {
	s, _ := newShopSim(t, 730, 3)
	leader := s.leader()
	changed := leader.limit(api.Limits{CommandBytes: 9})
	late, short := leader.execute(CommandRequest{Payload: []byte("add A 1 tag")}), leader.execute(CommandRequest{Payload: []byte("add A 2")})
	s.until("all answers", func() bool { return changed.done() && late.done() && short.done() })
	if r := late.one(t); r.Outcome.Kind != Trapped || r.Outcome.Message != "the command has 11 bytes, the group's limit is 9" {
		t.Errorf("%+v", r)
	}
	if r := short.one(t); r.Outcome.Kind != Applied || string(r.Outcome.Output) != "2" {
		t.Errorf("%+v", r)
	}
}

// textOf is what an *Error says.
func textOf(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Text
	}
	return fmt.Sprint(err)
}

// limits asks the host of the group's leader.
func (w *town) limits(group string, limits api.Limits) (api.LimitsReply, error) {
	w.t.Helper()
	for range 20 {
		leader := w.leaderHome(group)
		reply, err := wait(w, "the limits", func(ctx context.Context) (api.LimitsReply, error) {
			return leader.host.Limits(ctx, api.LimitsRequest{Group: group, Limits: limits})
		})
		if e := (*Error)(nil); !errors.As(err, &e) || e.Code != api.CodeNoLeader {
			return reply, err
		}
	}
	w.t.Fatal("no leader answers for its limits")
	return api.LimitsReply{}, nil
}

// TestLimitsOfHosts shows limits on whole hosts: deployed ones are whole, a change reaches every member and the
// catalog, outlives restarts and upgrades, is refused with a reason, and near a limit an alarm shows everywhere.
func TestLimitsOfHosts(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.run("g")
	deployed, err := w.limits("g", api.Limits{})
	if err != nil || deployed.Limits != api.DefaultLimits() || deployed.Index != 0 {
		t.Fatalf("as deployed: %+v, %v", deployed, err)
	}
	for want, limits := range map[string]api.Limits{
		"400 limits: output_bytes is -1, 1 to 524288":       {OutputBytes: -1},
		"400 limits: memory_bytes is 100, 65536":            {MemoryBytes: 100},
		"413 the module has 11 bytes, the group's module_b": {ModuleBytes: 10},
	} {
		if _, err := w.limits("g", limits); err == nil || !strings.HasPrefix(fmt.Sprintf("%s %s", codeOf(err), textOf(err)), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	changed, err := w.limits("g", api.Limits{MemoryBytes: 10 * PageBytes, ModuleBytes: 12})
	if err != nil || changed.Index == 0 || changed.Limits.MemoryBytes != 10*PageBytes || changed.Limits.OutputBytes != MaxCommandBytes || len(changed.Alarms) != 0 {
		t.Fatalf("%+v, %v", changed, err)
	}
	if again, err := w.limits("g", api.Limits{MemoryBytes: 10 * PageBytes}); err != nil || again.Index != changed.Index {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	w.all()[0].add("g", "M", 9)
	if _, err := w.limits("g", api.Limits{MemoryBytes: 8 * PageBytes}); codeOf(err) != api.CodeRefused || !strings.Contains(err.Error(), "589824 bytes, and never shrinks") {
		t.Errorf("too low: %v", err)
	}
	if _, err := w.upgrade("g", "module that is longer"); codeOf(err) != api.CodeTooLarge {
		t.Errorf("too long a module: %v", err)
	}
	w.wantAlarm("g", "memory_bytes: 589824 of 655360 were used (90 %)")
	if _, err := w.upgrade("g", "module two"); err != nil {
		t.Fatal(err)
	}
	for _, name := range w.names {
		w.homes[name].stop()
	}
	w.start(w.names...)
	after, err := w.limits("g", api.Limits{})
	if err != nil || after.Limits != changed.Limits || after.Index <= changed.Index || after.Used.MemoryBytes != 9*PageBytes {
		t.Errorf("after an upgrade and restarts: %+v, %v", after, err)
	}
	w.wantAlarm("g", "memory_bytes: 589824 of 655360 were used (90 %)")
	raised, err := w.limits("g", api.Limits{MemoryBytes: 100 * PageBytes})
	if err != nil || len(raised.Alarms) != 0 {
		t.Errorf("raised: %+v, %v", raised, err)
	}
	w.until("no alarm any more", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool { return len(h.brief("g").Alarms) > 0 })
	})
}

// wantAlarm waits until every host shows an alarm, and looks for it in what the leader's says.
func (w *town) wantAlarm(group, text string) {
	w.t.Helper()
	has := func(alarms []string) bool {
		return len(alarms) == 1 && strings.HasPrefix(alarms[0], text)
	}
	w.until("the alarm on every host", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool { return !has(h.brief(group).Alarms) || !has(h.describe(group).Alarms) })
	})
	leader := w.leaderHome(group)
	reply, err := wait(w, "the members", func(ctx context.Context) (api.MembersReply, error) {
		return leader.host.Members(ctx, api.MembersRequest{Group: group})
	})
	if err != nil || !has(reply.Alarms) {
		w.t.Errorf("members says %q: %v", reply.Alarms, err)
	}
}

// TestGauge shows that a peak is seen for at least the next calls and forgotten after as many more, that four fifths
// are no alarm and a byte more is one.
func TestGauge(t *testing.T) {
	var g gauge
	peak := Outcome{Output: make([]byte, 81), Logged: 83, Events: []Event{{Suffix: "ab", Payload: make([]byte, 80)}}}
	g.command(&peak)
	for range recentCalls {
		g.command(&Outcome{})
		g.query(&Outcome{Output: make([]byte, 7), Logged: 5})
	}
	limits := api.Limits{OutputBytes: 100, LogBytes: 100, EventBytes: 100, MemoryBytes: 100}
	if used := g.used(); used.OutputBytes != 81 || used.EventBytes != 82 || used.LogBytes != 83 || used.Events != 1 {
		t.Fatalf("%+v", used)
	}
	if got := alarms("g", g.used(), limits); len(got) != 3 || !strings.Contains(got[0], "output_bytes: 81 of 100 were used (81 %): 'grout limits g'") {
		t.Errorf("%q", got)
	}
	limits.OutputBytes = 101
	if got := alarms("g", api.Limits{OutputBytes: 80}, limits); len(got) != 0 {
		t.Errorf("at four fifths: %q", got)
	}
	for range 2 * recentCalls {
		g.command(&Outcome{})
	}
	if used := g.used(); used.OutputBytes != 7 || used.LogBytes != 5 || used.EventBytes != 0 {
		t.Errorf("long after: %+v", used)
	}
	g.holds(newCatalog(nil, nil)) // has no limits
	if g.used().MemoryBytes != 0 {
		t.Error("the catalog has no memory")
	}
}
