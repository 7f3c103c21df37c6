package limiter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
)

// DefaultDeadline is how long a request waits for a decision unless MiddlewareConfig.Deadline says otherwise.
const DefaultDeadline = 500 * time.Millisecond

// ErrBadConfig marks a MiddlewareConfig that cannot work.
var ErrBadConfig = errors.New("limiter: bad config")

// ErrNoRoom is told to MiddlewareConfig.OnError when the machine keeps as many buckets as it may.
var ErrNoRoom = errors.New("limiter: no room for another bucket")

// Taker takes tokens: a *Limiter, or what a test puts in its place.
type Taker interface {
	Take(ctx context.Context, take limits.Take) (limits.Decision, error)
}

// Failure says what becomes of a request for which there is no decision.
type Failure uint8

// The choices.
const (
	// FailClosed answers it with 503: nothing gets past the limit. It is the zero value.
	FailClosed Failure = iota
	// FailOpen serves it: an outage of the limiter is none of the service.
	FailOpen
)

// MiddlewareConfig says what is limited, and what happens when the limiter cannot be asked.
type MiddlewareConfig struct {
	Limits Taker
	// Class is that of the rule.
	Class string
	// Key returns the bucket of a request, of 1 to limits.MaxKeyBytes bytes. nil means RemoteHost.
	Key func(*http.Request) string
	// Tokens returns what a request costs, nil means 1.
	Tokens func(*http.Request) int64
	// Deadline bounds the wait for a decision, 0 means DefaultDeadline. What was asked until then may be counted all the same.
	Deadline time.Duration
	// OnFailure is for requests without a decision: none came before the deadline, or the machine refused, or has no room.
	OnFailure Failure
	// OnError is told why there is no decision, nil means nobody is. It is called by the request's goroutine.
	OnError func(*http.Request, error)
}

// Middleware limits the requests of a handler. It may wrap several.
type Middleware struct{ config MiddlewareConfig }

// NewMiddleware checks the config.
//
// # Errors
//
// ErrBadConfig.
func NewMiddleware(config MiddlewareConfig) (*Middleware, error) {
	switch {
	case config.Limits == nil:
		return nil, fmt.Errorf("%w: Limits is nil: give a *Limiter", ErrBadConfig)
	case config.Class == "":
		return nil, fmt.Errorf("%w: Class is empty: name the class whose rule holds", ErrBadConfig)
	case config.Deadline < 0:
		return nil, fmt.Errorf("%w: Deadline is %v: give more than 0, or 0 for %v", ErrBadConfig, config.Deadline, DefaultDeadline)
	case config.OnFailure > FailOpen:
		return nil, fmt.Errorf("%w: OnFailure is %d: choose FailClosed or FailOpen", ErrBadConfig, config.OnFailure)
	}
	if config.Key == nil {
		config.Key = RemoteHost
	}
	if config.Tokens == nil {
		config.Tokens = func(*http.Request) int64 { return 1 }
	}
	if config.Deadline == 0 {
		config.Deadline = DefaultDeadline
	}
	if config.OnError == nil {
		config.OnError = func(*http.Request, error) {}
	}
	return &Middleware{config}, nil
}

// RemoteHost is the address from which a request comes, without the port. Behind a proxy that is the proxy's.
func RemoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Wrap returns a handler that serves with next what is allowed, and answers 429 to the rest. Every decision is told in the headers RateLimit-Policy
// and RateLimit of draft-ietf-httpapi-ratelimit-headers, and a denial in Retry-After.
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		decision, err := m.decide(r)
		switch {
		case err != nil && r.Context().Err() != nil:
			return // nobody waits for an answer
		case err != nil:
			m.config.OnError(r, err)
			if m.config.OnFailure == FailOpen {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Retry-After", "1")
			http.Error(w, "the rate limiter does not answer", http.StatusServiceUnavailable)
		default:
			m.describe(w.Header(), decision.State)
			if decision.Allowed {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Retry-After", strconv.FormatInt(seconds(decision.RetryAfter), 10))
			http.Error(w, "too many requests", http.StatusTooManyRequests)
		}
	})
}

func (m *Middleware) decide(r *http.Request) (limits.Decision, error) {
	ctx, cancel := context.WithTimeout(r.Context(), m.config.Deadline)
	defer cancel()
	decision, err := m.config.Limits.Take(ctx, limits.Take{Class: m.config.Class, Key: m.config.Key(r), Tokens: m.config.Tokens(r)})
	if err == nil && decision.NoRoom {
		err = ErrNoRoom
	}
	return decision, err
}

// describe writes the policy, so many tokens in so many seconds, and what is left of it until it is whole again.
func (m *Middleware) describe(h http.Header, s limits.State) {
	h.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", m.config.Class, s.Capacity, seconds(s.Fill)))
	h.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", m.config.Class, max(s.Left, 0), seconds(s.ResetAfter)))
}

// seconds rounds up: a client that comes back then is not too early.
func seconds(nanoseconds int64) int64 {
	second := int64(time.Second)
	return (nanoseconds + second - 1) / second
}
