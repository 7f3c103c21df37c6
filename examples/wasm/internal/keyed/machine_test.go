package keyed

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// commit applies a commit and returns its reply.
func commit(t *testing.T, h *sdktest.Harness, c protocol.Commit) protocol.CommitReply {
	t.Helper()
	var reply protocol.CommitReply
	if err := reply.Parse([]byte(h.MustApply(string(c.Append(nil))))); err != nil {
		t.Fatal(err)
	}
	return reply
}

func put(key, value string) protocol.Write {
	return protocol.Write{Kind: protocol.Put, Key: []byte(key), Value: []byte(value)}
}

func remove(key string) protocol.Write {
	return protocol.Write{Kind: protocol.Remove, Key: []byte(key)}
}

func removeRange(from, to string) protocol.Write {
	return protocol.Write{Kind: protocol.RemoveRange, Key: []byte(from), Value: []byte(to)}
}

func writes(w ...protocol.Write) protocol.Commit { return protocol.Commit{Writes: w} }

func on(c protocol.Condition, w ...protocol.Write) protocol.Commit {
	return protocol.Commit{Conditions: []protocol.Condition{c}, Writes: w}
}

// show is a reply as text.
func show(r protocol.CommitReply) string {
	if r.Failed >= 0 {
		return fmt.Sprintf("condition %d: %s", r.Failed, showEntry(r.Found))
	}
	if r.Old.Present {
		return fmt.Sprint(r.Before, " ", showEntry(r.Old))
	}
	return fmt.Sprint(r.Before)
}

func showEntry(e protocol.Entry) string {
	if !e.Present {
		return "absent"
	}
	return fmt.Sprintf("%s@%d", e.Value, e.Version)
}

// everything pages through the whole collection.
func everything(t *testing.T, h *sdktest.Harness, p protocol.Page) []string {
	t.Helper()
	var out []string
	for {
		entries, more, err := p.ParseAnswer([]byte(h.MustQuery(string(p.Append(nil)))))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, string(e.Key)+"="+showEntry(e))
		}
		if !more {
			return out
		}
		p.Continue(entries[len(entries)-1].Key)
	}
}

// TestCommits shows what commits do and answer: writes of keys and ranges, every condition, and the old entry.
func TestCommits(t *testing.T) {
	h := sdktest.New(t, New(Map))
	a, b := []byte("a"), []byte("b")
	for i, step := range []struct {
		commit protocol.Commit
		want   string
	}{
		{writes(put("a", "1"), put("b", "2"), put("a", "3")), "[0 0 1]"}, // index 1
		{writes(remove("c"), remove("b")), "[0 1]"},
		{on(protocol.Condition{Kind: protocol.Absent, Key: a}, put("a", "4")), "condition 0: 3@1"},
		{on(protocol.Condition{Kind: protocol.Absent, Key: b}, put("b", "4")), "[0]"},
		{on(protocol.Condition{Kind: protocol.Present, Key: []byte("c")}, put("c", "5")), "condition 0: absent"},
		{on(protocol.Condition{Kind: protocol.Equals, Key: a, Value: []byte("1")}, put("a", "6")), "condition 0: 3@1"},
		{on(protocol.Condition{Kind: protocol.Equals, Key: a, Value: []byte("3")}, put("a", "7")), "[1]"},
		{on(protocol.Condition{Kind: protocol.Unchanged, Key: a, Version: 1}, put("a", "8")), "condition 0: 7@7"},
		{on(protocol.Condition{Kind: protocol.Unchanged, Key: a, Version: 7}, put("a", "9")), "[1]"},
		{on(protocol.Condition{Kind: protocol.Unchanged, Key: []byte("new")}, put("new", "")), "[0]"}, // index 10
		{protocol.Commit{Writes: []protocol.Write{put("a", "x")}, Old: true}, "[1] 9@9"},
		{protocol.Commit{Writes: []protocol.Write{remove("a")}, Old: true}, "[1] x@11"},
		{protocol.Commit{Writes: []protocol.Write{remove("a")}, Old: true}, "[0]"},
		{writes(removeRange("b", "c"), removeRange("b", "c"), removeRange("z", "a"), removeRange("", "")), "[1 0 0 1]"},
		{protocol.Commit{}, "[]"},
	} {
		if got := show(commit(t, h, step.commit)); got != step.want {
			t.Errorf("commit %d gives %s, want %s", i+1, got, step.want)
		}
	}
	if got := everything(t, h, protocol.Page{}); len(got) > 0 {
		t.Errorf("left over: %q", got)
	}
}

// TestRules shows what the other collections refuse, and that what was set once stays.
func TestRules(t *testing.T) {
	long := strings.Repeat("x", protocol.MaxValueBytes+1)
	for _, step := range []struct {
		rules  Rules
		commit protocol.Commit
		code   int32
		words  string
	}{
		{Map, writes(put(long[:protocol.MaxKeyBytes+1], "")), protocol.CodeTooLarge, "has 1001 bytes, the limit is 1000"},
		{Map, writes(put("k", long)), protocol.CodeTooLarge, "has 262145 bytes"},
		{Map, writes(put("a", long[1:]), put("b", long[1:])), protocol.CodeTooLarge, "the limit is 512000"},
		{Map, protocol.Commit{Writes: []protocol.Write{put("a", ""), put("b", "")}, Old: true}, protocol.CodeBadRequest, "single key"},
		{Map, protocol.Commit{Writes: []protocol.Write{removeRange("a", "b")}, Old: true}, protocol.CodeBadRequest, "single key"},
		{Map, writes(protocol.Write{Kind: 9}), protocol.CodeBadRequest, "no write 9"},
		{Map, on(protocol.Condition{Kind: 9}), protocol.CodeBadRequest, "no condition 9"},
		{Set, writes(put("k", "v")), protocol.CodeBadRequest, "there are no values"},
		{Set, on(protocol.Condition{Kind: protocol.Unchanged}), protocol.CodeBadRequest, "no values to compare"},
		{Cell, writes(put("k", "v")), protocol.CodeBadRequest, "the only one is empty"},
		{Cell, writes(removeRange("", "")), protocol.CodeBadRequest, "no ranges"},
		{Once, writes(remove("")), protocol.CodeBadRequest, "set once stays"},
	} {
		h := sdktest.New(t, New(step.rules))
		h.WantRefused(string(step.commit.Append(nil)), step.code, step.rules.Name+": ")
		if got := h.Apply(string(step.commit.Append(nil))).Message; !strings.Contains(got, step.words) {
			t.Errorf("%s says %q, want %q", step.rules.Name, got, step.words)
		}
	}
	h := sdktest.New(t, New(Once))
	if got := show(commit(t, h, writes(put("", "first")))) + show(commit(t, h, writes(put("", "second")))); got != "[0][1]" {
		t.Errorf("once answers %s", got)
	}
	if got := everything(t, h, protocol.Page{}); len(got) != 1 || got[0] != "=first@1" || len(h.Events) != 1 {
		t.Errorf("once has %q, %d events", got, len(h.Events))
	}
	if got := sdktest.New(t, New(Map)).Init("loud"); got.Kind != sdk.Refused || !strings.Contains(got.Message, `neither empty nor "quiet"`) {
		t.Errorf("a bad init argument gives %s", got)
	}
}

// TestEvents shows that each command which changed something emits that, with the index of the event before.
func TestEvents(t *testing.T) {
	h := sdktest.New(t, New(Map))
	commit(t, h, writes(put("a", "1"), remove("b"), put("b", "2")))
	commit(t, h, writes(remove("c")))
	commit(t, h, on(protocol.Condition{Kind: protocol.Absent, Key: []byte("a")}, put("a", "2")))
	commit(t, h, writes(removeRange("a", "b"), removeRange("a", "b")))
	var got []string
	for _, e := range h.Events {
		event, err := protocol.ParseEvent(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%s %d after %d:", e.Suffix, e.Index, event.Previous)
		for event.Changes.More() {
			w, err := protocol.ParseWrite(&event.Changes)
			if err != nil {
				t.Fatal(err)
			}
			text += fmt.Sprintf(" %d %s %s", w.Kind, w.Key, w.Value)
		}
		got = append(got, text)
	}
	if want := "[change 1 after 0: 1 a 1 1 b 2 change 4 after 1: 3 a b]"; fmt.Sprint(got) != want {
		t.Errorf("events are %s, want %s", got, want)
	}
	quiet := sdktest.New(t, New(Map))
	quiet.Init(protocol.Quiet)
	commit(t, quiet, writes(put("a", "1")))
	if len(quiet.Events) > 0 {
		t.Error("a quiet map emits")
	}
}

// TestLargestCommandEmits shows that the event of a command of the largest size fits.
func TestLargestCommandEmits(t *testing.T) {
	h := sdktest.New(t, New(Map))
	c := writes(put("a", strings.Repeat("x", protocol.MaxValueBytes)), put("b", ""))
	c.Writes[1].Value = make([]byte, protocol.MaxRequestBytes-len(c.Append(nil))-2)
	if size := len(c.Append(nil)); size != protocol.MaxRequestBytes {
		t.Fatalf("the command has %d bytes", size)
	}
	if commit(t, h, c); len(h.Events) != 1 {
		t.Fatalf("%d events", len(h.Events))
	}
}

// TestPages shows ranges in both directions against a sorted list, in pieces of any size, also where the answer's size ends them.
func TestPages(t *testing.T) {
	h, model := sdktest.New(t, New(Map)), map[string]string{}
	random := rand.New(rand.NewPCG(1, 0))
	for i := range 200 {
		key, value := fmt.Sprintf("%03d", random.IntN(400)), strings.Repeat("v", random.IntN(20_000))
		commit(t, h, writes(put(key, value)))
		model[key] = fmt.Sprintf("%s=%s@%d", key, value, i+1)
	}
	for _, p := range []protocol.Page{{}, {From: []byte("1")}, {To: []byte("200")}, {From: []byte("050"), To: []byte("3")}, {From: []byte("3"), To: []byte("1")}, {To: []byte("0")}} {
		var want []string
		for _, key := range slices.Sorted(maps.Keys(model)) {
			if key >= string(p.From) && (len(p.To) == 0 || key < string(p.To)) {
				want = append(want, model[key])
			}
		}
		for _, p.Limit = range []uint64{0, 1, 7} {
			p.Descending = false
			if got := everything(t, h, p); !slices.Equal(got, want) {
				t.Errorf("%+v gives %d entries, want %d", p, len(got), len(want))
			}
			p.Descending = true
			got := everything(t, h, p)
			if slices.Reverse(got); !slices.Equal(got, want) {
				t.Errorf("%+v gives %d entries, want %d", p, len(got), len(want))
			}
		}
		r := protocol.Read([]byte(h.MustQuery(string(protocol.AppendBytes(protocol.AppendBytes([]byte{protocol.OpCount}, p.From), p.To)))))
		if n := r.Number(); n != uint64(len(want)) {
			t.Errorf("%+v has %d entries, want %d", p, n, len(want))
		}
	}
}

// FuzzMigrate shows that no bytes make Migrate break down, and that what it takes is exported again alike.
func FuzzMigrate(f *testing.F) {
	twin.FuzzMigrate(f, func() sdk.Machine { return New(Map) }, "map 1\n\x05\x01a\x09\x01\x00\x00\x00\x00\x00\x00\x00v",
		"map 1\n\x05\x01a\x08\x01\x00\x00\x00\x00\x00\x00\x00\x01b\x01x", "map 1\n\x05\x01b\x08........\x01a\x08........", "map 2\n")
}
