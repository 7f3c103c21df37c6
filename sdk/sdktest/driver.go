package sdktest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/groutlabs/grout/sdk"
)

// Digest is the SHA-256 of a machine's state.
type Digest [sha256.Size]byte

// Entry is what a driver is told of a call.
type Entry struct {
	sdk.Entry
	// Seed stands for the group's: random bytes derive from it, the index and the kind of call.
	Seed uint64
}

// Driver runs one machine. A test says with its driver where the machine runs: Native in the test's own process, with a debugger
// and the race detector, and package sandbox compiled to WebAssembly, as hosts run it. Harness and the checks work with any.
type Driver interface {
	// Run runs one operation. sdk.OperationInit comes first and once; the entry is all zero then. input is
	// valid only during the call. An error is a failure of the driver, never the machine's.
	Run(op sdk.Operation, entry Entry, input []byte) (Outcome, error)
	// Digest is a hash of the present state: equal states have equal ones. ErrNoDigest if there is no way to it.
	Digest() (Digest, error)
	// Restored returns a second machine in the state of this one, as a host that was restarted would have it.
	// ErrNoRestore if there is no way to it.
	Restored() (Driver, error)
	// Fresh returns a second machine that has not started. ErrNoFresh if there is none.
	Fresh() (Driver, error)
	// Close frees the machine. It may be called more than once.
	Close() error
}

// NativeDriver runs a machine in the test's own process. It cannot undo anything: what a refused command changed stays.
type NativeDriver struct {
	// State returns what the machine remembers, for Digest; equal states have to give equal bytes. nil means what the
	// machine's Export returns.
	State func(sdk.Machine) []byte

	make    func() sdk.Machine
	machine sdk.Machine
	init    []byte
	last    Entry
	input   []byte
}

// Native returns a driver of machines that make returns, each of them new.
func Native(make func() sdk.Machine) *NativeDriver { return &NativeDriver{make: make, machine: make()} }

// Fresh implements Driver.
func (d *NativeDriver) Fresh() (Driver, error) {
	if d.make == nil {
		return nil, fmt.Errorf("%w: use Open(t, Native(func() sdk.Machine { ... })) in place of New", ErrNoFresh)
	}
	return &NativeDriver{State: d.State, make: d.make, machine: d.make()}, nil
}

// Close implements Driver.
func (d *NativeDriver) Close() error { return nil }

// Digest implements Driver.
func (d *NativeDriver) Digest() (Digest, error) {
	if d.State != nil {
		return sha256.Sum256(d.State(d.machine)), nil
	}
	state, err := d.export()
	if err != nil {
		return Digest{}, fmt.Errorf("%w: %w", ErrNoDigest, err)
	}
	return sha256.Sum256(state), nil
}

func (d *NativeDriver) export() ([]byte, error) {
	outcome, err := d.Run(sdk.OperationExport, d.last, nil)
	if err == nil && outcome.Kind != sdk.Applied {
		err = fmt.Errorf("Export was %s: %s", outcome.Kind, outcome.Message)
	}
	return outcome.Output, err
}

// Restored implements Driver, with the machine's Export and Migrate: natively there is no memory to take.
func (d *NativeDriver) Restored() (Driver, error) {
	state, err := d.export()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRestore, err)
	}
	second, err := d.Fresh()
	if err != nil {
		return nil, err
	}
	for _, call := range []struct {
		op    sdk.Operation
		entry Entry
		input []byte
	}{{sdk.OperationInit, Entry{Seed: d.last.Seed}, d.init}, {sdk.OperationMigrate, d.last, state}} {
		outcome, err := second.Run(call.op, call.entry, call.input)
		if err == nil && outcome.Kind != sdk.Applied {
			err = fmt.Errorf("%w: %s was %s: %s", ErrNoRestore, notCommands[call.op], outcome.Kind, outcome.Message)
		}
		if err != nil {
			return nil, err
		}
	}
	return second, nil
}

// Run implements Driver.
func (d *NativeDriver) Run(op sdk.Operation, entry Entry, input []byte) (Outcome, error) {
	recorder := &recorder{index: entry.Index, where: notCommands[op], random: randomOf(op, entry)}
	d.input = append(d.input[:0], input...)
	switch op {
	case sdk.OperationInit:
		d.init = append([]byte(nil), input...)
	case sdk.OperationApply, sdk.OperationMigrate:
		d.last = entry
	}
	result := sdk.Invoke(d.machine, op, entry.Entry, recorder, d.input)
	outcome := Outcome{
		Kind:    result.Kind,
		Code:    result.Code,
		Output:  append([]byte(nil), result.Output...),
		Message: result.Message,
		Logs:    recorder.logs,
	}
	if len(outcome.Output) > MaxOutputBytes && op != sdk.OperationExport {
		outcome = Outcome{Kind: sdk.Trapped, Message: overLimit("output", len(outcome.Output), MaxOutputBytes), Logs: recorder.logs}
	}
	if outcome.Kind == sdk.Applied {
		outcome.Events = recorder.events
	}
	d.scribble()
	return outcome, nil
}

// notCommands names the calls that cannot emit.
var notCommands = map[sdk.Operation]string{
	sdk.OperationInit: "Init", sdk.OperationQuery: "a query", sdk.OperationExport: "Export", sdk.OperationMigrate: "Migrate",
}

// scribble spoils the input's bytes, as the sandbox's next call would: a machine that kept them
// finds it out in its test.
func (d *NativeDriver) scribble() {
	for i := range d.input {
		d.input[i] = 0xdb
	}
}

// sandboxKinds are the numbers that the sandbox gives the operations when it derives random bytes.
var sandboxKinds = map[sdk.Operation]byte{
	sdk.OperationInit: 1, sdk.OperationApply: 2, sdk.OperationQuery: 3, sdk.OperationExport: 4, sdk.OperationMigrate: 5,
}

// randomOf derives a call's random bytes as the sandbox does, so that the same command throws the same dice in both.
func randomOf(op sdk.Operation, entry Entry) *rand.ChaCha8 {
	material := append([]byte("grout/wasmsm/random/1"), sandboxKinds[op])
	seed := SeedBytes(entry.Seed)
	material = append(material, seed[:]...)
	material = binary.LittleEndian.AppendUint64(material, entry.Index)
	return rand.NewChaCha8(sha256.Sum256(material))
}

// SeedBytes are a test's seed as a group has it, for drivers.
func SeedBytes(seed uint64) (out [32]byte) {
	binary.LittleEndian.PutUint64(out[:], seed)
	return out
}
