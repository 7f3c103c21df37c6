package host

import (
	"context"
	"fmt"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// The limits of a group's machine are a part of what it is made of (machineSpec), and change by an entry of the
// group's own log, as its module does: so every member applies each command under the same limits.

// tooLow says why a machine cannot have these limits now. Its size is a part of its state, so this is equal on
// every member.
func (r *replica) tooLow(limits api.Limits) Outcome {
	machine, ok := r.machine.(Limited)
	switch {
	case !ok:
		return Outcome{Kind: Trapped, Message: "this group's machine is a part of the host and has no limits"}
	case limits.MemoryBytes > 0 && limits.MemoryBytes < machine.MemoryBytes():
		return Outcome{Kind: Trapped, Message: fmt.Sprintf("memory_bytes cannot be %d: the machine's memory has %d bytes, and never shrinks",
			limits.MemoryBytes, machine.MemoryBytes())}
	}
	return Outcome{}
}

// changeLimits gives the machine the limits of spec, or leaves it as it is.
func (r *replica) changeLimits(spec machineSpec, at consensus.Index) (Outcome, error) {
	if no := r.tooLow(spec.Limits); no.Kind != Applied {
		return no, nil
	}
	if err := r.machine.(Limited).SetLimits(spec.Limits); err != nil {
		return Outcome{}, fmt.Errorf("host: changing the machine's limits: %w", err)
	}
	r.spec, r.upgraded = spec, at
	return Outcome{}, nil
}

// Limits implements Upgrades.
func (h *Host) Limits(ctx context.Context, request api.LimitsRequest) (api.LimitsReply, error) {
	if err := h.waiting(); err != nil {
		return api.LimitsReply{}, err
	}
	record, g, err := h.ledGroup(ctx, request.Group)
	if err != nil {
		return api.LimitsReply{}, err
	}
	present, err := h.presentMachine(ctx, g, record)
	if err != nil {
		return api.LimitsReply{}, err
	}
	spec := present.spec
	spec.Limits = request.Limits.Or(spec.Limits)
	if err := checkSpec(spec); err != nil {
		return api.LimitsReply{}, err
	}
	if err := h.moduleFits(spec); err != nil {
		return api.LimitsReply{}, err
	}
	if !spec.equal(&present.spec) {
		if err := h.limit(ctx, g, spec, present.at); err != nil {
			return api.LimitsReply{}, err
		}
	}
	running := g.running.Load()
	used := g.applier.replica.gauge.used()
	return api.LimitsReply{
		Group: record.Name, Limits: running.spec.Limits, Used: used, Index: uint64(running.at),
		Alarms: alarms(record.Name, used, running.spec.Limits),
	}, h.catalogKnows(ctx, record, running.at)
}

// limit changes the limits of the machine that came with the entry after, and returns when they are applied here.
func (h *Host) limit(ctx context.Context, g *group, spec machineSpec, after consensus.Index) error {
	outcome, err := g.rehearse(ctx, spec)
	if err != nil {
		return err
	}
	if outcome.Kind != Applied {
		return fault(api.CodeRefused, "the limits of group %s stay as they are: %s", g.ref.Name, ending(outcome))
	}
	at, outcome, err := g.proposeSpec(ctx, spec, after)
	if err != nil {
		return err
	}
	if outcome.Kind != Applied {
		return fault(api.CodeRefused, "the change of limits at index %d of the log had no effect: %s", at, ending(outcome))
	}
	return nil
}

// moduleFits refuses a limit on modules that the spec's own is over, as far as the catalog knows its size.
func (h *Host) moduleFits(spec machineSpec) error {
	m := h.machine.view.Load().module(spec.Module)
	if limit := spec.Limits.ModuleBytes; m != nil && limit > 0 && m.Size > limit {
		return fault(api.CodeTooLarge, "the module has %d bytes, the group's module_bytes is %d", m.Size, limit)
	}
	return nil
}

// checkSpec refuses what no machine can be made of.
func checkSpec(spec machineSpec) error {
	if err := spec.Limits.Check(); err != nil {
		return fault(api.CodeBadRequest, "limits: %v", err)
	}
	if len(spec.Init) > MaxCommandBytes {
		return fault(api.CodeTooLarge, "the init argument has %d bytes, at most %d are possible", len(spec.Init), MaxCommandBytes)
	}
	return nil
}
