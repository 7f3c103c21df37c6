package host

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/groutlabs/grout/consensus"
)

// TestTermHistory shows that a history answers as the log itself would, for every position, that it is
// bounded, and that a history which was handed out never changes.
func TestTermHistory(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var log []consensus.Term
	var h, kept termHistory
	var copied []termStart
	term := consensus.Term(0)
	for len(h) < maxTermStarts || h[0].Index < 100 {
		if rng.IntN(3) == 0 || term == 0 {
			term += 1 + consensus.Term(rng.IntN(3))
		}
		log = append(log, term)
		h = h.with(consensus.Cursor{Term: term, Index: consensus.Index(len(log))})
		if len(log) == 200 {
			kept, copied = h, slices.Clone(h)
		}
	}
	if !slices.Equal(kept, copied) {
		t.Error("a history has changed")
	}
	if got := h.office(); got.Term != term || len(h) != maxTermStarts {
		t.Errorf("%d terms, the last from %s on", len(h), got)
	}
	for i, want := range log {
		index := consensus.Index(i + 1)
		got, known := h.at(index)
		if known != (index >= h[0].Index) || known && got != want {
			t.Fatalf("index %d is of term %d, %v; it is of %d", index, got, known, want)
		}
		for _, asked := range []consensus.Term{1, want - 1, want, want + 1, 1 << 40} {
			lost := h.overtakes(consensus.Cursor{Term: asked, Index: index})
			if known && lost != (asked < want) || !known && lost {
				t.Fatalf("index %d of term %d, asked for %d: lost %v", index, want, asked, lost)
			}
		}
	}
	end := consensus.Cursor{Term: term, Index: consensus.Index(len(log))}
	if err := h.valid(end); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]termHistory{
		"a term twice":     {{1, 1}, {1, 2}},
		"an index twice":   {{1, 1}, {2, 1}},
		"no term":          {{0, 1}},
		"past the anchor":  {{1, 1 << 40}},
		"above its term":   {{1 << 40, 1}},
		"one term too far": h.with(consensus.Cursor{Term: term + 1, Index: end.Index + 1}),
		"too many":         append(slices.Clone(h), termStart{term + 1, end.Index + 1}),
	} {
		if err := bad.valid(end); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
