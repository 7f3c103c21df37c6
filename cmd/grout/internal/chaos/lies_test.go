package chaos

import (
	"math"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

// TestTallyFindsLies shows that additions which were lost, doubled or made up are found, and honest ones are not.
func TestTallyFindsLies(t *testing.T) {
	const oneID = 1 << digitBits
	for name, c := range map[string]struct {
		total       uint64
		acked, open [3]int64
		views       []view
		want        string
	}{
		"honest": {3 + 2*oneID, [3]int64{2, 2, 0}, [3]int64{1, 1, 0},
			[]view{{9, 3 + oneID, true}, {5, 1, true}, {7, 1, false}, {8, 2, true}, {9, 3 + oneID, false}}, ""},
		"lost":                      {1, [3]int64{2, 0, 0}, [3]int64{}, nil, "1 additions under a session were applied, 2 acknowledged"},
		"doubled":                   {3 * oneID, [3]int64{0, 2, 0}, [3]int64{}, nil, "3 additions with a message ID were applied, 2 acknowledged and 0 left open"},
		"refused, but applied":      {1, [3]int64{}, [3]int64{}, nil, "1 additions under a session"},
		"two states at one index":   {2, [3]int64{2, 0, 0}, [3]int64{}, []view{{5, 1, true}, {5, 2, false}}, "at index 5 the counter was both 1 and 2"},
		"two commands at one index": {2, [3]int64{2, 0, 0}, [3]int64{}, []view{{5, 2, true}, {5, 2, true}}, "two additions were answered with index 5"},
		"back":                      {2, [3]int64{2, 0, 0}, [3]int64{}, []view{{5, 2, true}, {6, 1, false}}, "from 2 at index 5 to 1 at index 6"},
		"without effect":            {2, [3]int64{2, 0, 0}, [3]int64{}, []view{{5, 2, true}, {6, 2, true}}, "from 2 at index 5 to 2 at index 6"},
	} {
		a := &tally{views: c.views}
		for i := range c.acked {
			a.acked[i].Store(c.acked[i])
			a.open[i].Store(c.open[i])
		}
		err := a.check(c.total)
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestHistoriesFindLies shows that a read which no order explains is found, be it old, of an operation that
// had not happened, or of two that exclude each other, and that a picture of it is drawn.
func TestHistoriesFindLies(t *testing.T) {
	put := func(value string, from, to int64, out outcome) porcupine.Operation {
		return porcupine.Operation{Input: operation{verb: verbPut, key: "k", value: value}, Call: from, Return: to, Output: out}
	}
	get := func(value string, from, to int64) porcupine.Operation {
		return porcupine.Operation{ClientId: 1, Input: operation{verb: verbGet, key: "k"}, Call: from, Return: to, Output: outcome{found: value != "", value: value}}
	}
	cas := func(old, value string, from, to int64, out outcome) porcupine.Operation {
		return porcupine.Operation{ClientId: 2, Input: operation{verb: verbCAS, key: "k", old: old, value: value}, Call: from, Return: to, Output: out}
	}
	yes, no, open := outcome{done: true}, outcome{}, outcome{unknown: true}
	for name, c := range map[string]struct {
		history []porcupine.Operation
		honest  bool
	}{
		"honest":             {[]porcupine.Operation{get("", 0, 1), put("a", 0, 5, yes), get("a", 3, 4), cas("a", "b", 6, 7, yes), get("b", 8, 9)}, true},
		"unknown, happened":  {[]porcupine.Operation{put("a", 0, 1, yes), put("b", 2, math.MaxInt64, open), get("a", 3, 4), get("b", 5, 6)}, true},
		"unknown, never":     {[]porcupine.Operation{put("a", 0, 1, yes), cas("a", "b", 2, math.MaxInt64, open), get("a", 3, 4)}, true},
		"old":                {[]porcupine.Operation{put("a", 0, 1, yes), put("b", 2, 3, yes), get("a", 4, 5)}, false},
		"nobody wrote it":    {[]porcupine.Operation{put("a", 0, 1, yes), get("b", 4, 5)}, false},
		"lost":               {[]porcupine.Operation{put("a", 0, 1, yes), get("", 4, 5)}, false},
		"both swapped":       {[]porcupine.Operation{put("a", 0, 1, yes), cas("a", "b", 2, 5, yes), cas("a", "c", 2, 5, yes)}, false},
		"swapped for naught": {[]porcupine.Operation{put("a", 0, 1, yes), cas("a", "b", 2, 3, no), get("a", 4, 5)}, false},
		"undone":             {[]porcupine.Operation{put("a", 0, 1, yes), put("b", 2, math.MaxInt64, open), get("b", 3, 4), get("a", 5, 6)}, false},
	} {
		b := newBoard()
		for _, o := range c.history {
			b.record(o)
		}
		dir := t.TempDir()
		err := b.linearizable(dir)
		if (err == nil) != c.honest || (err != nil && !strings.Contains(err.Error(), "not linearizable, see "+dir)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOrderFindsLies shows that an answer from before what had been answered is found.
func TestOrderFindsLies(t *testing.T) {
	for _, c := range []struct {
		floor, index uint64
		command, lie bool
	}{{5, 6, true, false}, {5, 5, true, true}, {5, 5, false, false}, {5, 4, false, true}, {0, 1, true, false}} {
		w := newWorkload(&cluster{})
		w.ordered(groupKV, "a put", c.floor, c.index, c.command)
		if (len(w.problems) > 0) != c.lie {
			t.Errorf("%+v: %v", c, w.problems)
		}
	}
	s := newStats()
	for i, c := range []struct {
		before, after int64
		index         uint64
		lie           bool
	}{{1, 1, 7, false}, {1, 2, 3, false}, {1, 1, 6, true}, {2, 2, 3, false}, {2, 2, 3, false}, {2, 2, 2, true}} {
		if err := s.monotone(1, "a", c.before, c.after, c.index); (err != nil) != c.lie {
			t.Errorf("read %d: %v", i, err)
		}
	}
}
