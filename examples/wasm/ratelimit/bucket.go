package main

import (
	"encoding/binary"
	"math/bits"

	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
)

// version is one rule of a class. Its number is one more than that of the rule before it.
type version struct {
	number   uint32
	since    int64 // stamp of the entry that set it, in nanoseconds
	capacity int64
	rate     int64
	per      int64 // nanoseconds in which rate tokens come back
}

// class is the rules of a class, the present one last. Earlier ones say what a bucket got that was not used since.
type class struct {
	versions []version
	// lowest is the smallest capacity of the rules that are not remembered any more, if there are any.
	lowest int64
}

func (c *class) present() version { return c.versions[len(c.versions)-1] }

// set makes v the present rule.
func (c *class) set(v version) {
	if len(c.versions) == limits.MaxVersions {
		if oldest := c.versions[0].capacity; c.lowest == 0 || oldest < c.lowest {
			c.lowest = oldest
		}
		c.versions = append(c.versions[:0], c.versions[1:]...)
	}
	c.versions = append(c.versions, v)
}

// bucket is what is known of a bucket at the stamp at: under the rule of that number it holds tokens, and remainder/per of a token.
//
// Invariant: under its rule, tokens is from -capacity to capacity, remainder is below per, and 0 if the bucket is full.
type bucket struct {
	tokens    int64
	remainder int64
	at        int64
	number    uint32
	// due is when the machine looks at it again, see limiter.due.
	due int64
}

const bucketBytes = 36

func (b bucket) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.tokens))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.remainder))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.at))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.due))
	return binary.LittleEndian.AppendUint32(dst, b.number)
}

func parseBucket(stored []byte) bucket {
	return bucket{
		tokens:    int64(binary.LittleEndian.Uint64(stored)),
		remainder: int64(binary.LittleEndian.Uint64(stored[8:])),
		at:        int64(binary.LittleEndian.Uint64(stored[16:])),
		due:       int64(binary.LittleEndian.Uint64(stored[24:])),
		number:    binary.LittleEndian.Uint32(stored[32:]),
	}
}

// settle brings a bucket to the stamp now, under each rule for as long as it held. At a change of rules a full bucket stays full; another one
// keeps what it holds, within the new capacity and without the rest of a token. The time of rules that are forgotten gives nothing.
func (c *class) settle(b bucket, now int64) bucket {
	if first := c.versions[0].number; b.number < first-1 {
		b.tokens = min(b.tokens, c.lowest)
	}
	full := false
	for i, v := range c.versions {
		if v.number < b.number {
			continue
		}
		if v.number > b.number {
			b = bucket{tokens: max(min(b.tokens, v.capacity), -v.capacity), at: max(b.at, v.since), number: v.number, due: b.due}
			if full {
				b.tokens = v.capacity
			}
		}
		until := now
		if i+1 < len(c.versions) {
			until = c.versions[i+1].since
		}
		b = v.fill(b, until)
		full = b.tokens == v.capacity
	}
	return b
}

// fill brings a bucket of this rule to the stamp until.
func (v version) fill(b bucket, until int64) bucket {
	elapsed := uint64(max(until-b.at, 0))
	b.at = max(b.at, until)
	if b.tokens >= v.capacity {
		b.tokens, b.remainder = v.capacity, 0
		return b
	}
	// In units of 1/per of a token, what comes and what is missing, in 128 bits.
	hi, lo := bits.Mul64(uint64(v.rate), elapsed)
	lo, carry := bits.Add64(lo, uint64(b.remainder), 0)
	hi += carry
	missing := uint64(v.capacity - b.tokens)
	missingHi, missingLo := bits.Mul64(missing, uint64(v.per))
	if hi > missingHi || hi == missingHi && lo >= missingLo {
		b.tokens, b.remainder = v.capacity, 0
		return b
	}
	tokens, remainder := bits.Div64(hi, lo, uint64(v.per)) // below missing, so it fits
	b.tokens += int64(tokens)
	b.remainder = int64(remainder)
	return b
}

// wait is how long it takes until the bucket holds so many tokens, at most the capacity. It rounds up: no nanosecond less is enough.
func (v version) wait(b bucket, tokens int64) int64 {
	if b.tokens >= tokens {
		return 0
	}
	hi, lo := bits.Mul64(uint64(tokens-b.tokens), uint64(v.per))
	lo, borrow := bits.Sub64(lo, uint64(b.remainder), 0)
	hi -= borrow
	lo, carry := bits.Add64(lo, uint64(v.rate-1), 0)
	quotient, _ := bits.Div64(hi+carry, lo, uint64(v.rate)) // at most twice limits.MaxFillSeconds, so it fits
	return int64(quotient)
}

// state describes a bucket that is settled.
func (v version) state(b bucket) limits.State {
	return limits.State{Left: b.tokens, Capacity: v.capacity, ResetAfter: v.wait(b, v.capacity), Fill: v.wait(bucket{}, v.capacity), At: b.at}
}
