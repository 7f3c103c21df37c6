package host

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// ledger is a catalog whose entries a test numbers.
type ledger struct {
	*catalog
	t     *testing.T
	index consensus.Index
	rings int
}

func newLedger(t *testing.T, hosts ...string) *ledger {
	l := &ledger{t: t}
	l.catalog = newCatalog(founders(hosts...), func() { l.rings++ })
	return l
}

// founders are the first hosts of a cluster, as their record has them.
func founders(names ...string) []clusterHost {
	var out []clusterHost
	for i, name := range slices.Sorted(slices.Values(names)) {
		out = append(out, clusterHost{Name: name, ID: "folder-" + name, Member: memberID(0, i)})
	}
	return out
}

func (l *ledger) do(c catalogCommand) Outcome {
	l.t.Helper()
	payload, err := pack(c)
	if err != nil {
		l.t.Fatal(err)
	}
	l.index++
	outcome, err := l.Apply(EntryContext{Index: l.index, TimeNanos: int64(l.index) * int64(time.Second)}, payload)
	if err != nil {
		l.t.Fatal(err)
	}
	return outcome
}

func (l *ledger) hold(d Digest, hosts ...string) {
	l.t.Helper()
	for _, host := range hosts {
		if o := l.do(catalogCommand{Hold: &moduleRecord{Digest: d, Size: 3, Holders: []string{host}}}); o.Kind != Applied {
			l.t.Fatalf("%+v", o)
		}
	}
}

func (l *ledger) create(name string, module Digest, replicas int) Outcome {
	l.t.Helper()
	return l.do(catalogCommand{Create: &groupRecord{Name: name, Module: module, Replicas: replicas}})
}

func (l *ledger) refused(o Outcome, code int32) {
	l.t.Helper()
	if o.Kind != Refused || o.Code != code {
		l.t.Errorf("got %+v, expected a refusal with %d", o, code)
	}
}

func (l *ledger) image() []byte {
	l.t.Helper()
	image, err := l.Image()
	if err != nil {
		l.t.Fatal(err)
	}
	return image.Header
}

// TestCatalogRules shows what the catalog lets through and what it refuses, and that a refusal leaves
// nothing but the mark of its entry.
func TestCatalogRules(t *testing.T) {
	l := newLedger(t, "b", "a", "c")
	l.hold(Digest{1}, "a")
	l.refused(l.create("g", Digest{1}, 3), catalogNotHeld)
	l.refused(l.create("g", Digest{2}, 3), catalogNotHeld)
	l.hold(Digest{1}, "c", "c", "a")
	created := l.create("g", Digest{1}, 3)
	if created.Kind != Applied {
		t.Fatalf("%+v", created)
	}
	var record groupRecord
	if err := unpack(created.Output, &record); err != nil {
		t.Fatal(err)
	}
	if record.ID != GroupID(l.index) || record.CreatedNanos != int64(l.index)*int64(time.Second) {
		t.Errorf("%+v", record)
	}
	for i, p := range record.Members {
		if p.Host != []string{"a", "b", "c"}[i] || p.Member != memberID(record.ID, i) {
			t.Errorf("member %d is %+v", i, p)
		}
	}
	l.refused(l.create("g", Digest{1}, 1), catalogExists)
	l.refused(l.create("h", Digest{1}, 0), catalogMalformed)
	l.refused(l.create("h", Digest{1}, -1), catalogMalformed)
	l.refused(l.do(catalogCommand{Remove: "h"}), catalogNotFound)
	l.refused(l.do(catalogCommand{}), catalogNotFound)
	if outcome, err := l.Apply(EntryContext{Index: 99}, []byte("?")); err != nil || outcome.Code != catalogMalformed {
		t.Errorf("%+v, %v", outcome, err)
	}
	if view := l.view.Load(); len(view.Groups) != 1 || len(view.Modules) != 1 || l.rings != int(l.index) {
		t.Errorf("%+v after %d rings", view, l.rings)
	}
}

// TestRemoving shows that a module stays while a group has it, and that a group which is made again
// under its old name is another one.
func TestRemoving(t *testing.T) {
	l := newLedger(t, "a")
	l.hold(Digest{1}, "a")
	l.create("g", Digest{1}, 1)
	l.create("h", Digest{1}, 1)
	first, _ := l.view.Load().group("g")
	if o := l.do(catalogCommand{Remove: "g"}); o.Kind != Applied || l.view.Load().module(Digest{1}) == nil {
		t.Fatalf("%+v, and the module is gone", o)
	}
	l.create("g", Digest{1}, 1)
	second, found := l.view.Load().group("g")
	if !found || second.ID == first.ID || second.Members[0].Member == first.Members[0].Member {
		t.Errorf("%+v is too much like %+v", second, first)
	}
	l.do(catalogCommand{Remove: "g"})
	if o := l.do(catalogCommand{Copy: &moduleRecord{Digest: Digest{1}, Holders: []string{"b"}}}); o.Kind != Applied || len(l.view.Load().Modules[0].Holders) != 2 {
		t.Errorf("%+v, the holders are %v", o, l.view.Load().Modules[0].Holders)
	}
	l.do(catalogCommand{Remove: "h"})
	// A host that was slow to fetch the module does not bring it back.
	l.refused(l.do(catalogCommand{Copy: &moduleRecord{Digest: Digest{1}, Holders: []string{"b"}}}), catalogNotFound)
	if view := l.view.Load(); len(view.Groups) != 0 || len(view.Modules) != 0 {
		t.Errorf("%+v", view)
	}
}

// TestPlacement shows that members go where the fewest are, and never two of a group to one host.
func TestPlacement(t *testing.T) {
	hosts := []string{"a", "b", "c", "d", "e"}
	l := newLedger(t, hosts...)
	l.hold(Digest{1}, hosts...)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 40 {
		l.create(fmt.Sprint("g", i), Digest{1}, 1+rng.IntN(5))
		load := map[string]int{}
		for _, g := range l.view.Load().Groups {
			seen := map[string]bool{}
			for _, p := range g.Members {
				load[p.Host]++
				if seen[p.Host] {
					t.Fatalf("group %s has two members on %s", g.Name, p.Host)
				}
				seen[p.Host] = true
			}
		}
		counts := []int{}
		for _, h := range hosts {
			counts = append(counts, load[h])
		}
		if slices.Max(counts)-slices.Min(counts) > 1 {
			t.Fatalf("after %d groups the hosts have %v members", i+1, counts)
		}
	}
}

// TestCatalogImages shows that catalogs with the same history have the same bytes, also where one of
// them began from an image in between, and even when they are empty again.
func TestCatalogImages(t *testing.T) {
	hosts := []string{"c", "a", "b"}
	for seed := uint64(1); seed <= 10; seed++ {
		rng := rand.New(rand.NewPCG(seed, 2))
		l, twin := newLedger(t, hosts...), newLedger(t, "a", "b", "c")
		for range 200 {
			c := catalogCommand{}
			switch rng.IntN(4) {
			case 0, 1:
				c.Hold = &moduleRecord{Digest: Digest{byte(rng.IntN(4))}, Size: 1, Holders: []string{hosts[rng.IntN(3)]}}
			case 2:
				c.Create = &groupRecord{Name: fmt.Sprint("g", rng.IntN(6)), Module: Digest{byte(rng.IntN(4))}, Replicas: 1 + rng.IntN(3)}
			default:
				c.Remove = fmt.Sprint("g", rng.IntN(6))
			}
			first, second := l.do(c), twin.do(c)
			if fmt.Sprint(first) != fmt.Sprint(second) {
				t.Fatalf("seed %d: %v and %v", seed, first, second)
			}
			if !bytes.Equal(l.image(), twin.image()) {
				t.Fatalf("seed %d: the images differ at %d", seed, l.index)
			}
			if rng.IntN(10) == 0 {
				next := newLedger(t)
				if err := next.Restore(Image{Header: twin.image()}); err != nil {
					t.Fatal(err)
				}
				next.index = twin.index
				twin = next
			}
		}
	}
}

// TestPages shows that the pages of a query hold every group once, in the order of names, and that no
// page is larger than a message may be, whatever the groups were given.
func TestPages(t *testing.T) {
	hosts := []string{}
	for i := range 40 {
		hosts = append(hosts, fmt.Sprintf("%s-%02d", strings.Repeat("h", 60), i))
	}
	l := newLedger(t, hosts...)
	l.hold(Digest{1}, hosts...)
	for i := range 120 {
		l.do(catalogCommand{Create: &groupRecord{
			Name: fmt.Sprintf("g%03d", i), Module: Digest{1}, Replicas: 40, Init: make([]byte, 64<<10),
		}})
	}
	names := []string{}
	for after := ""; ; after = names[len(names)-1] {
		query, err := pack(catalogQuery{After: after, Limit: catalogPage})
		if err != nil {
			t.Fatal(err)
		}
		outcome, err := l.Query(EntryContext{}, query)
		if err != nil || len(outcome.Output) > 256<<10 {
			t.Fatalf("a page of %d bytes, %v", len(outcome.Output), err)
		}
		var page catalogView
		if err := unpack(outcome.Output, &page); err != nil {
			t.Fatal(err)
		}
		if len(page.Groups) == 0 {
			break
		}
		for _, g := range page.Groups {
			names = append(names, g.Name)
		}
	}
	if len(names) != 120 || !slices.IsSorted(names) {
		t.Fatalf("%d groups: %v", len(names), names)
	}
	if outcome, err := l.Query(EntryContext{}, []byte("?")); err != nil || outcome.Code != catalogMalformed {
		t.Errorf("%+v, %v", outcome, err)
	}
	if g := l.view.Load().Groups[0]; len(g.Init) != 64<<10 {
		t.Error("a query changed the catalog")
	}
	if err := l.Restore(Image{Header: []byte("?")}); err == nil {
		t.Error("a damaged image was restored")
	}
	if l.Close() != nil {
		t.Error("closing failed")
	}
}

// TestCalledOffTooLate shows that a replacement which the group has carried out stands, although it is called off before
// the catalog knows: no member is taken for one that a repair gave up, and the group keeps its voters. Called off
// in time, the replaced member stays.
func TestCalledOffTooLate(t *testing.T) {
	for _, late := range []bool{false, true} {
		v := &catalogView{Groups: []groupRecord{{Name: "g", ID: 7}}}
		for i, name := range []string{"a", "b", "c", "d"} {
			v.Hosts = append(v.Hosts, hostRecord{Name: name, Life: memberID(0, i)})
		}
		var old []consensus.MemberID
		for _, h := range v.Hosts[:3] {
			m := v.Groups[0].nextMember(h, roleVoter)
			m.Is = roleVoter
			v.Groups[0].Members, old = append(v.Groups[0].Members, m), append(old, m.Member)
		}
		successor := memberID(7, 3)
		v.changeMembers(membersChange{Group: "g", Action: api.MembersReplace, Host: "a", With: "d"})
		v.observe(observedMembers{Group: 7, Term: 2, Index: 10, Voters: old, Observers: []consensus.MemberID{successor}})
		if o := v.changeMembers(membersChange{Group: "g", Action: api.MembersRemove, Host: "d"}); o.Kind != Applied {
			t.Fatal(o)
		}
		now := old
		if late {
			now = []consensus.MemberID{old[1], old[2], successor}
		}
		v.observe(observedMembers{Group: 7, Term: 2, Index: 12, Voters: now})
		g := &v.Groups[0]
		if len(g.Members) != 3 || g.voters() != 3 || !g.settled() {
			t.Errorf("late %v: %+v", late, g.Members)
		}
		for _, id := range now {
			if p := g.placed(id); p == nil || p.Role != roleVoter || p.Is != roleVoter {
				t.Errorf("late %v: %s is %+v", late, id, p)
			}
		}
	}
}
