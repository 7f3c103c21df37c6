package host

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

const (
	// defaultReplicas is the number of voters where a deployment does not say.
	defaultReplicas = 3
	// catalogPage is how many groups one query of the catalog returns.
	catalogPage = 500
	// watchInterval is the pause between two looks at something that other hosts bring about.
	watchInterval = 20 * time.Millisecond
)

// Upload implements Admin. A module that is stored is known to the catalog, so that every host gets it.
func (h *Host) Upload(ctx context.Context, piece UploadPiece) (api.UploadReply, error) {
	if err := h.waiting(); err != nil {
		return api.UploadReply{}, err
	}
	if err := h.modules.failure(); err != nil {
		return api.UploadReply{}, err
	}
	defer h.beginUpload(piece.Digest)()
	if h.modules.Has(piece.Digest) {
		return api.UploadReply{Received: piece.Size, Stored: true}, h.hold(ctx, piece.Digest, piece.Size)
	}
	have, err := h.uploads.add(piece)
	if err != nil || have < piece.Size {
		return api.UploadReply{Received: have}, err
	}
	module, err := h.uploads.take(piece.Digest)
	if err != nil {
		return api.UploadReply{}, err
	}
	if err := h.cfg.Machines.Check(module); err != nil {
		return api.UploadReply{}, fault(api.CodeBadModule, "the module is refused: %v", err)
	}
	if _, err := h.modules.Put(module); err != nil {
		return api.UploadReply{}, err
	}
	if err := h.modules.Sync(); err != nil {
		return api.UploadReply{}, err
	}
	return api.UploadReply{Received: have, Stored: true}, h.hold(ctx, piece.Digest, piece.Size)
}

// beginUpload keeps a module from being deleted until the returned function is called: it may be gone
// from the catalog, and about to be known again.
func (h *Host) beginUpload(d Digest) (end func()) {
	h.uploadingMu.Lock()
	defer h.uploadingMu.Unlock()
	h.uploading[d]++
	return func() {
		h.uploadingMu.Lock()
		defer h.uploadingMu.Unlock()
		if h.uploading[d]--; h.uploading[d] == 0 {
			delete(h.uploading, d)
		}
	}
}

// Deploy implements Admin.
func (h *Host) Deploy(ctx context.Context, request api.DeployRequest) (api.GroupInfo, error) {
	if err := h.waiting(); err != nil {
		return api.GroupInfo{}, err
	}
	record, err := h.checkDeploy(request)
	if err != nil {
		return api.GroupInfo{}, err
	}
	if _, err := h.findGroup(ctx, record.Name); err == nil {
		return api.GroupInfo{}, fault(api.CodeExists, "group %s exists already: remove it first, or choose another name", record.Name)
	}
	if err := h.spread(ctx, record.Module); err != nil {
		return api.GroupInfo{}, err
	}
	if err := h.moduleFits(record.spec()); err != nil {
		return api.GroupInfo{}, err
	}
	copy(record.Key[:], randomBytes(32))
	copy(record.Seed[:], randomBytes(32))
	if err := h.rehearse(record); err != nil {
		return api.GroupInfo{}, err
	}
	output, err := h.change(ctx, catalogCommand{Create: &record})
	if err != nil {
		return api.GroupInfo{}, err
	}
	if err := unpack(output, &record); err != nil {
		return api.GroupInfo{}, err
	}
	return h.awaitLeader(ctx, record)
}

// rehearse starts the machine once, as every member will, so that one whose init function refuses or
// traps is refused before there is a group. A host that does not hold the module leaves that out: the
// group's own members say what is wrong then.
func (h *Host) rehearse(record groupRecord) error {
	module, err := h.modules.Get(record.Module)
	if errors.Is(err, ErrMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	machines := groupMachines{host: h, name: record.Name, seed: record.Seed}
	machine, err := h.cfg.Machines.New(machines.config(record.spec(), module))
	if err != nil {
		return fault(api.CodeBadModule, "the machine does not start: %v", err)
	}
	return machine.Close()
}

// checkDeploy turns a request into a record, or refuses it.
func (h *Host) checkDeploy(request api.DeployRequest) (groupRecord, error) {
	if err := api.CheckName(request.Group); err != nil {
		return groupRecord{}, fault(api.CodeBadRequest, "group: %v", err)
	}
	if api.ReservedNames[request.Group] {
		return groupRecord{}, fault(api.CodeBadRequest, "the name %q is reserved: choose another", request.Group)
	}
	module, ok := parseDigest(request.Module)
	if !ok {
		return groupRecord{}, fault(api.CodeBadRequest, "module %q is not a SHA-256 in hexadecimal", request.Module)
	}
	hosts := len(h.machine.view.Load().Hosts)
	replicas := request.Replicas
	if replicas == 0 {
		replicas = min(defaultReplicas, hosts)
	}
	if replicas < 0 || replicas > hosts {
		return groupRecord{}, fault(api.CodeBadRequest, "%d replicas are asked for, the cluster has %d hosts", replicas, hosts)
	}
	spec := machineSpec{Module: module, Limits: request.Limits.Or(api.DefaultLimits()), Init: request.Init}
	if err := checkSpec(spec); err != nil {
		return groupRecord{}, err
	}
	record := groupRecord{Name: request.Group, Module: spec.Module, Limits: spec.Limits, Init: spec.Init, Replicas: replicas}
	return record, h.checkDemotion(request, &record)
}

// defaultVoterFloor is how many voters automatic demotion leaves where a deployment does not say.
const defaultVoterFloor = 3

// checkDemotion reads the part of a request that is about silent voters.
func (h *Host) checkDemotion(request api.DeployRequest, record *groupRecord) error {
	if request.DemoteAfter == "" {
		if request.VoterFloor != 0 {
			return fault(api.CodeBadRequest, "a floor of voters is of use only where silent ones are demoted: say after how long")
		}
		return nil
	}
	least := 2 * time.Duration(h.cfg.Timing.ElectionTicks) * h.cfg.Timing.Tick
	after, err := time.ParseDuration(request.DemoteAfter)
	if err != nil || after < least {
		return fault(api.CodeBadRequest, "demote after %q: not a duration of at least %s, such as 30s", request.DemoteAfter, least)
	}
	if request.VoterFloor < 0 || request.VoterFloor > consensus.MaxMembers {
		return fault(api.CodeBadRequest, "a floor of %d voters: 1 to %d are possible, 3 are advised", request.VoterFloor, consensus.MaxMembers)
	}
	record.DemoteAfterNanos, record.VoterFloor = after.Nanoseconds(), request.VoterFloor
	if record.VoterFloor == 0 {
		record.VoterFloor = defaultVoterFloor
	}
	return nil
}

// spread waits until a majority of the hosts holds a module durably.
func (h *Host) spread(ctx context.Context, module Digest) error {
	view, err := h.page(ctx, catalogQuery{Limit: 1})
	if err != nil {
		return err
	}
	if view.module(module) == nil {
		return fault(api.CodeNotFound, "the cluster does not know module %s: upload it first", hexDigest(module))
	}
	return h.watch(ctx, "a majority of the hosts to hold the module", func() bool {
		return h.machine.view.Load().heldByMajority(module)
	})
}

// hold tells the catalog that this host holds a module.
func (h *Host) hold(ctx context.Context, module Digest, size int64) error {
	_, err := h.change(ctx, catalogCommand{Hold: &moduleRecord{Digest: module, Size: size, Holders: []string{h.cfg.Name}}})
	return err
}

// watch waits until condition holds.
func (h *Host) watch(ctx context.Context, what string, condition func() bool) error {
	ticks, stop := h.cfg.Clock.Tick(watchInterval)
	defer stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return fault(api.CodeNoLeader, "gave up waiting for %s: are enough hosts running?", what)
		case <-h.ctx.Done():
			return fault(api.CodeNoLeader, "this host is stopping")
		case <-ticks:
		}
	}
	return nil
}

// awaitLeader waits until a new group works, as far as this host can see that.
func (h *Host) awaitLeader(ctx context.Context, record groupRecord) (api.GroupInfo, error) {
	if here := record.at(h.life) != nil; here {
		err := h.watch(ctx, "the group's leader", func() bool {
			info := h.describe(record)
			return info.Leader != "" || len(info.Problems) > 0
		})
		if err != nil {
			return api.GroupInfo{}, fault(api.CodeUnknown, "group %s was created, but has no leader yet: look at it before trying again", record.Name)
		}
	}
	return h.describe(record), nil
}

// change brings a command through the catalog, once, whoever leads it.
func (h *Host) change(ctx context.Context, command catalogCommand) ([]byte, error) {
	payload, err := pack(command)
	if err != nil {
		return nil, err
	}
	request := CommandRequest{Payload: payload, MsgID: hex.EncodeToString(randomBytes(16))}
	reply, err := h.ask(ctx, func(done func(Reply)) { h.catalog.execute(request, done) })
	if err != nil {
		return nil, err
	}
	return reply.Outcome.Output, catalogError(reply.Outcome)
}

// ask puts a request to the catalog until it has an answer or ctx ends. The error's code is
// CodeUnknown unless it is sure that the request had no effect.
func (h *Host) ask(ctx context.Context, send func(done func(Reply))) (Reply, error) {
	retry, stop := h.cfg.Clock.Tick(watchInterval)
	defer stop()
	code := api.CodeNoLeader
	for {
		answer := make(chan Reply, 1)
		send(func(r Reply) { answer <- r })
		var reply Reply
		select {
		case reply = <-answer:
		case <-ctx.Done():
			return Reply{}, fault(api.CodeUnknown, "the catalog did not answer in time, look at the state before trying again: is a majority of the hosts %v running?",
				h.machine.view.Load().names())
		}
		if reply.Err == nil {
			return reply, nil
		}
		if !slices.Contains([]api.Code{api.CodeNoLeader, api.CodeBusy, api.CodeUnknown}, reply.Err.Code) {
			return Reply{}, reply.Err
		}
		if reply.Err.Code == api.CodeUnknown {
			code = api.CodeUnknown
		}
		select {
		case <-retry:
			continue
		case <-ctx.Done():
		case <-h.ctx.Done():
		}
		return Reply{}, fault(code, "the catalog did not answer in time: %s", reply.Err.Text)
	}
}

// catalogError turns the catalog's refusal into what a client sees.
func catalogError(o Outcome) error {
	if o.Kind == Applied {
		return nil
	}
	codes := map[int32]api.Code{catalogExists: api.CodeExists, catalogNotFound: api.CodeNotFound, catalogNotHeld: api.CodeBusy,
		catalogForbidden: api.CodeRefused, catalogPending: api.CodeBusy}
	if code, ok := codes[o.Code]; ok {
		return fault(code, "%s", o.Message)
	}
	return fault(api.CodeInternal, "the catalog: %s", o.Message)
}

// page reads one page of the catalog, linearizably.
func (h *Host) page(ctx context.Context, query catalogQuery) (*catalogView, error) {
	payload, err := pack(query)
	if err != nil {
		return nil, err
	}
	reply, err := h.ask(ctx, func(done func(Reply)) { h.catalog.query(QueryRequest{Payload: payload}, done) })
	if e := (*Error)(nil); errors.As(err, &e) && e.Code == api.CodeUnknown {
		return nil, fault(api.CodeNoLeader, "%s", e.Text) // a query has no effect
	}
	if err != nil {
		return nil, err
	}
	if err := catalogError(reply.Outcome); err != nil {
		return nil, err
	}
	view := &catalogView{}
	return view, unpack(reply.Outcome.Output, view)
}

// findGroup reads one group's record, linearizably; also the catalog's own.
func (h *Host) findGroup(ctx context.Context, name string) (groupRecord, error) {
	view, err := h.page(ctx, catalogQuery{Name: name})
	if err != nil {
		return groupRecord{}, err
	}
	if len(view.Groups) == 0 {
		return groupRecord{}, fault(api.CodeNotFound, "there is no group %q", name)
	}
	return view.Groups[0], nil
}

// Describe implements Admin.
func (h *Host) Describe(ctx context.Context, name string) ([]api.GroupInfo, error) {
	if err := h.waiting(); err != nil {
		return nil, err
	}
	if name != "" {
		record, err := h.findGroup(ctx, name)
		if err != nil {
			return nil, err
		}
		return []api.GroupInfo{h.describe(record)}, nil
	}
	out := []api.GroupInfo{}
	for after := ""; ; {
		view, err := h.page(ctx, catalogQuery{After: after, Limit: catalogPage})
		if err != nil {
			return nil, err
		}
		for _, record := range view.Groups {
			out = append(out, h.describe(record))
		}
		if len(view.Groups) == 0 {
			return out, nil
		}
		after = view.Groups[len(view.Groups)-1].Name
	}
}

// describe joins a group's record with what this host knows of it.
func (h *Host) describe(record groupRecord) api.GroupInfo {
	info := api.GroupInfo{
		Group: record.Name, ID: uint64(record.ID), Module: hexDigest(record.Module), Limits: record.Limits,
		Created: time.Unix(0, record.CreatedNanos).UTC(),
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	held := h.groups[record.Name]
	var status *groupStatus
	if held != nil && held.record.ID == record.ID {
		if held.problem != "" {
			info.Problems = append(info.Problems, h.cfg.Name+": "+held.problem)
		}
		if held.group != nil {
			status = held.group.status.Load()
			if held.problem == "" && status.problem != "" {
				info.Problems = append(info.Problems, h.cfg.Name+": "+status.problem)
			}
			info.Leader = held.group.leaderName()
			info.Alarms = status.alarms
			info.Term, info.Commit = uint64(status.Term), uint64(status.Commit)
			info.Applied = held.group.applier.applied.Load()
		}
	}
	for _, p := range record.Members {
		info.Members = append(info.Members, p.info(status))
	}
	return info
}

// Change implements Admin.
func (h *Host) Change(ctx context.Context, verb string, request api.TransferRequest) error {
	if err := h.waiting(); err != nil {
		return err
	}
	record, err := h.findGroup(ctx, request.Group)
	if err != nil {
		return err
	}
	switch verb {
	case api.VerbRemove:
		_, err := h.change(ctx, catalogCommand{Remove: request.Group})
		return err
	case api.VerbTransfer:
		to := record.on(request.Host)
		if to == nil {
			return fault(api.CodeNotFound, "group %s has no member on host %q", request.Group, request.Host)
		}
		return h.onLeader(ctx, record, func(g *group) error {
			switch {
			case g.core.Role() != consensus.Leader:
				return consensus.ErrNotLeader
			case to.Member == g.self:
				return fault(api.CodeBadRequest, "the member of group %s on host %s leads it already", record.Name, to.Host)
			case !g.core.Configuration().IsVoter(to.Member):
				return fault(api.CodeBadRequest, "the member of group %s on host %s has no vote, so it cannot lead: 'grout members promote %s %s' gives it one",
					record.Name, to.Host, record.Name, to.Host)
			}
			return g.core.TransferLeadership(to.Member)
		})
	case api.VerbSnapshot:
		return h.onLeader(ctx, record, func(g *group) error { return g.mark() })
	}
	return fault(api.CodeNotFound, "unknown verb %q", verb)
}

// onLeader runs do on the group's loop, if its leader is on this host.
func (h *Host) onLeader(ctx context.Context, record groupRecord, do func(*group) error) error {
	g, err := h.leading(record.Name)
	if err != nil {
		return err
	}
	err = g.onLoop(ctx, func() error { return do(g) })
	switch {
	case errors.Is(err, consensus.ErrNotLeader), errors.Is(err, consensus.ErrTransferring):
		return noLeaderFault(record.Name)
	case errors.Is(err, consensus.ErrBusy):
		return busyFault(record.Name)
	case errors.Is(err, consensus.ErrNoSuchMember):
		return fault(api.CodeBadRequest, "leadership of group %s cannot go to that member now", record.Name)
	}
	return err
}

// leading returns the member of a group on this host, if it leads.
func (h *Host) leading(name string) (*group, error) {
	g := h.catalog
	if name != catalogGroup {
		var fail *Error
		if g, fail = h.serving(name); fail != nil {
			return nil, fail
		}
	}
	if leader := g.leaderName(); leader != h.cfg.Name {
		return nil, fault(api.CodeNoLeader, "the leader of group %s is on host %q: ask that host", name, leader)
	}
	return g, nil
}

// Status implements Admin.
func (h *Host) Status() api.HostStatus {
	h.mu.RLock()
	defer h.mu.RUnlock()
	s := api.HostStatus{
		Host: h.cfg.Name, HostID: h.boot.self.ID, Version: h.cfg.Version, Cluster: h.record.ID,
		Uptime: h.cfg.Clock.Now().Sub(h.started).Round(time.Second).String(), Storage: "durable", Hosts: []string{}, Groups: []api.GroupBrief{},
	}
	if record := h.boot.known(); record != nil {
		s.Hosts = record.names()
	}
	for name, held := range h.groups {
		s.Groups = append(s.Groups, briefGroup(name, held))
	}
	slices.SortFunc(s.Groups, func(a, b api.GroupBrief) int {
		if a.Group < b.Group {
			return -1
		}
		return 1
	})
	return s
}

func briefGroup(name string, held *hosted) api.GroupBrief {
	b := api.GroupBrief{Group: name, Role: "starting", Problem: held.problem}
	if held.group == nil {
		return b
	}
	status := held.group.status.Load()
	b.Role, b.Term, b.Commit = status.Role.String(), uint64(status.Term), uint64(status.Commit)
	b.Applied, b.SnapshotIndex = held.group.applier.applied.Load(), uint64(status.snapshot)
	if status.snapshot > 0 {
		b.SnapshotHash = hexDigest(status.hash)
	}
	b.LogEntries = int(status.Last.Index - status.Base.Index)
	if status.problem != "" {
		b.Problem = status.problem
	}
	b.Alarms = status.alarms
	return b
}
