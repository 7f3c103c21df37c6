package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/groutlabs/grout/sdk/api"
)

// TestMembers shows a change of each kind on four hosts, how it is shown, and what is refused.
func TestMembers(t *testing.T) {
	s := launched(t, "dev", "--port", "0", "--hosts", "4", "--data", "")
	defer s.stop()
	grout(t, s.url, "deploy", "g", writeFile(t, "m.wasm", testMachine()), "--replicas", "3", "--demote-after", "1h").want(t, Done)
	grout(t, s.url, "exec", "g", "first").want(t, Done)
	grout(t, s.url, "members", "g").want(t, Done).prints(t, "n1", "n2", "n3", "leader", "voter", "silent for 1h0m0s becomes an observer, down to 3 voters")
	grout(t, s.url, "members", "add", "g", "n4", "--observer").want(t, Done).prints(t, "n4", "observer")
	grout(t, s.url, "members", "promote", "g", "n4").want(t, Done)
	grout(t, s.url, "members", "demote", "g", "n1").want(t, Done)
	grout(t, s.url, "members", "remove", "g", "n1").want(t, Done)
	reply := decode[api.MembersReply](t, grout(t, s.url, "--json", "members", "replace", "g", "n2", "n1").want(t, Done).out)
	on := map[string]string{}
	for _, m := range reply.Members {
		on[m.Host] = m.Role
	}
	if len(on) != 3 || on["n1"] == "" || on["n3"] == "" || on["n4"] == "" || !reply.Settled || reply.DemoteAfter != "1h0m0s" {
		t.Errorf("%+v", reply)
	}
	if r := grout(t, s.url, "query", "g").want(t, Done); r.out != "first" {
		t.Errorf("the state is %q", r.out)
	}
	grout(t, s.url, "members", "catalog").want(t, Done).prints(t, "n1", "n2", "n3", "n4")
	grout(t, s.url, "members", "demote", "catalog", "n4").want(t, Done).prints(t, "observer")
	grout(t, s.url, "members", "remove", "catalog", "n4").want(t, Refused, "every host is a member of the catalog")
	grout(t, s.url, "members", "remove", "g", "n2").want(t, NotFound, `no member on host "n2"`)
	grout(t, s.url, "members", "add", "g", "n1", "--observer").want(t, Exists, "already, as voter")
	grout(t, s.url, "members", "add", "g", "n9").want(t, NotFound, `no host "n9"`)
	grout(t, s.url, "members", "none").want(t, NotFound, "none")
	grout(t, s.url, "hosts").want(t, Done).prints(t, "n1", "n4", "voter", "observer")
	grout(t, s.url, "hosts", "admit", "n9").want(t, NotFound, "no host", "grout hosts")
	hosts := decode[api.HostsReply](t, grout(t, s.url, "hosts", "--json").want(t, Done).out)
	if len(hosts.Hosts) != 4 || len(hosts.Waiting) != 0 || hosts.Cluster == "" {
		t.Errorf("%+v", hosts)
	}
}

// TestBadMemberArguments shows what is said, without any server, of members and hosts that cannot be.
func TestBadMemberArguments(t *testing.T) {
	module := writeFile(t, "machine.wasm", testMachine())
	missing := filepath.Join(t.TempDir(), "missing")
	for name, c := range map[string]struct {
		args []string
		exit Exit
		text string
	}{
		"members of nothing": {[]string{"members"}, Usage, "GROUP"},
		"members action":     {[]string{"members", "turn", "g", "a"}, Usage, "unknown action"},
		"members arguments":  {[]string{"members", "replace", "g", "a"}, Usage, "3 arguments, got 2"},
		"members host":       {[]string{"members", "add", "g", "a b"}, Usage, "host"},
		"members observer":   {[]string{"members", "demote", "g", "a", "--observer"}, Usage, "--observer is for add"},
		"hosts action":       {[]string{"hosts", "expel", "a"}, Usage, "unknown action"},
		"hosts of nobody":    {[]string{"hosts", "admit"}, Usage, "which host"},
		"hosts unasked":      {[]string{"hosts", "remove", "a"}, Usage, "--yes"},
		"demote at once":     {[]string{"deploy", "g", module, "--demote-after", "-1s"}, Usage, "--demote-after"},
		"floor alone":        {[]string{"deploy", "g", module, "--voter-floor", "3"}, Usage, "--demote-after"},
		"serve reluctance":   {[]string{"serve", "--name", "a", "--data", missing, "--reluctance", "-1"}, Usage, "--reluctance"},
	} {
		t.Run(name, func(t *testing.T) { wantBad(t, c.exit, c.text, c.args...) })
	}
}

// launching is a verb on its way to being ready.
type launching struct {
	server *server
	err    error
}

// joining starts a host of the cluster a, b, c.
func joining(url, dir, name string) chan launching {
	result := make(chan launching, 1)
	go func() {
		s, err := launch("serve", "--name", name, "--peers", "a,b,c", "--data", filepath.Join(dir, name), "--nats-url", url)
		result <- launching{s, err}
	}()
	return result
}

func (l launching) ready(t *testing.T) *server {
	t.Helper()
	if l.err != nil {
		t.Fatal(l.err)
	}
	t.Cleanup(func() {
		if code := l.server.stop(); code != 0 {
			t.Errorf("exit %d: %s", code, l.server.errors)
		}
	})
	return l.server
}

// TestLostFolder shows a host that lost its folder: it waits and is shown to wait, is admitted, and the
// group is whole again, under a new member.
func TestLostFolder(t *testing.T) {
	url, dir := bareServer(t), t.TempDir()
	var results []chan launching
	for _, name := range []string{"a", "b", "c"} {
		results = append(results, joining(url, dir, name))
	}
	(<-results[0]).ready(t)
	(<-results[1]).ready(t)
	lost := (<-results[2])
	if lost.err != nil {
		t.Fatal(lost.err)
	}
	grout(t, url, "deploy", "g", writeFile(t, "m.wasm", testMachine())).want(t, Done)
	grout(t, url, "exec", "g", "first").want(t, Done)
	before := memberOn(t, url, "c")
	if code := lost.server.stop(); code != 0 {
		t.Fatalf("exit %d: %s", code, lost.server.errors)
	}
	if err := os.RemoveAll(filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	again := joining(url, dir, "c")
	// Nothing but asking again tells that the host waits: hellos come four times a second.
	for hosts := (api.HostsReply{}); len(hosts.Waiting) == 0; {
		hosts = decode[api.HostsReply](t, grout(t, url, "hosts", "--json").want(t, Done).out)
	}
	grout(t, url, "hosts").want(t, Done).prints(t, "waiting  c", "known by another data folder", "grout hosts admit c")
	grout(t, url, "hosts", "admit", "c").want(t, Done)
	(<-again).ready(t)
	grout(t, url, "members", "promote", "g", "c", "--timeout", "1m").want(t, Done)
	if now := memberOn(t, url, "c"); now == before {
		t.Errorf("member %s came back", now)
	}
	grout(t, url, "exec", "g", "second").want(t, Done)
	if r := grout(t, url, "query", "g").want(t, Done); r.out != "second" {
		t.Errorf("the state is %q", r.out)
	}
}

// memberOn is the member of g on a host that is not leaving.
func memberOn(t *testing.T, url, host string) string {
	t.Helper()
	reply := decode[api.MembersReply](t, grout(t, url, "members", "g", "--json").want(t, Done).out)
	for _, m := range reply.Members {
		if m.Host == host && m.Wanted != "none" {
			return m.Member
		}
	}
	t.Fatalf("host %s has no member: %+v", host, reply)
	return ""
}
