package host

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// catalogGroup is the group that holds the catalog. Every host is a member of it.
const catalogGroup = "catalog"

// placement is one member of a group: where it is, and what it is and shall be.
type placement struct {
	Host   string             `codec:"h"`
	Member consensus.MemberID `codec:"m"`
	// Home is the life of the host, its member of the catalog: a host that lost its folder has another.
	Home consensus.MemberID `codec:"w"`
	// Role is what the member shall be: roleVoter, roleObserver, or roleNone while it leaves.
	Role memberRole `codec:"r"`
	// Is is what the configuration is known to have made of it.
	Is memberRole `codec:"i"`
	// Replaces is the member that may leave only when this one is ready, NoMember for none.
	Replaces consensus.MemberID `codec:"o"`
	// Demoted is set where the group itself took the vote away, because the member was silent.
	Demoted bool `codec:"d"`
}

// groupRecord is a group as the catalog knows it.
type groupRecord struct {
	Name     string     `codec:"n"`
	ID       GroupID    `codec:"i"`
	Module   Digest     `codec:"m"`
	Limits   api.Limits `codec:"l"`
	Init     []byte     `codec:"a"`
	Replicas int        `codec:"r"`
	// Initial are the first voters. They never change: every member, those included that join later,
	// begins with this configuration and learns the present one from the log.
	Initial []consensus.MemberID `codec:"f"`
	Members []placement          `codec:"p"`
	// NextMember numbers the members: no number is used twice.
	NextMember int `codec:"u"`
	// Configuration is the entry that carried the configuration of which the members' Is is a copy, and Observed
	// the term of the leader that told of it.
	Configuration consensus.Index `codec:"x"`
	Observed      consensus.Term  `codec:"t"`
	// DemoteAfterNanos is how long a voter may be silent before the group demotes it, 0 for ever, and
	// VoterFloor how many voters stay in any case.
	DemoteAfterNanos int64    `codec:"e"`
	VoterFloor       int      `codec:"v"`
	Key              [32]byte `codec:"k"`
	Seed             [32]byte `codec:"s"`
	CreatedNanos     int64    `codec:"c"`
	// Succession is what the group's machines were and may become: Module, Limits and Init are the present one's.
	Succession succession `codec:"z"`
}

// hostRecord is a host of the cluster.
type hostRecord struct {
	Name string `codec:"n"`
	// ID is the identity of its data folder.
	ID string `codec:"i"`
	// Life is its member of the catalog.
	Life consensus.MemberID `codec:"m"`
}

// moduleRecord is a module and the hosts that are known to hold it durably.
type moduleRecord struct {
	Digest  Digest   `codec:"d"`
	Size    int64    `codec:"s"`
	Holders []string `codec:"h"`
}

// catalogView is the catalog's whole state, in the order of names and digests. It is never changed:
// an applied command makes a new one.
type catalogView struct {
	Hosts []hostRecord `codec:"h"`
	// HostsAt is the index of the last command that changed Hosts.
	HostsAt consensus.Index `codec:"t"`
	// Self is the catalog as a group: its members.
	Self    groupRecord    `codec:"s"`
	Groups  []groupRecord  `codec:"g"`
	Modules []moduleRecord `codec:"m"`
	// Applied is the index of the last command.
	Applied consensus.Index `codec:"x"`
}

// host returns a host's record.
func (v *catalogView) host(name string) (hostRecord, bool) {
	i, found := slices.BinarySearchFunc(v.Hosts, name, func(h hostRecord, name string) int { return strings.Compare(h.Name, name) })
	if !found {
		return hostRecord{}, false
	}
	return v.Hosts[i], true
}

func (v *catalogView) names() []string {
	var names []string
	for _, h := range v.Hosts {
		names = append(names, h.Name)
	}
	return names
}

// record returns a group's record, also the catalog's own.
func (v *catalogView) record(name string) (groupRecord, bool) {
	if name == catalogGroup {
		return v.Self, true
	}
	return v.group(name)
}

// group returns a group's record.
func (v *catalogView) group(name string) (groupRecord, bool) {
	i, found := sort.Find(len(v.Groups), func(i int) int { return bytes.Compare([]byte(name), []byte(v.Groups[i].Name)) })
	if !found {
		return groupRecord{}, false
	}
	return v.Groups[i], true
}

func (v *catalogView) module(d Digest) *moduleRecord {
	for i := range v.Modules {
		if v.Modules[i].Digest == d {
			return &v.Modules[i]
		}
	}
	return nil
}

// heldByMajority reports whether losing any minority of the hosts cannot lose the module.
func (v *catalogView) heldByMajority(d Digest) bool {
	m := v.module(d)
	return m != nil && len(m.Holders) > len(v.Hosts)/2
}

// catalogCommand is one change of the catalog. Exactly one field is set.
type catalogCommand struct {
	// Hold says that a host holds a module; the first such command makes the module known.
	Hold *moduleRecord `codec:"h,omitempty"`
	// Copy says that a host has fetched a module. One that was removed meanwhile stays so.
	Copy *moduleRecord `codec:"k,omitempty"`
	// Create makes a group. ID, Members and CreatedNanos are assigned as it is applied.
	Create *groupRecord `codec:"c,omitempty"`
	// Remove takes a group away.
	Remove string `codec:"r,omitempty"`
	// Members changes what the members of a group shall be.
	Members *membersChange `codec:"e,omitempty"`
	// Observed tells what a group's committed configuration made of its members.
	Observed *observedMembers `codec:"o,omitempty"`
	// Admit takes a host, or another folder of a known host, into the cluster; Life is assigned.
	Admit *hostRecord `codec:"a,omitempty"`
	// Expel takes a host out of the cluster.
	Expel string `codec:"x,omitempty"`
	// Upgrade says that a group is about to be upgraded, or has been.
	Upgrade *groupUpgrade `codec:"u,omitempty"`
}

// catalogQuery asks for the group Name, or for a page of groups: those after a name, at most Limit, and
// fewer when they are large. Only a page without any says that there are no more.
type catalogQuery struct {
	Name  string `codec:"n"`
	After string `codec:"a"`
	Limit int    `codec:"l"`
}

// The codes with which the catalog refuses.
const (
	catalogExists    = 1
	catalogNotFound  = 2
	catalogNotHeld   = 3
	catalogMalformed = 4
	// catalogForbidden: the change would leave a group or the cluster without what it needs.
	catalogForbidden = 5
	// catalogPending: the change has to wait for another one.
	catalogPending = 6
)

// catalog is the machine of the catalog group.
type catalog struct {
	view atomic.Pointer[catalogView]
	// changed is rung after every change.
	changed func()
}

// newCatalog makes the catalog of a cluster with these first hosts, in the order of their names. It is
// the same on every host, those included that join later.
func newCatalog(founders []clusterHost, changed func()) *catalog {
	c := &catalog{changed: changed}
	view := &catalogView{Self: groupRecord{Name: catalogGroup, NextMember: len(founders)}}
	for _, f := range founders {
		view.Hosts = append(view.Hosts, hostRecord{Name: f.Name, ID: f.ID, Life: f.Member})
		view.Self.Initial = append(view.Self.Initial, f.Member)
		view.Self.Members = append(view.Self.Members, placement{
			Host: f.Name, Member: f.Member, Home: f.Member, Role: roleVoter, Is: roleVoter,
		})
	}
	c.view.Store(view)
	return c
}

// Apply implements Machine.
func (c *catalog) Apply(entry EntryContext, payload []byte) (Outcome, error) {
	var command catalogCommand
	if err := unpack(payload, &command); err != nil {
		return refused(catalogMalformed, err.Error()), nil
	}
	old := c.view.Load()
	next := &catalogView{
		Hosts: slices.Clone(old.Hosts), HostsAt: old.HostsAt, Self: old.Self, Groups: slices.Clone(old.Groups),
		Modules: slices.Clone(old.Modules), Applied: entry.Index,
	}
	outcome := next.carryOut(entry, &command)
	if outcome.Kind != Applied {
		unchanged := *old
		unchanged.Applied = entry.Index
		next = &unchanged
	}
	c.view.Store(next)
	c.changed()
	return outcome, nil
}

// carryOut changes a view that shares the members of its groups and the holders of its modules with
// others: whatever changes those copies them first.
func (v *catalogView) carryOut(entry EntryContext, c *catalogCommand) Outcome {
	switch {
	case c.Hold != nil:
		return v.hold(*c.Hold)
	case c.Copy != nil:
		if v.module(c.Copy.Digest) == nil {
			return refused(catalogNotFound, "the module is gone")
		}
		return v.hold(*c.Copy)
	case c.Create != nil:
		return v.create(entry, *c.Create)
	case c.Upgrade != nil:
		return v.upgrade(*c.Upgrade)
	case c.Members != nil:
		return v.changeMembers(*c.Members)
	case c.Observed != nil:
		return v.observe(*c.Observed)
	case c.Admit != nil:
		return v.admit(entry.Index, *c.Admit)
	case c.Expel != "":
		return v.expel(entry.Index, c.Expel)
	}
	return v.remove(c.Remove)
}

func refused(code int32, message string) Outcome {
	return Outcome{Kind: Refused, Code: code, Message: message}
}

func (v *catalogView) hold(held moduleRecord) Outcome {
	i, found := slices.BinarySearchFunc(v.Modules, held.Digest, func(m moduleRecord, d Digest) int {
		return bytes.Compare(m.Digest[:], d[:])
	})
	if !found {
		v.Modules = slices.Insert(v.Modules, i, held)
		return Outcome{}
	}
	m := &v.Modules[i]
	m.Holders = slices.Clone(m.Holders)
	for _, host := range held.Holders {
		if j, known := slices.BinarySearch(m.Holders, host); !known {
			m.Holders = slices.Insert(m.Holders, j, host)
		}
	}
	return Outcome{}
}

func (v *catalogView) create(entry EntryContext, g groupRecord) Outcome {
	i, found := slices.BinarySearchFunc(v.Groups, g.Name, func(r groupRecord, name string) int {
		return bytes.Compare([]byte(r.Name), []byte(name))
	})
	if found {
		return refused(catalogExists, "group "+g.Name+" exists already")
	}
	if g.Replicas < 1 {
		return refused(catalogMalformed, "a group without replicas")
	}
	if !v.heldByMajority(g.Module) {
		return refused(catalogNotHeld, "the module is not held by a majority of the hosts")
	}
	g.ID, g.CreatedNanos = GroupID(entry.Index), entry.TimeNanos
	g.Initial, g.Members, g.NextMember, g.Configuration, g.Observed = nil, nil, 0, 0, 0
	for _, host := range v.emptiest(g.Replicas) {
		m := g.nextMember(host, roleVoter)
		m.Is = roleVoter
		g.Initial, g.Members = append(g.Initial, m.Member), append(g.Members, m)
	}
	v.Groups = slices.Insert(v.Groups, i, g)
	out, err := pack(g)
	if err != nil {
		return refused(catalogMalformed, err.Error())
	}
	return Outcome{Output: out}
}

// emptiest chooses the hosts with the fewest members, in the order of names among equals.
func (v *catalogView) emptiest(n int) []hostRecord {
	load := map[string]int{}
	for _, g := range v.Groups {
		for _, p := range g.Members {
			if p.Role != roleNone {
				load[p.Host]++
			}
		}
	}
	hosts := slices.Clone(v.Hosts)
	slices.SortStableFunc(hosts, func(a, b hostRecord) int { return load[a.Name] - load[b.Name] })
	hosts = hosts[:min(n, len(hosts))]
	slices.SortFunc(hosts, func(a, b hostRecord) int { return strings.Compare(a.Name, b.Name) })
	return hosts
}

// nextMember makes a new member for a host. A member's ID holds the group's, and a number that no
// other member of the group ever had: so it names one replica and one life of its disk (R6).
func (g *groupRecord) nextMember(host hostRecord, role memberRole) placement {
	m := placement{Host: host.Name, Home: host.Life, Member: memberID(g.ID, g.NextMember), Role: role}
	g.NextMember++
	return m
}

// memberBits is how much of a member's ID numbers the members of its group.
const memberBits = 16

func memberID(group GroupID, ordinal int) consensus.MemberID {
	return consensus.MemberID(uint64(group)<<memberBits | uint64(ordinal+1))
}

// remove takes a group away, and its modules when no other group has them.
func (v *catalogView) remove(name string) Outcome {
	i := slices.IndexFunc(v.Groups, func(g groupRecord) bool { return g.Name == name })
	if i < 0 {
		return refused(catalogNotFound, "there is no group "+name)
	}
	gone := v.Groups[i]
	v.Groups = slices.Delete(v.Groups, i, i+1)
	v.dropUnused(gone.modules())
	return Outcome{}
}

// maxPageBytes bounds the records of a page, save that one always fits: a page has to fit into a
// message between hosts.
const maxPageBytes = 128 << 10

// Query implements Machine: it returns a catalogView with one page of groups, without their init
// arguments, and all modules.
func (c *catalog) Query(_ EntryContext, payload []byte) (Outcome, error) {
	var query catalogQuery
	if err := unpack(payload, &query); err != nil {
		return refused(catalogMalformed, err.Error()), nil
	}
	view := c.view.Load()
	if query.Name != "" {
		return view.answer(query.Name)
	}
	from := sort.Search(len(view.Groups), func(i int) bool { return view.Groups[i].Name > query.After })
	page := slices.Clone(view.Groups[from:min(len(view.Groups), from+max(query.Limit, 1))])
	size := 0
	for i := range page {
		page[i].Init, page[i].Succession.First = nil, nil
		if size += 256 + len(page[i].Name) + len(page[i].Members)*(api.MaxNameBytes+64); size > maxPageBytes && i > 0 {
			page = page[:i]
			break
		}
	}
	out, err := pack(catalogView{Hosts: view.Hosts, Groups: page, Modules: view.Modules})
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Output: out}, nil
}

// answer is the reply to a query for one group: a catalogView with its record, if there is one, and
// with the hosts.
func (v *catalogView) answer(name string) (Outcome, error) {
	found := catalogView{Hosts: v.Hosts, Applied: v.Applied}
	if record, ok := v.record(name); ok {
		record.Init, record.Succession.First = nil, nil
		found.Groups = []groupRecord{record}
	}
	out, err := pack(found)
	return Outcome{Output: out}, err
}

// Image implements Machine.
func (c *catalog) Image() (Image, error) {
	header, err := pack(c.view.Load())
	return Image{Header: header}, err
}

// Restore implements Machine.
func (c *catalog) Restore(image Image) error {
	var view catalogView
	if err := unpack(image.Header, &view); err != nil {
		return err
	}
	c.view.Store(&view)
	c.changed()
	return nil
}

// Close implements Machine.
func (c *catalog) Close() error { return nil }
