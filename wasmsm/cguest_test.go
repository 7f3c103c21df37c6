package wasmsm

import (
	_ "embed"
	"slices"
	"testing"
)

// cModule is testdata/cguest/guest.c, built with clang 14 and wasi-libc.
//
//go:embed testdata/cguest/guest.wasm
var cModule []byte

// TestCGuest shows a machine written in C, with wasi-libc's malloc, stdio, clock and assert.
func TestCGuest(t *testing.T) {
	eachMemory(t, func(t *testing.T, r *Runtime) {
		var logged []string
		m := newTestMachine(t, r, cModule, MachineConfig{Log: func(_ int, text string) { logged = append(logged, text) }})
		wantApplied(t, apply(t, m, 1, []byte("push one")), "1")
		wantApplied(t, query(t, m, 1, []byte("push ghost")), "2")
		wantApplied(t, apply(t, m, 2, []byte("push two")), "2")
		wantApplied(t, query(t, m, 2, []byte("list")), "two,one,")
		wantApplied(t, apply(t, m, 3, []byte("say hello")), "")
		if !slices.Equal(logged, []string{"said hello"}) {
			t.Errorf("logged %q", logged)
		}
		wantApplied(t, apply(t, m, 4, []byte("nap")), "4 5.500000000")
		wantApplied(t, apply(t, m, 5, []byte("touch file")), "")
		wantTrap(t, apply(t, m, 6, []byte("check bad")),
			`unreachable in abort: Assertion failed: strcmp(text, "good") == 0 (guest.c: check: 47)`)
		if unknown := apply(t, m, 7, []byte("nonsense")); unknown.Kind != Refused || unknown.Code != 3 {
			t.Errorf("unknown: %+v", unknown)
		}
		wantApplied(t, query(t, m, 7, []byte("list")), "two,one,")
	})
}
