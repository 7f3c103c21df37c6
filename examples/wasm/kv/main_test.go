package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// TestRequests shows every request of README.md with its answer.
func TestRequests(t *testing.T) {
	h := sdktest.New(t, &kv{})
	for _, step := range []struct{ command, want string }{
		{"put ada Ada Lovelace, 1815", "created"},
		{"put ada Ada  King", "replaced"},
		{"get ada", "Ada  King"},
		{"create alan Alan Turing", "created"},
		{"cas ada #9:Ada  King Ada Lovelace", "replaced"},
		{"put empty ", "created"},
		{"cas empty #0: now full", "replaced"},
		{"put #5:a key with a value", "created"},
		{"put #3:\x00 \n \xff\n\x00", "created"},
		{"get #3:\x00 \n", "\xff\n\x00"},
		{"put lines one\ntwo", "created"},
		{"delete alan", "deleted"},
	} {
		if got := h.MustApply(step.command); got != step.want {
			t.Fatalf("command %q answers %q, want %q", step.command, got, step.want)
		}
	}
	for _, step := range []struct{ query, want string }{
		{"get ada", "Ada Lovelace"},
		{"count", "5"},
		{"range", "#3:\x00 \n #3:\xff\n\x00\n#5:a key #12:with a value\nada #12:Ada Lovelace\nempty #8:now full\nlines #7:one\ntwo\n"},
		{"range ada", "ada #12:Ada Lovelace\nempty #8:now full\nlines #7:one\ntwo\n"},
		{"range ada empty", "ada #12:Ada Lovelace\n"},
		{"range #0: #0: 1", "#3:\x00 \n #3:\xff\n\x00\n#5:a key\n"},
		{"range ada #0: 2", "ada #12:Ada Lovelace\nempty #8:now full\nlines\n"},
		{"range ada lines 2", "ada #12:Ada Lovelace\nempty #8:now full\n"},
		{"range zzz", ""},
	} {
		if got := h.MustQuery(step.query); got != step.want {
			t.Errorf("query %q answers %q, want %q", step.query, got, step.want)
		}
	}
}

// TestRefusals shows every refusal with its code and words, and that nothing changes.
func TestRefusals(t *testing.T) {
	h := sdktest.New(t, &kv{})
	h.MustApply("put a 1")
	for _, step := range []struct {
		command string
		code    int32
		words   string
	}{
		{"", codeBadRequest, "no command"},
		{"incr a", codeBadRequest, `"incr" is no command`},
		{"put", codeBadRequest, "a value must follow"},
		{"put a", codeBadRequest, "a value must follow"},
		{"put  x", codeBadRequest, "a key that is not empty"},
		{"put #0: x", codeBadRequest, "a key that is not empty"},
		{"put #x:a v", codeBadRequest, "begins with '#'"},
		{"put #-1:a v", codeBadRequest, "begins with '#'"},
		{"put #99999999999:a v", codeBadRequest, "begins with '#'"},
		{"put #4:abc", codeBadRequest, "promises 4 bytes, 3 follow"},
		{"put #3:abcd v", codeBadRequest, "a space or the end must come"},
		{"get a key", codeBadRequest, "follows the key"},
		{"get", codeBadRequest, "the key is missing"},
		{"delete ", codeBadRequest, "the key is missing"},
		{"get b", codeNotFound, `no key "b"`},
		{"delete b", codeNotFound, `no key "b"`},
		{"cas b 1 2", codeNotFound, `no key "b"`},
		{"cas a 1", codeBadRequest, "the new value must follow"},
		{"cas a 2 3", codeMismatch, `holds "1", not "2"`},
		{"create a 2", codeExists, "exists already"},
		{"put " + strings.Repeat("k", maxKeyBytes+1) + " v", codeTooLarge, "the limit is 4096"},
		{"put k " + strings.Repeat("v", maxValueBytes+1), codeTooLarge, "the limit is 262144"},
	} {
		outcome := h.Apply(step.command)
		if outcome.Kind != sdk.Refused || outcome.Code != step.code || !strings.Contains(outcome.Message, step.words) {
			t.Errorf("command %.40q gives %+v, want code %d with %q", step.command, outcome, step.code, step.words)
		}
	}
	for query, words := range map[string]string{
		"range a b 0":    "not a positive number",
		"range a b x":    "not a positive number",
		"range a b 1 ":   "left over",
		"put a 2":        "no query",
		"range #9:a b 1": "promises 9 bytes",
	} {
		if outcome := h.Query(query); outcome.Code != codeBadRequest || !strings.Contains(outcome.Message, words) {
			t.Errorf("query %q gives %+v, want %q", query, outcome, words)
		}
	}
	if got := h.MustQuery("range"); got != "a 1\n" {
		t.Fatalf("after refusals the store holds %q", got)
	}
}

// TestRangePages shows that following the last line of each piece reads every pair once, also when
// pairs are so large that the size of an answer ends it, and that no answer is over the limit.
func TestRangePages(t *testing.T) {
	h := sdktest.New(t, &kv{})
	long := strings.Repeat("\n", maxKeyBytes-4)
	for i := range 20 {
		h.MustApply(fmt.Sprintf("put #%d:%s%04d %s", maxKeyBytes, long, i, strings.Repeat("v", maxValueBytes-i*1000)))
	}
	from, pieces, pairs := "#0:", 0, 0
	for from != "" {
		rest := []byte(h.MustQuery("range " + from))
		pieces++
		from = ""
		for len(rest) > 0 {
			key, value, tail := readPair(t, rest)
			rest = tail
			if value == nil {
				from = string(appendArgument(nil, string(key)))
				break
			}
			if want := fmt.Sprintf("%s%04d", long, pairs); string(key) != want || len(value) != maxValueBytes-pairs*1000 {
				t.Fatalf("pair %d has key %.20q and %d bytes", pairs, key, len(value))
			}
			pairs++
		}
	}
	if pairs != 20 || pieces < 10 {
		t.Fatalf("%d pieces hold %d pairs, want 20 pairs in 10 pieces or more", pieces, pairs)
	}
}

// readPair reads one line of a range's answer as a client would; value is nil on the last line.
func readPair(t *testing.T, answer []byte) (key, value, rest []byte) {
	t.Helper()
	key, rest = readArgument(t, answer)
	if rest[0] == '\n' {
		return key, nil, rest[1:]
	}
	value, rest = readArgument(t, rest[1:])
	return key, append([]byte{}, value...), rest[1:]
}

func readArgument(t *testing.T, text []byte) (argument, rest []byte) {
	t.Helper()
	if text[0] != '#' {
		end := strings.IndexAny(string(text), " \n")
		return text[:end], text[end:]
	}
	var length int
	if _, err := fmt.Sscanf(string(text[:min(len(text), 12)]), "#%d:", &length); err != nil {
		t.Fatalf("answer goes on with %.20q: %v", text, err)
	}
	text = text[strings.IndexByte(string(text), ':')+1:]
	return text[:length], text[length:]
}

// FuzzArgument shows that any argument reads back as written, and that reading any bytes neither
// panics nor returns bytes that were not there.
func FuzzArgument(f *testing.F) {
	f.Add([]byte("#5:a key rest"), "a key")
	f.Add([]byte("#4294967296:x"), "")
	f.Add([]byte("#-0:"), "#1:")
	f.Add([]byte("#0:"), "\x00\n")
	f.Fuzz(func(t *testing.T, request []byte, argument string) {
		if got, rest, _, err := cutArgument(request); err == nil && len(got)+len(rest) > len(request) {
			t.Fatalf("%q reads as %q and %q", request, got, rest)
		}
		line := append(appendArgument(nil, argument), " tail"...)
		got, rest, more, err := cutArgument(line)
		if err != nil || !more || string(got) != argument || string(rest) != "tail" {
			t.Fatalf("%q is written as %q and reads as %q, %q, %v, %v", argument, line, got, rest, more, err)
		}
	})
}

func BenchmarkNative(b *testing.B) {
	m := &kv{}
	commands := make([][]byte, 10_000)
	for i := range commands {
		commands[i] = fmt.Appendf(nil, "put key-%05d value-%05d", i*7919%10_000, i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := m.Apply(nil, commands[i%len(commands)]); err != nil {
			b.Fatal(err)
		}
	}
}
