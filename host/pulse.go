package host

import (
	"sync/atomic"

	"github.com/groutlabs/grout/consensus"
)

// A group with nothing to do falls quiet: nobody sends or misses heartbeats (see consensus.Core.Quiet), and its
// loop sleeps. That its leader's host lives is what the hosts then tell each other for all their groups at once,
// with one small message to each other host for each heartbeat interval, between their members of the catalog.

// pulse is that of a host. It belongs to the loop of the member that sends it, except epoch.
type pulse struct {
	// epoch changes when a member on this host may have given up its office without a word.
	epoch atomic.Uint64
	// suspect is called for another member whose host has been silent for the shortest election timeout, after each
	// further one, and when its epoch has changed.
	suspect func(consensus.MemberID)
	// heard is called when a member that was suspected is heard again.
	heard  func(consensus.MemberID)
	others map[consensus.MemberID]*heardPulse
}

// heardPulse is what is known of another host.
type heardPulse struct {
	epoch uint64
	// silent counts the ticks since its last pulse.
	silent int
}

// newPulse begins with an epoch that no earlier run of the host had.
func newPulse(first uint64, suspect, heard func(consensus.MemberID)) *pulse {
	p := &pulse{suspect: suspect, heard: heard, others: map[consensus.MemberID]*heardPulse{}}
	p.epoch.Store(first)
	return p
}

// beat is called at each tick. It follows the other members, and says that this host lives.
func (g *group) beat() {
	p, configuration := g.pulse, g.core.Configuration()
	var out []consensus.Envelope
	for _, id := range configuration.Members() {
		if id == g.self {
			continue
		}
		if p.others[id] == nil {
			p.others[id] = &heardPulse{}
		}
		if g.ticks%g.timing.HeartbeatTicks == 0 {
			out = append(out, consensus.Envelope{From: g.self, To: id, Message: &consensus.Pulse{Epoch: p.epoch.Load()}})
		}
	}
	g.send(out)
	for id, other := range p.others {
		if !configuration.IsMember(id) {
			delete(p.others, id)
			continue
		}
		if other.silent++; other.silent%g.timing.ElectionTicks == 0 {
			p.suspect(id)
		}
	}
}

// takePulse hears another host.
func (g *group) takePulse(from consensus.MemberID, m *consensus.Pulse) {
	if g.pulse == nil || g.pulse.others[from] == nil {
		return
	}
	other := g.pulse.others[from]
	changed, again := other.epoch != m.Epoch, other.silent >= g.timing.ElectionTicks
	other.epoch, other.silent = m.Epoch, 0
	if changed {
		g.pulse.suspect(from)
	}
	if changed || again {
		g.pulse.heard(from)
	}
}

// follow tells the groups that have a member on a host, given by its member of the catalog, whether nothing is heard from it.
// The catalog's loop calls it. A life of the host's folder that is over says nothing of the members that are there now.
func (h *Host) follow(id consensus.MemberID, silent bool) {
	name := h.catalog.hostOf(id)
	if known, ok := h.machine.view.Load().host(name); ok && known.Life != id {
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, held := range h.groups {
		if held.group != nil && held.group != h.catalog {
			held.group.follow(name, silent)
		}
	}
}

// follow tells this group's core of a host that has a member of it, whether nothing is heard from it. Anyone may call it.
func (g *group) follow(host string, silent bool) {
	for id, name := range *g.names.Load() {
		switch {
		case name != host:
		case silent:
			g.inbox.call(func() { g.core.Suspect(id) })
		default:
			g.inbox.call(func() { g.core.Heard(id) })
		}
	}
}

// idle reports whether the loop may sleep without ticks: the group is quiet, and nothing here has a deadline or waits for
// the next look.
func (g *group) idle() bool {
	if !g.core.Quiet() || g.pulse != nil || g.quarantine != nil || g.disputed != "" || g.lacking != nil || g.obtaining {
		return false
	}
	if len(g.waiting) > 0 || len(g.asking) > 0 || len(g.asked) > 0 || len(g.reads) > 0 || len(g.forwards.sent) > 0 {
		return false
	}
	if g.saving != nil || g.fetch.cancel != nil || g.comparing() {
		return false
	}
	return g.watch.active.Load() == 0 && g.applier.holding.Load() == 0 && g.waiters.none() && g.applier.views.none()
}

// comparing reports whether a leader still waits for a member's state hash.
func (g *group) comparing() bool {
	if g.core.Role() != consensus.Leader || g.hashes.latest().Index == 0 {
		return false
	}
	c := g.comparison
	if c == nil || c.anchor != g.hashes.latest() {
		return true
	}
	for _, id := range g.core.Configuration().Members() {
		if !c.settled(id) {
			return true
		}
	}
	return false
}
