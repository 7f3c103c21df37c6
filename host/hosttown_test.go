package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// idsOf are the members that were ever placed on a host, as the catalog has them now: the group's, and
// the catalog's own.
func (w *town) idsOf(host, group string) (consensus.MemberID, consensus.MemberID) {
	w.t.Helper()
	view := w.all()[0].host.machine.view.Load()
	g, ok := view.group(group)
	known, found := view.host(host)
	if !ok || !found || g.on(host) == nil {
		w.t.Fatalf("host %s or its member of %s is not in the catalog", host, group)
	}
	return g.on(host).Member, known.Life
}

// forbid makes every message from or to a life that is over, by its own host's hand, an error.
func (w *town) forbid(gone ...consensus.MemberID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = append(w.over, gone...)
}

// TestALostDisk shows that a host which lost its folder waits, is admitted, takes part in all of its
// groups and in the catalog as a new member, that the old one never says a word again, and that commands
// flow all along (R6).
func TestALostDisk(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.found("g", 3)
	w.found("other", 3)
	f := w.traffic("g", 3)
	f.flow()
	for round := range 2 {
		lost := w.homes["b"]
		member, life := w.idsOf("b", "g")
		lost.loseFolder()
		w.forbid(member, life)
		f.flow()
		result := lost.knock()
		var reply api.HostsReply
		w.until("the host waits", func() bool {
			reply = w.homes["a"].host.hostsReply(&catalogView{Hosts: w.homes["a"].host.machine.view.Load().Hosts, Groups: []groupRecord{{}}})
			return len(reply.Waiting) == 1
		})
		if v := reply.Waiting[0]; v.Host != "b" || !v.Known || v.Alive {
			t.Fatalf("round %d: %+v", round, reply)
		}
		if len(result) != 0 {
			t.Fatalf("round %d: it did not wait: %v", round, <-result)
		}
		if _, err := w.homes["c"].hosts(api.HostsAdmit, "b"); err != nil {
			t.Fatal(err)
		}
		w.enters(result)
		w.settles()
		f.flow()
		if again, known := w.idsOf("b", "g"); again <= member || known <= life {
			t.Fatalf("round %d: %s of life %s came back as %s of %s", round, member, life, again, known)
		}
		if got := roles(w.members(api.MembersRequest{Group: "g"})); got != "a b c|" {
			t.Errorf("round %d: %s", round, got)
		}
	}
	if got := roles(w.members(api.MembersRequest{Group: catalogGroup})); got != "a b c|" {
		t.Errorf("the catalog: %s", got)
	}
	// The new member counts: with it and one other host everything goes on.
	w.homes["a"].stop()
	f.flow()
	w.start("a")
	f.end()
	if sum := w.homes["b"].add("other", "A", 1); sum != "1" {
		t.Errorf("%s", sum)
	}
}

// TestANewHost shows that a new host is admitted, votes in the catalog, takes members, survives a restart,
// and is removed again with all that it holds; and that the folder of a removed host is of no use.
func TestANewHost(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.found("g", 3)
	f := w.traffic("g", 2)
	f.flow()
	w.mu.Lock()
	w.names = append(w.names, "d")
	d := &home{town: w, name: "d", store: newMemStore(), open: map[string]int{}}
	w.homes["d"] = d
	w.mu.Unlock()
	result := d.knock()
	reply, err := w.homes["a"].hosts(api.HostsAdmit, "d")
	if err != nil || len(reply.Hosts) != 4 || len(reply.Waiting) != 0 {
		t.Fatalf("%+v, %v", reply, err)
	}
	w.enters(result)
	w.settles()
	if got := roles(w.members(api.MembersRequest{Group: catalogGroup})); got != "a b c d|" {
		t.Errorf("the catalog: %s", got)
	}
	w.members(api.MembersRequest{Group: "g", Action: "replace", Host: "a", With: "d"})
	f.flow()
	d.stop()
	w.start("d")
	w.members(api.MembersRequest{Group: catalogGroup, Action: "demote", Host: "b"})
	if got := roles(w.members(api.MembersRequest{Group: "g"})); got != "b c d|" {
		t.Errorf("g: %s", got)
	}
	if _, err := w.homes["b"].hosts(api.HostsRemove, "d"); err != nil {
		t.Fatal(err)
	}
	w.until("the host hears of it", func() bool { return d.host.expulsion.Load() != nil && len(d.opened()) == 0 && d.withdrawn.Load() })
	if _, err := d.hosts("", ""); codeOf(err) != api.CodeInternal || !strings.Contains(err.Error(), "not part of cluster") {
		t.Errorf("the removed host says %v", err)
	}
	d.stop()
	w.settles()
	f.flow()
	if got := roles(w.members(api.MembersRequest{Group: "g"})); got != "b c|" {
		t.Errorf("g: %s", got)
	}
	f.end()
	if err := d.make(); !errors.Is(err, ErrIdentity) {
		t.Errorf("with its old folder: %v", err)
	}
	d.host = nil
}

// TestTwoOfAName shows that a host which is alive is not replaced by another process under its name, that of two
// that wait under one name none is admitted, and that the last of them is once it is alone; and that the process
// with the first folder notices then that it is out.
func TestTwoOfAName(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	asked := w.homes["a"]
	before, _ := asked.host.machine.view.Load().host("b")
	guests := []*guest{w.hall.enter(t, newMemStore(), "b", "a", "b", "c")}
	w.until("it is heard", func() bool { return len(asked.host.boot.waiting()) == 1 })
	for _, name := range []string{"a", "b", "c"} {
		if _, err := w.homes[name].hosts(api.HostsAdmit, "b"); codeOf(err) != api.CodeRefused || !strings.Contains(err.Error(), "is alive") {
			t.Errorf("asked %s: %v", name, err)
		}
	}
	w.homes["b"].stop()
	guests = append(guests, w.hall.enter(t, newMemStore(), "b", "a", "b", "c"))
	w.until("both are heard", func() bool { return len(asked.host.boot.waiting()) == 2 })
	if _, err := asked.hosts(api.HostsAdmit, "b"); codeOf(err) != api.CodeRefused || !strings.Contains(err.Error(), "2 hosts named") {
		t.Errorf("%v", err)
	}
	if now, _ := asked.host.machine.view.Load().host("b"); now != before {
		t.Error("the host was replaced")
	}
	guests[0].cancel()
	<-guests[0].ended
	w.until("one is forgotten", func() bool { return len(asked.host.boot.waiting()) == 1 })
	if _, err := asked.hosts(api.HostsAdmit, "b"); err != nil {
		t.Fatal(err)
	}
	w.until("it is in", func() bool { return guests[1].boot.known() != nil })
	<-guests[1].ended
	if known, _ := asked.host.machine.view.Load().host("b"); guests[1].err != nil || known.ID != guests[1].boot.self.ID {
		t.Errorf("%v, the host is %+v", guests[1].err, known)
	}
	old := w.homes["b"]
	if err := old.make(); err != nil { // it does not know yet
		t.Fatal(err)
	}
	if err := old.host.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.until("it hears that it is out", func() bool { return old.host.expulsion.Load() != nil })
}

// TestWrongWishes shows what is refused, with which code, and that nothing comes of it.
func TestWrongWishes(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.found("g", 2)
	w.found("one", 1)
	view := w.all()[0].host.machine.view.Load()
	g, _ := view.group("g")
	one, _ := view.group("one")
	on, off := g.Members[0].Host, "c"
	for _, name := range []string{"a", "b", "c"} {
		if g.on(name) == nil {
			off = name
		}
	}
	for _, c := range []struct {
		request api.MembersRequest
		code    api.Code
		text    string
	}{
		{api.MembersRequest{Group: "g", Action: "add", Host: "nobody"}, api.CodeNotFound, "no host"},
		{api.MembersRequest{Group: "g", Action: "add", Host: on, Observer: true}, api.CodeExists, "already, as voter"},
		{api.MembersRequest{Group: "none", Action: "add", Host: off}, api.CodeNotFound, "no group"},
		{api.MembersRequest{Group: "g", Action: "promote", Host: off}, api.CodeNotFound, "no member on host"},
		{api.MembersRequest{Group: "g", Action: "remove", Host: off}, api.CodeNotFound, "no member on host"},
		{api.MembersRequest{Group: "g", Action: "replace", Host: on, With: on}, api.CodeRefused, "its own place"},
		{api.MembersRequest{Group: "g", Action: "replace", Host: on, With: g.Members[1].Host}, api.CodeExists, "holds a member"},
		{api.MembersRequest{Group: "g", Action: "replace", Host: on}, api.CodeBadRequest, "new member's host"},
		{api.MembersRequest{Group: "g", Action: "turn", Host: on}, api.CodeBadRequest, "unknown action"},
		{api.MembersRequest{Group: "g", Action: "demote"}, api.CodeBadRequest, "host"},
		{api.MembersRequest{Group: "g!", Action: "demote", Host: on}, api.CodeBadRequest, "group"},
		{api.MembersRequest{Group: "g", Action: "demote", Host: on, With: off}, api.CodeBadRequest, "second host"},
		{api.MembersRequest{Group: "g", Action: "demote", Host: on, Observer: true}, api.CodeBadRequest, "observer"},
		{api.MembersRequest{Group: "one", Action: "remove", Host: one.Members[0].Host}, api.CodeRefused, "last voter"},
		{api.MembersRequest{Group: catalogGroup, Action: "remove", Host: "a"}, api.CodeRefused, "every host"},
		{api.MembersRequest{Group: catalogGroup, Action: "replace", Host: "a", With: "b"}, api.CodeRefused, "every host"},
	} {
		var reply api.MembersReply
		var err error
		if c.request.Group == "none" || c.request.Group == "g!" {
			_, err = wait(w, "an answer", w.homes["a"].memberRequest(c.request))
		} else {
			reply, err = w.wish(c.request)
		}
		if codeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%+v: %v, %+v", c.request, err, reply)
		}
	}
	for _, h := range []struct {
		action, name, text string
		code               api.Code
	}{
		{"admit", "a", "part of it", api.CodeNotFound}, {"admit", "z", "start it", api.CodeNotFound}, {"remove", "z", "no host", api.CodeNotFound},
		{"remove", one.Members[0].Host, "last voter of group one", api.CodeRefused}, {"turn", "a", "unknown action", api.CodeBadRequest}, {"admit", "", "host", api.CodeBadRequest},
	} {
		if _, err := w.homes["a"].hosts(h.action, h.name); codeOf(err) != h.code || !strings.Contains(fmt.Sprint(err), h.text) {
			t.Errorf("%+v: %v", h, err)
		}
	}
	follower := w.homes[g.Members[0].Host]
	if follower == w.leader("g") {
		follower = w.homes[g.Members[1].Host]
	}
	if _, err := wait(w, "an answer", follower.memberRequest(api.MembersRequest{Group: "g"})); codeOf(err) != api.CodeNoLeader || !strings.Contains(err.Error(), "ask that host") {
		t.Errorf("a follower says %v", err)
	}
	if now, _ := w.all()[0].host.machine.view.Load().group("g"); !slices.Equal(now.Members, g.Members) {
		t.Errorf("the members became %+v", now.Members)
	}
}
