package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/groutlabs/grout/wasmsm"
)

// overhead measures what the sandbox adds to a command of 16 bytes: the whole of Machine.Apply, with its share
// of checkpoints, less the call of the same guest, unprepared, with the same input.
func overhead(only string) error {
	for _, guest := range []string{"go", "c"} {
		if only != "" && only != guest {
			continue
		}
		module, err := build(guest)
		if errors.Is(err, errNoToolchain) {
			continue
		}
		if err != nil {
			return err
		}
		own, whole, err := oneCommand(module)
		if err != nil {
			return err
		}
		fmt.Printf("%s, a command of 16 bytes: %v in the guest, %v in all, %v added\n", guest, own, whole, whole-own)
	}
	return nil
}

const (
	commandRuns  = 41
	commandTurns = 2000
)

func oneCommand(module []byte) (own, whole time.Duration, err error) {
	ctx := context.Background()
	p, err := open(ctx, module)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	runtime, err := wasmsm.NewRuntime(wasmsm.Config{})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, runtime.Close()) }()
	compiled, err := runtime.Compile(module)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, compiled.Close()) }()
	machine, err := compiled.New(wasmsm.MachineConfig{})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, machine.Close()) }()
	input[0] = 't'
	binary.LittleEndian.PutUint32(input[1:], 1)
	own, whole = time.Hour, time.Hour
	stack, index := []uint64{0}, uint64(0)
	for range commandRuns {
		began := time.Now()
		for range commandTurns {
			stack[0] = uint64(len(input))
			if err := p.apply[0][0].CallWithStack(ctx, stack); err != nil {
				return 0, 0, err
			}
		}
		own = min(own, time.Since(began)/commandTurns)
		began = time.Now()
		for range commandTurns {
			index++
			outcome, err := machine.Apply(wasmsm.EntryContext{Index: index, Term: 1}, input[:])
			if err != nil || outcome.Kind != wasmsm.Applied {
				return 0, 0, fmt.Errorf("the command ended as %v %s: %w", outcome.Kind, outcome.Message, err)
			}
		}
		whole = min(whole, time.Since(began)/commandTurns)
	}
	return own, whole, nil
}
