// Command ratelimit is token buckets that all clients of a group share, on the time of its entries. It is made with package sdk/typed;
// package limits has its requests, and README.md describes them.
package main

import (
	"github.com/groutlabs/grout/examples/wasm/internal/ordered"
	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/typed"
)

func init() { sdk.Register(newLimiter()) }

func main() {} // never runs: the host calls the machine

// sweepEach is how many buckets a command looks at that may be full, beside those that it is about: more than it can add.
const sweepEach = 4

// limiter is the machine. A bucket that is not in it is full.
//
// Invariant: for each bucket in buckets there is one entry in due, and nothing else; its class is in classes; bytes is
// the sum of cost.
type limiter struct {
	*typed.Machine
	classes map[string]*class
	// buckets has the class, a zero byte and the key, as keys, and buckets as values.
	buckets ordered.Tree
	// due has 8 bytes, big-endian, for the stamp at which a bucket is looked at again, and its key in buckets; as values nothing.
	due ordered.Tree
	// bytes is what the buckets count, at most maxBytes: limits.MaxBytes, less in tests.
	bytes, maxBytes int

	// What follows is used again by every call.
	stored, name, key []byte
}

func newLimiter() *limiter {
	l := &limiter{Machine: typed.New(typed.Either), classes: map[string]*class{}, maxBytes: limits.MaxBytes}
	typed.Command(l.Machine, "rule", l.rule)
	typed.Command(l.Machine, "forget", l.forget)
	typed.Command(l.Machine, "take", l.take)
	typed.Command(l.Machine, "batch", l.batch)
	typed.Command(l.Machine, "penalize", l.penalize)
	typed.Command(l.Machine, "reset", l.reset)
	typed.Query(l.Machine, "peek", l.peek)
	typed.Query(l.Machine, "rules", l.rules)
	typed.Query(l.Machine, "status", l.status)
	return l
}
