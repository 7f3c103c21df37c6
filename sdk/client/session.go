package client

import (
	"crypto/rand"
	"time"
)

// windowSequences is how far above the acknowledged sequence hosts remember results.
const windowSequences = 1024

// sessionIdle is when a session is given up rather than used again. Hosts forget one after an hour.
const sessionIdle = 50 * time.Minute

// session numbers commands. A host accepts a session that it does not know only with sequence 1, so
// the first command has to be answered before any other is sent. Guarded by the courier's mutex.
type session struct {
	name string
	// opening is set once sequence 1 is under way, open once it was answered.
	opening, open bool
	// next is the sequence that the next command gets; every sequence up to acked is done.
	next, acked uint64
	done        [windowSequences]bool
	used        time.Time
	// held wait for the session to open, in order.
	held []*call
	// rounds counts how often everything was sent again, for the sake of the order, since the last answer.
	rounds int
	// resume is when the next round begins: new commands wait for it, too.
	resume time.Time
}

func newSession(now time.Time) *session {
	return &session{name: rand.Text(), next: 1, used: now}
}

// room reports whether n more sequences fit into the window.
func (s *session) room(window, n uint64) bool { return s.next+n-1-s.acked <= window }

// fresh reports whether the session can still be relied on to be known to the hosts.
func (s *session) fresh(now time.Time) bool { return now.Sub(s.used) < sessionIdle }

// idle reports whether no command of the session is under way.
func (s *session) idle() bool { return s.acked+1 == s.next }

// finish notes that a command's sequences will not be sent again.
func (s *session) finish(k *call) {
	s.rounds = 0
	for seq := k.seq; seq < k.seq+k.count; seq++ {
		s.done[seq%windowSequences] = true
	}
	for s.acked+1 < s.next && s.done[(s.acked+1)%windowSequences] {
		s.acked++
		s.done[s.acked%windowSequences] = false
	}
}
