package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
	"github.com/groutlabs/grout/sdk"
)

// now is the entry's stamp, of a query that of the last entry.
func now(ctx *sdk.Context) int64 { return ctx.Time().UnixNano() }

// rule sets the rule of a class. What becomes of the buckets that there are is said at class.settle.
func (l *limiter) rule(ctx *sdk.Context, r limits.Rule) (limits.Rule, error) {
	if r.PerSeconds == 0 {
		r.PerSeconds = 1
	}
	if err := checkRule(r); err != nil {
		return limits.Rule{}, err
	}
	c := l.classes[r.Class]
	if c == nil && len(l.classes) == limits.MaxClasses {
		return limits.Rule{}, sdk.Refuse(limits.CodeBadRule, "there are %d classes already: forget one", limits.MaxClasses)
	}
	l.sweep(now(ctx), sweepEach)
	v := version{number: 1, since: now(ctx), capacity: r.Capacity, rate: r.Rate, per: r.PerSeconds * int64(time.Second)}
	if c == nil {
		c = &class{}
		l.classes[r.Class] = c
	} else {
		before := c.present()
		if v.capacity == before.capacity && v.rate == before.rate && v.per == before.per {
			return r, nil
		}
		v.number = before.number + 1
	}
	c.set(v)
	return r, nil
}

func checkRule(r limits.Rule) error {
	if err := checkClass(r.Class); err != nil {
		return err
	}
	switch {
	case r.Capacity < 1 || r.Capacity > limits.MaxTokens:
		return sdk.Refuse(limits.CodeBadRule, "capacity: 1 to %d tokens, not %d", limits.MaxTokens, r.Capacity)
	case r.Rate < 1 || r.Rate > limits.MaxTokens:
		return sdk.Refuse(limits.CodeBadRule, "rate: 1 to %d tokens, not %d", limits.MaxTokens, r.Rate)
	case r.PerSeconds < 1 || r.PerSeconds > limits.MaxPerSeconds:
		return sdk.Refuse(limits.CodeBadRule, "per_seconds: 1 to %d (31 days), not %d", limits.MaxPerSeconds, r.PerSeconds)
	case r.Capacity*r.PerSeconds > limits.MaxFillSeconds*r.Rate: // below 2^63: a capacity of 2^30 times a period of 2^22
		return sdk.Refuse(limits.CodeBadRule, "%d tokens at %d every %d s take longer than %d s (366 days) to come back: lower the capacity or raise the rate",
			r.Capacity, r.Rate, r.PerSeconds, limits.MaxFillSeconds)
	}
	return nil
}

// checkClass takes names that stand in an HTTP header as they are.
func checkClass(name string) error {
	if name == "" || len(name) > limits.MaxClassBytes {
		return sdk.Refuse(limits.CodeBadRule, "a class has a name of 1 to %d bytes, not %d", limits.MaxClassBytes, len(name))
	}
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return sdk.Refuse(limits.CodeBadRule, "the class %.80q: only letters, digits, '-', '_' and '.' can be in the name", name)
	}
	return nil
}

// forget removes a class that has no buckets.
func (l *limiter) forget(ctx *sdk.Context, f limits.Class) (struct{}, error) {
	if _, err := l.class(f.Class); err != nil {
		return struct{}{}, err
	}
	first, _ := l.buckets.Rank([]byte(f.Class + "\x00"))
	next, _ := l.buckets.Rank([]byte(f.Class + "\x01"))
	if next > first {
		return struct{}{}, sdk.Refuse(limits.CodeInUse, "%d buckets of the class %q are not swept yet: they are some commands after they are full", next-first, f.Class)
	}
	l.sweep(now(ctx), sweepEach)
	delete(l.classes, f.Class)
	return struct{}{}, nil
}

func (l *limiter) class(name string) (*class, error) {
	if c := l.classes[name]; c != nil {
		return c, nil
	}
	return nil, sdk.Refuse(limits.CodeNoClass, "there is no rule of the class %.80q: set one with the command rule", name)
}

// opened is a bucket that a request names, settled.
type opened struct {
	name   string // its key in the trees
	rule   version
	bucket bucket
	// before is the bucket as it is stored, if it is.
	before bucket
	stored bool
}

// open reads a bucket, and changes nothing.
func (l *limiter) open(ctx *sdk.Context, name limits.Bucket) (opened, error) {
	c, err := l.class(name.Class)
	if err != nil {
		return opened{}, err
	}
	if name.Key == "" || len(name.Key) > limits.MaxKeyBytes {
		return opened{}, sdk.Refuse(limits.CodeBadKey, "a key has 1 to %d bytes, not %d", limits.MaxKeyBytes, len(name.Key))
	}
	o := opened{name: name.Class + "\x00" + name.Key, rule: c.present()}
	l.name = append(l.name[:0], o.name...)
	if l.stored, o.stored = l.buckets.Get(l.stored[:0], l.name); o.stored {
		o.before = parseBucket(l.stored)
		o.bucket = c.settle(o.before, now(ctx))
		return o, nil
	}
	o.bucket = bucket{tokens: o.rule.capacity, at: now(ctx), number: o.rule.number}
	return o, nil
}

// cost is what a bucket of that name counts: about what it takes in both trees.
func cost(name string) int { return limits.BucketBytes + 2*len(name) }

// store keeps a bucket that is changed, or drops one that is full.
func (l *limiter) store(o opened) {
	if o.stored {
		l.remove(o.name, o.before)
	}
	l.put(o.name, o.rule, o.bucket)
}

// put adds a settled bucket that is not in the trees. It is due when it is full.
func (l *limiter) put(name string, rule version, b bucket) {
	if b.tokens == rule.capacity {
		return
	}
	b.due = b.at + rule.wait(b, rule.capacity)
	l.name = append(l.name[:0], name...)
	l.stored = b.append(l.stored[:0])
	l.buckets.Put(l.name, l.stored)
	l.due.Put(l.dueKey(b.due, name), nil)
	l.bytes += cost(name)
}

func (l *limiter) remove(name string, b bucket) {
	l.name = append(l.name[:0], name...)
	l.buckets.Delete(l.name)
	l.due.Delete(l.dueKey(b.due, name))
	l.bytes -= cost(name)
}

func (l *limiter) dueKey(at int64, name string) []byte {
	l.key = append(binary.BigEndian.AppendUint64(l.key[:0], uint64(at)), name...)
	return l.key
}

// sweep looks at some buckets that are due. One whose rule has become slower is not full, and due later.
func (l *limiter) sweep(now int64, each int) {
	for range each {
		first := l.due.At(0)
		if !first.Valid() || int64(binary.BigEndian.Uint64(first.Key())) > now {
			return
		}
		name := string(first.Key()[8:])
		l.stored, _ = l.buckets.Get(l.stored[:0], []byte(name))
		before := parseBucket(l.stored)
		class, _, _ := strings.Cut(name, "\x00")
		c := l.classes[class]
		l.remove(name, before)
		l.put(name, c.present(), c.settle(before, now))
	}
}

// decide takes tokens from an opened bucket if they are there.
func (o *opened) decide(tokens int64) limits.Decision {
	if o.bucket.tokens < tokens {
		return limits.Decision{RetryAfter: o.rule.wait(o.bucket, tokens), State: o.rule.state(o.bucket)}
	}
	o.bucket.tokens -= tokens
	return limits.Decision{Allowed: true, State: o.rule.state(o.bucket)}
}

// tokens is the number that a request means.
func (o *opened) tokens(asked int64) (int64, error) {
	if asked == 0 {
		asked = 1
	}
	if asked < 1 || asked > o.rule.capacity {
		return 0, sdk.Refuse(limits.CodeBadTokens, "tokens: 1 to %d, the capacity of the class, not %d", o.rule.capacity, asked)
	}
	return asked, nil
}

// take is a batch of one. A take that is denied changes nothing but what is swept.
func (l *limiter) take(ctx *sdk.Context, t limits.Take) (limits.Decision, error) {
	reply, err := l.decideAll(ctx, []limits.Take{t}, false)
	if err != nil {
		return limits.Decision{}, err
	}
	return reply.Decisions[0], nil
}

func (l *limiter) batch(ctx *sdk.Context, b limits.Batch) (limits.Decisions, error) {
	if len(b.Takes) == 0 || len(b.Takes) > limits.MaxBatch {
		return limits.Decisions{}, sdk.Refuse(limits.CodeBadBatch, "takes: 1 to %d, not %d", limits.MaxBatch, len(b.Takes))
	}
	return l.decideAll(ctx, b.Takes, b.Each)
}

// decideAll reads and checks all of a batch before it changes anything.
func (l *limiter) decideAll(ctx *sdk.Context, takes []limits.Take, each bool) (limits.Decisions, error) {
	all, reply := make([]opened, len(takes)), limits.Decisions{Allowed: true, Decisions: make([]limits.Decision, len(takes))}
	for i, t := range takes {
		o, err := l.open(ctx, limits.Bucket{Class: t.Class, Key: t.Key})
		if err == nil {
			t.Tokens, err = o.tokens(t.Tokens)
		}
		if err == nil && slices.ContainsFunc(all[:i], func(before opened) bool { return before.name == o.name }) {
			err = sdk.Refuse(limits.CodeBadBatch, "the bucket %.80q of the class %s comes twice: add its tokens up", t.Key, t.Class)
		}
		if err != nil && len(takes) > 1 {
			err = fmt.Errorf("takes[%d]: %w", i, err)
		}
		if err != nil {
			return limits.Decisions{}, err
		}
		reply.Decisions[i] = o.decide(t.Tokens)
		reply.Allowed = reply.Allowed && reply.Decisions[i].Allowed
		all[i] = o
	}
	l.sweep(now(ctx), sweepEach+len(takes))
	l.commit(ctx, all, &reply, each)
	return reply, nil
}

// commit stores what was allowed, as far as there is room.
func (l *limiter) commit(ctx *sdk.Context, all []opened, reply *limits.Decisions, each bool) {
	for i := range all {
		// The sweep may have dropped or moved it.
		l.name = append(l.name[:0], all[i].name...)
		if l.stored, all[i].stored = l.buckets.Get(l.stored[:0], l.name); all[i].stored {
			all[i].before = parseBucket(l.stored)
		}
	}
	added := 0
	for i, o := range all {
		d := &reply.Decisions[i]
		if !d.Allowed || o.stored {
			continue
		}
		if added += cost(o.name); l.bytes+added > l.maxBytes {
			added -= cost(o.name)
			*d = limits.Decision{NoRoom: true, RetryAfter: l.untilDue(now(ctx)), State: o.rule.state(bucket{tokens: o.rule.capacity, at: now(ctx)})}
			reply.Allowed = false
		}
	}
	for i, o := range all {
		if reply.Decisions[i].Allowed && (each || reply.Allowed) {
			l.store(o)
		}
	}
}

// untilDue is how long it takes until a bucket may be swept.
func (l *limiter) untilDue(now int64) int64 {
	first := l.due.At(0)
	if !first.Valid() {
		return 0
	}
	return max(int64(binary.BigEndian.Uint64(first.Key()))-now, 0)
}

// penalize takes tokens whether they are there or not. Debt is at most the capacity.
func (l *limiter) penalize(ctx *sdk.Context, t limits.Take) (limits.State, error) {
	o, err := l.open(ctx, limits.Bucket{Class: t.Class, Key: t.Key})
	if err == nil {
		t.Tokens, err = o.tokens(t.Tokens)
	}
	if err == nil && !o.stored && l.bytes+cost(o.name) > l.maxBytes {
		err = sdk.Refuse(limits.CodeFull, "there are %d buckets that are not full, of %d bytes, and no room for another: the limit is %d bytes",
			l.buckets.Len(), l.bytes, l.maxBytes)
	}
	if err != nil {
		return limits.State{}, err
	}
	o.bucket.tokens = max(o.bucket.tokens-t.Tokens, -o.rule.capacity)
	l.store(o)
	l.sweep(now(ctx), sweepEach)
	return o.rule.state(o.bucket), nil
}

// reset fills a bucket.
func (l *limiter) reset(ctx *sdk.Context, b limits.Bucket) (limits.State, error) {
	o, err := l.open(ctx, b)
	if err != nil {
		return limits.State{}, err
	}
	o.bucket.tokens, o.bucket.remainder = o.rule.capacity, 0
	l.store(o)
	l.sweep(now(ctx), sweepEach)
	return o.rule.state(o.bucket), nil
}

func (l *limiter) peek(ctx *sdk.Context, b limits.Bucket) (limits.State, error) {
	o, err := l.open(ctx, b)
	if err != nil {
		return limits.State{}, err
	}
	return o.rule.state(o.bucket), nil
}

func (l *limiter) rules(*sdk.Context, struct{}) (limits.Rules, error) {
	answer := limits.Rules{Rules: make([]limits.Rule, 0, len(l.classes))}
	for _, name := range slices.Sorted(maps.Keys(l.classes)) {
		v := l.classes[name].present()
		answer.Rules = append(answer.Rules, limits.Rule{Class: name, Capacity: v.capacity, Rate: v.rate, PerSeconds: v.per / int64(time.Second)})
	}
	return answer, nil
}

func (l *limiter) status(ctx *sdk.Context, _ struct{}) (limits.Status, error) {
	return limits.Status{Classes: len(l.classes), Buckets: l.buckets.Len(), Bytes: l.bytes, At: now(ctx)}, nil
}
