package host

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// repair plans a repair of a stopped host, and carries it out.
func (h *home) repair(carryOut bool, lost ...string) ([]QuorumRepair, error) {
	h.town.t.Helper()
	plan, err := PlanQuorumRepair(h.store, filepath.Join(h.town.dir, h.name), lost)
	for i := range plan {
		if carryOut && err == nil {
			err = plan[i].Apply(h.town.t.Context())
		}
	}
	h.store = h.store.reopen()
	return plan, err
}

// TestQuorumRepair shows two of three folders lost: the survivor's repair says what it costs and changes nothing
// until it is carried out, the survivor then leads alone with everything that it held, and the other two come back
// with empty folders under new members, until all three vote again.
func TestQuorumRepair(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.found("g", 3)
	f := w.traffic("g", 3)
	f.flow()
	f.pause()
	held, life := w.idsOf("b", "g")
	survivor := w.homes["a"]
	w.until("the survivor has everything", func() bool {
		leader := w.leader("g")
		return leader != nil && survivor.brief("g").Applied >= leader.brief("g").Commit && survivor.brief("g").Applied > 0
	})
	for _, name := range []string{"b", "c"} {
		w.homes[name].loseFolder()
		w.forbid(w.idsOf(name, "g"))
	}
	survivor.stop()
	plan, err := survivor.repair(false)
	if err != nil || len(plan) != 2 || plan[0].Group != "g" || plan[1].Group != catalogGroup || !slices.Equal(plan[0].GivenUpHosts, []string{"b", "c"}) {
		t.Fatalf("%+v, %v", plan, err)
	}
	if text := plan[0].String(); !strings.Contains(text, "given up: the members on b, c") || plan[0].Last.Index == 0 {
		t.Errorf("%s", text)
	}
	again, err := survivor.repair(true)
	if err != nil || len(again) != 2 || again[0].Last != plan[0].Last {
		t.Fatalf("a plan alone has changed something: %+v, %v", again, err)
	}
	if rest, err := survivor.repair(true); err != nil || len(rest) != 0 {
		t.Fatalf("a second repair: %+v, %v", rest, err)
	}
	w.start("a")
	f.resume()
	f.flow() // alone, and with everything that was acknowledged: the sum shows it at the end
	for _, name := range []string{"b", "c"} {
		result := w.homes[name].knock()
		if _, err := survivor.hosts(api.HostsAdmit, name); err != nil {
			t.Fatal(err)
		}
		w.enters(result)
		w.settles()
		f.flow()
	}
	for _, group := range []string{"g", catalogGroup} {
		if got := roles(w.members(api.MembersRequest{Group: group})); got != "a b c|" {
			t.Errorf("%s: %s", group, got)
		}
	}
	if now, now2 := w.idsOf("b", "g"); now <= held || now2 <= life {
		t.Errorf("b came back as %s of %s", now, life)
	}
	f.end()
}

// TestRepairOfOneGroup shows that a group which keeps its quorum is left alone, that the member of the others is
// given up for good where it is alive, and that the operator can put a new one in its place.
func TestRepairOfOneGroup(t *testing.T) {
	w := newTown(t, "a", "b", "c", "d", "e")
	w.found("g", 3) // on a, b and c
	w.homes["a"].add("g", "A", 5)
	w.until("all have it", func() bool {
		return w.homes["a"].brief("g").Applied >= w.leader("g").brief("g").Commit
	})
	for _, name := range []string{"a", "b"} {
		w.homes[name].stop()
	}
	w.homes["c"].loseFolder()
	if _, err := w.homes["a"].repair(false, "a"); !errors.Is(err, ErrBadConfig) {
		t.Errorf("a host that gives itself up: %v", err)
	}
	if plan, err := w.homes["a"].repair(true, "c"); err != nil || len(plan) != 0 {
		t.Fatalf("with b there is a majority: %+v, %v", plan, err)
	}
	// Suppose that b was taken for lost too.
	if plan, err := w.homes["a"].repair(true, "b", "c"); err != nil || len(plan) != 1 || plan[0].Group != "g" {
		t.Fatalf("%+v, %v", plan, err)
	}
	w.start("a", "b")
	w.until("b gives its member up", func() bool { return w.leader("g") != nil && len(w.homes["b"].opened()) == 0 })
	if got := w.homes["a"].add("g", "A", 1); got != "6" {
		t.Errorf("the sum is %s", got)
	}
	if _, err := w.wish(api.MembersRequest{Group: "g", Action: "promote", Host: "b"}); codeOf(err) != api.CodeRefused || !strings.Contains(err.Error(), "given up by a repair") {
		t.Errorf("%v", err)
	}
	w.members(api.MembersRequest{Group: "g", Action: "remove", Host: "b"})
	w.members(api.MembersRequest{Group: "g", Action: "add", Host: "b"})
	if reply := w.members(api.MembersRequest{Group: "g", Action: "add", Host: "d"}); !strings.HasPrefix(roles(reply), "a b") {
		t.Errorf("%s: %+v", roles(reply), reply)
	}
}

// TestRepairBehindTheCatalog shows the repair of a member that was away when its group changed: the configuration
// that the repair writes stands at a lower index than the one that the catalog knows, and the catalog takes it for
// the later one all the same, so that those which were given up stop.
func TestRepairBehindTheCatalog(t *testing.T) {
	w := newTown(t, "a", "b", "c", "d", "e")
	w.found("g", 3) // on a, b and c
	a := w.homes["a"]
	a.stop()
	w.homes["b"].add("g", "A", 5)
	w.members(api.MembersRequest{Group: "g", Action: "add", Host: "d", Observer: true})
	w.homes["b"].stop()
	w.homes["c"].stop()
	w.start("a")
	w.until("a has heard of it", func() bool {
		g, _ := a.host.machine.view.Load().group("g")
		return g.settled() && g.on("d") != nil
	})
	a.stop()
	plan, err := a.repair(true, "b", "c")
	if err != nil || len(plan) != 1 || plan[0].Group != "g" || !slices.Equal(plan[0].GivenUpHosts, []string{"b", "c", "d"}) {
		t.Fatalf("%+v, %v", plan, err)
	}
	w.start("a", "b")
	w.until("b and d give their members up", func() bool {
		return w.leader("g") == a && len(w.homes["b"].opened()) == 0 && len(w.homes["d"].opened()) == 0
	})
}

// TestRepairAsksTheCatalog shows that a group is left alone whose voters, by what the catalog knows, are a majority
// without the lost hosts, although all but one of those in the survivor's log are lost: the survivor was away when
// they were replaced. And the other way round.
func TestRepairAsksTheCatalog(t *testing.T) {
	members := func(group GroupID) (all []consensus.MemberID, placed []placement) {
		for i, host := range []string{"a", "b", "c", "d", "e"} {
			m := placement{Host: host, Member: memberID(group, i), Home: memberID(0, i), Role: roleVoter, Is: roleVoter}
			all, placed = append(all, m.Member), append(placed, m)
		}
		return all, placed
	}
	ids, placed := members(7)
	record := groupRecord{Name: "g", ID: 7, Initial: ids[:3], Members: []placement{placed[0], placed[3], placed[4]}, Configuration: 20}
	store := newMemStore()
	if err := (&Host{cfg: Config{Store: store}}).setTenant(7, tenant{member: ids[0]}); err != nil {
		t.Fatal(err)
	}
	change := func(at consensus.Index, c consensus.Configuration) consensus.Restored {
		r := consensus.Restored{HardState: consensus.HardState{Term: 1}}
		for i := consensus.Index(1); i < at; i++ {
			r.Entries = append(r.Entries, consensus.LogEntry{Term: 1, Index: i, Kind: consensus.EntryNoOp})
		}
		r.Entries = append(r.Entries, consensus.LogEntry{
			Term: 1, Index: at, Kind: consensus.EntryConfiguration, Payload: consensus.EncodeConfiguration(c),
		})
		return r
	}
	for _, c := range []struct {
		name string
		log  consensus.Restored
		lost []string
		due  bool
	}{
		{"replaced while away", change(5, consensus.Configuration{Voters: ids[:3]}), []string{"b", "c"}, false},
		{"and lost after that", change(5, consensus.Configuration{Voters: ids[:3]}), []string{"d", "e"}, true},
		{"changed again since", change(30, consensus.Configuration{Voters: ids[:2], Observers: ids[3:]}), []string{"b"}, true},
		{"changed, and alive", change(30, consensus.Configuration{Voters: []consensus.MemberID{ids[0], ids[3], ids[4]}}), []string{"d"}, false},
	} {
		p := repairPlanner{store: store, life: placed[0].Home, lost: map[string]bool{}}
		for _, host := range c.lost {
			p.lost[host] = true
		}
		if _, due, err := p.plan(&record, c.log); err != nil || due != c.due {
			t.Errorf("%s: due %v, %v", c.name, due, err)
		}
	}
}

// TestRepairNeedsAFolder shows that a folder without a cluster, one that was damaged and one in which the state is
// known to be wrong are refused.
func TestRepairNeedsAFolder(t *testing.T) {
	if _, err := PlanQuorumRepair(newMemStore(), t.TempDir(), nil); !errors.Is(err, ErrIdentity) {
		t.Errorf("an empty folder: %v", err)
	}
	w := newTown(t, "a", "b")
	w.found("g", 2)
	record, _ := w.all()[0].host.machine.view.Load().group("g")
	a := w.homes["a"]
	a.stop()
	w.homes["b"].stop()
	if err := writeNote(a.store, record.ID, memberNote{Quarantined: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.repair(true); !errors.Is(err, ErrQuarantined) {
		t.Errorf("in quarantine: %v", err)
	}
	b := w.homes["b"]
	if err := b.store.SetMeta(metaHostID, []byte("another")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.repair(true); !errors.Is(err, ErrIdentity) {
		t.Errorf("with another identity: %v", err)
	}
	if err := b.store.SetMeta(metaCluster, []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.repair(true); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with half a record: %v", err)
	}
}

// TestSilentVoters shows that a group which was deployed for it takes the vote from a silent member, down to its
// floor and no further, tells who that was, and gives the vote back only when it is told to (R4).
func TestSilentVoters(t *testing.T) {
	w := newTown(t, "a", "b", "c", "d", "e")
	digest, err := w.all()[0].upload("module")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []api.DeployRequest{
		{DemoteAfter: "soon"}, {DemoteAfter: "1ms"}, {VoterFloor: 3}, {DemoteAfter: "5s", VoterFloor: -1},
	} {
		bad.Group, bad.Module = "g", hexDigest(digest)
		if _, err := w.all()[0].deploy(bad); codeOf(err) != api.CodeBadRequest {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := w.all()[0].deploy(api.DeployRequest{Group: "g", Module: hexDigest(digest), Replicas: 5, DemoteAfter: "5s"}); err != nil {
		t.Fatal(err)
	}
	w.until("a leader", func() bool { return w.leader("g") != nil })
	f := w.traffic("g", 2)
	f.flow()
	w.homes["d"].stop()
	w.homes["e"].stop()
	w.until("both are demoted", func() bool {
		g, _ := w.all()[0].host.machine.view.Load().group("g")
		return g.voters() == 3 && g.on("d").Demoted && g.on("e").Demoted
	})
	w.homes["c"].stop() // two of three voters are left: that is the floor
	f.flow()
	w.start("c", "d", "e")
	w.settles()
	reply := w.members(api.MembersRequest{Group: "g"})
	if got := roles(reply); got != "a b c|d e" || reply.DemoteAfter != "5s" || reply.VoterFloor != 3 {
		t.Errorf("%s: %+v", got, reply)
	}
	if got := roles(w.members(api.MembersRequest{Group: "g", Action: "promote", Host: "d"})); got != "a b c d|e" {
		t.Errorf("%s", got)
	}
	f.end()
}
