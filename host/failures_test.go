package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// TestOneGroupFails shows that a member whose log fails stops alone: its host says why, closes its
// endpoints and serves its other groups, and the group goes on without it.
func TestOneGroupFails(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	sick := w.run("sick")
	w.run("well")
	leader := w.homes[sick.Leader]
	leader.add("sick", "A", 1)
	leader.store.breakGroup(GroupID(sick.ID), errors.New("no space left"))
	leader.host.Execute(CommandRequest{Group: "sick", Payload: []byte("add A 1")}, func(Reply) {})
	w.until("the member stops", func() bool { return strings.Contains(leader.brief("sick").Problem, "no space left") })
	w.until("its endpoints are closed", func() bool { return slices.Equal(leader.opened(), []string{"well"}) })
	if r := leader.ask(CommandRequest{Group: "sick"}); r.Err == nil || r.Err.Code != api.CodeInternal || !strings.Contains(r.Err.Text, "no space left") {
		t.Errorf("a command for the stopped member: %+v", r)
	}
	if info := leader.describe("sick"); len(info.Problems) != 1 || !strings.Contains(info.Problems[0], "no space left") {
		t.Errorf("%+v", info)
	}
	leader.add("well", "A", 1)
	for _, h := range w.all() {
		if h != leader {
			h.add("sick", "B", 1)
		}
	}
	// The group is removed, and made again under its name: the stopped member is no hindrance.
	if err := leader.change(api.VerbRemove, "sick", ""); err != nil {
		t.Fatal(err)
	}
	w.until("the group is gone", func() bool { return leader.brief("sick").Group == "" })
	if again := w.run("sick"); again.ID == sick.ID || leader.add("sick", "A", 1) != "1" {
		t.Errorf("%+v", again)
	}
	if err := leader.host.closeEndpoints(&hosted{record: groupRecord{Name: "sick"}}); err != nil || len(leader.opened()) != 2 {
		t.Errorf("the end of the old member closed the endpoints of the new one, %v", err)
	}
}

// TestCloseBesideAFailure shows that closing a host ends, with everything it began, while its members
// fail, clients ask, and operators wait.
func TestCloseBesideAFailure(t *testing.T) {
	before := runtime.NumGoroutine()
	for round := range 5 {
		w := newTown(t, "a", "b", "c")
		info := w.run("g")
		h := w.homes[w.names[round%3]]
		var asking sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 4 {
			asking.Add(1)
			go func() {
				defer asking.Done()
				for ctx.Err() == nil {
					answer := make(chan Reply, 1)
					request := CommandRequest{Group: "g", Payload: fmt.Appendf(nil, "add A %d", i)}
					h.host.Execute(request, func(r Reply) { answer <- r })
					h.host.Query(QueryRequest{Group: "g", Payload: []byte("get A")}, func(Reply) {})
					select {
					case <-answer:
					case <-ctx.Done():
					}
				}
			}()
		}
		asking.Add(1)
		go func() {
			defer asking.Done()
			_, err := h.host.Deploy(ctx, api.DeployRequest{Group: "late", Module: info.Module, Replicas: 3})
			if code := codeOf(err); code != api.CodeUnknown && code != api.CodeNoLeader {
				t.Errorf("deploying on a host that stops: %v", err)
			}
		}()
		h.store.breakGroup(GroupID(info.ID), errors.New("no space left"))
		h.store.breakGroup(0, errors.New("no space left either"))
		if err := h.host.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the deployment is given up", func() bool { cancel(); return true })
		asking.Wait()
		if r := <-executed(h.host, "g"); r.Err == nil {
			t.Errorf("after closing: %+v", r)
		}
		if err := h.host.Close(); !errors.Is(err, ErrClosed) {
			t.Errorf("closing twice: %v", err)
		}
		h.host = nil
		w.close()
		for _, other := range w.homes {
			other.host = nil
		}
	}
	noLeaks(t, before)
}

func executed(h *Host, group string) chan Reply {
	answer := make(chan Reply, 1)
	h.Execute(CommandRequest{Group: group}, func(r Reply) { answer <- r })
	return answer
}

// TestBeforeTheClusterIsFormed shows that a host which waits for the others answers, and that one whose
// start was given up can be closed.
func TestBeforeTheClusterIsFormed(t *testing.T) {
	w := &town{t: t, dir: t.TempDir(), names: []string{"a", "b"}, hall: newHall(), homes: map[string]*home{}}
	w.clock = &townClock{tickers: map[*townTicker]bool{}}
	h := &home{town: w, name: "a", store: newMemStore(), open: map[string]int{}}
	w.homes["a"] = h
	if err := h.make(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan error, 1)
	go func() { started <- h.host.Start(ctx) }()
	eventually(t, "the host waits", func() bool { return w.hall.count() > 0 })
	_, upload := h.host.Upload(ctx, UploadPiece{})
	_, deploy := h.host.Deploy(ctx, api.DeployRequest{})
	_, describe := h.host.Describe(ctx, "")
	change := h.host.Change(ctx, api.VerbRemove, api.TransferRequest{})
	for _, err := range []error{upload, deploy, describe, change} {
		if codeOf(err) != api.CodeNoLeader {
			t.Errorf("%v", err)
		}
	}
	if status := h.host.Status(); status.Cluster != "" || len(status.Groups) != 0 {
		t.Errorf("%+v", status)
	}
	cancel()
	if err := <-started; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	h.stop()
	// The second subscription, to greet others, fails: the host must still be closed in good order.
	w.names = []string{"a"}
	w.receivers = map[townAddress]func(consensus.Envelope){}
	if err := h.make(); err != nil {
		t.Fatal(err)
	}
	w.hall.deaf = true
	if err := h.host.Start(t.Context()); !errors.Is(err, errLost) {
		t.Errorf("%v", err)
	}
	h.stop()
}

// TestAHostThatWasAway shows that a host which was down gets the modules and the groups that were made
// meanwhile, catches up with those whose log it missed, and deletes what was removed without it.
func TestAHostThatWasAway(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	kept := w.run("kept")
	gone := w.run("gone")
	away := w.homes["c"]
	away.add("gone", "A", 1)
	away.stop()
	w.run("new")
	if err := w.homes["a"].change(api.VerbRemove, "gone", ""); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		w.homes["a"].add("kept", "A", 1)
		w.homes["b"].add("kept", string(rune('B'+i%20)), i)
	}
	w.until("the log is short", func() bool { return w.homes["a"].brief("kept").SnapshotIndex > 100 })
	again := w.run("gone")
	w.start("c")
	w.until("the host has caught up", func() bool {
		return slices.Equal(away.opened(), []string{"gone", "kept", "new"}) && away.brief("kept").SnapshotIndex > 100
	})
	if r := away.query(QueryRequest{Group: "kept", Payload: []byte("get A")}); r.Err != nil || string(r.Outcome.Output) != "200" {
		t.Errorf("%+v", r)
	}
	if got := away.add("gone", "A", 1); got != "1" {
		t.Errorf("the group that was made again is at %s", got)
	}
	ids, err := away.store.Groups()
	if err != nil || slices.Contains(ids, GroupID(gone.ID)) || !slices.Contains(ids, GroupID(kept.ID)) || !slices.Contains(ids, GroupID(again.ID)) {
		t.Errorf("%v are stored, %v", ids, err)
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, "c", "groups", "*")); err != nil || len(left) != 4 {
		t.Errorf("%v, %v", left, err)
	}
	// Everything restarts at once, and the catalog is replayed from a history with removals in it.
	for _, name := range w.names {
		w.homes[name].stop()
	}
	w.start(w.names...)
	w.until("the groups are open", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool { return !slices.Equal(h.opened(), []string{"gone", "kept", "new"}) })
	})
	if got := away.add("kept", "A", 1); got != "201" {
		t.Errorf("after the restart: %s", got)
	}
}

// TestWithoutAMajority shows what an operator is told while the catalog cannot decide: that nothing
// happened where that is sure, and that the outcome is unknown where it is not. What went through after
// all is there once.
func TestWithoutAMajority(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	digest, err := w.homes["a"].upload("module")
	if err != nil {
		t.Fatal(err)
	}
	w.homes["b"].stop()
	w.homes["c"].stop()
	h := w.homes["a"]
	soon := func(do func(context.Context) error) error {
		_, err := wait(w, "an answer", func(ctx context.Context) (int, error) {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			return 0, do(short)
		})
		return err
	}
	for name, c := range map[string]struct {
		do   func(context.Context) error
		want api.Code
	}{
		"a description": {func(ctx context.Context) error { _, err := h.host.Describe(ctx, "g"); return err }, api.CodeNoLeader},
		"a deployment": {func(ctx context.Context) error {
			_, err := h.host.Deploy(ctx, api.DeployRequest{Group: "g", Module: hexDigest(digest)})
			return err
		}, api.CodeNoLeader},
		"a removal": {func(ctx context.Context) error {
			return h.host.Change(ctx, api.VerbRemove, api.TransferRequest{Group: "g"})
		}, api.CodeNoLeader},
		"a change": {func(ctx context.Context) error {
			_, err := h.host.change(ctx, catalogCommand{Create: &groupRecord{Name: "g", Module: digest, Replicas: 1}})
			return err
		}, api.CodeUnknown},
	} {
		if err := soon(c.do); codeOf(err) != c.want {
			t.Errorf("%s: %v, expected %s", name, err, c.want)
		}
	}
	w.start("b", "c")
	if _, err := h.deploy(api.DeployRequest{Group: "other", Module: hexDigest(digest)}); err != nil {
		t.Errorf("%v", err)
	}
}

// TestEndpointsAreTriedAgain shows that a member whose endpoints could not be opened is opened later.
func TestEndpointsAreTriedAgain(t *testing.T) {
	w := newTown(t, "a")
	h := w.homes["a"]
	h.mu.Lock()
	h.refuse = errLost
	h.mu.Unlock()
	digest, err := h.upload("module")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.deploy(api.DeployRequest{Group: "g", Module: hexDigest(digest)}); err != nil {
		t.Fatal(err)
	}
	if len(h.opened()) != 0 {
		t.Fatal("the endpoints are open")
	}
	h.mu.Lock()
	h.refuse = nil
	h.mu.Unlock()
	w.until("the endpoints are open", func() bool { return len(h.opened()) == 1 })
	if got := h.add("g", "A", 1); got != "1" {
		t.Errorf("%s", got)
	}
}

// TestAMachineThatStartsLater shows that a host on which a group's machine cannot start says why, and
// tries again until it can.
func TestAMachineThatStartsLater(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	b := w.homes["b"]
	b.machines.setFailure(errors.New("out of memory"))
	digest, err := w.homes["a"].upload("module")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.homes["a"].deploy(api.DeployRequest{Group: "g", Module: hexDigest(digest)}); err != nil {
		t.Fatal(err)
	}
	w.until("the host says why", func() bool { return strings.Contains(b.brief("g").Problem, "out of memory") })
	if info := b.describe("g"); len(info.Problems) != 1 || info.Leader != "" {
		t.Errorf("%+v", info)
	}
	if r := b.ask(CommandRequest{Group: "g"}); r.Err == nil || r.Err.Code != api.CodeInternal {
		t.Errorf("a command for it: %+v", r)
	}
	w.homes["a"].add("g", "A", 1)
	b.machines.setFailure(nil)
	w.until("the member starts", func() bool { return len(b.opened()) == 1 })
	if got := b.add("g", "A", 1); got != "2" || b.brief("g").Problem != "" {
		t.Errorf("it is at %s: %+v", got, b.brief("g"))
	}
}

// TestAMemberThatCannotStart shows that a member whose snapshot was lost is not started, that its host
// says why and frees what it had begun, and that the group goes on with the others.
func TestAMemberThatCannotStart(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	info := w.run("g")
	c := w.homes["c"]
	for i := 0; c.brief("g").SnapshotIndex == 0; i++ {
		w.homes["a"].add("g", "A", i)
	}
	c.stop()
	if err := os.RemoveAll(filepath.Join(w.dir, "c", "groups", fmt.Sprintf("%016x", info.ID))); err != nil {
		t.Fatal(err)
	}
	w.start("c")
	w.until("the host says why", func() bool { return strings.Contains(c.brief("g").Problem, "no such blob") })
	if n := c.machines.open(); n != 0 {
		t.Errorf("%d machines of a member that does not run", n)
	}
	w.homes["a"].add("g", "B", 1)
	if err := w.homes["a"].change(api.VerbRemove, "g", ""); err != nil {
		t.Fatal(err)
	}
	w.until("the group is gone", func() bool { return c.brief("g").Group == "" })
}

// TestASlowMachineDoesNotHoldUpClose shows that closing waits for the command under way and for none of
// those behind it.
func TestASlowMachineDoesNotHoldUpClose(t *testing.T) {
	w := newTown(t, "a")
	h := w.homes["a"]
	w.run("g")
	replies := make(chan Reply, 200)
	for _, command := range append([]string{"wait"}, slices.Repeat([]string{"add A 1"}, 100)...) {
		h.host.Execute(CommandRequest{Group: "g", Payload: []byte(command)}, func(r Reply) { replies <- r })
	}
	var g *group
	for _, g = range h.groups() {
		if g.ref.Name == "g" {
			break
		}
	}
	w.until("the commands are committed", func() bool { return g.applier.backlog.Load() >= 100*int64(len("add A 1")) })
	closed := make(chan error, 1)
	go func() { closed <- h.host.Close() }()
	machine := h.machines.made[len(h.machines.made)-1] // the one before was only tried
	eventually(t, "the applier is told to stop", g.applier.stopping)
	close(machine.gate)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if machine.cells[0] != 0 {
		t.Errorf("%d commands were applied after closing", machine.cells[0])
	}
	for range 101 {
		if r := <-replies; r.Err != nil && r.Err.Code != api.CodeUnknown {
			t.Errorf("%+v", r)
		}
	}
	h.host = nil
}

// TestBadConfigs shows that a host is not made from a configuration with a field missing or out of range.
func TestBadConfigs(t *testing.T) {
	good := func() Config {
		w := &town{t: t, dir: t.TempDir(), names: []string{"a"}, hall: newHall(), clock: &townClock{tickers: map[*townTicker]bool{}}}
		h := &home{town: w, name: "a", store: newMemStore()}
		return Config{
			Name: "a", Peers: w.names, Dir: w.dir, Store: h.store, Transport: h, Hello: w.hall, Endpoints: h,
			Machines: &registers{}, Clock: w.clock, Timing: DefaultTiming(),
		}
	}
	for name, harm := range map[string]func(*Config){
		"name": func(c *Config) { c.Name = "b" }, "dir": func(c *Config) { c.Dir = "" }, "store": func(c *Config) { c.Store = nil },
		"transport": func(c *Config) { c.Transport = nil }, "tick": func(c *Config) { c.Timing.Tick = 0 },
		"doze": func(c *Config) { c.Timing.DozeAfter = c.Timing.Tick }, "timeout": func(c *Config) { c.Timing.RequestTimeout = 0 },
		"snapshot": func(c *Config) { c.Timing.SnapshotBytes = 0 }, "heartbeat": func(c *Config) { c.Timing.HeartbeatTicks = 0 }, "election": func(c *Config) { c.Timing.ElectionTicks = 3 },
	} {
		c := good()
		harm(&c)
		if _, err := New(c); !errors.Is(err, ErrBadConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h, err := New(good())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAPartition shows that hosts which are cut off answer no linearizable query and confirm no command,
// while the others go on; and that a host whose disk is slow holds up nobody.
func TestAPartition(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	info := w.run("g")
	cut := w.homes[info.Leader]
	cut.add("g", "A", 1)
	w.isolate(cut.name)
	others := slices.DeleteFunc(w.all(), func(h *home) bool { return h == cut })
	if got := others[0].add("g", "A", 1); got != "2" {
		t.Errorf("the others are at %s", got)
	}
	if r := cut.query(QueryRequest{Group: "g", Payload: []byte("get A")}); r.Err == nil {
		t.Errorf("a query at the host that was cut off: %+v", r)
	}
	if r := cut.ask(CommandRequest{Group: "g", Payload: []byte("add A 1")}); r.Err == nil || r.Err.Code != api.CodeNoLeader && r.Err.Code != api.CodeUnknown {
		t.Errorf("a command at the host that was cut off: %+v", r)
	}
	w.heal()
	if got := cut.add("g", "B", 1); got != "1" {
		t.Errorf("B is %s", got)
	}
	slow := others[1].store.log(GroupID(info.ID))
	slow.hold()
	for i := range 5 {
		if got := cut.add("g", "C", 1); got != fmt.Sprint(i+1) {
			t.Errorf("C is %s", got)
		}
	}
	slow.release()
	if r := others[1].query(QueryRequest{Group: "g", Payload: []byte("get C")}); r.Err != nil || string(r.Outcome.Output) != "5" {
		t.Errorf("%+v", r)
	}
}

// TestHostWhoseSnapshotsCannotBeStored shows that a host which cannot store a chunk says so for the
// process that runs it, and that the others go on.
func TestHostWhoseSnapshotsCannotBeStored(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	info := w.run("g")
	sick := w.homes[info.Leader]
	sick.add("g", "A", 1)
	if err := sick.host.Failure(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(sick.host.chunkDir(GroupID(info.ID))); err != nil {
		t.Fatal(err)
	}
	if err := sick.change(api.VerbSnapshot, "g", ""); err != nil {
		t.Fatal(err)
	}
	w.until("the host gives up", func() bool {
		select {
		case <-sick.host.Failed():
			return true
		default:
			return false
		}
	})
	if err := sick.host.Failure(); !errors.Is(err, ErrStorage) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the host failed with %v", err)
	}
	for _, h := range w.all() {
		if h != sick {
			h.add("g", "B", 1)
		}
	}
}
