package host

import (
	"context"
	"errors"
	"fmt"
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
	return g.host.cfg.Machines.Upgrade(old, g.config(spec, module), entry)
}

func (g *groupMachines) version() int { return g.host.cfg.Machines.Version() }

// obtain asks every host of the cluster for a module: the catalog may have forgotten who holds it.
func (g *groupMachines) obtain(ctx context.Context, module Digest) error {
	h := g.host
	if h.modules.Has(module) {
		return nil
	}
	record := moduleRecord{Digest: module, Holders: h.record.names()}
	return h.fetchModule(ctx, record)
}

// spec is what the group's machine is made of now.
func (r *groupRecord) spec() machineSpec {
	return machineSpec{Module: r.Module, Limits: r.Limits, Init: r.Init}
}

// firstSpec is what the group's machine was made of before its first entry.
func (r *groupRecord) firstSpec() machineSpec { return r.spec() }
