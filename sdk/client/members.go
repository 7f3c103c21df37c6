package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/groutlabs/grout/sdk/api"
)

// Members describes the members of a group, or of "catalog", as the host of the leader sees them. It is tried
// again while there is no leader.
func (a *Admin) Members(ctx context.Context, group string) (api.MembersReply, error) {
	return a.members(ctx, api.MembersRequest{Group: group}, nil)
}

// ChangeMembers asks for a change of a group's members and waits until it is done. progress, if not nil, is called
// with every look at the group. When the context ends first the error is its cause, and the reply tells what
// the change waits for: it goes on by itself.
func (a *Admin) ChangeMembers(ctx context.Context, request api.MembersRequest, progress func(api.MembersReply)) (api.MembersReply, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	last, err := a.members(ctx, request, progress)
	for attempt := 1; err == nil && !last.Settled; attempt++ {
		pause(ctx, a.client.config.backoff(min(attempt, membersPace)))
		var reply api.MembersReply
		if reply, err = a.members(ctx, api.MembersRequest{Group: request.Group}, progress); err == nil {
			last = reply
		}
	}
	return last, err
}

// membersPace bounds how far apart the looks at a change are: the backoff after so many attempts.
const membersPace = 4

// members puts one request to the host of the group's leader.
func (a *Admin) members(ctx context.Context, request api.MembersRequest, progress func(api.MembersReply)) (api.MembersReply, error) {
	var reply api.MembersReply
	err := a.atLeader(ctx, api.VerbMembers, request.Group, request, &reply)
	if err == nil && progress != nil {
		progress(reply)
	}
	return reply, err
}

// Limits describes the limits of a group's machine, after changing those of the request that are not zero, as the
// host of the leader sees them. It is tried again while there is no leader; after ErrUnknownOutcome the same
// request can be made again.
func (a *Admin) Limits(ctx context.Context, request api.LimitsRequest) (api.LimitsReply, error) {
	var reply api.LimitsReply
	err := a.atLeader(ctx, api.VerbLimits, request.Group, request, &reply)
	return reply, err
}

// Sources describes the sources of a group, after the change that the request asks for, as the host of the leader sees
// them. It is tried again while there is no leader.
func (a *Admin) Sources(ctx context.Context, request api.SourcesRequest) (api.SourcesReply, error) {
	var reply api.SourcesReply
	err := a.atLeader(ctx, api.VerbSources, request.Group, request, &reply)
	return reply, err
}

// Sink describes the stream that takes the events of a group, after the change that the request asks for. It is tried
// again while there is no leader.
func (a *Admin) Sink(ctx context.Context, request api.SinkRequest) (api.SinkReply, error) {
	var reply api.SinkReply
	err := a.atLeader(ctx, api.VerbSinks, request.Group, request, &reply)
	return reply, err
}

// atLeader puts one request to the host of a group's leader, as often as that turns out to be another one.
func (a *Admin) atLeader(ctx context.Context, verb, group string, request, reply any) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("client: encoding the request %s: %w", verb, err)
	}
	for attempt := 1; ; attempt++ {
		leader, err := a.leader(ctx, group)
		if err == nil {
			err = a.once(ctx, api.Control(verb, leader), nil, body, reply)
		}
		if err == nil || !nothingHappened(err) {
			return err
		}
		pause(ctx, a.client.config.backoff(attempt))
		if ctx.Err() != nil {
			return fmt.Errorf("client: %s of group %s: %w (attempt %d: %w)", verb, group, context.Cause(ctx), attempt, err)
		}
	}
}

// leader finds the host that leads a group: that of the highest term, because one that was cut off does
// not know yet that it leads no more. Without any it returns "": any host may answer then, and says what is wrong.
func (a *Admin) leader(ctx context.Context, group string) (string, error) {
	statuses, err := a.Status(ctx)
	if err != nil && !(len(statuses) > 0 && errors.Is(err, ErrBadReply)) {
		return "", err
	}
	name, term := "", uint64(0)
	for _, s := range statuses {
		for _, g := range s.Groups {
			if g.Group == group && g.Role == "leader" && g.Problem == "" && g.Term >= term {
				name, term = s.Host, g.Term
			}
		}
	}
	if name == "" {
		return "", nil
	}
	if err := api.CheckName(name); err != nil {
		return "", fmt.Errorf("%w: host: %w", ErrBadReply, err)
	}
	return name, nil
}

// Hosts describes the hosts of the cluster, and those that wait to be admitted.
func (a *Admin) Hosts(ctx context.Context) (api.HostsReply, error) {
	var reply api.HostsReply
	err := a.verb(ctx, api.VerbHosts, api.HostsRequest{}, &reply)
	return reply, err
}

// AdmitHost takes a host that waits into the cluster. One that lost its folder gets a new member for each that
// it held.
func (a *Admin) AdmitHost(ctx context.Context, name string) (api.HostsReply, error) {
	var reply api.HostsReply
	err := a.verb(ctx, api.VerbHosts, api.HostsRequest{Action: api.HostsAdmit, Host: name}, &reply)
	return reply, err
}

// RemoveHost takes a host that will not come back out of the cluster, with all of its members.
func (a *Admin) RemoveHost(ctx context.Context, name string) (api.HostsReply, error) {
	var reply api.HostsReply
	err := a.verb(ctx, api.VerbHosts, api.HostsRequest{Action: api.HostsRemove, Host: name}, &reply)
	return reply, err
}
