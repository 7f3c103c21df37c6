package host

import (
	"fmt"
	"slices"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// membersChange is an operator's wish about the members of a group. What becomes of it is seen in the
// record: the host of the group's leader brings the configuration in line, and tells so with
// observedMembers. A wish that is fulfilled already changes nothing.
type membersChange struct {
	Group string `codec:"g"`
	// Action is one of api.MembersAdd and so on; Host is where the member is.
	Action string `codec:"a"`
	Host   string `codec:"h"`
	// With is the host of the new member of api.MembersReplace.
	With string `codec:"w"`
	// Observer makes the member of api.MembersAdd one that never votes.
	Observer bool `codec:"o"`
}

// observedMembers is a committed configuration of a group, as its leader saw it.
type observedMembers struct {
	Group GroupID `codec:"g"`
	// Term is the leader's, and Index the entry that carried the configuration: what an earlier leader saw, or
	// the same one earlier, says nothing. A repair can lead back to a lower index, and never to a lower term.
	Term      consensus.Term       `codec:"t"`
	Index     consensus.Index      `codec:"i"`
	Voters    []consensus.MemberID `codec:"v"`
	Observers []consensus.MemberID `codec:"o"`
}

// role returns what the configuration makes of a member.
func (o *observedMembers) role(id consensus.MemberID) memberRole {
	switch {
	case slices.Contains(o.Voters, id):
		return roleVoter
	case slices.Contains(o.Observers, id):
		return roleObserver
	}
	return roleNone
}

// maxCatalogVoters is how many hosts vote in the catalog before a new one becomes an observer: more
// would make every change slower and hardly anything safer.
const maxCatalogVoters = 7

// edit returns a group's record, also the catalog's own, ready to be changed in place.
func (v *catalogView) edit(name string) *groupRecord {
	record := &v.Self
	if name != catalogGroup {
		i := slices.IndexFunc(v.Groups, func(g groupRecord) bool { return g.Name == name })
		if i < 0 {
			return nil
		}
		record = &v.Groups[i]
	}
	record.Members = slices.Clone(record.Members)
	return record
}

// on returns the member of a group on a host that is not leaving, nil when there is none.
func (g *groupRecord) on(host string) *placement {
	for i := range g.Members {
		if p := &g.Members[i]; p.Host == host && p.Role != roleNone {
			return p
		}
	}
	return nil
}

// at returns the member that a life of a host runs, nil when there is none. A member that a repair gave up
// does not run.
func (g *groupRecord) at(home consensus.MemberID) *placement {
	for i := range g.Members {
		if p := &g.Members[i]; p.Home == home && p.Is != roleLost {
			return p
		}
	}
	return nil
}

// placement returns what a group's record says of a member, nil when the group or the member is gone.
func (v *catalogView) placement(group GroupID, member consensus.MemberID) *placement {
	for i := range v.Groups {
		if v.Groups[i].ID == group {
			return v.Groups[i].placed(member)
		}
	}
	return nil
}

// keeps reports whether a member that runs here is to go on.
func (v *catalogView) keeps(held *hosted) bool {
	p := v.placement(held.record.ID, held.self)
	return p != nil && p.Is != roleLost
}

// hosts returns the hosts of the members, those that leave included.
func (g *groupRecord) hosts() map[consensus.MemberID]string {
	out := map[consensus.MemberID]string{}
	for _, p := range g.Members {
		out[p.Member] = p.Host
	}
	return out
}

// placed returns the placement of a member, nil when there is none.
func (g *groupRecord) placed(id consensus.MemberID) *placement {
	for i := range g.Members {
		if g.Members[i].Member == id {
			return &g.Members[i]
		}
	}
	return nil
}

// voters counts the members that shall vote.
func (g *groupRecord) voters() int {
	n := 0
	for _, p := range g.Members {
		if p.Role == roleVoter && p.Is != roleLost {
			n++
		}
	}
	return n
}

// settled reports whether every member is what it shall be.
func (g *groupRecord) settled() bool {
	return !slices.ContainsFunc(g.Members, func(p placement) bool { return p.Is != roleLost && p.Is != p.Role || p.Role == roleNone })
}

// changeMembers carries out an operator's wish, or refuses it.
func (v *catalogView) changeMembers(c membersChange) Outcome {
	g := v.edit(c.Group)
	if g == nil {
		return refused(catalogNotFound, "there is no group "+c.Group)
	}
	if c.Action == api.MembersAdd {
		role := roleVoter
		if c.Observer {
			role = roleObserver
		}
		return v.addMember(g, c.Host, role, consensus.NoMember)
	}
	held := g.on(c.Host)
	if held == nil {
		return refused(catalogNotFound, fmt.Sprintf("group %s has no member on host %q", c.Group, c.Host))
	}
	if held.Is == roleLost && (c.Action == api.MembersPromote || c.Action == api.MembersDemote) {
		return refused(catalogForbidden, fmt.Sprintf("the member of group %s on host %s was given up by a repair: remove it, and add a new one", c.Group, c.Host))
	}
	switch c.Action {
	case api.MembersPromote:
		held.Role, held.Demoted = roleVoter, false
		return Outcome{}
	case api.MembersDemote:
		return v.retire(g, held, roleObserver)
	case api.MembersRemove:
		if c.Group == catalogGroup {
			return refused(catalogForbidden, "every host is a member of the catalog: remove the host from the cluster, or demote its member")
		}
		return v.retire(g, held, roleNone)
	case api.MembersReplace:
		return v.replaceMember(g, held, c.With)
	}
	return refused(catalogMalformed, fmt.Sprintf("unknown action %q", c.Action))
}

// addMember places a new member on a host.
func (v *catalogView) addMember(g *groupRecord, name string, role memberRole, replaces consensus.MemberID) Outcome {
	host, ok := v.host(name)
	if !ok {
		return refused(catalogNotFound, fmt.Sprintf("the cluster has no host %q", name))
	}
	if held := g.on(name); held != nil {
		if held.Role == role && held.Is != roleLost && replaces == consensus.NoMember {
			return Outcome{}
		}
		return refused(catalogExists, fmt.Sprintf("host %s holds a member of group %s already, as %s", name, g.Name, held.describe()))
	}
	if slices.ContainsFunc(g.Members, func(p placement) bool { return p.Home == host.Life }) {
		return refused(catalogPending, fmt.Sprintf("the member of group %s on host %s is still leaving: try again when it has gone", g.Name, name))
	}
	if len(g.Members) >= consensus.MaxMembers || g.NextMember >= 1<<memberBits-1 {
		return refused(catalogForbidden, fmt.Sprintf("group %s can have no more members", g.Name))
	}
	m := g.nextMember(host, role)
	m.Replaces = replaces
	g.Members = append(g.Members, m)
	return Outcome{}
}

// describe says what a member is, for an operator.
func (p *placement) describe() string {
	if p.Is == roleLost {
		return "one that a repair gave up"
	}
	return p.Role.String()
}

// retire takes the vote from a member, or takes it out. One that was to replace another and does not
// vote yet gives the other its place back.
func (v *catalogView) retire(g *groupRecord, held *placement, to memberRole) Outcome {
	if old := g.placed(held.Replaces); to == roleNone && old != nil && held.Is != roleVoter && v.homeOf(old) {
		old.Role, held.Role = held.Role, roleNone
		return Outcome{}
	}
	if held.Role == roleVoter && held.Is != roleLost && g.voters() == 1 {
		return refused(catalogForbidden, fmt.Sprintf("the member on host %s is the last voter of group %s: add another first", held.Host, g.Name))
	}
	held.Role = to
	return Outcome{}
}

// homeOf reports whether a member's host is in the cluster, with the folder in which the member is.
func (v *catalogView) homeOf(p *placement) bool {
	h, ok := v.host(p.Host)
	return ok && h.Life == p.Home
}

// replaceMember places a new member that takes the place of another one.
func (v *catalogView) replaceMember(g *groupRecord, held *placement, with string) Outcome {
	switch {
	case g.Name == catalogGroup:
		return refused(catalogForbidden, "every host is a member of the catalog: promote and demote its members instead")
	case held.Host == with:
		return refused(catalogForbidden, fmt.Sprintf("host %s cannot take its own place: its folder is new after 'hosts admit'", with))
	}
	role, old := held.Role, held.Member
	held.Role = roleNone
	return v.addMember(g, with, role, old)
}

// observe takes over what a group's configuration has made of its members. A voter that became an
// observer although it should vote was demoted by the group itself, and stays one.
func (v *catalogView) observe(o observedMembers) Outcome {
	name := catalogGroup
	if o.Group != 0 {
		i := slices.IndexFunc(v.Groups, func(g groupRecord) bool { return g.ID == o.Group })
		if i < 0 {
			return refused(catalogNotFound, "the group is gone")
		}
		name = v.Groups[i].Name
	}
	g := v.edit(name)
	if g.knowsLater(o.Term, o.Index) {
		return Outcome{}
	}
	g.Configuration, g.Observed = o.Index, o.Term
	v.standBy(g, &o)
	for i := range g.Members {
		g.Members[i].observe(o.role(g.Members[i].Member))
	}
	g.Members = slices.DeleteFunc(g.Members, func(p placement) bool {
		return p.Role == roleNone && o.role(p.Member) == roleNone
	})
	return Outcome{}
}

// standBy lets a replacement stand that was called off when the group had carried it out already: nothing brings
// the replaced member back.
func (v *catalogView) standBy(g *groupRecord, o *observedMembers) {
	for i := range g.Members {
		m := &g.Members[i]
		old := g.placed(m.Replaces)
		if m.Role != roleNone || old == nil || old.Role == roleNone || old.Is == roleLost {
			continue
		}
		if o.role(m.Member) != roleNone && o.role(old.Member) == roleNone && v.homeOf(m) {
			m.Role, old.Role = old.Role, roleNone
		}
	}
}

// knowsLater reports whether the record has a later configuration than the one that a leader saw.
func (g *groupRecord) knowsLater(term consensus.Term, index consensus.Index) bool {
	return term < g.Observed || term == g.Observed && index < g.Configuration
}

func (p *placement) observe(now memberRole) {
	switch {
	case p.Is == roleLost:
	case p.Is != roleNone && p.Role != roleNone && now == roleNone:
		p.Is = roleLost
	case p.Is == roleVoter && p.Role == roleVoter && now == roleObserver:
		p.Role, p.Is, p.Demoted = roleObserver, roleObserver, true
	default:
		p.Is = now
	}
}

// admit takes a new host in, or a host that lost its folder: then each of its members is replaced by a
// new one with the same role, and what the catalog believed it to hold is forgotten.
func (v *catalogView) admit(at consensus.Index, h hostRecord) Outcome {
	if api.CheckName(h.Name) != nil || h.ID == "" {
		return refused(catalogMalformed, fmt.Sprintf("host %q with the folder %q cannot be admitted", h.Name, h.ID))
	}
	known, readmitted := v.host(h.Name)
	if readmitted && known.ID == h.ID {
		return Outcome{}
	}
	self := v.edit(catalogGroup)
	if len(self.Members) >= consensus.MaxMembers {
		return refused(catalogForbidden, "the cluster can have no more hosts")
	}
	role, replaces := roleObserver, consensus.NoMember
	if self.voters() < maxCatalogVoters {
		role = roleVoter
	}
	if old := self.placed(known.Life); readmitted && old != nil {
		role, replaces = old.Role, old.Member
		old.Role = roleNone
	}
	h.Life = memberID(0, self.NextMember)
	m := self.nextMember(h, role)
	m.Replaces = replaces
	self.Members = append(self.Members, m)
	v.setHost(h)
	v.HostsAt = at
	if readmitted {
		v.forget(h.Name)
		for i := range v.Groups {
			v.readmit(v.Groups[i].Name, known, h)
		}
	}
	return Outcome{}
}

func (v *catalogView) setHost(h hostRecord) {
	v.Hosts = slices.DeleteFunc(v.Hosts, func(other hostRecord) bool { return other.Name == h.Name })
	i := slices.IndexFunc(v.Hosts, func(other hostRecord) bool { return other.Name > h.Name })
	if i < 0 {
		i = len(v.Hosts)
	}
	v.Hosts = slices.Insert(v.Hosts, i, h)
}

// readmit replaces a host's member of one group, if it had one.
func (v *catalogView) readmit(name string, known, now hostRecord) {
	g := v.edit(name)
	old := g.on(known.Name)
	if old == nil {
		return
	}
	m := g.nextMember(now, old.Role)
	if m.Replaces = old.Member; old.Replaces != consensus.NoMember && old.Is != roleVoter {
		m.Replaces = old.Replaces
	}
	old.Role = roleNone
	g.Members = append(g.Members, m)
}

// forget strikes a host from the holders of modules, and modules that nobody needs and nobody holds.
func (v *catalogView) forget(host string) {
	for i := range v.Modules {
		m := &v.Modules[i]
		m.Holders = slices.DeleteFunc(slices.Clone(m.Holders), func(h string) bool { return h == host })
	}
	v.Modules = slices.DeleteFunc(v.Modules, func(m moduleRecord) bool {
		return len(m.Holders) == 0 && !slices.ContainsFunc(v.Groups, func(g groupRecord) bool { return g.Module == m.Digest })
	})
}

// expel takes a host and all of its members out of the cluster.
func (v *catalogView) expel(at consensus.Index, name string) Outcome {
	if _, ok := v.host(name); !ok {
		return refused(catalogNotFound, fmt.Sprintf("the cluster has no host %q", name))
	}
	names := []string{catalogGroup}
	for _, g := range v.Groups {
		names = append(names, g.Name)
	}
	for _, group := range names {
		g := v.edit(group)
		for held := g.on(name); held != nil; held = g.on(name) {
			if outcome := v.retire(g, held, roleNone); outcome.Kind != Applied {
				return outcome
			}
		}
	}
	v.Hosts = slices.DeleteFunc(v.Hosts, func(h hostRecord) bool { return h.Name == name })
	v.HostsAt = at
	v.forget(name)
	return Outcome{}
}
