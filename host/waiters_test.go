package host

import (
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// desk is a table of waiters and the answers that they got.
type desk struct {
	t       *testing.T
	w       *waiters
	answers map[uint64]*answered
	now     time.Time
}

func newDesk(t *testing.T) *desk {
	return &desk{t: t, w: newWaiters(1<<64 - 2), answers: map[uint64]*answered{}, now: time.Unix(100, 0)}
}

func (d *desk) add(size int) uint64 {
	d.t.Helper()
	a := &answered{}
	id, stopped := d.w.add(1, waiter{size: size, deadline: d.now.Add(time.Second), reply: a.take})
	if id == 0 || stopped != nil {
		d.t.Fatalf("not taken: %v", stopped)
	}
	d.answers[id] = a
	return id
}

// code returns the code of the request's only answer, "" while there is none, "ok" for an outcome.
func (d *desk) code(id uint64) api.Code {
	d.t.Helper()
	a := d.answers[id]
	if !a.done() {
		return ""
	}
	if r := a.one(d.t); r.Err != nil {
		return r.Err.Code
	}
	return "ok"
}

func (d *desk) want(id uint64, code api.Code) {
	d.t.Helper()
	if got := d.code(id); got != code {
		d.t.Errorf("request %d was answered with %q, expected %q", id, got, code)
	}
}

func commandsOf(ids ...uint64) []pendingCommand {
	var out []pendingCommand
	for _, id := range ids {
		out = append(out, pendingCommand{request: id})
	}
	return out
}

// TestLateAnswers shows that a request which nobody took in time is told that nothing happened, one
// that was on its way that the outcome is unknown, and one that was refused again that nothing happened.
func TestLateAnswers(t *testing.T) {
	d := newDesk(t)
	idle, sent, back, done := d.add(1), d.add(1), d.add(1), d.add(1)
	if idle != 1<<64-1 || sent != 1 {
		t.Errorf("requests are numbered %d and %d: 0 is for none", idle, sent)
	}
	d.w.sent(commandsOf(sent, back, done))
	if kept := d.w.unsent(commandsOf(back, 77)); len(kept) != 1 || kept[0].request != back {
		t.Errorf("%v are still waited for", kept)
	}
	d.w.finish(done, Reply{})
	d.w.finish(done, Reply{})
	d.w.expire(d.now.Add(time.Second))
	d.want(idle, "")
	d.w.expire(d.now.Add(time.Second + 1))
	d.want(idle, api.CodeNoLeader)
	d.want(sent, api.CodeUnknown)
	d.want(back, api.CodeNoLeader)
	d.want(done, "ok")
	if d.w.bytes != 0 || len(d.w.byID) != 0 {
		t.Errorf("%d waiters of %d bytes are left", len(d.w.byID), d.w.bytes)
	}
}

// TestLostCommands shows that a command is reported as lost exactly when an applied no-op of a later
// term stands at or below its slot (M13), whichever of the two is learned first.
func TestLostCommands(t *testing.T) {
	for name, c := range map[string]struct {
		assigned, noOp consensus.Cursor
		lost           bool
	}{
		"replaced at its slot":      {consensus.Cursor{Term: 1, Index: 5}, consensus.Cursor{Term: 2, Index: 5}, true},
		"replaced below its slot":   {consensus.Cursor{Term: 1, Index: 5}, consensus.Cursor{Term: 2, Index: 4}, true},
		"office taken after it":     {consensus.Cursor{Term: 1, Index: 5}, consensus.Cursor{Term: 2, Index: 6}, false},
		"the same term":             {consensus.Cursor{Term: 2, Index: 5}, consensus.Cursor{Term: 2, Index: 4}, false},
		"an earlier leader's no-op": {consensus.Cursor{Term: 2, Index: 5}, consensus.Cursor{Term: 1, Index: 3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			want := api.Code("")
			if c.lost {
				want = api.CodeNoLeader
			}
			d := newDesk(t)
			id := d.add(1)
			d.w.assign(commandsOf(id), c.assigned, "")
			d.w.moved(termHistory{}.with(c.noOp))
			d.want(id, want)
			d = newDesk(t)
			id = d.add(1)
			d.w.moved(termHistory{}.with(c.noOp))
			d.w.assign(commandsOf(12345, id), consensus.Cursor{Term: c.assigned.Term, Index: c.assigned.Index - 1}, "")
			d.want(id, want)
		})
	}
}

// TestWaitersAreBounded shows that the number and the bytes of waiting requests are bounded, and that
// answers make room.
func TestWaitersAreBounded(t *testing.T) {
	d := newDesk(t)
	big := d.add(maxWaiterBytes - 10)
	d.add(10)
	if id, _ := d.w.add(1, waiter{size: 1}); id != 0 {
		t.Error("a byte too many was taken")
	}
	d.w.finish(big, Reply{})
	for len(d.w.byID) < maxWaiters {
		d.add(0)
	}
	if id, _ := d.w.add(1, waiter{}); id != 0 {
		t.Error("a request too many was taken")
	}
}

// TestNobodyWaitsAfterClose shows that closing answers everybody, those in doubt as such, and that a
// request which comes later is answered too.
func TestNobodyWaitsAfterClose(t *testing.T) {
	d := newDesk(t)
	idle, sent := d.add(1), d.add(1)
	d.w.sent(commandsOf(sent))
	d.w.close(fault(api.CodeInternal, "broken"))
	d.w.close(fault(api.CodeNoLeader, "closed again"))
	d.want(idle, api.CodeInternal)
	d.want(sent, api.CodeUnknown)
	if id, stopped := d.w.add(1, waiter{size: 1}); id != 0 || stopped == nil || stopped.Text != "broken" {
		t.Errorf("after close a request got %d, %v", id, stopped)
	}
	if kept := d.w.keep(commandsOf(idle, sent)); len(kept) != 0 {
		t.Errorf("%v are kept though nobody waits", kept)
	}
}
