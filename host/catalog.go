package host

import (
	"bytes"
	"slices"
	"sort"
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
	Name         string      `codec:"n"`
	ID           GroupID     `codec:"i"`
	Module       Digest      `codec:"m"`
	Limits       api.Limits  `codec:"l"`
	Init         []byte      `codec:"a"`
	Replicas     int         `codec:"r"`
	Members      []placement `codec:"p"`
	Key          [32]byte    `codec:"k"`
	Seed         [32]byte    `codec:"s"`
	CreatedNanos int64       `codec:"c"`
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
	Hosts   []string       `codec:"h"`
	Groups  []groupRecord  `codec:"g"`
	Modules []moduleRecord `codec:"m"`
	// Applied is the index of the last command.
	Applied consensus.Index `codec:"x"`
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
}

// catalogQuery asks for a page of groups: those after a name, at most Limit, and fewer when they are
// large. Only a page without any says that there are no more.
type catalogQuery struct {
	After string `codec:"a"`
	Limit int    `codec:"l"`
}

// The codes with which the catalog refuses.
const (
	catalogExists    = 1
	catalogNotFound  = 2
	catalogNotHeld   = 3
	catalogMalformed = 4
)

// catalog is the machine of the catalog group.
type catalog struct {
	view atomic.Pointer[catalogView]
	// changed is rung after every change.
	changed func()
}

func newCatalog(hosts []string, changed func()) *catalog {
	c := &catalog{changed: changed}
	sorted := slices.Sorted(slices.Values(hosts))
	c.view.Store(&catalogView{Hosts: sorted})
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
		Hosts: old.Hosts, Groups: slices.Clone(old.Groups), Modules: slices.Clone(old.Modules), Applied: entry.Index,
	}
	outcome := Outcome{}
	switch {
	case command.Hold != nil:
		next.hold(*command.Hold)
	case command.Copy != nil:
		if outcome = refused(catalogNotFound, "the module is gone"); old.module(command.Copy.Digest) != nil {
			outcome = Outcome{}
			next.hold(*command.Copy)
		}
	case command.Create != nil:
		outcome = next.create(entry, *command.Create)
	default:
		outcome = next.remove(command.Remove)
	}
	if outcome.Kind != Applied {
		next = &catalogView{Hosts: old.Hosts, Groups: old.Groups, Modules: old.Modules, Applied: entry.Index}
	}
	c.view.Store(next)
	c.changed()
	return outcome, nil
}

func refused(code int32, message string) Outcome {
	return Outcome{Kind: Refused, Code: code, Message: message}
}

func (v *catalogView) hold(held moduleRecord) {
	i, found := slices.BinarySearchFunc(v.Modules, held.Digest, func(m moduleRecord, d Digest) int {
		return bytes.Compare(m.Digest[:], d[:])
	})
	if !found {
		v.Modules = slices.Insert(v.Modules, i, held)
		return
	}
	m := &v.Modules[i]
	m.Holders = slices.Clone(m.Holders)
	for _, host := range held.Holders {
		if j, known := slices.BinarySearch(m.Holders, host); !known {
			m.Holders = slices.Insert(m.Holders, j, host)
		}
	}
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
	g.Members = v.place(g)
	v.Groups = slices.Insert(v.Groups, i, g)
	out, err := pack(g)
	if err != nil {
		return refused(catalogMalformed, err.Error())
	}
	return Outcome{Output: out}
}

// place chooses the hosts with the fewest members, in the order of names among equals. A member's ID
// holds the group's, so that no member of another group or of another life can have it.
func (v *catalogView) place(g groupRecord) []placement {
	load := map[string]int{}
	for _, other := range v.Groups {
		for _, p := range other.Members {
			load[p.Host]++
		}
	}
	hosts := slices.Clone(v.Hosts)
	slices.SortStableFunc(hosts, func(a, b string) int { return load[a] - load[b] })
	hosts = hosts[:min(g.Replicas, len(hosts))]
	slices.Sort(hosts)
	var members []placement
	for i, host := range hosts {
		members = append(members, placement{Host: host, Member: memberID(g.ID, i)})
	}
	return members
}

func memberID(group GroupID, ordinal int) consensus.MemberID {
	return consensus.MemberID(uint64(group)<<8 | uint64(ordinal+1))
}

// remove takes a group away, and its module when no other group has it.
func (v *catalogView) remove(name string) Outcome {
	i := slices.IndexFunc(v.Groups, func(g groupRecord) bool { return g.Name == name })
	if i < 0 {
		return refused(catalogNotFound, "there is no group "+name)
	}
	module := v.Groups[i].Module
	v.Groups = slices.Delete(v.Groups, i, i+1)
	if !slices.ContainsFunc(v.Groups, func(g groupRecord) bool { return g.Module == module }) {
		v.Modules = slices.DeleteFunc(v.Modules, func(m moduleRecord) bool { return m.Digest == module })
	}
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
	from := sort.Search(len(view.Groups), func(i int) bool { return view.Groups[i].Name > query.After })
	page := slices.Clone(view.Groups[from:min(len(view.Groups), from+max(query.Limit, 1))])
	size := 0
	for i := range page {
		page[i].Init = nil
		if size += 256 + len(page[i].Name) + len(page[i].Members)*(api.MaxNameBytes+16); size > maxPageBytes && i > 0 {
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
