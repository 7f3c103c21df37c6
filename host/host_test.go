package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk/api"
)

// TestHosts shows the life of a group: uploaded on one host, deployed on all, used through each, moved,
// stopped with its hosts and found again, removed with everything it stored, and made anew from nothing.
func TestHosts(t *testing.T) {
	before := runtime.NumGoroutine()
	w := newTown(t, "a", "b", "c")
	info := w.run("counter")
	if len(info.Members) != 3 || info.Leader == "" || info.Group != "counter" || len(info.Problems) != 0 {
		t.Errorf("%+v", info)
	}
	for i, h := range w.all() {
		if got := h.add("counter", "A", 2); got != fmt.Sprint(2*(i+1)) {
			t.Errorf("through %s: %s", h.name, got)
		}
		r := h.query(QueryRequest{Group: "counter", Payload: []byte("get A"), Caller: "me"})
		if r.Err != nil || string(r.Outcome.Output) != fmt.Sprint(2*(i+1)) {
			t.Errorf("through %s: %+v", h.name, r)
		}
	}
	for _, name := range w.names {
		w.homes[name].stop()
	}
	noLeaks(t, before)
	if n := w.hall.listeners(); n != 0 {
		t.Errorf("%d hosts still listen for hellos", n)
	}
	w.start(w.names...)
	w.until("the group is open again", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool { return len(h.opened()) != 1 })
	})
	if got := w.homes["b"].add("counter", "A", 1); got != "7" {
		t.Errorf("after a restart: %s", got)
	}
	if err := w.homes["c"].change(api.VerbRemove, "counter", ""); err != nil {
		t.Fatal(err)
	}
	w.until("the group is gone", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool {
			ids, _ := h.store.Groups()
			return len(h.opened()) != 0 || len(ids) != 1 || h.chunkFiles(GroupID(info.ID)) != 0
		})
	})
	again := w.run("counter")
	if got := w.homes["c"].add("counter", "A", 1); got != "1" || again.ID == info.ID {
		t.Errorf("the new group begins at %s, with ID %d after %d", got, again.ID, info.ID)
	}
	if err := w.homes["a"].change(api.VerbRemove, "nothing", ""); codeOf(err) != api.CodeNotFound {
		t.Errorf("removing what is not there: %v", err)
	}
}

// TestTransferAndSnapshot shows the verbs that only the leader's host can carry out, and what the
// others answer.
func TestTransferAndSnapshot(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	leader := w.run("g").Leader
	for _, to := range w.names {
		if to == leader {
			continue
		}
		if err := w.homes[to].change(api.VerbTransfer, "g", to); codeOf(err) != api.CodeNoLeader {
			t.Errorf("asking %s, which does not lead: %v", to, err)
		}
		if err := w.homes[leader].change(api.VerbTransfer, "g", "nobody"); codeOf(err) != api.CodeNotFound {
			t.Errorf("transfer to nobody: %v", err)
		}
		if err := w.homes[leader].change(api.VerbTransfer, "g", leader); codeOf(err) != api.CodeBadRequest || !strings.Contains(err.Error(), "leads it already") {
			t.Errorf("transfer to itself: %v", err)
		}
		if err := w.homes[leader].change(api.VerbTransfer, "g", to); err != nil {
			t.Fatal(err)
		}
		w.until("the transfer", func() bool {
			return w.homes[to].describe("g").Leader == to && w.homes[leader].describe("g").Leader == to
		})
		leader = to
	}
	w.homes[leader].add("g", "A", 1)
	if err := w.homes[leader].change(api.VerbSnapshot, "g", ""); err != nil {
		t.Fatal(err)
	}
	w.until("a snapshot on every host", func() bool {
		return !slices.ContainsFunc(w.all(), func(h *home) bool { return h.brief("g").SnapshotIndex == 0 })
	})
	for _, h := range w.all() {
		if own, first := h.brief("g"), w.all()[0].brief("g"); len(own.SnapshotHash) != 64 || own.SnapshotHash != first.SnapshotHash {
			t.Errorf("host %s tells the state hash %q, another %q", h.name, own.SnapshotHash, first.SnapshotHash)
		}
	}
	if err := w.homes[leader].change("dance", "g", ""); codeOf(err) != api.CodeNotFound {
		t.Errorf("an unknown verb: %v", err)
	}
	for _, h := range w.all() {
		info := h.describe("g")
		roles := map[string]int{}
		for _, m := range info.Members {
			roles[m.Role]++
		}
		if info.Commit == 0 || info.Applied == 0 || info.Term == 0 || roles["leader"] != 1 {
			t.Errorf("%s says %+v", h.name, info)
		}
		if status := h.host.Status(); status.Host != h.name || len(status.Groups) != 2 || status.Groups[0].Group != catalogGroup {
			t.Errorf("%+v", status)
		}
	}
}

// describe is what a host says of a group.
func (h *home) describe(name string) api.GroupInfo {
	h.town.t.Helper()
	infos, err := wait(h.town, "the description", func(ctx context.Context) ([]api.GroupInfo, error) { return h.host.Describe(ctx, name) })
	if err != nil || len(infos) != 1 {
		h.town.t.Fatalf("%s says %v of %q: %v", h.name, infos, name, err)
	}
	return infos[0]
}

// brief is a group's line in a host's status.
func (h *home) brief(name string) api.GroupBrief {
	groups := h.host.Status().Groups
	i := slices.IndexFunc(groups, func(b api.GroupBrief) bool { return b.Group == name })
	if i < 0 {
		return api.GroupBrief{}
	}
	return groups[i]
}

// TestDeployRefusals shows what cannot be deployed, and why, and that none of it leaves a group behind.
func TestDeployRefusals(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	h := w.homes["a"]
	digest, err := h.upload("good")
	if err != nil {
		t.Fatal(err)
	}
	good := hexDigest(digest)
	if _, err := h.upload("bad module"); codeOf(err) != api.CodeBadModule {
		t.Errorf("a bad module: %v", err)
	}
	for name, c := range map[string]struct {
		request api.DeployRequest
		code    api.Code
	}{
		"no name":             {api.DeployRequest{Module: good}, api.CodeBadRequest},
		"a name with a dot":   {api.DeployRequest{Group: "a.b", Module: good}, api.CodeBadRequest},
		"a reserved name":     {api.DeployRequest{Group: catalogGroup, Module: good}, api.CodeBadRequest},
		"no digest":           {api.DeployRequest{Group: "g"}, api.CodeBadRequest},
		"half a digest":       {api.DeployRequest{Group: "g", Module: good[:32]}, api.CodeBadRequest},
		"a module not known":  {api.DeployRequest{Group: "g", Module: hexDigest(Digest{9})}, api.CodeNotFound},
		"more than all hosts": {api.DeployRequest{Group: "g", Module: good, Replicas: 4}, api.CodeBadRequest},
		"less than nothing":   {api.DeployRequest{Group: "g", Module: good, Replicas: -1}, api.CodeBadRequest},
		"negative memory":     {api.DeployRequest{Group: "g", Module: good, Limits: api.Limits{MemoryBytes: -1}}, api.CodeBadRequest},
		"too large commands":  {api.DeployRequest{Group: "g", Module: good, Limits: api.Limits{CommandBytes: MaxCommandBytes + 1}}, api.CodeBadRequest},
		"an init that fails":  {api.DeployRequest{Group: "g", Module: good, Init: []byte("bad")}, api.CodeBadModule},
		"too long an init":    {api.DeployRequest{Group: "g", Module: good, Init: make([]byte, MaxCommandBytes+1)}, api.CodeTooLarge},
	} {
		if _, err := h.deploy(c.request); codeOf(err) != c.code {
			t.Errorf("%s: %v, expected %s", name, err, c.code)
		}
	}
	groups, err := wait(w, "the list", func(ctx context.Context) ([]api.GroupInfo, error) { return h.host.Describe(ctx, "") })
	if err != nil || len(groups) != 0 {
		t.Errorf("%v, %v", groups, err)
	}
	if info, err := h.deploy(api.DeployRequest{Group: "small", Module: good, Replicas: 1, Limits: api.Limits{CommandBytes: 10}}); err != nil || len(info.Members) != 1 {
		t.Errorf("one replica: %+v, %v", info, err)
	}
	if _, err := h.deploy(api.DeployRequest{Group: "small", Module: good}); codeOf(err) != api.CodeExists {
		t.Errorf("again under one name: %v", err)
	}
	groups, err = wait(w, "the list", func(ctx context.Context) ([]api.GroupInfo, error) { return h.host.Describe(ctx, "") })
	if err != nil || len(groups) != 1 {
		t.Errorf("%v, %v", groups, err)
	}
}

// TestRequestRefusals shows what a host answers at once, without asking any group.
func TestRequestRefusals(t *testing.T) {
	w := newTown(t, "a")
	h := w.homes["a"]
	w.run("g")
	long := string(make([]byte, maxNameBytes+1))
	for name, c := range map[string]struct {
		request CommandRequest
		code    api.Code
	}{
		"no such group":      {CommandRequest{Group: "x"}, api.CodeNotFound},
		"the catalog":        {CommandRequest{Group: catalogGroup}, api.CodeNotFound},
		"too large":          {CommandRequest{Payload: make([]byte, MaxCommandBytes+1)}, api.CodeTooLarge},
		"a long session":     {CommandRequest{Session: long, Seq: 1}, api.CodeBadRequest},
		"a long caller":      {CommandRequest{Caller: long}, api.CodeBadRequest},
		"session and ID":     {CommandRequest{Session: "s", Seq: 1, MsgID: "m"}, api.CodeBadRequest},
		"no sequence":        {CommandRequest{Session: "s"}, api.CodeBadRequest},
		"acked too much":     {CommandRequest{Session: "s", Seq: 2, Acked: 2}, api.CodeBadRequest},
		"an unknown session": {CommandRequest{Session: "s", Seq: 2, Acked: 1}, api.CodeSession},
	} {
		if c.request.Group == "" {
			c.request.Group = "g"
		}
		if r := h.ask(c.request); r.Err == nil || r.Err.Code != c.code {
			t.Errorf("%s: %+v, expected %s", name, r, c.code)
		}
	}
	for name, c := range map[string]struct {
		request QueryRequest
		code    api.Code
	}{
		"no such group": {QueryRequest{Group: "x"}, api.CodeNotFound},
		"too large":     {QueryRequest{Group: "g", Payload: make([]byte, MaxCommandBytes+1)}, api.CodeTooLarge},
		"a long caller": {QueryRequest{Group: "g", Caller: long}, api.CodeBadRequest},
	} {
		if r := h.query(c.request); r.Err == nil || r.Err.Code != c.code {
			t.Errorf("%s: %+v, expected %s", name, r, c.code)
		}
	}
	if err := (fault(api.CodeBusy, "x")); err.Error() != "host: x" {
		t.Error(err)
	}
	id := GroupID(77)
	if _, _, err := h.host.Piece(BlobRequest{Group: &id}); err == nil {
		t.Error("a piece of no group")
	}
}

// chunkFiles counts what a group stored beside its log.
func (h *home) chunkFiles(id GroupID) int {
	entries, err := os.ReadDir(filepath.Join(h.town.dir, h.name, "groups", fmt.Sprintf("%016x", uint64(id))))
	if err != nil {
		return 0
	}
	return len(entries)
}
