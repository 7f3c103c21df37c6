package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/groutlabs/grout/host"
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
		"members of nothing":  {[]string{"members"}, Usage, "GROUP"},
		"members action":      {[]string{"members", "turn", "g", "a"}, Usage, "unknown action"},
		"members arguments":   {[]string{"members", "replace", "g", "a"}, Usage, "3 arguments, got 2"},
		"members host":        {[]string{"members", "add", "g", "a b"}, Usage, "host"},
		"members observer":    {[]string{"members", "demote", "g", "a", "--observer"}, Usage, "--observer is for add"},
		"hosts action":        {[]string{"hosts", "expel", "a"}, Usage, "unknown action"},
		"hosts of nobody":     {[]string{"hosts", "admit"}, Usage, "which host"},
		"hosts unasked":       {[]string{"hosts", "remove", "a"}, Usage, "--yes"},
		"demote at once":      {[]string{"deploy", "g", module, "--demote-after", "-1s"}, Usage, "--demote-after"},
		"floor alone":         {[]string{"deploy", "g", module, "--voter-floor", "3"}, Usage, "--demote-after"},
		"repair of nothing":   {[]string{"unsafe-repair-quorum"}, Usage, "--data is required"},
		"repair of no folder": {[]string{"unsafe-repair-quorum", "--data", missing}, Usage, missing},
		"repair of no host":   {[]string{"unsafe-repair-quorum", "--data", missing, "--lost", "a.b"}, Usage, "host"},
		"serve reluctance":    {[]string{"serve", "--name", "a", "--data", missing, "--reluctance", "-1"}, Usage, "--reluctance"},
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
	admitted(t, url, "c")
	(<-again).ready(t)
	grout(t, url, "members", "promote", "g", "c", "--timeout", "1m").want(t, Done)
	if now := memberOn(t, url, "c"); now == before {
		t.Errorf("member %s came back", now)
	}
	grout(t, url, "exec", "g", "second", "--timeout", "30s").want(t, Done)
	if r := grout(t, url, "query", "g").want(t, Done); r.out != "second" {
		t.Errorf("the state is %q", r.out)
	}
}

// TestRepairQuorum shows the repair of a host whose two others are lost: refused while it runs, without effect until
// the loss is accepted, and then it leads alone with everything that it held, and the others come back empty.
func TestRepairQuorum(t *testing.T) {
	url, dir := bareServer(t), t.TempDir()
	data := filepath.Join(dir, "a")
	results := []chan launching{joining(url, dir, "a"), joining(url, dir, "b"), joining(url, dir, "c")}
	var servers []*server
	for _, r := range results {
		l := <-r
		if l.err != nil {
			t.Fatal(l.err)
		}
		servers = append(servers, l.server)
	}
	grout(t, url, "deploy", "g", writeFile(t, "m.wasm", testMachine())).want(t, Done)
	grout(t, url, "exec", "g", "first").want(t, Done)
	grout(t, url, "transfer", "g", "a").want(t, Done) // so that a holds the command: nobody leads who does not
	grout(t, "", "unsafe-repair-quorum", "--data", data).want(t, InUse, "in use by another process")
	for _, s := range servers {
		if code := s.stop(); code != 0 {
			t.Fatalf("exit %d: %s", code, s.errors)
		}
	}
	for _, name := range []string{"b", "c"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	grout(t, "", "unsafe-repair-quorum", "--data", data).want(t, Done).
		prints(t, "b, c", "LOST FOR GOOD", "NEVER be started again", "Nothing was changed", "--accept-the-loss-of-acknowledged-commands")
	done := decode[repairJSON](t, grout(t, "", "--json", "unsafe-repair-quorum", "--data", data, "--accept-the-loss-of-acknowledged-commands").want(t, Done).out)
	if len(done.Groups) != 2 || !done.Repaired || done.Groups[0].Group != "g" || done.Groups[0].LastIndex == 0 || done.Groups[1].Group != "catalog" {
		t.Errorf("%+v", done)
	}
	grout(t, "", "unsafe-repair-quorum", "--data", data).want(t, Done).prints(t, "nothing to repair")
	(<-joining(url, dir, "a")).ready(t)
	grout(t, url, "exec", "g", "second", "--timeout", "30s").want(t, Done)
	for _, name := range []string{"b", "c"} {
		again := joining(url, dir, name)
		admitted(t, url, name)
		(<-again).ready(t)
	}
	for _, name := range []string{"b", "c"} {
		grout(t, url, "members", "add", "g", name).want(t, Done)
	}
	if r := grout(t, url, "query", "g").want(t, Done); r.out != "second" {
		t.Errorf("the state is %q", r.out)
	}
}

// admitted admits a host as soon as it waits. Nothing but asking again tells that it does: hellos come four times a second.
func admitted(t *testing.T, url, name string) {
	t.Helper()
	for hosts := (api.HostsReply{}); len(hosts.Waiting) == 0; {
		hosts = decode[api.HostsReply](t, grout(t, url, "hosts", "--json", "--timeout", "30s").want(t, Done).out)
	}
	grout(t, url, "hosts", "--timeout", "30s").want(t, Done).prints(t, "waiting  "+name, "known by another data folder", "grout hosts admit "+name)
	grout(t, url, "hosts", "admit", name).want(t, Done)
}

// memberOn is the member of g on a host that is not leaving.
func memberOn(t *testing.T, url, host string) string {
	t.Helper()
	reply := decode[api.MembersReply](t, grout(t, url, "members", "g", "--json", "--timeout", "30s").want(t, Done).out)
	for _, m := range reply.Members {
		if m.Host == host && m.Wanted != "none" {
			return m.Member
		}
	}
	t.Fatalf("host %s has no member: %+v", host, reply)
	return ""
}

// TestAfterRepair shows that the folder of a host is only to be deleted where the catalog's members are given up: else
// other groups need what is in it.
func TestAfterRepair(t *testing.T) {
	group, catalog := host.QuorumRepair{Group: "g", ID: 7}, host.QuorumRepair{Group: "catalog"}
	never, then := afterRepair([]host.QuorumRepair{group, catalog})
	if !strings.Contains(never, "NEVER be started") || !strings.Contains(then, "delete the folders") {
		t.Errorf("with the catalog: %s %s", never, then)
	}
	never, then = afterRepair([]host.QuorumRepair{group})
	if !strings.Contains(never, "keep their folders") || strings.Contains(then, "delete") || !strings.Contains(then, "members add GROUP HOST") {
		t.Errorf("without it: %s %s", never, then)
	}
}
