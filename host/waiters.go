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

// waiters holds the requests of clients until their answer, or their deadline, comes. A query or a
// command has one number, a batch as many in a row as it has commands.
type waiters struct {
	mu   sync.Mutex
	next uint64
	byID map[uint64]*waiter
	// bytes is the sum of the waiters' sizes.
	bytes int
	// terms are those of the applied entries.
	terms termHistory
	// closed is why nobody is answered any more, nil until close.
	closed *Error
}

// waiter is one request.
type waiter struct {
	reply    func(Reply)
	deadline time.Time
	size     int
	mode     Mode
	// first is the number of its first command, left how many are not answered.
	first uint64
	left  int
	// answers are those of a batch that is executed.
	answers []Reply
	// sent is set when the request may have an effect that nobody here knows of yet.
	sent bool
	// assigned is the slot that a leader gave the first command, zero while unknown.
	assigned consensus.Cursor
}

// told is an answer that is due. It is given without the lock.
type told struct {
	reply func(Reply)
	with  Reply
}

func tell(due []told) {
	for _, t := range due {
		t.reply(t.with)
	}
}

// newWaiters numbers requests from first on, which must be random: numbers of an earlier run of the
// member may still be on their way.
func newWaiters(first uint64) *waiters {
	return &waiters{next: first, byID: map[uint64]*waiter{}}
}

// add registers a request of n commands, or one query, and returns the first of its numbers; 0 means
// that too much is under way, or, with an error, that the member has stopped.
func (w *waiters) add(n int, request waiter) (uint64, *Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed != nil || len(w.byID)+n > maxWaiters || w.bytes+request.size > maxWaiterBytes {
		return 0, w.closed
	}
	w.bytes += request.size
	request.first, request.left = w.number(n), n
	for i := range n {
		w.byID[request.first+uint64(i)] = &request
	}
	return request.first, nil
}

// number returns the first of n numbers that are in use by nobody.
func (w *waiters) number(n int) uint64 {
	if w.next+uint64(n) <= w.next {
		w.next = 0 // they would wrap around, and 0 is for none
	}
	first := w.next + 1
	w.next += uint64(n)
	return first
}

// numbers returns the first of n numbers for commands that nobody waits for, or why none are taken.
func (w *waiters) numbers(n int) (uint64, *Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed != nil {
		return 0, w.closed
	}
	return w.number(n), nil
}

// finish answers a command or query, once. One that nobody waits for is ignored.
func (w *waiters) finish(id uint64, reply Reply) {
	w.mu.Lock()
	var due []told
	if waiting := w.byID[id]; waiting != nil && waiting.mode == ModeFeed && reply.Err == nil {
		// The acknowledgement was lost or is late: that the command was applied says as much.
		waiting.assigned = consensus.Cursor{Term: reply.at.Term, Index: reply.at.Index - consensus.Index(id-waiting.first)}
		due = w.appended(due, waiting, reply.Leader)
	} else {
		due = w.end(due, id, reply)
	}
	w.mu.Unlock()
	tell(due)
}

// end answers one number; the caller holds the lock and tells what is due. A batch is answered when all
// of its commands are; one that is fed, which has a single answer, with the first error.
func (w *waiters) end(due []told, id uint64, reply Reply) []told {
	waiting := w.byID[id]
	if waiting == nil {
		return due
	}
	if waiting.mode == ModeFeed {
		return w.endAll(due, waiting, reply)
	}
	delete(w.byID, id)
	waiting.left--
	if waiting.answers != nil {
		waiting.answers[id-waiting.first] = reply
		reply = Reply{Batch: waiting.answers, Leader: reply.Leader}
	}
	if waiting.left > 0 {
		return due
	}
	w.bytes -= waiting.size
	return append(due, told{waiting.reply, reply})
}

// endAll answers a request as a whole.
func (w *waiters) endAll(due []told, waiting *waiter, reply Reply) []told {
	for i := range waiting.left {
		delete(w.byID, waiting.first+uint64(i))
	}
	w.bytes -= waiting.size
	return append(due, told{waiting.reply, reply})
}

// appended answers a request that was fed with its slots.
func (w *waiters) appended(due []told, waiting *waiter, leader string) []told {
	last := waiting.assigned.Index + consensus.Index(waiting.left) - 1
	return w.endAll(due, waiting, Reply{
		Index: waiting.assigned.Index, Last: last, Term: waiting.assigned.Term, Leader: leader,
	})
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

// keep drops, in place, the commands that nobody waits for any more: their clients have been told that
// nothing happened, so nothing may happen.
func (w *waiters) keep(commands []pendingCommand) []pendingCommand {
	if len(commands) == 0 {
		return commands
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.awaited(commands)
}

func (w *waiters) awaited(commands []pendingCommand) []pendingCommand {
	return slices.DeleteFunc(commands, func(c pendingCommand) bool { return !c.forgotten && w.byID[c.request] == nil })
}

// none reports whether nobody waits.
func (w *waiters) none() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.byID) == 0
}

// waits reports whether the request is not answered yet.
func (w *waiters) waits(id uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byID[id] != nil
}

// assign records the slots that a leader gave to commands, in their order from first on, and answers
// those that were fed.
func (w *waiters) assign(commands []pendingCommand, first consensus.Cursor, leader string) {
	w.mu.Lock()
	var due []told
	for i, c := range commands {
		waiting := w.byID[c.request]
		if waiting == nil {
			continue
		}
		waiting.sent = true
		nth := c.request - waiting.first
		waiting.assigned = consensus.Cursor{Term: first.Term, Index: first.Index + consensus.Index(i) - consensus.Index(nth)}
		switch {
		case waiting.lostAt(nth, w.terms):
			due = w.end(due, c.request, lost())
		case waiting.mode == ModeFeed:
			due = w.appended(due, waiting, leader)
		}
	}
	w.mu.Unlock()
	tell(due)
}

// lostAt reports whether the applied terms prove that the nth command was never applied and never will
// be: its slot was assigned in an older term than the one that it is in (rule R7).
func (w *waiter) lostAt(nth uint64, terms termHistory) bool {
	at := consensus.Cursor{Term: w.assigned.Term, Index: w.assigned.Index + consensus.Index(nth)}
	return w.assigned.Index != 0 && terms.overtakes(at)
}

// moved records the applied terms and answers the commands that they prove lost.
func (w *waiters) moved(terms termHistory) {
	var due []told
	w.mu.Lock()
	if w.terms.office() != terms.office() {
		w.terms = terms
		for id, waiting := range w.byID {
			if waiting.lostAt(id-waiting.first, terms) {
				due = w.end(due, id, lost())
			}
		}
	}
	w.mu.Unlock()
	tell(due)
}

func lost() Reply {
	return Reply{Err: fault(api.CodeNoLeader, "the leader changed before the command was committed: nothing happened, try again")}
}

// expire answers the requests whose deadline has passed.
func (w *waiters) expire(now time.Time) {
	w.mu.Lock()
	var due []told
	for id, waiting := range w.byID {
		if now.After(waiting.deadline) {
			due = w.end(due, id, Reply{Err: waiting.lateness()})
		}
	}
	w.mu.Unlock()
	tell(due)
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
	var due []told
	for id, waiting := range w.byID {
		reply := Reply{Err: err}
		if waiting.sent {
			reply.Err = fault(api.CodeUnknown, "%s; the outcome is unknown: try again under the same session and sequence", err.Text)
		}
		due = w.end(due, id, reply)
	}
	w.mu.Unlock()
	tell(due)
}
