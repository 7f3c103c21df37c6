package sandbox

import (
	"errors"
	"fmt"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/wasmsm"
	"github.com/groutlabs/grout/wasmsm/check"
)

// Config says what to run.
type Config struct {
	// Dir is the folder of a Go machine to build, "" for the present one.
	Dir string
	// File is a module that was built already, in any language. It excludes Dir.
	File string
	// Limits bound the machine, as those of a group do; zero fields have their defaults.
	Limits wasmsm.Limits
}

// New builds the package in the present folder, once for all tests of a process, and returns a harness for a machine of it.
func New(t testing.TB) *sdktest.Harness {
	t.Helper()
	return sdktest.Open(t, Open(t, Config{}))
}

// Open builds and compiles what config names, once for all tests of a process, and returns a driver for a machine of it.
func Open(t testing.TB, config Config) sdktest.Driver {
	t.Helper()
	module, err := compiledModule(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return &driver{module: module, limits: config.Limits}
}

// driver runs one machine. It implements sdktest.Driver.
type driver struct {
	module *wasmsm.CompiledModule
	limits wasmsm.Limits
	// machine is nil until the start, and after Close.
	machine *wasmsm.Machine
	seed    uint64
	init    []byte
	known   check.Tree
	logs    []sdktest.Log
}

var errNotStarted = errors.New("sandbox: the machine has not started, or its start failed")

// Run implements sdktest.Driver.
func (d *driver) Run(op sdk.Operation, entry sdktest.Entry, input []byte) (sdktest.Outcome, error) {
	d.logs = nil
	if op == sdk.OperationInit {
		return d.start(entry.Seed, input)
	}
	switch {
	case d.machine == nil:
		return sdktest.Outcome{}, errNotStarted
	case entry.Seed != d.seed:
		return sdktest.Outcome{}, fmt.Errorf("sandbox: the seed was %d at the start and is %d now: set Harness.Seed before the first call", d.seed, entry.Seed)
	}
	outcome, err := d.call(op, wasmsm.EntryContext{Index: entry.Index, Term: entry.Term, TimeNanos: entry.TimeNanos, Caller: entry.Caller}, input)
	if err != nil {
		return sdktest.Outcome{}, err
	}
	return d.outcome(outcome, entry.Index), nil
}

func (d *driver) call(op sdk.Operation, entry wasmsm.EntryContext, input []byte) (wasmsm.Outcome, error) {
	switch op {
	case sdk.OperationApply:
		return d.machine.Apply(entry, input)
	case sdk.OperationQuery:
		return d.machine.Query(entry, input)
	case sdk.OperationExport:
		return d.machine.Export(entry)
	case sdk.OperationMigrate:
		return d.machine.TakeOver(entry, input)
	}
	return wasmsm.Outcome{}, fmt.Errorf("sandbox: there is no operation %d", op)
}

// start makes the machine. One that refuses or traps then is none.
func (d *driver) start(seed uint64, input []byte) (sdktest.Outcome, error) {
	d.seed, d.init = seed, append([]byte(nil), input...)
	machine, err := d.module.New(wasmsm.MachineConfig{Seed: sdktest.SeedBytes(seed), Limits: d.limits, Init: d.init, Log: d.log})
	var failed *wasmsm.InitError
	switch {
	case errors.As(err, &failed):
		return d.outcome(failed.Outcome, 0), nil
	case err != nil:
		return sdktest.Outcome{}, fmt.Errorf("sandbox: %w", err)
	}
	d.machine, d.known = machine, check.Tree{}
	return sdktest.Outcome{Kind: sdk.Applied, Logs: d.logs}, nil
}

func (d *driver) log(level int, text string) {
	d.logs = append(d.logs, sdktest.Log{Level: sdk.Level(level), Text: text})
}

func (d *driver) outcome(o wasmsm.Outcome, index uint64) sdktest.Outcome {
	out := sdktest.Outcome{Kind: sdk.OutcomeKind(o.Kind), Code: o.Code, Output: o.Output, Message: o.Message, Logs: d.logs, Fuel: o.Fuel}
	for _, e := range o.Events {
		out.Events = append(out.Events, sdktest.Event{Index: index, Suffix: e.Suffix, Payload: e.Payload})
	}
	return out
}

// Digest implements sdktest.Driver: the hash of memory and globals.
func (d *driver) Digest() (sdktest.Digest, error) {
	if d.machine == nil {
		return sdktest.Digest{}, errNotStarted
	}
	changes, err := d.machine.Changes()
	if err != nil {
		return sdktest.Digest{}, fmt.Errorf("sandbox: %w", err)
	}
	d.known.Update(changes)
	return sdktest.Digest(d.known.Hash()), nil
}

// Restored implements sdktest.Driver, with an image of the whole memory, as snapshots are.
func (d *driver) Restored() (sdktest.Driver, error) {
	if d.machine == nil {
		return nil, errNotStarted
	}
	image, err := d.machine.Image()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	second := &driver{module: d.module, limits: d.limits}
	outcome, err := second.start(d.seed, d.init)
	if err == nil && outcome.Kind != sdk.Applied {
		err = fmt.Errorf("sandbox: the second machine does not start: %s", outcome)
	}
	if err != nil {
		return nil, err
	}
	if err := second.machine.Restore(image); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), second.Close())
	}
	second.known.Replace(&image)
	return second, nil
}

// Fresh implements sdktest.Driver.
func (d *driver) Fresh() (sdktest.Driver, error) {
	return &driver{module: d.module, limits: d.limits}, nil
}

// Close implements sdktest.Driver.
func (d *driver) Close() error {
	if d.machine == nil {
		return nil
	}
	machine := d.machine
	d.machine = nil
	return machine.Close()
}
