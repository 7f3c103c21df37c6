package nats

import (
	"errors"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk/api"
)

// A subject says what it was made of, and nothing else is one.
func TestParseRaftSubject(t *testing.T) {
	for id := range lanes {
		want := raftAddress{group: "g-1", to: "host_b", from: "v", lane: id}
		if got, ok := parseRaftSubject(raftSubject("g-1", "host_b", "v", id)); !ok || got != want {
			t.Errorf("got %+v, %v", got, ok)
		}
	}
	for _, subject := range []string{"", "grout.v1", "grout.v1.", "grout.v1.g.raft.b", "grout.v1.g.raft.b.a.", "grout.v1.g.raft.b.a.x",
		"grout.v1.g.raft.b.a.v.v", "grout.v2.g.raft.b.a", "grout.v1.g.cmd.b.a", "grout.v1..raft.b.a", "grout.v1.*.raft.b.a", "grout.v1.g.raft.b.>"} {
		if got, ok := parseRaftSubject(subject); ok {
			t.Errorf("%q was taken for %+v", subject, got)
		}
	}
}

// FuzzRaftSubject shows that a subject that parses is the one that its parts make.
func FuzzRaftSubject(f *testing.F) {
	f.Add("grout.v1.counter.raft.b.a")
	f.Add("grout.v1.counter.raft.b.a.v")
	f.Add("grout.v1.counter.raft..v.v")
	f.Fuzz(func(t *testing.T, subject string) {
		a, ok := parseRaftSubject(subject)
		if !ok {
			return
		}
		if again := raftSubject(a.group, a.to, a.from, a.lane); again != subject {
			t.Fatalf("%q parses as %+v, which is %q", subject, a, again)
		}
		for _, name := range []string{a.group, a.to, a.from} {
			if err := api.CheckName(name); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Only what can end a subject is taken for an event's suffix.
func TestCheckSuffix(t *testing.T) {
	for _, good := range []string{"a", "orders.created", "größe.1", strings.Repeat("x", maxSuffixBytes)} {
		if err := checkSuffix(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\nb", "*", "a.*", ">", "a.>", "a*", "\x7f", strings.Repeat("x", maxSuffixBytes+1)} {
		if err := checkSuffix(bad); !errors.Is(err, ErrBadName) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
