package main

import (
	"testing"
	"time"
)

// TestJoined shows that a system measured twice gets the means, in its first place.
func TestJoined(t *testing.T) {
	one := func(rate float64, d time.Duration) figure { return figure{rate, d, 2 * d, 3 * d} }
	got := joined([]figures{
		{name: "a", runs: 1, writes: []figure{one(100, 10)}, reads: one(1000, 1)},
		{name: "b", runs: 1, writes: []figure{one(7, 7)}, reads: one(7, 7)},
		{name: "a", runs: 1, writes: []figure{one(300, 30)}, reads: one(3000, 3)},
	})
	if len(got) != 2 || got[0].name != "a" || got[0].writes[0] != one(200, 20) || got[0].reads != one(2000, 2) || got[1].writes[0] != one(7, 7) {
		t.Errorf("%+v", got)
	}
}

// TestShort shows that times keep three digits.
func TestShort(t *testing.T) {
	for from, want := range map[time.Duration]time.Duration{
		0: 0, 999: 999, 12_345: 12_300, 1_234_567: 1_230_000, 1_999_999_999: 2_000_000_000,
	} {
		if got := short(from); got != want {
			t.Errorf("%d becomes %d, want %d", from, got, want)
		}
	}
}
