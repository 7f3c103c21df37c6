package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

// answered reports whether err, as parseReply returned it, is a command's own end.
func answered(err error) bool {
	switch err.(type) {
	case nil, *RefusedError, *TrappedError:
		return true
	}
	return false
}

// failed decides what becomes of a command whose latest attempt had no result.
func (c *courier) failed(k *call, err error, now time.Time) {
	k.last = err
	if errors.Is(err, ErrNoHosts) {
		host := k.target
		c.route.forget(host)
		c.again(k, host != "", now)
		c.gone(host, now)
		return
	}
	var e *Error
	if !errors.As(err, &e) {
		k.inDoubt = true
		c.complete(k, Result{}, c.gaveUp(k, err))
		return
	}
	switch e.Code {
	case api.CodeBusy:
		c.again(k, false, now)
	case api.CodeOutOfOrder:
		c.goBack(k, now)
	case api.CodeNoLeader:
		c.route.forget(k.target)
		leader := c.route.target()
		c.again(k, leader != "" && leader != k.target, now)
	case api.CodeUnknown:
		k.inDoubt = true
		c.again(k, false, now)
	case api.CodeSession:
		c.sessionLost(k, err, now)
	case api.CodeInternal:
		k.inDoubt = true
		c.route.forget(k.target)
		c.again(k, k.target != "", now) // another host goes on under the same sequence
	default:
		if k.inDoubt && e.Index == 0 {
			err = c.gaveUp(k, err)
		}
		c.complete(k, Result{}, err)
	}
}

// again repeats an attempt: at once when rush is set, for the first time only, or after a pause.
func (c *courier) again(k *call, rush bool, now time.Time) {
	if rush && !k.rushed {
		k.rushed = true
		c.send(k, now)
		return
	}
	c.rest(k, now)
}

// sessionLost moves a command to another session, if it certainly was not applied in this one.
func (c *courier) sessionLost(k *call, err error, now time.Time) {
	if c.ordered {
		c.sessionLostInOrder(k, err, now)
		return
	}
	if k.inDoubt {
		c.complete(k, Result{}, c.gaveUp(k, err))
		return
	}
	old := k.session
	old.finish(k)
	k.session = nil
	c.retire(old, now)
	if s := c.current(now); !k.rushed && s.room(c.window, k.count) {
		k.rushed = true
		c.assign(k, s, now)
		return
	}
	c.rest(k, now)
}

// retire stops using a session. Those that waited for it to open move to the next one.
func (c *courier) retire(s *session, now time.Time) {
	if c.session == s {
		c.session = nil
	}
	moved := s.held
	s.held = nil
	for _, k := range moved {
		if c.calls[k.id] == k {
			c.assign(k, c.current(now), now)
		}
	}
}

// gaveUp is the error of a command that ends without an answer.
func (c *courier) gaveUp(k *call, cause error) error {
	if k.inDoubt || k.state == sent {
		cause = fmt.Errorf("%w: %w", ErrUnknownOutcome, cause)
	}
	if k.last != nil && !errors.Is(cause, k.last) {
		return fmt.Errorf("%w (attempt %d: %w)", cause, k.attempt, k.last)
	}
	return cause
}
