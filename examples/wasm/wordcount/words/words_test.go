package words

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func split(text string) []string {
	var s Splitter
	s.Reset([]byte(text))
	var all []string
	for word, ok := s.Next(); ok; word, ok = s.Next() {
		all = append(all, string(word))
	}
	return all
}

// TestSplit shows the definition on examples, one for each clause of it.
func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"":                       nil,
		" \t\r\n.,;":             nil,
		"The quick  brown-fox":   {"the", "quick", "brown", "fox"},
		"Don't under_score 3.14": {"don", "t", "under", "score", "3", "14"},
		"R2D2 x86":               {"r2d2", "x86"},
		"ÉCOLE Straße ΣΟΦΟΣ":     {"école", "straße", "σοφοσ"},
		"漢字 かな":                  {"漢字", "かな"},
		"٣٤ Ⅷ ½":                 {"٣٤"},
		"e\u0301te":              {"e", "te"},
		"a\xff\xfeb\xc3":         {"a", "b"},
		"end":                    {"end"},
	} {
		if got := split(text); !slices.Equal(got, want) {
			t.Errorf("%q has the words %q, want %q", text, got, want)
		}
	}
}

// TestNoAllocation shows that a warm Splitter allocates nothing.
func TestNoAllocation(t *testing.T) {
	var s Splitter
	text := []byte(strings.Repeat("Some WORDS and élan, ", 20))
	if n := testing.AllocsPerRun(100, func() {
		s.Reset(text)
		for _, ok := s.Next(); ok; _, ok = s.Next() {
		}
	}); n != 0 {
		t.Fatalf("splitting allocates %v times", n)
	}
}

// FuzzSplit compares with a plain definition by strings.FieldsFunc, on any bytes.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("The quick brown fox"))
	f.Add([]byte("a\xff\xfeb\xc3(\u0130)"))
	f.Add([]byte("\xef\xbf\xbd \u01c5\u2160"))
	f.Fuzz(func(t *testing.T, text []byte) {
		plain := strings.FieldsFunc(string(text), func(r rune) bool {
			return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r)
		})
		got := split(string(text))
		if len(got) != len(plain) {
			t.Fatalf("%q has the words %q, want %q", text, got, plain)
		}
		for i, word := range plain {
			if want := strings.Map(unicode.ToLower, word); got[i] != want {
				t.Fatalf("word %d of %q is %q, want %q", i, text, got[i], want)
			}
		}
		counts := map[string]int{}
		if n := Count(bytes.Clone(text), counts); n != len(plain) {
			t.Fatalf("%q has %d words, want %d", text, n, len(plain))
		}
	})
}
