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
}

func newSession(now time.Time) *session {
	return &session{name: rand.Text(), next: 1, used: now}
}

// room reports whether another sequence fits into the window.
func (s *session) room(window uint64) bool { return s.next-s.acked <= window }

// fresh reports whether the session can still be relied on to be known to the hosts.
func (s *session) fresh(now time.Time) bool { return now.Sub(s.used) < sessionIdle }

// idle reports whether no command of the session is under way.
func (s *session) idle() bool { return s.acked+1 == s.next }

// finish notes that a sequence will not be sent again.
func (s *session) finish(seq uint64) {
	s.done[seq%windowSequences] = true
	for s.acked+1 < s.next && s.done[(s.acked+1)%windowSequences] {
		s.acked++
		s.done[s.acked%windowSequences] = false
	}
}
