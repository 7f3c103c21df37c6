package cli

import (
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk/api"
)

// TestFeedAndWait shows that a fed command prints its position, and that waiting for it ends when it is
// applied; a position that another term's command took is lost; and one that nobody reaches is unavailable.
func TestFeedAndWait(t *testing.T) {
	url := cluster(t)
	at := strings.TrimSpace(grout(t, url, "exec", "machine", "fed", "--feed").want(t, Done).out)
	term, index, err := parsePosition(at)
	if err != nil || term == 0 {
		t.Fatalf("the position is %q", at)
	}
	for _, flag := range []string{"--log", "--commit", "--applied"} {
		r := grout(t, url, "wait", "machine", flag, at).want(t, Done)
		if _, reached, err := parsePosition(strings.TrimSpace(r.out)); err != nil || reached < index {
			t.Errorf("%s %s prints %q", flag, at, r.out)
		}
	}
	if r := grout(t, url, "query", "machine").want(t, Done); r.out != "fed" {
		t.Errorf("the machine has %q", r.out)
	}
	host := strings.TrimSpace(grout(t, url, "wait", "machine", "--leader").want(t, Done).out)
	state := decode[api.MemberState](t, grout(t, url, "wait", "machine", "--applied", at, "--json", "--host", host).want(t, Done).out)
	if state.Host != host || state.Applied.Index < index || !state.Online || state.Group != "machine" {
		t.Errorf("%+v", state)
	}
	e := errorOf(t, grout(t, url, "wait", "machine", "--applied", "99999/1", "--json").want(t, Lost))
	if e.Kind != "lost" || e.Exit != Lost {
		t.Errorf("%+v", e)
	}
	grout(t, url, "wait", "machine", "--applied", "9999999", "--timeout", "100ms").want(t, Unavailable)
	fed := decode[fedJSON](t, grout(t, url, "exec", "machine", "fed", "--feed", "--json").want(t, Done).out)
	if fed.Index <= index || fed.Term == 0 || fed.Group != "machine" {
		t.Errorf("%+v", fed)
	}
}

// TestWaitForLeaders shows the waits for leaders and for members to be online, and what they print.
func TestWaitForLeaders(t *testing.T) {
	url := cluster(t)
	leader := strings.TrimSpace(grout(t, url, "wait", "machine", "--leader").want(t, Done).out)
	if r := grout(t, url, "wait", "machine", "--leader-is", leader).want(t, Done); strings.TrimSpace(r.out) != leader {
		t.Errorf("%q", r.out)
	}
	if r := grout(t, url, "wait", "machine", "--online", leader).want(t, Done); strings.TrimSpace(r.out) != leader {
		t.Errorf("%q", r.out)
	}
	grout(t, url, "wait", "machine", "--offline", leader, "--timeout", "100ms").want(t, Unavailable)
	grout(t, url, "wait", "machine", "--leader-change", "--timeout", "100ms").want(t, Unavailable)
}

// TestWaitUsage shows which waits cannot be.
func TestWaitUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--leader", "--applied", "1"}, {"--applied", "0"}, {"--applied", "1/0"}, {"--applied", "0/1"}, {"--applied", "x"}, {"--commit", "1/2/3"},
		{"--online", "a.b"}, {"--online", "h1", "--host", "b"}, {"--leader-is", "?"}, {"--host", "a"},
	} {
		grout(t, "nats://127.0.0.1:1", append([]string{"wait", "machine"}, args...)...).want(t, Usage)
	}
	grout(t, "nats://127.0.0.1:1", "exec", "machine", "x", "--feed", "--id", "y").want(t, Usage)
}
