package cli

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk/api"
)

// TestGroupLife shows a group from its deployment to its end, through every verb that looks after it.
func TestGroupLife(t *testing.T) {
	url := cluster(t)
	module := writeFile(t, "life.wasm", testMachine())
	g := decode[groupJSON](t, grout(t, url, "deploy", "life", module, "--json", "--memory", "4MiB", "--max-command", "4KiB", "--init", "-").want(t, Done).out)
	if g.Group != "life" || g.Module != digestOf(testMachine()) || len(g.Members) != 3 || g.Limits != (api.Limits{MemoryBytes: 4 << 20, CommandBytes: 4 << 10}).Or(api.DefaultLimits()) {
		t.Fatalf("deployed %+v", g)
	}
	grout(t, url, "deploy", "life", module).want(t, Exists, "life", "grout rm life")
	grout(t, url, "exec", "life", strings.Repeat("a", 5000)).want(t, Usage, "4096")
	for _, host := range []string{"n1", "n2", "n3", "n3"} {
		moved := decode[transferJSON](t, grout(t, url, "transfer", "life", host, "--json").want(t, Done).out)
		if moved.Leader != host || moved.Group != "life" {
			t.Errorf("transferred to %+v, want %s", moved, host)
		}
	}
	grout(t, url, "exec", "life", "command").want(t, Done)
	taken := decode[snapshotJSON](t, grout(t, url, "snapshot", "life", "--json").want(t, Done).out)
	if taken.Host != "n3" || taken.Index == 0 {
		t.Errorf("snapshot %+v", taken)
	}
	g = decode[groupJSON](t, grout(t, url, "info", "life", "--json").want(t, Done).out)
	checkMembers(t, g, "n3")
	grout(t, url, "info", "life").want(t, Done).prints(t, "leader   n3", "n1", "follower", "SNAPSHOT")
	list := decode[map[string][]groupJSON](t, grout(t, url, "ls", "--json").want(t, Done).out)["groups"]
	if i := slices.IndexFunc(list, func(g groupJSON) bool { return g.Group == "life" }); i < 0 || list[i].Leader != "n3" {
		t.Errorf("the list is %+v", list)
	}
	grout(t, url, "ls").want(t, Done).prints(t, "GROUP", "life", "n1,n2,n3")
	grout(t, url, "rm", "life").want(t, Usage, "--yes")
	grout(t, url, "rm", "life", "--yes", "--json").want(t, Done).prints(t, `"removed": "life"`)
	grout(t, url, "rm", "life", "--yes").want(t, NotFound, "life", "grout ls")
	grout(t, url, "info", "life").want(t, NotFound, "life", "grout ls")
}

// checkMembers fails unless every member answers for itself, and one leads.
func checkMembers(t *testing.T, g groupJSON, leader string) {
	t.Helper()
	if g.Leader != leader || len(g.Members) != 3 || g.Applied == 0 {
		t.Errorf("group %+v", g)
	}
	for _, m := range g.Members {
		want := "follower"
		if m.Host == leader {
			want = "leader"
		}
		if m.Role != want || m.Member == "" || m.Match == 0 || m.Term != g.Term {
			t.Errorf("member %+v, want a %s", m, want)
		}
	}
}

// TestStatusShowsEveryHost shows all hosts and what they hold.
func TestStatusShowsEveryHost(t *testing.T) {
	url := cluster(t)
	s := decode[statusJSON](t, grout(t, url, "status", "--json").want(t, Done).out)
	if len(s.Hosts) != 3 || s.Hosts[0].Host != "n1" || s.Hosts[2].Host != "n3" || s.Server != url {
		t.Fatalf("status %+v", s)
	}
	for _, h := range s.Hosts {
		if h.Storage != "durable" || h.Version != serviceVersion() || len(h.Groups) < 2 {
			t.Errorf("host %+v", h)
		}
	}
	grout(t, url, "status").want(t, Done).prints(t, "3 host(s) at "+url, "catalog", "machine", "leader", "follower")
}

// TestRemoveAsks shows that rm asks on a terminal, and that anything but yes keeps the group.
func TestRemoveAsks(t *testing.T) {
	url := cluster(t)
	grout(t, url, "deploy", "asked", writeFile(t, "m.wasm", testMachine()), "--replicas", "1").want(t, Done)
	ask := func(ctx context.Context, stdin io.Reader) outcome {
		var out, errs strings.Builder
		c := &console{in: stdin, out: &out, err: &errs, terminal: func(any) bool { return true }}
		return outcome{Exit(run(ctx, []string{"-s", url, "rm", "asked"}, c)), out.String(), errs.String()}
	}
	for _, answer := range []string{"n\n", "\n", "", "yess\n"} {
		ask(t.Context(), strings.NewReader(answer)).want(t, Interrupted, "Remove group asked", "nothing was removed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	silent, asked := io.Pipe()
	go cancel() // at the question or before: nothing may be removed either way
	if r := ask(ctx, silent); r.exit != Interrupted {
		t.Errorf("interrupted at the question: exit %d, %s", r.exit, r.err)
	}
	if err := asked.Close(); err != nil {
		t.Error(err)
	}
	ask(t.Context(), strings.NewReader("Yes\n")).want(t, Done).prints(t, "removed asked")
}

// TestInterruptedFeedEnds shows that a feed whose input stands still ends when it is interrupted, with
// the results that there are.
func TestInterruptedFeedEnds(t *testing.T) {
	url := cluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	input, hold := io.Pipe()
	answers, printed := io.Pipe()
	exit := make(chan int, 1)
	errs := &lockedBuffer{}
	go func() {
		exit <- Run(ctx, []string{"-s", url, "feed", "machine", "-", "--print"}, input, printed, errs)
	}()
	if _, err := hold.Write([]byte("one\ntw")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(answers).ReadString('\n'); err != nil || line != "one\n" {
		t.Fatalf("answer %q %v: %s", line, err, errs)
	}
	cancel()
	if code := Exit(<-exit); code != Interrupted {
		t.Errorf("exit %d, want %d: %s", code, Interrupted, errs)
	}
	if !strings.Contains(errs.String(), "applied 1,") {
		t.Errorf("the summary is missing: %s", errs)
	}
	if err := hold.Close(); err != nil {
		t.Error(err)
	}
}
