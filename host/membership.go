package host

import (
	"context"
	"slices"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// Members implements Membership.
func (h *Host) Members(ctx context.Context, request api.MembersRequest) (api.MembersReply, error) {
	if err := h.waiting(); err != nil {
		return api.MembersReply{}, err
	}
	if err := checkMembers(request); err != nil {
		return api.MembersReply{}, err
	}
	record, err := h.findGroup(ctx, request.Group)
	if err != nil {
		return api.MembersReply{}, err
	}
	g, err := h.leading(request.Group)
	if err != nil {
		return api.MembersReply{}, err
	}
	if request.Action == "" {
		return h.membersReply(ctx, g, record)
	}
	if request.Action == api.MembersPromote {
		if err := h.checkPromotion(ctx, g, &record, request.Host); err != nil {
			return api.MembersReply{}, err
		}
	}
	_, err = h.change(ctx, catalogCommand{Members: &membersChange{
		Group: request.Group, Action: request.Action, Host: request.Host, With: request.With, Observer: request.Observer,
	}})
	if err != nil {
		return api.MembersReply{}, err
	}
	if record, err = h.findGroup(ctx, request.Group); err != nil {
		return api.MembersReply{}, err
	}
	return h.membersReply(ctx, g, record)
}

// checkMembers refuses a request that says too little or too much.
func checkMembers(r api.MembersRequest) error {
	actions := []string{"", api.MembersAdd, api.MembersPromote, api.MembersDemote, api.MembersRemove, api.MembersReplace}
	if !slices.Contains(actions, r.Action) {
		return fault(api.CodeBadRequest, "unknown action %q: there are %q", r.Action, actions[1:])
	}
	if err := api.CheckName(r.Group); err != nil {
		return fault(api.CodeBadRequest, "group: %v", err)
	}
	if err := api.CheckName(r.Host); err != nil && r.Action != "" {
		return fault(api.CodeBadRequest, "host: %v", err)
	}
	if err := api.CheckName(r.With); err != nil && r.Action == api.MembersReplace {
		return fault(api.CodeBadRequest, "the new member's host: %v", err)
	}
	if r.Action != api.MembersReplace && r.With != "" {
		return fault(api.CodeBadRequest, "a second host is for the action %q", api.MembersReplace)
	}
	if r.Action != api.MembersAdd && r.Observer {
		return fault(api.CodeBadRequest, "observer is for the action %q", api.MembersAdd)
	}
	return nil
}

// checkPromotion refuses to give a vote to a member that would hold the group up.
func (h *Host) checkPromotion(ctx context.Context, g *group, record *groupRecord, host string) error {
	held := record.on(host)
	if held == nil || held.Role == roleVoter {
		return nil // the catalog has the word
	}
	var planner memberPlanner
	var silent bool
	err := g.onLoop(ctx, func() error {
		planner = memberPlanner{status: g.core.Status()}
		silent = !g.alive(held.Member)
		return nil
	})
	switch lag := planner.lag(held.Member); {
	case err != nil:
		return err
	case silent:
		return fault(api.CodeRefused, "the member of group %s on host %s does not answer the leader: it cannot become a voter now", record.Name, host)
	case !planner.stores(held.Member):
		return fault(api.CodeRefused, "the member of group %s on host %s has stored nothing yet: try again when it has caught up, or look at that host's log",
			record.Name, host)
	case lag > caughtUpEntries:
		return fault(api.CodeRefused, "the member of group %s on host %s lacks %d entries, at most %d are allowed: try again when it has caught up",
			record.Name, host, lag, caughtUpEntries)
	}
	return nil
}

// membersReply joins a group's record with what its leader knows of the members.
func (h *Host) membersReply(ctx context.Context, g *group, record groupRecord) (api.MembersReply, error) {
	reply := api.MembersReply{Group: record.Name, Leader: h.cfg.Name, Settled: record.settled(), Members: []api.MemberInfo{}}
	if record.DemoteAfterNanos > 0 {
		reply.DemoteAfter, reply.VoterFloor = time.Duration(record.DemoteAfterNanos).String(), record.VoterFloor
	}
	err := g.onLoop(ctx, func() error {
		planner := memberPlanner{status: g.core.Status()}
		if planner.status.Role != consensus.Leader {
			return noLeaderFault(record.Name)
		}
		reply.Commit, reply.Alarms = uint64(planner.status.Commit), g.status.Load().alarms
		for _, p := range record.Members {
			info := p.info(&groupStatus{Status: planner.status})
			info.Lag, info.Silent = uint64(planner.lag(p.Member)), !g.alive(p.Member)
			reply.Members = append(reply.Members, info)
		}
		return nil
	})
	if waiting := g.changing.Load(); waiting != nil && !reply.Settled {
		reply.Waiting = *waiting
	}
	return reply, err
}

// info describes a member, by the status of its group where this host knows it, nil otherwise.
func (p *placement) info(status *groupStatus) api.MemberInfo {
	m := api.MemberInfo{Host: p.Host, Member: p.Member.String(), Role: p.Is.String(), Demoted: p.Demoted}
	if p.Is == roleLost {
		m.Wanted = p.Is.String()
	} else if p.Is != p.Role {
		m.Wanted = p.Role.String()
	}
	if status == nil {
		return m
	}
	switch c := status.Configuration; {
	case !c.IsMember(p.Member):
		m.Role = roleNone.String()
	case !c.IsVoter(p.Member):
		m.Role = roleObserver.String()
	case p.Member == status.ID:
		m.Role = status.Role.String()
	case p.Member == status.Leader:
		m.Role = consensus.Leader.String()
	default:
		m.Role = roleVoter.String()
	}
	if p.Member == status.ID {
		m.Match = uint64(status.Last.Index)
	}
	if match, ok := status.Match[p.Member]; ok {
		m.Match = uint64(match)
	}
	return m
}

// Hosts implements Membership.
func (h *Host) Hosts(ctx context.Context, request api.HostsRequest) (api.HostsReply, error) {
	if err := h.waiting(); err != nil {
		return api.HostsReply{}, err
	}
	actions := []string{"", api.HostsAdmit, api.HostsRemove}
	if !slices.Contains(actions, request.Action) {
		return api.HostsReply{}, fault(api.CodeBadRequest, "unknown action %q: there are %q", request.Action, actions[1:])
	}
	if err := api.CheckName(request.Host); err != nil && request.Action != "" {
		return api.HostsReply{}, fault(api.CodeBadRequest, "host: %v", err)
	}
	var err error
	switch request.Action {
	case "":
	case api.HostsAdmit:
		err = h.admit(ctx, request.Host)
	case api.HostsRemove:
		_, err = h.change(ctx, catalogCommand{Expel: request.Host})
	}
	if err != nil {
		return api.HostsReply{}, err
	}
	view, err := h.page(ctx, catalogQuery{Name: catalogGroup})
	if err != nil {
		return api.HostsReply{}, err
	}
	return h.hostsReply(view), nil
}

func (h *Host) hostsReply(hosts *catalogView) api.HostsReply {
	reply := api.HostsReply{Cluster: h.record.ID, Hosts: []api.HostInfo{}, Waiting: []api.WaitingHost{}}
	load := map[string]int{}
	for _, g := range h.machine.view.Load().Groups {
		for _, p := range g.Members {
			load[p.Host]++
		}
	}
	for _, known := range hosts.Hosts {
		info := api.HostInfo{Host: known.Name, HostID: known.ID, Member: known.Life.String(), Groups: load[known.Name]}
		if p := hosts.Groups[0].placed(known.Life); p != nil {
			info.Role = p.Is.String()
		}
		reply.Hosts = append(reply.Hosts, info)
	}
	for _, v := range h.boot.waiting() {
		known, ok := hosts.host(v.host.Name)
		if ok && known.ID == v.host.ID {
			continue // it is admitted, and has not heard of it yet
		}
		reply.Waiting = append(reply.Waiting, api.WaitingHost{
			Host: v.host.Name, HostID: v.host.ID, Known: ok, Alive: ok && h.boot.alive(known, v),
		})
	}
	return reply
}

// admit takes a waiting host into the cluster. It is heard for a while first: a process with the same
// name that the cluster knows answers each of its hellos, and must never be replaced by mistake.
func (h *Host) admit(ctx context.Context, name string) error {
	found, err := h.awaitVisitor(ctx, name)
	if err != nil {
		return err
	}
	view, err := h.page(ctx, catalogQuery{Name: catalogGroup})
	if err != nil {
		return err
	}
	known, ok := view.host(name)
	switch {
	case len(found) == 0 && ok:
		return fault(api.CodeNotFound, "no host %q waits to be admitted: the one that the cluster knows is part of it", name)
	case len(found) == 0:
		return fault(api.CodeNotFound, "no host %q waits to be admitted: start it, with --peers that name it and the hosts of the cluster", name)
	case len(found) > 1:
		return fault(api.CodeRefused, "%d hosts named %q wait to be admitted: stop all but one", len(found), name)
	case ok && known.ID != found[0].host.ID && h.boot.alive(known, found[0]):
		return fault(api.CodeRefused, "the host %q that the cluster knows is alive: stop one of the two, or give the new one a name of its own", name)
	}
	_, err = h.change(ctx, catalogCommand{Admit: &hostRecord{Name: name, ID: found[0].host.ID}})
	return err
}

// awaitVisitor returns the hosts of a name that wait, once they have been heard for long enough.
func (h *Host) awaitVisitor(ctx context.Context, name string) ([]visitor, error) {
	begun := h.cfg.Clock.Now()
	var found []visitor
	err := h.watch(ctx, "the host to be heard", func() bool {
		now := h.cfg.Clock.Now()
		found = nil
		heard := true
		for _, v := range h.boot.waiting() {
			if v.host.Name == name {
				found = append(found, v)
				heard = heard && now.Sub(v.first) >= admissionWatch
			}
		}
		return heard && len(found) > 0 || now.Sub(begun) >= 2*admissionWatch
	})
	return found, err
}
