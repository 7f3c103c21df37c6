package sandbox

import (
	"context"
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
	if err := shareWithWorkers(t); err != nil {
		t.Fatal(err)
	}
	module, err := compiled(context.Background(), config) // it outlives the test
	if err != nil {
		t.Fatal(err)
	}
	return &driver{module: module, limits: config.Limits}
}

// driver runs one machine. It implements sdktest.Driver.
type driver struct {
	module *built
	limits wasmsm.Limits
	// seat has the machine: nil until the start, and after Close. stable is where it is from.
	seat   *seat
	stable *stable
	// known are the hashes of its pages, once hashed is set.
	known  check.Tree
	hashed bool
}

var errNotStarted = errors.New("sandbox: the machine has not started, or its start failed")

// Run implements sdktest.Driver.
func (d *driver) Run(op sdk.Operation, entry sdktest.Entry, input []byte) (sdktest.Outcome, error) {
	if op == sdk.OperationInit {
		return d.start(entry.Seed, input)
	}
	switch {
	case d.seat == nil:
		return sdktest.Outcome{}, errNotStarted
	case entry.Seed != d.stable.key.seed:
		return sdktest.Outcome{}, fmt.Errorf("sandbox: the seed was %d at the start and is %d now: set Harness.Seed before the first call",
			d.stable.key.seed, entry.Seed)
	}
	d.seat.logs = nil
	outcome, err := d.call(op, wasmsm.EntryContext{Index: entry.Index, Term: entry.Term, TimeNanos: entry.TimeNanos, Caller: entry.Caller}, input)
	if err != nil {
		return sdktest.Outcome{}, err
	}
	return outcomeOf(outcome, entry.Index, d.seat.logs), nil
}

func (d *driver) call(op sdk.Operation, entry wasmsm.EntryContext, input []byte) (wasmsm.Outcome, error) {
	switch op {
	case sdk.OperationApply:
		return d.seat.machine.Apply(entry, input)
	case sdk.OperationQuery:
		return d.seat.machine.Query(entry, input)
	case sdk.OperationExport:
		return d.seat.machine.Export(entry)
	case sdk.OperationMigrate:
		return d.seat.machine.TakeOver(entry, input)
	}
	return wasmsm.Outcome{}, fmt.Errorf("sandbox: there is no operation %d", op)
}

// start takes a machine. One that refuses or traps then is none.
func (d *driver) start(seed uint64, input []byte) (sdktest.Outcome, error) {
	d.stable = d.module.stableFor(startKey{d.limits, seed, string(input)})
	seat, outcome, err := d.stable.start()
	d.seat, d.hashed = seat, false
	return outcome, err
}

func outcomeOf(o wasmsm.Outcome, index uint64, logs []sdktest.Log) sdktest.Outcome {
	out := sdktest.Outcome{Kind: sdk.OutcomeKind(o.Kind), Code: o.Code, Output: o.Output, Message: o.Message, Logs: logs, Fuel: o.Fuel}
	for _, e := range o.Events {
		out.Events = append(out.Events, sdktest.Event{Index: index, Suffix: e.Suffix, Payload: e.Payload})
	}
	return out
}

// Digest implements sdktest.Driver: the hash of memory and globals.
func (d *driver) Digest() (sdktest.Digest, error) {
	if d.seat == nil {
		return sdktest.Digest{}, errNotStarted
	}
	if !d.hashed {
		// The first look is at the whole memory, so that what was restored is judged by what is there.
		image, err := d.seat.machine.Image()
		if err != nil {
			return sdktest.Digest{}, fmt.Errorf("sandbox: %w", err)
		}
		d.known.Replace(&image)
		d.hashed = true
	}
	changes, err := d.seat.machine.Changes()
	if err != nil {
		return sdktest.Digest{}, fmt.Errorf("sandbox: %w", err)
	}
	d.known.Update(changes)
	return sdktest.Digest(d.known.Hash()), nil
}

// Restored implements sdktest.Driver, with an image of the whole memory, as snapshots are.
func (d *driver) Restored() (sdktest.Driver, error) {
	if d.seat == nil {
		return nil, errNotStarted
	}
	image, err := d.seat.machine.Image()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	seat, err := d.stable.restored(image)
	if err != nil {
		return nil, err
	}
	return &driver{module: d.module, limits: d.limits, seat: seat, stable: d.stable}, nil
}

// Fresh implements sdktest.Driver.
func (d *driver) Fresh() (sdktest.Driver, error) {
	return &driver{module: d.module, limits: d.limits}, nil
}

// Close implements sdktest.Driver.
func (d *driver) Close() error {
	if d.seat == nil {
		return nil
	}
	seat := d.seat
	d.seat = nil
	return d.stable.give(seat)
}
