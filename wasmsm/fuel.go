package wasmsm

import (
	"errors"
	"fmt"
)

// startFactor is how many times a command's fuel a start, an export and a migration may use: they
// look at the whole state, and come rarely. Of a start the command is one under the runtime's limits: a machine that
// could start once can always, whatever limits its group was given since.
const startFactor = 4

// What a host function costs: hostCallPrice, and bytePrice for each byte of the guest's memory that it
// reads or writes.
const (
	hostCallPrice = 128
	bytePrice     = 1
)

// budget is the fuel of a call.
func (m *Machine) budget(kind callKind) int64 {
	usual := m.module.runtime.config.Limits.Fuel
	switch kind {
	case callApply:
		return m.limits.Fuel
	case callQuery:
		return m.limits.QueryFuel
	case callStart, callInit:
		return startFactor * usual
	}
	return startFactor * max(m.limits.Fuel, usual)
}

// what names a call to the reader of an error.
func (k callKind) what() string {
	switch k {
	case callApply:
		return "the command"
	case callQuery:
		return "the query"
	case callExport:
		return "grout_export"
	case callMigrate:
		return "grout_migrate"
	}
	return "the start"
}

// errNoFuel ends a call out of a host function.
var errNoFuel = errors.New("wasmsm: out of fuel")

// spend charges a host function's work to the counter of the guest's code, before the work is done.
func (m *Machine) spend(fuel uint64) {
	left := int64(m.fuel.Get()) - int64(fuel) // a range of memory has less than 2^32 bytes
	m.fuel.Set(uint64(left))
	if left < 0 {
		panic(errNoFuel)
	}
}

// metered completes an outcome by the fuel that was used. A call that used more than its budget is
// trapped, wherever the guest's code noticed, and also when it ended first.
func (m *Machine) metered(o Outcome, kind callKind) Outcome {
	budget := m.budget(kind)
	left := int64(m.fuel.Get())
	o.Fuel = uint64(budget - max(left, 0))
	where := ""
	if m.call.trappedIn != "" {
		where = " in " + m.call.trappedIn
	}
	if left >= 0 && int64(m.room.Get()) >= 0 {
		return o
	}
	if left >= 0 {
		return Outcome{Kind: Trapped, Fuel: o.Fuel, Message: fmt.Sprintf("stack overflow%s: calls are nested too deep", where)}
	}
	return Outcome{Kind: Trapped, Fuel: uint64(budget), Message: fmt.Sprintf("out of fuel%s: %s may use %d", where, kind.what(), budget)}
}
