package wasmsm

import (
	"errors"
	"fmt"
)

// Migrate makes the machine that takes over from old, which may be of another module: old exports its
// state (grout_export), the new machine is started like any other (_initialize, grout_init with
// config.Init) and is given what old exported (grout_migrate). Whatever grout_export wrote is undone, so
// old is as before in every case. The caller closes old once the new machine has its place.
//
// The machine is nil unless the outcome's kind is Applied. Outcomes are equal on every replica; their
// message says which function ended how. An error is no outcome.
func (c *CompiledModule) Migrate(old *Machine, config MachineConfig, entry EntryContext) (*Machine, Outcome, error) {
	if reason := c.cannotFollow(old); reason != "" {
		return nil, Outcome{Kind: Trapped, Message: reason}, nil
	}
	exported, err := old.Export(entry)
	if err != nil || exported.Kind != Applied {
		return nil, in("grout_export of the present module", exported), err
	}
	m, err := c.New(config)
	if err != nil {
		return startOutcome(err)
	}
	outcome, err := m.TakeOver(entry, exported.Output)
	if err != nil || outcome.Kind != Applied {
		return nil, in("grout_migrate", outcome), errors.Join(err, m.Close())
	}
	return m, outcome, nil
}

// What modules without the functions of an upgrade are told.
const (
	noExport  = "the present module does not export grout_export: its state can be read by nobody else"
	noMigrate = "the new module does not export grout_migrate: it cannot take over another's state"
)

// cannotFollow says why a machine of this module can never take over from old, "" when it may.
func (c *CompiledModule) cannotFollow(old *Machine) string {
	switch {
	case !old.module.exports("grout_export"):
		return noExport
	case !c.exports("grout_migrate"):
		return noMigrate
	}
	return ""
}

func (c *CompiledModule) exports(name string) bool {
	_, ok := c.shared.code.ExportedFunctions()[name]
	return ok
}

// Export returns what the machine exports of its state (grout_export), and undoes whatever that wrote.
func (m *Machine) Export(entry EntryContext) (Outcome, error) {
	if err := m.awake(); err != nil {
		return Outcome{}, err
	}
	export := m.instance.ExportedFunction("grout_export")
	if export == nil {
		return Outcome{Kind: Trapped, Message: noExport}, nil
	}
	if err := m.settle(); err != nil {
		return Outcome{}, err
	}
	outcome, err := m.run(export, callExport, entry, nil)
	if err != nil {
		return Outcome{}, err
	}
	return outcome, m.rollback()
}

// TakeOver gives the machine the state that another one exported (grout_migrate). A group does it once, right after the
// start. What a refused or trapped one wrote is undone.
func (m *Machine) TakeOver(entry EntryContext, exported []byte) (Outcome, error) {
	if err := m.awake(); err != nil {
		return Outcome{}, err
	}
	migrate := m.instance.ExportedFunction("grout_migrate")
	if migrate == nil {
		return Outcome{Kind: Trapped, Message: noMigrate}, nil
	}
	if err := m.settle(); err != nil {
		return Outcome{}, err
	}
	outcome, err := m.run(migrate, callMigrate, entry, exported)
	if err != nil {
		return outcome, err
	}
	if outcome.Kind != Applied {
		return outcome, m.rollback()
	}
	return outcome, m.commit()
}

// in says in which function an outcome came about.
func in(function string, o Outcome) Outcome {
	o.Output, o.Events = nil, nil
	if o.Message == "" {
		o.Message = "no reason given"
	}
	o.Message = function + ": " + o.Message
	return o
}

// startOutcome tells a machine that cannot start, on any replica, from a failure of this host.
func startOutcome(err error) (*Machine, Outcome, error) {
	var refused *InitError
	switch {
	case errors.As(err, &refused):
		return nil, in(refused.Function+" of the new module", refused.Outcome), nil
	case errors.Is(err, ErrLimits):
		return nil, Outcome{Kind: Trapped, Message: err.Error()}, nil
	}
	return nil, Outcome{}, fmt.Errorf("wasmsm: starting the new machine: %w", err)
}

// outputLimit bounds the present call's output. An export may be as large as the memory it describes. What is called
// once, at the start, has the runtime's limit: a machine that could start once can always, whatever limits it was
// given since.
func (m *Machine) outputLimit() int {
	switch m.call.kind {
	case callExport:
		return int(m.limits.MemoryBytes)
	case callStart, callInit, callMigrate:
		return m.module.runtime.config.Limits.OutputBytes
	}
	return m.limits.OutputBytes
}
