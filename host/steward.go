package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

const (
	// stewardInterval is the pause between two looks at what has to change.
	stewardInterval = 200 * time.Millisecond
	// stewardPatience bounds one step for one group.
	stewardPatience = 2 * time.Second
)

// stewardLoop brings the configurations of the groups that are led from this host in line with the
// catalog, tells the catalog what they are, and tells all members here where the others are.
func (h *Host) stewardLoop() {
	defer h.done.Done()
	ticks, stop := h.cfg.Clock.Tick(stewardInterval)
	defer stop()
	var told *catalogView
	settled := map[*group]*groupStatus{}
	for {
		select {
		case <-h.quit:
			return
		case <-ticks:
		}
		view := h.machine.view.Load()
		if view != told {
			h.tellHosts(view)
			told = view
			clear(settled)
		}
		for _, led := range h.ledHere(view, settled) {
			if err := h.pursue(led); err != nil {
				h.cfg.Logger.Warn("a change of members goes on later", "group", led.ref.Name, "error", err)
			}
		}
	}
}

// tellHosts tells the members on this host, and hosts that wait, where everybody is.
func (h *Host) tellHosts(view *catalogView) {
	if err := h.entrance.follow(view); err != nil {
		h.cfg.Logger.Error("the cluster record is not up to date", "error", err)
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for name, held := range h.groups {
		if held.group == nil {
			continue
		}
		if name == catalogGroup {
			held.group.setHosts(h.catalogHosts(view))
		} else if record, ok := view.group(name); ok && record.ID == held.record.ID {
			held.group.setHosts(record.hosts())
		}
	}
}

// catalogHosts is where the catalog's members are: what the cluster record says, which may be newer
// than the catalog of a host that has still to catch up, and what the catalog says.
func (h *Host) catalogHosts(view *catalogView) map[consensus.MemberID]string {
	out := map[consensus.MemberID]string{}
	for _, known := range h.boot.known().Hosts {
		out[known.Member] = known.Name
	}
	maps.Copy(out, view.Self.hosts())
	return out
}

// ledHere lists the groups that are led from this host and not as the catalog has them, the catalog first. Those that
// had nothing to change are in settled with their status, and are not looked at again until it changes.
func (h *Host) ledHere(view *catalogView, settled map[*group]*groupStatus) []*group {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []*group
	for name, held := range h.groups {
		if held.group == nil || held.stopped {
			continue
		}
		status := held.group.status.Load()
		if settled[held.group] == status {
			continue
		}
		record, ok := view.record(name)
		if ok && record.ID == held.group.ref.ID && status.Role == consensus.Leader && (!record.settled() || record.news(&status.Status) != nil) {
			out = append(out, held.group)
		} else if ok {
			settled[held.group] = status
		}
	}
	slices.SortFunc(out, func(a, b *group) int { return int(min(a.ref.ID, 1)) - int(min(b.ref.ID, 1)) })
	return out
}

// news returns the configuration of a leader where the record does not have it yet, nil otherwise.
func (g *groupRecord) news(s *consensus.Status) *observedMembers {
	if s.Configuration.Joint() || s.ConfigurationIndex > s.Commit || g.knowsLater(s.Term, s.ConfigurationIndex) {
		return nil
	}
	o := &observedMembers{
		Group: g.ID, Term: s.Term, Index: s.ConfigurationIndex, Voters: s.Configuration.Voters, Observers: s.Configuration.Observers,
	}
	if slices.ContainsFunc(g.Members, func(p placement) bool {
		now := o.role(p.Member)
		return p.Is != roleLost && p.Is != now || p.Role == roleNone && now == roleNone
	}) {
		return o
	}
	return nil
}

// pursue takes one step for one group. The record is read when the group is known to be led from here, so
// that it is at least as new as whatever an earlier leader acted on.
func (h *Host) pursue(g *group) error {
	ctx, cancel := context.WithTimeout(h.ctx, stewardPatience)
	defer cancel()
	term := g.status.Load().Term
	record, err := h.findGroup(ctx, g.ref.Name)
	if err != nil || record.ID != g.ref.ID {
		return err
	}
	var news *observedMembers
	err = g.onLoop(ctx, func() error {
		status := g.core.Status()
		if status.Role != consensus.Leader || status.Term != term {
			return nil // the next leader goes on
		}
		news = record.news(&status)
		waiting, err := g.changeMembers(record.Members)
		g.changing.Store(&waiting)
		return err
	})
	if err != nil || news == nil {
		return err
	}
	_, err = h.change(ctx, catalogCommand{Observed: news})
	return err
}

// onLoop runs do on the group's loop and waits for it.
func (g *group) onLoop(ctx context.Context, do func() error) error {
	result := make(chan error, 1)
	g.inbox.call(func() { result <- do() })
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fault(api.CodeUnknown, "the member of group %s did not answer in time, look at the group before trying again", g.ref.Name)
	}
}

// expelled stops everything on a host that the cluster has replaced or removed: what it holds is of no
// use any more, and clients that reach it wait in vain.
func (h *Host) expelled() {
	problem := fmt.Sprintf("host %s is not part of cluster %s any more: an operator has removed it, or admitted another folder under its name", h.cfg.Name, h.record.ID)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || !h.expulsion.CompareAndSwap(nil, &problem) {
		return
	}
	h.cfg.Logger.Error(problem + "; stop it, and remove its data folder")
	for _, held := range h.groups {
		h.disable(held, problem)
	}
	h.done.Add(1)
	go func() {
		defer h.done.Done()
		if err := h.cfg.Endpoints.Withdraw(); err != nil {
			h.cfg.Logger.Warn("leaving the administration to the other hosts", "error", err)
		}
	}()
}
