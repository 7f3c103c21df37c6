package main

import (
	"strings"
	"testing"
)

// rising is a series of one host whose data grows by so many KiB a sample.
func rising(samples int, base, step int64) series {
	var s series
	for i := range samples {
		s = append(s, []sample{{host: "h1", data: base + step*int64(i)}})
	}
	return s
}

// TestJudge shows that growth is named with its host and figure, and that what swings is none.
func TestJudge(t *testing.T) {
	err := rising(40, 100_000, 5_000).judge()
	if err == nil || !strings.Contains(err.Error(), "host h1: data KiB grew from 172500 to 272500") {
		t.Errorf("steady growth: %v", err)
	}
	s := rising(40, 100_000, 0)
	for i := range s {
		s[i][0].data += int64(i%4) * 40_000
	}
	if err := s.judge(); err != nil {
		t.Errorf("a sawtooth: %v", err)
	}
}
