package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/wordcount/words"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// TestLines shows the reply to a line and every query on a few of them.
func TestLines(t *testing.T) {
	h := sdktest.New(t, newWordcount())
	if got := h.MustQuery(""); got != `{"lines":0,"words":0,"distinct":0}` {
		t.Fatalf("a new machine has the totals %s", got)
	}
	for _, step := range []struct{ line, want string }{
		{"The quick brown fox, the end", "6"}, {"", "0"}, {" -- ", "0"}, {"Fox? FOX!\nfox", "3"},
	} {
		if got := h.MustApply(step.line); got != step.want {
			t.Fatalf("line %q has %s words, want %s", step.line, got, step.want)
		}
	}
	for query, want := range map[string]string{
		"":                   `{"lines":4,"words":9,"distinct":5}`,
		"count FOX":          "4",
		"count wolf":         "0",
		"top 2":              "fox 4\nthe 2\n",
		"top 4":              "fox 4\nthe 2\nbrown 1\nend 1\n",
		"range - 2":          "brown 1\nend 1\n",
		"range end 20000":    "fox 4\nquick 1\nthe 2\n",
		"range elephant 1":   "end 1\n",
		"range the 5":        "",
		"range THE 5":        "",
		"range zoo 1":        "",
		"range brown 000002": "end 1\nfox 4\n",
	} {
		if got := h.MustQuery(query); got != want {
			t.Errorf("query %q answers %q, want %q", query, got, want)
		}
	}
}

// TestRefusals shows every refusal with its code, and that a refused line counts nothing.
func TestRefusals(t *testing.T) {
	h := sdktest.New(t, newWordcount())
	for _, query := range []string{"top", "top 0", "top 20001", "top -1", "top 1 2", "count", "count a b", "count -",
		"range", "range -", "range a", "range a b c", "range a b 1", "all"} {
		if outcome := h.Query(query); outcome.Kind != sdk.Refused || outcome.Code != codeBadQuery {
			t.Errorf("query %q gives %+v, want code %d", query, outcome, codeBadQuery)
		}
	}
	outcome := h.Apply("some words " + strings.Repeat("x", maxWordBytes+1))
	if outcome.Code != codeWordTooLong || len(outcome.Message) > 200 {
		t.Errorf("a long word gives %+v, want code %d", outcome, codeWordTooLong)
	}
	if got := h.MustApply(strings.Repeat("x", maxWordBytes) + " " + strings.Repeat("y", maxWordBytes)); got != "2" {
		t.Errorf("two words of the greatest size are %s", got)
	}
	if got := h.MustQuery(""); got != `{"lines":1,"words":2,"distinct":2}` {
		t.Errorf("the refused line left %s", got)
	}
}

// TestEqualsDirectCount shows on random text that totals, top and a paged range agree with words.Count.
// The seed is in the test's name.
func TestEqualsDirectCount(t *testing.T) {
	for _, seed := range []uint64{1, rand.Uint64()} {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			h, counts, total, lines := sdktest.New(t, newWordcount()), map[string]int{}, 0, 2_000
			for range lines {
				line := randomLine(random)
				n := words.Count([]byte(line), counts)
				total += n
				if got := h.MustApply(line); got != fmt.Sprint(n) {
					t.Fatalf("line %q has %s words, want %d", line, got, n)
				}
			}
			var totals struct{ Lines, Words, Distinct int }
			if err := json.Unmarshal([]byte(h.MustQuery("")), &totals); err != nil {
				t.Fatal(err)
			}
			if totals.Lines != lines || totals.Words != total || totals.Distinct != len(counts) {
				t.Fatalf("totals are %+v, want %d, %d and %d", totals, lines, total, len(counts))
			}
			compareRange(t, h, counts)
			compareTop(t, h, counts)
		})
	}
}

func randomLine(random *rand.Rand) string {
	var b strings.Builder
	for range random.IntN(20) {
		fmt.Fprintf(&b, "%s%d%s", []string{"", "Ä", "no", "Ω"}[random.IntN(4)], int(random.ExpFloat64()*500),
			[]string{" ", "-", "... ", "\t", "'"}[random.IntN(5)])
	}
	return b.String()
}

func compareRange(t *testing.T, h *sdktest.Harness, counts map[string]int) {
	t.Helper()
	after, got := fromStart, ""
	for {
		piece := h.MustQuery("range " + after + " 97")
		if piece == "" {
			break
		}
		got += piece
		last := piece[strings.LastIndexByte(piece[:len(piece)-1], '\n')+1:]
		after, _, _ = strings.Cut(last, " ")
	}
	want := ""
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		want += fmt.Sprintf("%s %d\n", word, counts[word])
	}
	if got != want {
		t.Fatalf("paged range gives %d bytes, want %d", len(got), len(want))
	}
}

func compareTop(t *testing.T, h *sdktest.Harness, counts map[string]int) {
	t.Helper()
	order := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for _, n := range []int{1, 2, 50, len(order), len(order) + 1} {
		want := ""
		for _, word := range order[:min(n, len(order))] {
			want += fmt.Sprintf("%s %d\n", word, counts[word])
		}
		if got := h.MustQuery(fmt.Sprint("top ", n)); got != want {
			t.Fatalf("top %d is %.200q, want %.200q", n, got, want)
		}
	}
}

// TestAnswersStayBelowTheLimit shows that long words shorten an answer and paging still ends.
func TestAnswersStayBelowTheLimit(t *testing.T) {
	h := sdktest.New(t, newWordcount())
	for i := range 20 {
		h.MustApply(fmt.Sprintf("%02d%s", i, strings.Repeat("x", maxWordBytes-2)))
	}
	first := h.MustQuery("range - 20")
	if n := bytes.Count([]byte(first), []byte{'\n'}); n != 7 {
		t.Fatalf("one answer holds %d words of 64 KiB, want 7", n)
	}
}

func BenchmarkNative(b *testing.B) {
	m, line := newWordcount(), []byte("It was the best of times, it was the worst of times, it was the age of wisdom")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Apply(nil, line); err != nil {
			b.Fatal(err)
		}
	}
}
