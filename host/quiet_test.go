package host

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// ticking counts the loops that take ticks.
func (w *town) ticking() int {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	n := 0
	for k := range w.clock.tickers {
		if k.period == townTiming().Tick {
			n++
		}
	}
	return n
}

// asleep waits until of all loops those of the catalog alone take ticks.
func (w *town) asleep() {
	w.t.Helper()
	w.until("all groups sleep", func() bool { return w.ticking() == len(w.all()) })
}

// led waits for another leader than a host, for so many steps of the clock at most and without a request.
func (w *town) led(group string, not *home, steps int) *home {
	w.t.Helper()
	_, before := w.group(group, not)
	pace := time.NewTicker(time.Millisecond) // a step is over before every loop has had its turn
	defer pace.Stop()
	for range steps {
		<-pace.C
		w.step()
		for _, h := range w.all() {
			if s, _ := w.group(group, h); h != not && s.Role == consensus.Leader && s.Term > before {
				return h
			}
		}
	}
	w.t.Fatalf("nobody leads %s after %d steps", group, steps)
	return nil
}

// group is the status of a host's member, and its term.
func (w *town) group(name string, h *home) (consensus.Status, consensus.Term) {
	if h.host != nil {
		for _, g := range h.groups() {
			if g.ref.Name == name {
				s := g.status.Load().Status
				return s, s.Term
			}
		}
	}
	return consensus.Status{}, 0
}

// TestQuietGroups shows that groups with nothing to do send nothing and take no ticks for as long as nothing
// happens, that commands and queries through any host wake them, and that they sleep again.
func TestQuietGroups(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.found("g", 3)
	w.found("h", 2)
	w.asleep()
	sent := w.frames.Load()
	for range 40 * townTiming().ElectionTicks {
		w.step()
	}
	if now := w.frames.Load(); now != sent || w.ticking() != 3 {
		t.Fatalf("%d messages were sent and %d loops take ticks while nothing happened", now-sent, w.ticking())
	}
	before := w.leader("g")
	for i, name := range w.names {
		if sum := w.homes[name].add("g", "A", 1); sum != fmt.Sprint(i+1) {
			t.Fatalf("the sum through %s is %s", name, sum)
		}
		w.asleep()
		if r := w.homes[name].query(QueryRequest{Group: "g", Payload: []byte("get A")}); r.Err != nil || string(r.Outcome.Output) != fmt.Sprint(i+1) {
			t.Fatalf("the query through %s: %+v", name, r)
		}
		w.asleep()
	}
	if after := w.leader("g"); after != before {
		t.Errorf("%s led, %s leads", before.name, after.name)
	}
	// The group is quiet long before this deadline, but its loop is awake.
	r := before.ask(CommandRequest{Group: "g", Payload: []byte("wait"), Timeout: 10 * time.Second})
	if codeOf(r.Err) != api.CodeUnknown {
		t.Errorf("a command that hangs: %+v", r)
	}
	for _, h := range w.all() {
		for _, machine := range h.machines.made {
			close(machine.gate)
		}
	}
}

// TestAQuietLeaderDies shows that others take the place of a quiet leader soon after its host has died, its host was
// cut off, or it has stopped alone, without any request to wake them.
func TestAQuietLeaderDies(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.found("g", 3)
	soon := 3 * townTiming().ElectionTicks
	w.asleep()
	old := w.leader("g")
	old.stop()
	w.led("g", old, soon)
	w.start(old.name)
	w.asleep()

	old = w.leader("g")
	w.isolate(old.name)
	next := w.led("g", old, soon)
	if sum := next.add("g", "A", 1); sum != "1" {
		t.Errorf("the sum is %s", sum)
	}
	w.until("the old leader leaves office", func() bool {
		s, _ := w.group("g", old)
		return s.Role != consensus.Leader
	})
	w.heal()
	w.asleep()

	old = w.leader("g")
	for _, g := range old.groups() {
		if g.ref.Name == "g" {
			g.inbox.fail(errors.New("its disk is full"))
		}
	}
	next = w.led("g", old, soon)
	if sum := next.add("g", "A", 1); sum != "2" {
		t.Errorf("the sum is %s", sum)
	}
}

// napping counts the machines of a group that doze, how often all of them did so far, and the loops that wait for it.
func (w *town) napping(group string) (dozing, dozes, waiting int) {
	for _, h := range w.all() {
		for _, g := range h.groups() {
			if g.ref.Name != group {
				continue
			}
			machine := h.machines.made[len(h.machines.made)-1]
			machine.mu.Lock()
			if machine.dozing {
				dozing++
			}
			dozes += machine.dozes
			machine.mu.Unlock()
		}
	}
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	for k := range w.clock.tickers {
		if k.period == townTiming().DozeAfter/napTicks {
			waiting++
		}
	}
	return dozing, dozes, waiting
}

// TestQuietMachinesDoze shows that the machines of a group that sleeps doze after a while, once and with no clock left that ticks for them; that
// a command wakes all of them, a query the one that answers, with the same result as ever; and that they doze again.
func TestQuietMachinesDoze(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.found("g", 3)
	asleep := func() {
		w.until("all machines doze", func() bool { dozing, _, _ := w.napping("g"); return dozing == 3 })
	}
	asleep()
	_, before, _ := w.napping("g")
	for range 5 * int(townTiming().DozeAfter/townTiming().Tick) {
		w.step()
	}
	if dozing, dozes, waiting := w.napping("g"); dozing != 3 || dozes != before || waiting != 0 {
		t.Errorf("%d machines doze, they did %d times more, and %d loops wait for it", dozing, dozes-before, waiting)
	}
	for i, name := range w.names {
		if sum := w.homes[name].add("g", "A", 1); sum != fmt.Sprint(i+1) {
			t.Fatalf("the sum through %s is %s", name, sum)
		}
		w.until("a command wakes all machines", func() bool { _, dozes, _ := w.napping("g"); return dozes >= before+3*(i+1) })
		asleep()
	}
	_, before, _ = w.napping("g")
	if r := w.homes["b"].query(QueryRequest{Group: "g", Payload: []byte("get A")}); r.Err != nil || string(r.Outcome.Output) != "3" {
		t.Fatalf("the query: %+v", r)
	}
	if dozing, _, _ := w.napping("g"); dozing != 2 {
		t.Errorf("%d machines doze after a query, want 2", dozing)
	}
	asleep()
	_, before, _ = w.napping("g")
	w.homes["a"].add("g", "A", 1)
	w.until("all loops wait for a doze", func() bool { _, _, waiting := w.napping("g"); return waiting == 3 })
	w.homes["a"].add("g", "A", 1)
	w.until("the loops that woke wait no longer", func() bool { _, _, waiting := w.napping("g"); return waiting == 0 })
	if _, dozes, _ := w.napping("g"); dozes != before {
		t.Errorf("%d machines dozed though their groups woke before", dozes-before)
	}
}
