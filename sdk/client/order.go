package client

import (
	"slices"
	"time"
)

// The order of an ordered courier rests on the hosts: each command says that it must not be applied before
// the one with the sequence before it, and one that comes too early is refused without effect. So all that is
// left to do here is to send everything again, in order, when something was lost on the way: go back n.

// outstanding are the commands of a session that are sent or about to be, in the order of their sequences.
func (c *courier) outstanding(s *session) []*call {
	var out []*call
	for _, k := range c.calls {
		if k.session == s && k.state != held {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b *call) int { return int(int64(a.seq - b.seq)) })
	return out
}

// goBack sends everything of a session again that has no answer, because one command has overtaken
// another. It does so at once if there was an answer since it last did, and after a pause else.
func (c *courier) goBack(k *call, now time.Time) {
	s := k.session
	s.rounds++
	pause := time.Duration(0)
	if s.rounds > 1 {
		pause = c.client.config.backoff(s.rounds - 1)
	}
	s.resume = now.Add(pause)
	for _, other := range c.outstanding(s) {
		if c.calls[other.id] != other {
			continue // sending another has ended it
		}
		other.inDoubt = other.inDoubt || other.state == sent && other != k
		if pause == 0 {
			c.send(other, now)
			continue
		}
		other.state, other.due = resting, s.resume
	}
	c.arm()
}

// sessionLostInOrder moves the commands of a session that is gone to another one, in their order. Those
// before k, and all of them if k may have been applied, end: whether they were applied is unknown. Those after k
// certainly were not, since k was not.
func (c *courier) sessionLostInOrder(k *call, err error, now time.Time) {
	s := k.session
	moving := c.outstanding(s)
	moving = append(moving, s.held...)
	s.held = nil
	if c.session == s {
		c.session = nil
	}
	for _, other := range moving {
		switch {
		case c.calls[other.id] != other:
		case k.inDoubt || k.rushed || other.seq < k.seq:
			other.inDoubt = other.inDoubt || other.state == sent
			c.complete(other, Result{}, c.gaveUp(other, err))
		default:
			other.inDoubt, other.rushed = false, true
			c.assign(other, c.current(now), now)
		}
	}
}
