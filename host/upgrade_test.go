package host

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// leaderHome is the home of the group's leader.
func (w *town) leaderHome(group string) *home {
	w.t.Helper()
	var found *home
	w.until("a leader of "+group, func() bool {
		for _, h := range w.all() {
			if g, err := h.host.serving(group); err == nil && g.leaderName() == h.name {
				found = h
				return true
			}
		}
		return false
	})
	return found
}

// upgrade uploads a module and upgrades a group to it, wherever its leader is.
func (w *town) upgrade(group, module string) (api.UpgradeReply, error) {
	w.t.Helper()
	digest, err := w.all()[0].upload(module)
	if err != nil {
		w.t.Fatal(err)
	}
	for range 20 {
		leader := w.leaderHome(group)
		reply, err := wait(w, "the upgrade", func(ctx context.Context) (api.UpgradeReply, error) {
			return leader.host.Upgrade(ctx, api.UpgradeRequest{Group: group, Module: hexDigest(digest)})
		})
		if e := (*Error)(nil); !errors.As(err, &e) || e.Code != api.CodeNoLeader {
			return reply, err
		}
	}
	w.t.Fatal("no leader takes the upgrade")
	return api.UpgradeReply{}, nil
}

// wantModules waits until the catalog of every host that is up knows exactly these modules.
func (w *town) wantModules(modules ...string) {
	w.t.Helper()
	var want []Digest
	for _, m := range modules {
		want = append(want, digestOf([]byte(m)))
	}
	w.until("the catalog's modules", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool {
			view := h.host.machine.view.Load()
			return len(view.Modules) != len(want) || slices.ContainsFunc(want, func(d Digest) bool { return view.module(d) == nil })
		})
	})
}

// TestUpgradeOfHosts shows an upgrade on whole hosts: the catalog learns the new module and keeps the first one, a
// host that slept and hosts that restart run the right module, and with the group all its modules go.
func TestUpgradeOfHosts(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.run("g")
	w.all()[0].add("g", "A", 5)
	reply, err := w.upgrade("g", "module two")
	if err != nil || reply.From != hexDigest(digestOf([]byte("module of g"))) || reply.To != hexDigest(digestOf([]byte("module two"))) || reply.Index == 0 {
		t.Fatalf("%+v, %v", reply, err)
	}
	again, err := w.upgrade("g", "module two")
	if err != nil || again.Index != reply.Index || again.From != again.To {
		t.Errorf("the same upgrade again: %+v, %v", again, err)
	}
	w.homes["c"].stop()
	third, err := w.upgrade("g", "module three")
	if err != nil || third.Index <= reply.Index {
		t.Fatalf("%+v, %v", third, err)
	}
	w.all()[0].add("g", "A", 1)
	w.start("c")
	for _, name := range w.names {
		w.until(name+" runs the third module", func() bool {
			g, err := w.homes[name].host.serving("g")
			return err == nil && g.running.Load().spec.Module == digestOf([]byte("module three"))
		})
		if info := w.homes[name].describe("g"); info.Module != third.To {
			t.Errorf("%s says that the module is %s", name, info.Module)
		}
	}
	w.wantModules("module of g", "module two", "module three")
	for _, name := range w.names {
		w.homes[name].stop()
	}
	w.start(w.names...)
	w.until("every host runs the group", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool { return !slices.Contains(h.opened(), "g") })
	})
	for _, name := range w.names {
		if got := w.homes[name].add("g", "A", 0); got != "6" {
			t.Errorf("after restarts %s says %s", name, got)
		}
		r := w.homes[name].query(QueryRequest{Group: "g", Payload: []byte("get Z")})
		if r.Err != nil || string(r.Outcome.Output) != "2" {
			t.Errorf("%s went through %s upgrades: %v", name, r.Outcome.Output, r.Err)
		}
	}
	if err := w.leaderHome("g").change(api.VerbRemove, "g", ""); err != nil {
		t.Fatal(err)
	}
	w.wantModules()
}

// TestUpgradesThatAreRefused shows that what can be known beforehand is said before anything is proposed, and
// that the group goes on with what it had.
func TestUpgradesThatAreRefused(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.run("g")
	leader := w.leaderHome("g")
	g, err := leader.host.serving("g")
	if err != nil {
		t.Fatal(err)
	}
	digest := hexDigest(digestOf([]byte("module of g")))
	for want, request := range map[string]api.UpgradeRequest{
		"404 there is no group":                   {Group: "nobody", Module: digest},
		"400 module \"zz\" is not a SHA-256":      {Group: "g", Module: "zz"},
		"404 the cluster does not know module":    {Group: "g", Module: hexDigest(Digest{7})},
		"400 limits: memory_bytes is -1, 65536":   {Group: "g", Module: digest, Limits: api.Limits{MemoryBytes: -1}},
		"413 the init argument has 524289 bytes,": {Group: "g", Module: digest, Init: new(make([]byte, MaxCommandBytes+1))},
	} {
		_, err := wait(w, "the refusal", func(ctx context.Context) (api.UpgradeReply, error) { return leader.host.Upgrade(ctx, request) })
		if e := (*Error)(nil); !errors.As(err, &e) || !strings.HasPrefix(string(e.Code)+" "+e.Text, want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	last := g.status.Load().Last
	for module, want := range map[string]string{
		"refuse it":    "refused with code 9: grout_migrate: as asked",
		"trap on this": "grout_migrate: as asked",
	} {
		_, err := w.upgrade("g", module)
		if e := (*Error)(nil); !errors.As(err, &e) || e.Code != api.CodeBadModule || !strings.Contains(e.Text, want) || !strings.Contains(e.Text, "nothing has changed") {
			t.Errorf("%s: %v", module, err)
		}
	}
	if now := g.status.Load().Last; now != last {
		t.Errorf("something was proposed: the log ends at %s, before at %s", now, last)
	}
	for _, h := range w.all() {
		if h != leader {
			_, err := wait(w, "the refusal", func(ctx context.Context) (api.UpgradeReply, error) {
				return h.host.Upgrade(ctx, api.UpgradeRequest{Group: "g", Module: digest})
			})
			if e := (*Error)(nil); !errors.As(err, &e) || e.Code != api.CodeNoLeader || !strings.Contains(e.Text, leader.name) {
				t.Errorf("at a follower: %v", err)
			}
		}
	}
	if got := leader.add("g", "A", 3); got != "3" {
		t.Errorf("after the refusals A is %s", got)
	}
}

// TestUpgradesAtOnce shows that of two requests for the same upgrade, both proposed, each is answered with the entry
// that brought the machine, and neither waits for the catalog to hear of the other entry, which changed nothing.
func TestUpgradesAtOnce(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	id := GroupID(w.run("g").ID)
	if _, err := w.all()[0].upload("module two"); err != nil {
		t.Fatal(err)
	}
	leader := w.leaderHome("g")
	slow := leader.store.log(id)
	before := leader.host.groups["g"].group.status.Load().Last.Index
	slow.hold()
	type result struct {
		reply api.UpgradeReply
		err   error
	}
	results := make(chan result, 2)
	ctx, cancel := context.WithTimeout(t.Context(), patience/2)
	defer cancel()
	for range 2 {
		go func() {
			reply, err := leader.host.Upgrade(ctx, api.UpgradeRequest{Group: "g", Module: hexDigest(digestOf([]byte("module two")))})
			results <- result{reply, err}
		}()
	}
	w.until("both are proposed", func() bool { return leader.host.groups["g"].group.status.Load().Last.Index >= before+2 })
	slow.release()
	w.until("both are answered", func() bool { return len(results) == 2 })
	one, two := <-results, <-results
	if one.err != nil || two.err != nil || one.reply != two.reply || one.reply.Index != uint64(before+1) {
		t.Errorf("%+v and %+v after %d", one, two, before)
	}
}

// TestUpgradeAtANewLeader shows that a leader which has yet to apply an upgrade that was answered does not take
// its old machine for the present one: an operator who goes back to the first module is not told that it runs.
func TestUpgradeAtANewLeader(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	first := w.run("g").Module
	two, err := w.upgrade("g", "module two")
	if err != nil {
		t.Fatal(err)
	}
	leader := w.leaderHome("g")
	g, fail := leader.host.serving("g")
	if fail != nil {
		t.Fatal(fail)
	}
	applied := g.running.Load()
	g.running.Store(&runningMachine{spec: machineSpec{Module: digestOf([]byte("module of g"))}}) // as before the entry
	again := time.AfterFunc(200*time.Millisecond, func() { g.running.Store(applied) })
	defer again.Stop()
	back, err := wait(w, "the way back", func(ctx context.Context) (api.UpgradeReply, error) {
		return leader.host.Upgrade(ctx, api.UpgradeRequest{Group: "g", Module: first})
	})
	if err != nil || back.From != two.To || back.Index <= two.Index {
		t.Errorf("%+v, %v", back, err)
	}
}

// TestCatalogLearnsLater shows that the catalog hears of an upgrade whose requester went away before it could, from
// any host that runs it, also after all have restarted.
func TestCatalogLearnsLater(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.run("g")
	digest, err := w.all()[0].upload("module two")
	if err != nil {
		t.Fatal(err)
	}
	w.until("the module is everywhere", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool { return !h.host.modules.Has(digest) })
	})
	leader := w.leaderHome("g")
	g, fail := leader.host.serving("g")
	if fail != nil {
		t.Fatal(fail)
	}
	done := make(chan Reply, 1)
	g.upgrade(machineSpec{Module: digest}, 0, maxRequestTimeout, func(r Reply) { done <- r })
	w.until("the outcome", func() bool { return len(done) > 0 })
	for _, name := range w.names {
		w.homes[name].stop()
	}
	w.start(w.names...)
	w.until("every catalog knows", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool {
			record, _ := h.host.machine.view.Load().group("g")
			return record.Module != digest || record.firstSpec().Module != digestOf([]byte("module of g"))
		})
	})
}

// TestSuccession shows what the catalog keeps of upgrades: the first module, the last few, and one that was begun;
// news that it has already change nothing.
func TestSuccession(t *testing.T) {
	module := func(i int) Digest { return Digest{byte(i)} }
	hold := func(v *catalogView, d Digest) {
		v.Modules = append(v.Modules, moduleRecord{Digest: d, Holders: []string{"a"}})
	}
	v := &catalogView{Hosts: []hostRecord{{Name: "a"}}, Groups: []groupRecord{{Name: "g", ID: 5, Module: module(1), Init: []byte("one")}}}
	hold(v, module(1))
	if o := v.upgrade(groupUpgrade{Group: 5, Spec: machineSpec{Module: module(2)}}); o.Code != catalogNotHeld {
		t.Errorf("a module that nobody holds: %+v", o)
	}
	if o := v.upgrade(groupUpgrade{Group: 6, At: 3}); o.Code != catalogNotFound {
		t.Errorf("a group that is gone: %+v", o)
	}
	for i := 2; i <= maxPastModules+4; i++ {
		hold(v, module(i))
		spec := machineSpec{Module: module(i), Init: []byte{byte(i)}}
		if o := v.upgrade(groupUpgrade{Group: 5, Spec: spec}); o.Kind != Applied || v.Groups[0].Succession.Next != module(i) {
			t.Fatalf("upgrade %d: %+v", i, o)
		}
		for range 3 { // every member tells it
			if o := v.upgrade(groupUpgrade{Group: 5, Spec: spec, At: consensus.Index(10 * i)}); o.Kind != Applied {
				t.Fatal(o)
			}
		}
		if o := v.upgrade(groupUpgrade{Group: 5, Spec: machineSpec{Module: module(1)}, At: 10}); o.Kind != Applied || v.Groups[0].Module != module(i) {
			t.Errorf("old news: %+v, module %x", o, v.Groups[0].Module[0])
		}
	}
	g := v.Groups[0]
	if g.Module != module(maxPastModules+4) || g.firstSpec().Module != module(1) || string(g.firstSpec().Init) != "one" || g.Succession.Next != (Digest{}) {
		t.Errorf("%+v", g)
	}
	if len(g.Succession.Past) != maxPastModules || v.module(module(1)) == nil || v.module(module(2)) != nil {
		t.Errorf("%d past modules, %d modules in all", len(g.Succession.Past), len(v.Modules))
	}
	v.remove("g")
	if len(v.Modules) != 0 {
		t.Errorf("without the group %d modules stay", len(v.Modules))
	}
}

// TestMembersAfterAnUpgrade shows that a member which joins after an upgrade, and a folder that is new, begin with the
// right module, and that a group can be upgraded while it is being given another member.
func TestMembersAfterAnUpgrade(t *testing.T) {
	w := newTown(t, "a", "b", "c", "d")
	w.found("g", 3)
	w.all()[0].add("g", "A", 5)
	if _, err := w.upgrade("g", "module two"); err != nil {
		t.Fatal(err)
	}
	record, _ := w.all()[0].host.machine.view.Load().group("g")
	free := w.all()[slices.IndexFunc(w.all(), func(h *home) bool {
		return !slices.ContainsFunc(record.Members, func(p placement) bool { return p.Host == h.name })
	})]
	w.members(api.MembersRequest{Group: "g", Action: api.MembersAdd, Host: free.name})
	if _, err := w.upgrade("g", "module three"); err != nil {
		t.Fatal(err)
	}
	w.until("the new member runs the third module", func() bool {
		g, err := free.host.serving("g")
		return err == nil && g.running.Load().spec.Module == digestOf([]byte("module three"))
	})
	for _, h := range w.all() {
		if got := h.add("g", "A", 0); got != "5" {
			t.Errorf("through %s A is %s", h.name, got)
		}
		r := h.query(QueryRequest{Group: "g", Payload: []byte("get Z"), Consistency: AtLeast, AtLeastIndex: 1})
		if r.Err != nil || string(r.Outcome.Output) != "2" {
			t.Errorf("%s went through %s upgrades: %v", h.name, r.Outcome.Output, r.Err)
		}
	}
}
