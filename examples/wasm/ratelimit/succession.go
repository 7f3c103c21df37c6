package main

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// format begins every export: the classes follow, sorted, each with its rules, and the buckets, sorted by name.
const format = "ratelimit 1\n"

// Export implements sdk.Exporter. Buckets are written as they are stored, without a value for each in between.
func (l *limiter) Export(*sdk.Context) ([]byte, error) {
	out := protocol.AppendNumber([]byte(format), uint64(len(l.classes)))
	for _, name := range slices.Sorted(maps.Keys(l.classes)) {
		c := l.classes[name]
		out = protocol.AppendBytes(out, []byte(name))
		out = protocol.AppendNumber(protocol.AppendNumber(out, uint64(c.lowest)), uint64(len(c.versions)))
		for _, v := range c.versions {
			for _, n := range []uint64{uint64(v.number), uint64(v.since), uint64(v.capacity), uint64(v.rate), uint64(v.per)} {
				out = protocol.AppendNumber(out, n)
			}
		}
	}
	for c := l.buckets.At(0); c.Valid(); c.Next() {
		l.stored = c.Value(l.stored[:0])
		out = protocol.AppendBytes(protocol.AppendBytes(out, c.Key()), l.stored)
	}
	return out, nil
}

// Migrate implements sdk.Migrator.
func (l *limiter) Migrate(_ *sdk.Context, old []byte) error {
	rest, known := bytes.CutPrefix(old, []byte(format))
	if !known {
		return sdk.Refuse(limits.CodeBadArchive, "the present module exports %.14q, this one reads %q", old, format)
	}
	r := protocol.Read(rest)
	before := ""
	for range r.Number() {
		name := string(r.Bytes())
		if len(l.classes) == limits.MaxClasses {
			return corrupt("more than %d classes", limits.MaxClasses)
		}
		c, err := readClass(&r)
		if err != nil {
			return err
		}
		if checkClass(name) != nil || name <= before {
			return corrupt("the class %.80q is out of order or none of this module's", name)
		}
		l.classes[name], before = c, name
	}
	before = ""
	for r.More() {
		name, stored := string(r.Bytes()), r.Bytes()
		if err := r.Err(); err != nil {
			return corrupt("%v", err)
		}
		class, key, _ := strings.Cut(name, "\x00")
		c := l.classes[class]
		if c == nil || key == "" || len(key) > limits.MaxKeyBytes || len(stored) != bucketBytes || name <= before {
			return corrupt("the bucket %.80q is out of order or none of this module's", name)
		}
		if err := l.restore(c, name, parseBucket(stored)); err != nil {
			return err
		}
		before = name
	}
	if err := r.Err(); err != nil {
		return corrupt("%v", err)
	}
	return nil
}

func corrupt(what string, args ...any) error {
	return sdk.Refuse(limits.CodeBadArchive, "the export: "+what, args...)
}

// readClass reads the rules of a class.
func readClass(r *protocol.Reader) (*class, error) {
	c := &class{lowest: int64(r.Number())}
	n := r.Number()
	if r.Err() == nil && (n < 1 || n > limits.MaxVersions || c.lowest < 0 || c.lowest > limits.MaxTokens) {
		return nil, corrupt("a class with %d rules", n)
	}
	for i := uint64(0); i < n && r.Err() == nil; i++ {
		number, since, capacity, rate, per := r.Number(), r.Number(), r.Number(), r.Number(), r.Number()
		v := version{uint32(number), int64(since), int64(capacity), int64(rate), int64(per)}
		rule := limits.Rule{Class: "x", Capacity: v.capacity, Rate: v.rate, PerSeconds: v.per / int64(time.Second)}
		switch {
		case number < 1 || number > math.MaxUint32 || v.since < 0 || v.since > maxDue || v.per%int64(time.Second) != 0 || checkRule(rule) != nil:
			return nil, corrupt("rule %d of a class is none of this module's", number)
		case i > 0 && (v.number != c.present().number+1 || v.since < c.present().since):
			return nil, corrupt("rule %d of a class is out of order", number)
		}
		c.versions = append(c.versions, v)
	}
	if err := r.Err(); err != nil {
		return nil, corrupt("%v", err)
	}
	return c, nil
}

// maxDue is above every stamp at which a bucket can be due.
const maxDue = math.MaxInt64 - 4*limits.MaxFillSeconds*int64(time.Second)

// restore keeps a bucket as it was stored. Its due stamp may be that of a rule before the present one.
func (l *limiter) restore(c *class, name string, b bucket) error {
	wrong := b.number < 1 || b.number > c.present().number || b.at < 0 || b.due < b.at || b.due > maxDue ||
		b.tokens > limits.MaxTokens || b.tokens < -limits.MaxTokens || b.remainder < 0
	for _, v := range c.versions {
		if v.number == b.number {
			wrong = wrong || b.tokens >= v.capacity || b.tokens < -v.capacity || b.remainder >= v.per
		}
	}
	if wrong {
		return corrupt("the bucket %.80q holds what none can", name)
	}
	if l.bytes += cost(name); l.bytes > limits.MaxBytes {
		return corrupt("the buckets up to %.80q count more than %d bytes", name, limits.MaxBytes)
	}
	l.buckets.Put([]byte(name), b.append(nil))
	l.due.Put(l.dueKey(b.due, name), nil)
	return nil
}
