package host

import (
	"slices"
	"sync"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// The bounds of the requests that one member has under way. Everything that a request passes through
// on its way is bounded by them.
const (
	maxWaiters     = 1 << 16
	maxWaiterBytes = 64 << 20
)

// waiters holds the requests of clients until their answer, or their deadline, comes.
type waiters struct {
	mu   sync.Mutex
	next uint64
	byID map[uint64]*waiter
	// bytes is the sum of the waiters' sizes.
	bytes int
	// noOp is the position of the last applied no-op, where a leader took office.
	noOp consensus.Cursor
	// closed is why nobody is answered any more, nil until close.
	closed *Error
}

// waiter is one request.
type waiter struct {
	reply    func(Reply)
	deadline time.Time
	size     int
	// sent is set when the request may have an effect that nobody here knows of yet.
	sent bool
	// assigned is the slot that a leader gave the command, zero while unknown.
	assigned consensus.Cursor
}

// newWaiters numbers requests from first on, which must be random: numbers of an earlier run of the
// member may still be on their way.
func newWaiters(first uint64) *waiters {
	return &waiters{next: first, byID: map[uint64]*waiter{}}
}

// add registers a request of size bytes; 0 means that too much is under way, or, with an error, that
// the member has stopped.
func (w *waiters) add(size int, deadline time.Time, reply func(Reply)) (uint64, *Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed != nil || len(w.byID) >= maxWaiters || w.bytes+size > maxWaiterBytes {
		return 0, w.closed
	}
	w.bytes += size
	w.next++
	if w.next == 0 {
		w.next = 1
	}
	w.byID[w.next] = &waiter{reply: reply, deadline: deadline, size: size}
	return w.next, nil
}

// remove takes a waiter out; the caller holds the lock and answers it.
func (w *waiters) remove(id uint64) *waiter {
	waiting := w.byID[id]
	if waiting != nil {
		w.bytes -= waiting.size
		delete(w.byID, id)
	}
	return waiting
}

// finish answers a request, once. A request that nobody waits for is ignored.
func (w *waiters) finish(id uint64, reply Reply) {
	w.mu.Lock()
	waiting := w.remove(id)
	w.mu.Unlock()
	if waiting != nil {
		waiting.reply(reply)
	}
}

// sent marks requests that may have an effect from now on.
func (w *waiters) sent(commands []pendingCommand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range commands {
		if waiting := w.byID[c.request]; waiting != nil {
			waiting.sent = true
		}
	}
}

// unsent takes sent back, after a refusal. It returns the commands that clients still wait for.
func (w *waiters) unsent(commands []pendingCommand) []pendingCommand {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range commands {
		if waiting := w.byID[c.request]; waiting != nil {
			waiting.sent = false
		}
	}
	return w.awaited(commands)
}

// keep drops, in place, the commands that nobody waits for: their clients have been told that nothing
// happened, so nothing may happen.
func (w *waiters) keep(commands []pendingCommand) []pendingCommand {
	if len(commands) == 0 {
		return commands
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.awaited(commands)
}

func (w *waiters) awaited(commands []pendingCommand) []pendingCommand {
	return slices.DeleteFunc(commands, func(c pendingCommand) bool { return w.byID[c.request] == nil })
}

// assign records the slots that a leader gave to commands, in their order from first on.
func (w *waiters) assign(commands []pendingCommand, first consensus.Cursor) {
	w.mu.Lock()
	var lost []*waiter
	for i, c := range commands {
		waiting := w.byID[c.request]
		if waiting == nil {
			continue
		}
		waiting.sent = true
		waiting.assigned = consensus.Cursor{Term: first.Term, Index: first.Index + consensus.Index(i)}
		if waiting.lostAt(w.noOp) {
			lost = append(lost, w.remove(c.request))
		}
	}
	w.mu.Unlock()
	answerLost(lost)
}

// lostAt reports whether a leader's no-op at position proves that the command was never applied and
// never will be: its slot is at or above that of the no-op, in an older term (rule R7).
func (w *waiter) lostAt(noOp consensus.Cursor) bool {
	return w.assigned.Index != 0 && w.assigned.Term < noOp.Term && w.assigned.Index >= noOp.Index
}

// tookOffice records an applied no-op and answers the commands that it proves lost.
func (w *waiters) tookOffice(noOp consensus.Cursor) {
	w.mu.Lock()
	w.noOp = noOp
	var lost []*waiter
	for id, waiting := range w.byID {
		if waiting.lostAt(noOp) {
			lost = append(lost, w.remove(id))
		}
	}
	w.mu.Unlock()
	answerLost(lost)
}

func answerLost(lost []*waiter) {
	for _, waiting := range lost {
		waiting.reply(Reply{Err: fault(api.CodeNoLeader, "the leader changed before the command was committed: nothing happened, try again")})
	}
}

// expire answers the requests whose deadline has passed.
func (w *waiters) expire(now time.Time) {
	w.mu.Lock()
	var late []*waiter
	for id, waiting := range w.byID {
		if now.After(waiting.deadline) {
			late = append(late, w.remove(id))
		}
	}
	w.mu.Unlock()
	for _, waiting := range late {
		waiting.reply(Reply{Err: waiting.lateness()})
	}
}

func (w *waiter) lateness() *Error {
	if w.sent {
		return fault(api.CodeUnknown, "no answer in time, the outcome is unknown: try again under the same session and sequence")
	}
	return fault(api.CodeNoLeader, "no leader took the request in time: nothing happened, try again")
}

// close answers everything that is left, and whatever comes after it.
func (w *waiters) close(err *Error) {
	w.mu.Lock()
	if w.closed == nil {
		w.closed = err
	}
	w.mu.Unlock()
	w.drain(err)
}

// drain answers everything that is there.
func (w *waiters) drain(err *Error) {
	w.mu.Lock()
	left := w.byID
	w.byID, w.bytes = map[uint64]*waiter{}, 0
	w.mu.Unlock()
	for _, waiting := range left {
		reply := Reply{Err: err}
		if waiting.sent {
			reply.Err = fault(api.CodeUnknown, "%s; the outcome is unknown: try again under the same session and sequence", err.Text)
		}
		waiting.reply(reply)
	}
}
