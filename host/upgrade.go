package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// groupMachines makes the machines of one group from the modules that the host stores.
type groupMachines struct {
	host *Host
	name string
	seed [32]byte
}

// config is what every member makes its machine of.
func (g *groupMachines) config(spec machineSpec, module []byte) MachineConfig {
	return MachineConfig{Group: g.name, Module: module, Digest: spec.Module, Seed: g.seed, Limits: spec.Limits, Init: spec.Init}
}

// module reads a module. One that is damaged is deleted, and missing from then on.
func (g *groupMachines) module(digest Digest) ([]byte, error) {
	module, err := g.host.modules.Get(digest)
	if errors.Is(err, ErrCorrupt) {
		if err := g.host.modules.Delete(digest); err != nil {
			return nil, err
		}
		err = ErrMissing
	}
	if errors.Is(err, ErrMissing) {
		return nil, &lackError{digest}
	}
	return module, err
}

func (g *groupMachines) start(spec machineSpec) (Machine, error) {
	module, err := g.module(spec.Module)
	if err != nil {
		return nil, err
	}
	machine, err := g.host.cfg.Machines.New(g.config(spec, module))
	if err != nil {
		return nil, fmt.Errorf("host: starting the machine of group %s: %w", g.name, err)
	}
	return machine, nil
}

func (g *groupMachines) succeed(old Machine, spec machineSpec, entry EntryContext) (Machine, Outcome, error) {
	module, err := g.module(spec.Module)
	if err != nil {
		return nil, Outcome{}, err
	}
	if limit := spec.Limits.ModuleBytes; limit > 0 && int64(len(module)) > limit {
		return nil, Outcome{Kind: Trapped, Message: fmt.Sprintf("the module has %d bytes, the group's module_bytes is %d", len(module), limit)}, nil
	}
	return g.host.cfg.Machines.Upgrade(old, g.config(spec, module), entry)
}

func (g *groupMachines) version() int { return g.host.cfg.Machines.Version() }

// obtain asks every host of the cluster for a module: the catalog may have forgotten who holds it.
func (g *groupMachines) obtain(ctx context.Context, module Digest) error {
	h := g.host
	if h.modules.Has(module) {
		return nil
	}
	record := moduleRecord{Digest: module, Holders: h.machine.view.Load().names()}
	return h.fetchModule(ctx, record)
}

// spec is what the group's machine is made of now.
func (r *groupRecord) spec() machineSpec {
	return machineSpec{Module: r.Module, Limits: r.Limits, Init: r.Init}
}

// firstSpec is what the group's machine was made of before its first entry: that is where a member
// without a snapshot begins.
func (r *groupRecord) firstSpec() machineSpec {
	if first := r.Succession.First; first != nil {
		return *first
	}
	return r.spec()
}

// succession is what the catalog keeps of a group's upgrades.
type succession struct {
	// First made the group's first machine, nil when that is the present one.
	First *machineSpec `codec:"f"`
	// Past are the modules between the first and the present one, the last maxPastModules of them, for
	// members that have yet to apply the upgrades to and from them.
	Past []Digest `codec:"p"`
	// Next is the module of an upgrade that was begun, zero for none. It may never come.
	Next Digest `codec:"n"`
	// At is the entry of the group's log that brought the present module, 0 for the first.
	At consensus.Index `codec:"a"`
}

// maxPastModules is how many modules of before are kept for a group. Members of groups that are upgraded
// compact their logs up to the upgrade, so it takes a rare delay to need one at all.
const maxPastModules = 8

// groupUpgrade tells the catalog of an upgrade.
type groupUpgrade struct {
	Group GroupID     `codec:"g"`
	Spec  machineSpec `codec:"s"`
	// At is the entry that brought it, 0 while it has yet to be proposed.
	At consensus.Index `codec:"a"`
}

// modules are all modules that the catalog keeps for a group.
func (r *groupRecord) modules() []Digest {
	s := &r.Succession
	out := append([]Digest{r.Module, r.firstSpec().Module}, s.Past...)
	if s.Next != (Digest{}) {
		out = append(out, s.Next)
	}
	return out
}

// dropUnused forgets those of some modules that no group needs.
func (v *catalogView) dropUnused(modules []Digest) {
	for _, d := range modules {
		if !slices.ContainsFunc(v.Groups, func(g groupRecord) bool { return slices.Contains(g.modules(), d) }) {
			v.Modules = slices.DeleteFunc(v.Modules, func(m moduleRecord) bool { return m.Digest == d })
		}
	}
}

// upgrade notes an upgrade that is about to be proposed, so that its module stays, or one that was applied.
func (v *catalogView) upgrade(u groupUpgrade) Outcome {
	i := slices.IndexFunc(v.Groups, func(g groupRecord) bool { return g.ID == u.Group })
	if i < 0 {
		return refused(catalogNotFound, fmt.Sprintf("there is no group %d any more", u.Group))
	}
	g, before := v.Groups[i], v.Groups[i].modules()
	switch {
	case u.At == 0 && !v.heldByMajority(u.Spec.Module):
		return refused(catalogNotHeld, "the module is not held by a majority of the hosts")
	case u.At == 0:
		g.Succession.Next = u.Spec.Module
	case u.At > g.Succession.At:
		g.succeed(u)
	default:
		return Outcome{} // known already
	}
	v.Groups[i] = g
	v.dropUnused(before)
	return Outcome{}
}

// succeed makes the record one of a group that was upgraded.
func (r *groupRecord) succeed(u groupUpgrade) {
	s := succession{First: r.Succession.First, Past: r.Succession.Past, Next: r.Succession.Next, At: u.At}
	switch {
	case s.First == nil:
		first := r.spec()
		s.First = &first
	case r.Module != u.Spec.Module: // and not the limits alone
		s.Past = append(slices.Clone(r.Succession.Past), r.Module)
		s.Past = s.Past[max(0, len(s.Past)-maxPastModules):]
	}
	if s.Next == u.Spec.Module {
		s.Next = Digest{}
	}
	r.Module, r.Limits, r.Init, r.Succession = u.Spec.Module, u.Spec.Limits, u.Spec.Init, s
}

// Upgrades is what an operator may ask about the machine of a group. Errors are *Error.
type Upgrades interface {
	// Upgrade changes the machine of a group that is led from this host, and waits for the outcome. A
	// group that runs the requested machine already has been upgraded.
	Upgrade(ctx context.Context, request api.UpgradeRequest) (api.UpgradeReply, error)
	// Limits describes the limits of a group that is led from this host, after changing those that the request
	// names and waiting for the outcome.
	Limits(ctx context.Context, request api.LimitsRequest) (api.LimitsReply, error)
}

// Upgrade implements Upgrades.
func (h *Host) Upgrade(ctx context.Context, request api.UpgradeRequest) (api.UpgradeReply, error) {
	if err := h.waiting(); err != nil {
		return api.UpgradeReply{}, err
	}
	record, g, err := h.ledGroup(ctx, request.Group)
	if err != nil {
		return api.UpgradeReply{}, err
	}
	present, err := h.presentMachine(ctx, g, record)
	if err != nil {
		return api.UpgradeReply{}, err
	}
	spec, err := upgradedSpec(present.spec, request)
	if err != nil {
		return api.UpgradeReply{}, err
	}
	reply := api.UpgradeReply{Group: record.Name, From: hexDigest(present.spec.Module), To: request.Module, Index: uint64(present.at)}
	if spec.equal(&present.spec) {
		return reply, h.catalogKnows(ctx, record, present.at)
	}
	if err := h.prepareUpgrade(ctx, g, record, spec); err != nil {
		return reply, err
	}
	at, outcome, err := g.proposeSpec(ctx, spec, present.at)
	if err != nil {
		return reply, err
	}
	if outcome.Kind != Applied {
		return reply, fault(api.CodeBadModule, "the upgrade at index %d of the log failed on every member, and the old module stays: %s", at, ending(outcome))
	}
	at = min(at, g.running.Load().at) // lower when an earlier request for the same machine brought it
	reply.Index = uint64(at)
	return reply, h.catalogKnows(ctx, record, at)
}

// ledGroup is a group that is led from this host, and its record.
func (h *Host) ledGroup(ctx context.Context, name string) (*groupRecord, *group, error) {
	record, err := h.findGroup(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	g, err := h.leading(record.Name)
	return &record, g, err
}

// presentMachine is the machine that a group runs. A new leader may have to apply upgrades that an earlier one has
// answered, and of which the catalog has heard therefore.
func (h *Host) presentMachine(ctx context.Context, g *group, record *groupRecord) (*runningMachine, error) {
	err := h.watch(ctx, "the leader to apply the last upgrade", func() bool {
		return g.running.Load().at >= record.Succession.At
	})
	return g.running.Load(), err
}

// upgradedSpec is what the request makes of the present machine. What it leaves out stays.
func upgradedSpec(present machineSpec, request api.UpgradeRequest) (machineSpec, error) {
	module, ok := parseDigest(request.Module)
	if !ok {
		return machineSpec{}, fault(api.CodeBadRequest, "module %q is not a SHA-256 in hexadecimal", request.Module)
	}
	spec := present
	spec.Module = module
	spec.Limits = request.Limits.Or(spec.Limits)
	if request.Init != nil {
		spec.Init = *request.Init
	}
	return spec, checkSpec(spec)
}

// prepareUpgrade sees to it that nothing that can be known beforehand stands in the way: the module is on a
// majority of the hosts and stays there, and the state here can be taken over.
func (h *Host) prepareUpgrade(ctx context.Context, g *group, record *groupRecord, spec machineSpec) error {
	if err := h.spread(ctx, spec.Module); err != nil {
		return err
	}
	if err := h.moduleFits(spec); err != nil {
		return err
	}
	if _, err := h.change(ctx, catalogCommand{Upgrade: &groupUpgrade{Group: record.ID, Spec: spec}}); err != nil {
		return err
	}
	if err := g.machines.obtain(ctx, spec.Module); err != nil {
		return err
	}
	outcome, err := g.rehearse(ctx, spec)
	if err == nil && outcome.Kind != Applied {
		return fault(api.CodeBadModule, "the module cannot take over from the present one, and nothing has changed: %s", ending(outcome))
	}
	return err
}

// rehearse asks whether the state here could be taken over by a machine of spec.
func (g *group) rehearse(ctx context.Context, spec machineSpec) (Outcome, error) {
	type result struct {
		outcome Outcome
		err     error
	}
	done := make(chan result, 1)
	g.applier.add(work{rehearse: &rehearsal{spec, func(o Outcome, err error) { done <- result{o, err} }}})
	select {
	case r := <-done:
		return r.outcome, r.err
	case <-ctx.Done():
		return Outcome{}, fault(api.CodeNoLeader, "the leader of group %s did not get to rehearse the change in time: nothing has changed, try again", g.ref.Name)
	}
}

// ending says how a machine ended a call.
func ending(o Outcome) string {
	if o.Kind == Refused {
		return fmt.Sprintf("refused with code %d: %s", o.Code, o.Message)
	}
	return o.Message
}

// proposeSpec proposes another module or other limits than the machine has that came with the entry after, and waits
// until the entry is applied here. It returns the entry's index and outcome.
func (g *group) proposeSpec(ctx context.Context, spec machineSpec, after consensus.Index) (consensus.Index, Outcome, error) {
	answer := make(chan Reply, 1)
	g.upgrade(spec, after, maxRequestTimeout, func(r Reply) { answer <- r })
	select {
	case r := <-answer:
		if r.Err != nil {
			return 0, Outcome{}, r.Err
		}
		return r.Index, r.Outcome, nil
	case <-ctx.Done():
		return 0, Outcome{}, fault(api.CodeUnknown, "the change was proposed and not applied in time: look at the group before trying again")
	}
}

// catalogKnows waits until the catalog knows of an upgrade.
func (h *Host) catalogKnows(ctx context.Context, record *groupRecord, at consensus.Index) error {
	h.ring()
	err := h.watch(ctx, "the catalog", func() bool {
		now, ok := h.machine.view.Load().group(record.Name)
		return !ok || now.ID != record.ID || now.Succession.At >= at
	})
	if err != nil {
		return fault(api.CodeUnknown, "group %s runs the module since index %d of its log, and the catalog does not know it yet: it will", record.Name, at)
	}
	return nil
}

// reportUpgrades tells the catalog what this host's members know of upgrades. It reports false when
// that has to be tried again.
func (h *Host) reportUpgrades(view *catalogView) bool {
	settled := true
	for _, record := range view.Groups {
		h.mu.RLock()
		held := h.groups[record.Name]
		var running *runningMachine
		if held != nil && held.group != nil && held.record.ID == record.ID {
			running = held.group.running.Load()
		}
		h.mu.RUnlock()
		if running == nil || running.at <= record.Succession.At {
			continue
		}
		ctx, cancel := context.WithTimeout(h.ctx, h.cfg.Timing.RequestTimeout)
		_, err := h.change(ctx, catalogCommand{Upgrade: &groupUpgrade{Group: record.ID, Spec: running.spec, At: running.at}})
		cancel()
		if err != nil {
			h.cfg.Logger.Warn("the catalog does not know of an upgrade yet", "group", record.Name, "error", err)
			settled = false
		}
	}
	return settled
}
