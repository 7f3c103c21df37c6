package host

import (
	"errors"
	"maps"
	"slices"

	"github.com/groutlabs/grout/consensus"
)

// simOperator starts processes again, replaces lost disks, and changes the membership, as people and
// the catalog would.
type simOperator struct {
	w *simWorld
	// target is what the membership shall be.
	target []placement
	hosts  map[consensus.MemberID]string
	// known is the version of hosts that a process has, version the newest.
	known   map[*simLife]int
	version int
	ids     int
	// buried are the logs of lost disks, by the members that they belonged to.
	buried map[consensus.MemberID]*simLogContent
	// marked is when the operator last asked for a snapshot.
	marked int64
	// waiting is what the last step of a change said that it waits for.
	waiting string
}

func (o *simOperator) init(w *simWorld) {
	o.w, o.hosts, o.known = w, map[consensus.MemberID]string{}, map[*simLife]int{}
	o.buried = map[consensus.MemberID]*simLogContent{}
	for _, n := range w.nodes {
		o.ids++
		o.hosts[n.id] = n.name
		o.target = append(o.target, placement{Host: n.name, Member: n.id, Role: roleVoter})
	}
	w.truth.membership = w.truth.initial
}

// names are the hosts of all members, for a process that starts.
func (o *simOperator) names() map[consensus.MemberID]string { return o.hosts }

// act does what is due: it tells the leader the target, and processes their peers' names.
func (o *simOperator) act() {
	w := o.w
	w.after(w.between(simTick, 4*simTick), "operator", o.act)
	for _, l := range w.lives() {
		if o.known[l] != o.version && (w.calm || w.chance(2)) {
			o.known[l] = o.version
			l.g.setHosts(o.hosts)
		}
	}
	o.prune()
	if l := w.leader(); l != nil {
		l.place(1, "change members", func() {
			l.g.inbox.call(func() {
				if w.calm && w.doubtful() && w.now > o.marked+50*simTick {
					o.marked = w.now
					_ = l.g.mark() // an operator's snapshot brings a wrong state to light
				}
				waiting, err := l.g.changeMembers(slices.Clone(o.target))
				o.waiting = waiting
				if err != nil && !errors.Is(err, consensus.ErrNotLeader) && !errors.Is(err, consensus.ErrChangePending) {
					w.trace.note("change of members: %v", err)
				}
			})
		})
	}
}

// prune forgets members that have left.
func (o *simOperator) prune() {
	if o.w.truth.membership.Joint() {
		return
	}
	o.target = slices.DeleteFunc(o.target, func(p placement) bool {
		return p.Role == roleNone && !o.w.truth.membership.IsMember(p.Member) && !o.pending()
	})
}

// pending reports whether a configuration that is not committed may be in force somewhere.
func (o *simOperator) pending() bool {
	for _, l := range o.w.lives() {
		if s := l.g.core.Status(); s.ConfigurationIndex > o.w.truth.membershipAt {
			return true
		}
	}
	return false
}

// settled reports whether the committed configuration is the target, and no other is under way.
func (o *simOperator) settled() bool {
	now := o.w.truth.membership
	if now.Joint() || o.pending() {
		return false
	}
	for _, p := range o.target {
		switch {
		case p.Role == roleVoter && !now.IsVoter(p.Member),
			p.Role == roleObserver && (now.IsVoter(p.Member) || !now.IsMember(p.Member)),
			p.Role == roleNone && now.IsMember(p.Member):
			return false
		}
	}
	return true
}

func (o *simOperator) at(id consensus.MemberID) *placement {
	for i := range o.target {
		if o.target[i].Member == id {
			return &o.target[i]
		}
	}
	return nil
}

// mayLose reports whether the group survives without a disk, by rule R6: a majority of the voters must
// keep theirs. No other disk may be damaged, and no change under way.
func (o *simOperator) mayLose(n *simNode) bool {
	for _, other := range o.w.nodes {
		if other.disk.damaged() && other != n {
			return false
		}
	}
	if p := &o.w.profile; p.demote > 0 && p.voterFloor() < 3 {
		return false // with two voters left, either of them is needed
	}
	return o.settled() && !o.w.doubtful() && (len(o.w.truth.membership.Voters) >= 3 || !o.w.truth.membership.IsVoter(n.id))
}

// restartLater starts a process again after a while.
func (o *simOperator) restartLater(n *simNode) {
	delay := o.w.between(simTick, 15*simTick)
	if o.w.profile.quick {
		delay = o.w.between(1, simTick)
	}
	o.w.after(delay, "restart", func() {
		if n.life == nil && o.w.failure == nil {
			n.boot()
		}
	})
}

// memberStopped ends the process of a member that has stopped, and starts it again.
func (o *simOperator) memberStopped(l *simLife, _ error) {
	o.w.after(o.w.between(1, 4*simTick), "stop", func() {
		if l.node.life == l {
			l.node.kill(false)
			o.restartLater(l.node)
		}
	})
}

// unreadable replaces a disk that cannot be read any more. Only faults may bring that about.
func (o *simOperator) unreadable(n *simNode, err error) {
	if !n.disk.damaged() {
		o.w.fail("%s does not start, and its disk was never damaged: %v", n.name, err)
		return
	}
	o.w.stats.found++
	o.replace(n)
	o.restartLater(n)
}

// replace gives a host an empty disk and a new identity. Its role goes to the new member as soon as
// that has caught up.
func (o *simOperator) replace(n *simNode) {
	old := o.at(n.id)
	o.buried[n.id] = &n.disk.log
	n.disk = newSimDisk(o.w)
	o.w.stats.lostDisks++
	next := placement{Host: n.name, Role: roleVoter, Replaces: n.id}
	if old != nil {
		next.Role, old.Role = old.Role, roleNone
	}
	n.id = memberID(simGroup, o.ids)
	next.Member = n.id
	o.ids++
	o.target = append(o.target, next)
	o.hosts = maps.Clone(o.hosts)
	o.hosts[n.id] = n.name
	o.version++
}

// change asks for some other membership.
func (o *simOperator) change() {
	w := o.w
	for _, n := range w.nodes {
		if n.disk.damaged() {
			return
		}
	}
	if !o.settled() || o.w.doubtful() {
		return
	}
	voters, n := 0, w.nodes[w.rng.IntN(len(w.nodes))]
	for _, p := range o.target {
		if p.Role == roleVoter {
			voters++
		}
	}
	p := o.at(n.id)
	w.stats.count(faultMembers)
	switch {
	case p == nil:
	case p.Role == roleObserver:
		p.Role = roleVoter
	case voters > 1 && w.chance(3):
		o.replaceMember(n)
	case voters > 1:
		p.Role = roleObserver
	}
}

// replaceMember moves a member to a new identity on the same host, with an empty disk: the old process
// ends when its successor is to begin.
func (o *simOperator) replaceMember(n *simNode) {
	if !o.mayLose(n) {
		return
	}
	n.kill(true)
	o.replace(n)
	o.restartLater(n)
}

// diskOf is the log of a member, lost or not.
func (o *simOperator) diskOf(id consensus.MemberID) *simLogContent {
	for _, n := range o.w.nodes {
		if n.id == id {
			return &n.disk.log
		}
	}
	return o.buried[id]
}
