package host

import (
	"fmt"
	"slices"

	"github.com/groutlabs/grout/consensus"
)

// memberRole is what the catalog wants a member to be, or what the configuration is known to have
// made of it. The numbers are stored: never renumber them.
type memberRole uint8

const (
	// roleNone is a member that the configuration does not have.
	roleNone memberRole = 0
	// roleVoter votes.
	roleVoter memberRole = 1
	// roleObserver holds the state and never votes.
	roleObserver memberRole = 2
	// roleLost is a voter or observer that the configuration lost although nobody asked for it: after a
	// repair of the quorum. It never comes back into the configuration.
	roleLost memberRole = 3
)

// String returns the role's name in the project's vocabulary.
func (r memberRole) String() string {
	switch r {
	case roleVoter:
		return "voter"
	case roleObserver:
		return "observer"
	case roleLost:
		return "lost"
	}
	return "none"
}

const (
	// caughtUpEntries is how far behind the leader's commit index a member may be and still become a
	// voter: what a busy group has in flight.
	caughtUpEntries = 1024
	// aliveTimeouts is how long ago, in election timeouts, a member may have answered and still count as
	// alive.
	aliveTimeouts = 2
)

// setHosts tells a running member on which hosts the group's members are. Anyone may call it.
func (g *group) setHosts(hosts map[consensus.MemberID]string) { g.names.Store(&hosts) }

// hostOf returns a member's host, "" when unknown. Anyone may call it.
func (g *group) hostOf(id consensus.MemberID) string { return (*g.names.Load())[id] }

// alive reports whether a member has answered this leader lately. The loop calls it.
func (g *group) alive(id consensus.MemberID) bool {
	at, ok := g.heard[id]
	return id == g.self || ok && g.ticks-at <= aliveTimeouts*g.timing.ElectionTicks
}

// changeMembers takes one step from the configuration in force towards the one that the placements
// ask for, if this member leads and no step is under way. It returns what the rest waits for, "" when
// nothing is left to do. Calling it again and again, on whatever member leads, ends with the
// configuration wanted, wherever it was interrupted. It runs on the loop.
func (g *group) changeMembers(target []placement) (waiting string, err error) {
	status := g.core.Status()
	if status.Role != consensus.Leader {
		return "the leader", nil
	}
	if status.Configuration.Joint() || status.ConfigurationIndex > status.Commit {
		return "the last change of members to be committed", nil
	}
	plan := planMembers(status, g.alive, target)
	switch {
	case plan.successor != consensus.NoMember:
		return plan.waiting, g.core.TransferLeadership(plan.successor)
	case slices.Equal(plan.voters, status.Configuration.Voters) && slices.Equal(plan.observers, status.Configuration.Observers):
		return plan.waiting, nil
	}
	g.logger.Info("changing the members", "group", g.ref.Name, "from", status.Configuration,
		"voters", plan.voters, "observers", plan.observers)
	return plan.waiting, g.core.ChangeMembership(plan.voters, plan.observers)
}

// memberPlan is the next step of a change of members.
type memberPlan struct {
	voters, observers []consensus.MemberID
	// successor is who has to lead before the step is taken, because this leader is to lose its vote.
	successor consensus.MemberID
	// waiting is what keeps the step from being the last one.
	waiting string
}

// memberPlanner works out the next step.
type memberPlanner struct {
	status consensus.Status
	alive  func(consensus.MemberID) bool
	target []placement
	plan   memberPlan
}

// planMembers works out the next step of a leader with a committed configuration.
//
// New members come in as observers. One that is to vote is promoted when it is alive and has caught up;
// the member that it replaces leaves in the same joint change, and not before. A leader that is to lose
// its vote hands over first. No step is taken after which a majority of the voters would be known to be
// away, because it could never be completed.
func planMembers(status consensus.Status, alive func(consensus.MemberID) bool, target []placement) memberPlan {
	p := memberPlanner{status: status, alive: alive, target: target}
	for _, m := range target {
		p.place(m)
	}
	slices.Sort(p.plan.voters)
	slices.Sort(p.plan.observers)
	p.keepMajority()
	p.keepLeader()
	return p.plan
}

// ready reports whether a member can vote without holding the group up.
func (p *memberPlanner) ready(id consensus.MemberID) bool {
	return id == p.status.ID || p.alive(id) && p.stores(id) && p.lag(id) <= caughtUpEntries
}

// stores reports whether a member is known to have stored anything: in a young group one that cannot lacks no more
// entries than one that is a little behind.
func (p *memberPlanner) stores(id consensus.MemberID) bool { return p.status.Match[id] > 0 }

// lag is how many committed entries a member lacks, as far as the leader knows.
func (p *memberPlanner) lag(id consensus.MemberID) consensus.Index {
	if match := p.status.Match[id]; id != p.status.ID && match < p.status.Commit {
		return p.status.Commit - match
	}
	return 0
}

// place decides what the next configuration makes of one member.
func (p *memberPlanner) place(m placement) {
	votes := p.status.Configuration.IsVoter(m.Member)
	switch {
	case m.Is == roleLost:
	case m.Role == roleNone && votes && p.replaced(m.Member):
		p.plan.voters = append(p.plan.voters, m.Member)
	case m.Role == roleNone:
	case m.Role == roleObserver:
		p.plan.observers = append(p.plan.observers, m.Member)
	case votes || p.status.Configuration.IsMember(m.Member) && p.ready(m.Member):
		p.plan.voters = append(p.plan.voters, m.Member)
	default:
		p.plan.observers = append(p.plan.observers, m.Member)
		p.plan.waiting = fmt.Sprintf("the member on host %s to catch up", m.Host)
	}
}

// replaced reports whether a member stays because the one that takes its place is not ready yet.
func (p *memberPlanner) replaced(id consensus.MemberID) bool {
	return slices.ContainsFunc(p.target, func(m placement) bool {
		return m.Replaces == id && m.Role == roleVoter && m.Is != roleVoter &&
			!(p.status.Configuration.IsMember(m.Member) && p.ready(m.Member))
	})
}

// keepMajority puts a change of voters off while a majority of the new ones is not ready.
func (p *memberPlanner) keepMajority() {
	now := p.status.Configuration
	if slices.Equal(p.plan.voters, now.Voters) {
		return
	}
	ready := 0
	for _, id := range p.plan.voters {
		if p.ready(id) {
			ready++
		}
	}
	if ready > len(p.plan.voters)/2 {
		return
	}
	p.plan.waiting = fmt.Sprintf("a majority of the new voters: %d of %d are alive and have caught up", ready, len(p.plan.voters))
	for _, id := range p.plan.voters {
		if !now.IsVoter(id) {
			p.plan.observers = append(p.plan.observers, id)
		}
	}
	p.plan.voters = now.Voters
	p.plan.observers = slices.Sorted(slices.Values(slices.DeleteFunc(p.plan.observers, now.IsVoter)))
}

// keepLeader sees to it that a leader which is to lose its vote hands over to a member that keeps its
// own. Where nobody does, it stays for one more step.
func (p *memberPlanner) keepLeader() {
	now, self := p.status.Configuration, p.status.ID
	if slices.Contains(p.plan.voters, self) || !now.IsVoter(self) {
		return
	}
	best := consensus.NoMember
	for _, id := range p.plan.voters {
		if now.IsVoter(id) && p.ready(id) && (best == consensus.NoMember || p.status.Match[id] > p.status.Match[best]) {
			best = id
		}
	}
	p.plan.waiting = "another member to take over the leadership"
	if p.plan.successor = best; best != consensus.NoMember {
		return
	}
	p.plan.voters = slices.Sorted(slices.Values(append(p.plan.voters, self)))
	p.plan.observers = slices.DeleteFunc(p.plan.observers, func(id consensus.MemberID) bool { return id == self })
}
