package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// found deploys a group on the hosts with the fewest members, and waits until they run it.
func (w *town) found(group string, replicas int) {
	w.t.Helper()
	digest, err := w.all()[0].upload("module of " + group)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.all()[0].deploy(api.DeployRequest{Group: group, Module: hexDigest(digest), Replicas: replicas}); err != nil {
		w.t.Fatal(err)
	}
	w.until("the group has a leader", func() bool { return w.leader(group) != nil })
}

// leader is the home of the group's leader, nil when there is none.
func (w *town) leader(group string) *home {
	var best *home
	var term consensus.Term
	for _, h := range w.all() {
		for _, g := range h.groups() {
			if s := g.status.Load(); g.ref.Name == group && s.Role == consensus.Leader && s.problem == "" && s.Term >= term {
				best, term = h, s.Term
			}
		}
	}
	return best
}

// wish asks the group's leader for a change, as often as there is none.
func (w *town) wish(r api.MembersRequest) (api.MembersReply, error) {
	w.t.Helper()
	for {
		var leader *home
		w.until("a leader", func() bool { leader = w.leader(r.Group); return leader != nil })
		reply, err := wait(w, "an answer", leader.memberRequest(r))
		behind := err != nil && (strings.Contains(err.Error(), "try again when it has caught up") || strings.Contains(err.Error(), "does not answer the leader"))
		if code := codeOf(err); !behind && code != api.CodeNoLeader && code != api.CodeUnknown && code != api.CodeBusy {
			return reply, err
		}
	}
}

// memberRequest asks one host, whether it leads or not.
func (h *home) memberRequest(r api.MembersRequest) func(context.Context) (api.MembersReply, error) {
	return func(ctx context.Context) (api.MembersReply, error) { return h.host.Members(ctx, r) }
}

// members brings a change about and waits until it is done.
func (w *town) members(r api.MembersRequest) api.MembersReply {
	w.t.Helper()
	reply, err := w.wish(r)
	for begun := time.Now(); !reply.Settled && err == nil; reply, err = w.wish(api.MembersRequest{Group: r.Group}) {
		if time.Since(begun) > patience {
			w.t.Fatalf("%+v: in vain: %+v", r, reply)
		}
	}
	if err != nil {
		w.t.Fatalf("%+v: %v", r, err)
	}
	return reply
}

// roles are the hosts of the voters and observers, in order.
func roles(r api.MembersReply) string {
	var voters, observers []string
	for _, m := range r.Members {
		if m.Role == "observer" {
			observers = append(observers, m.Host)
		} else {
			voters = append(voters, m.Host)
		}
	}
	slices.Sort(voters)
	slices.Sort(observers)
	return strings.Join(voters, " ") + "|" + strings.Join(observers, " ")
}

// traffic are clients that add to a counter, each command until it is acknowledged, through whatever host
// is there.
type traffic struct {
	town  *town
	group string
	stop  atomic.Bool
	acked atomic.Int64
	done  sync.WaitGroup
	// held holds the clients up between two commands; busy counts those that have one under way.
	held atomic.Bool
	busy atomic.Int64
	// over is closed when the test ends, however it does.
	over chan struct{}
}

func (w *town) traffic(group string, clients int) *traffic {
	f := &traffic{town: w, group: group, over: make(chan struct{})}
	w.t.Cleanup(func() { f.stop.Store(true); f.held.Store(false); close(f.over); f.done.Wait() })
	for range clients {
		w.sessions++
		session := fmt.Sprint("flow", w.sessions)
		f.done.Go(func() {
			for seq := uint64(1); !f.stop.Load(); seq++ {
				for f.busy.Add(1); f.held.Load(); f.busy.Add(1) {
					f.busy.Add(-1)
					time.Sleep(time.Millisecond)
				}
				f.once(CommandRequest{Group: group, Session: session, Seq: seq, Acked: seq - 1, Payload: []byte("add A 1")})
				f.busy.Add(-1)
			}
		})
	}
	return f
}

// once sends a command until it is acknowledged.
func (f *traffic) once(r CommandRequest) {
	for attempt := 0; ; attempt++ {
		hosts := f.town.running()
		h := hosts[attempt%len(hosts)]
		answer := make(chan Reply, 1)
		h.Execute(r, func(r Reply) { answer <- r })
		select {
		case <-f.over:
			return
		case reply := <-answer:
			if reply.Err == nil {
				f.acked.Add(1)
				return
			}
		}
		time.Sleep(time.Millisecond) // a host without the group refuses at once: do not spin
	}
}

// running are the hosts, for goroutines beside the test's own.
func (w *town) running() []*Host {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var out []*Host
	for _, name := range w.names {
		if h := w.homes[name].host; h != nil {
			out = append(out, h)
		}
	}
	return out
}

// pause waits until no command is under way, and lets none begin until resume.
func (f *traffic) pause() {
	f.town.t.Helper()
	f.held.Store(true)
	f.town.until("the clients pause", func() bool { return f.busy.Load() == 0 })
}

func (f *traffic) resume() { f.held.Store(false) }

// flow lets some commands through.
func (f *traffic) flow() {
	f.town.t.Helper()
	before := f.acked.Load()
	f.town.until("commands flow", func() bool { return f.acked.Load() >= before+20 })
}

// end stops the clients and shows that every acknowledged command is there exactly once.
func (f *traffic) end() {
	f.town.t.Helper()
	f.stop.Store(true)
	ended := make(chan bool)
	go func() { f.done.Wait(); close(ended) }()
	f.town.until("the clients end", func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	want := fmt.Sprint(f.acked.Load())
	for {
		var leader *home
		f.town.until("a leader", func() bool { leader = f.town.leader(f.group); return leader != nil })
		r := leader.query(QueryRequest{Group: f.group, Payload: []byte("get A")})
		if r.Err != nil && (r.Err.Code == api.CodeNoLeader || r.Err.Code == api.CodeUnknown) {
			continue
		}
		if r.Err != nil || string(r.Outcome.Output) != want {
			f.town.t.Fatalf("after %s acknowledged commands the sum is %s, %v", want, r.Outcome.Output, r.Err)
		}
		return
	}
}

// loseFolder stops a host and takes everything that it stored.
func (h *home) loseFolder() {
	h.town.t.Helper()
	if h.host != nil {
		h.stop()
	}
	h.store = newMemStore()
	if err := os.RemoveAll(filepath.Join(h.town.dir, h.name)); err != nil {
		h.town.t.Fatal(err)
	}
}

// knock starts a host that cannot get in by itself. The result is what Start returns.
func (h *home) knock() chan error {
	h.town.t.Helper()
	if err := h.make(); err != nil {
		h.town.t.Fatal(err)
	}
	result := make(chan error, 1)
	made := h.host
	go func() { result <- made.Start(h.town.t.Context()) }()
	return result
}

// hosts asks a host about the hosts of the cluster.
func (h *home) hosts(action, name string) (api.HostsReply, error) {
	h.town.t.Helper()
	return wait(h.town, "an answer about hosts", func(ctx context.Context) (api.HostsReply, error) {
		return h.host.Hosts(ctx, api.HostsRequest{Action: action, Host: name})
	})
}

// enters waits until a host that knocked is in.
func (w *town) enters(result chan error) {
	w.t.Helper()
	w.until("the host gets in", func() bool { return len(result) > 0 })
	if err := <-result; err != nil {
		w.t.Fatal(err)
	}
}

// settles waits until every group is as the catalog has it, the catalog included, and every member of a
// group runs where it shall.
func (w *town) settles() {
	w.t.Helper()
	w.until("everything settles", func() bool {
		for _, h := range w.all() {
			view := h.host.machine.view.Load()
			if !view.Self.settled() || slices.ContainsFunc(view.Groups, func(g groupRecord) bool { return !g.settled() }) {
				return false
			}
			for _, g := range view.Groups {
				if p := g.at(h.host.life); (p != nil) != slices.Contains(h.opened(), g.Name) {
					return false
				}
			}
		}
		return true
	})
}

// TestMembersChange shows every change of members while commands flow: none is lost, none comes twice,
// and each member ends as what it was to be.
func TestMembersChange(t *testing.T) {
	w := newTown(t, "a", "b", "c", "d", "e")
	w.found("g", 3)
	f := w.traffic("g", 4)
	f.flow()
	for _, step := range []struct {
		request api.MembersRequest
		want    string
	}{
		{api.MembersRequest{Action: "add", Host: "d"}, "a b c d|"},
		{api.MembersRequest{Action: "add", Host: "d"}, "a b c d|"},
		{api.MembersRequest{Action: "add", Host: "e", Observer: true}, "a b c d|e"},
		{api.MembersRequest{Action: "demote", Host: "a"}, "b c d|a e"},
		{api.MembersRequest{Action: "promote", Host: "e"}, "b c d e|a"},
		{api.MembersRequest{Action: "remove", Host: "b"}, "c d e|a"},
		{api.MembersRequest{Action: "replace", Host: "c", With: "b"}, "b d e|a"},
		{api.MembersRequest{Action: "replace", Host: "a", With: "c"}, "b d e|c"},
		{api.MembersRequest{Action: "remove", Host: "c"}, "b d e|"},
	} {
		step.request.Group = "g"
		if got := roles(w.members(step.request)); got != step.want {
			t.Fatalf("%+v: %s, expected %s", step.request, got, step.want)
		}
		f.flow()
	}
	w.settles()
	f.end()
	record, _ := w.all()[0].host.machine.view.Load().group("g")
	id := record.ID
	for _, name := range []string{"a", "c"} {
		h := w.homes[name]
		w.until("what the removed members stored goes", func() bool {
			stored, err := h.store.Groups()
			return err == nil && !slices.Contains(stored, id) && h.chunkFiles(id) == 0
		})
	}
}

// TestLeaderLeaves shows that a leader hands over before it is demoted, removed or replaced, again and
// again, down to the last voter, which takes no part in its own removal.
func TestLeaderLeaves(t *testing.T) {
	w := newTown(t, "a", "b", "c", "d")
	w.found("g", 3)
	f := w.traffic("g", 2)
	f.flow()
	lead := func() string {
		var leader *home
		w.until("a leader", func() bool { leader = w.leader("g"); return leader != nil })
		return leader.name
	}
	leader := lead()
	w.members(api.MembersRequest{Group: "g", Action: "replace", Host: leader, With: "d"})
	f.flow()
	w.members(api.MembersRequest{Group: "g", Action: "demote", Host: lead()})
	w.members(api.MembersRequest{Group: "g", Action: "remove", Host: lead()})
	f.flow()
	last := lead()
	for _, action := range []string{"demote", "remove"} {
		if _, err := w.wish(api.MembersRequest{Group: "g", Action: action, Host: last}); codeOf(err) != api.CodeRefused || !strings.Contains(err.Error(), "last voter") {
			t.Errorf("%s of the last voter: %v", action, err)
		}
	}
	// One voter: it promotes its successor first, hands over, and goes.
	reply := w.members(api.MembersRequest{Group: "g", Action: "replace", Host: last, With: leader})
	if !strings.HasPrefix(roles(reply), leader+"|") {
		t.Errorf("%s", roles(reply))
	}
	f.flow()
	f.end()
}

// TestMembersGoOn shows that a change which its leader began is finished by the next one, by itself.
func TestMembersGoOn(t *testing.T) {
	w := newTown(t, "a", "b", "c", "d", "e")
	w.found("g", 3)
	f := w.traffic("g", 2)
	f.flow()
	for round, r := range []api.MembersRequest{
		{Action: "add", Host: "d"}, {Action: "replace", Host: "d", With: "e"}, {Action: "demote", Host: "e"}, {Action: "remove", Host: "e"},
	} {
		r.Group = "g"
		if _, err := w.wish(r); err != nil {
			t.Fatal(err)
		}
		for range round {
			w.step()
		}
		var leader *home
		w.until("a leader", func() bool { leader = w.leader("g"); return leader != nil })
		gone := leader.name
		w.isolate(gone)
		w.until("another leader", func() bool { h := w.leader("g"); return h != nil && h.name != gone })
		f.flow()
		w.heal()
		w.settles()
		f.flow()
	}
	f.end()
	if got := roles(w.members(api.MembersRequest{Group: "g"})); got != "a b c|" {
		t.Errorf("at the end: %s", got)
	}
}
