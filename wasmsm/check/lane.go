package check

import (
	"errors"
	"fmt"

	"github.com/groutlabs/grout/wasmsm"
)

// lane is one run.
type lane interface {
	// apply applies the next command.
	apply(entry wasmsm.EntryContext, command []byte) (wasmsm.Outcome, error)
	// state is the hash of the present state.
	state() (Hash, error)
	// image is the present state.
	image() (wasmsm.Image, error)
	// memory is the size of the linear memory.
	memory() int64
	close() error
}

// live is a machine that applies one command after the other.
type live struct {
	running *wasmsm.Machine
	known   Tree
}

func (l *live) apply(entry wasmsm.EntryContext, command []byte) (wasmsm.Outcome, error) {
	return l.running.Apply(entry, command)
}

func (l *live) state() (Hash, error) {
	changes, err := l.running.Changes()
	if err != nil {
		return Hash{}, err
	}
	l.known.Update(changes)
	return l.known.Hash(), nil
}

func (l *live) image() (wasmsm.Image, error) { return l.running.Image() }
func (l *live) memory() int64                { return l.running.MemoryBytes() }
func (l *live) close() error                 { return l.running.Close() }

// dozing is how many commands lie between two that a restored machine dozed before.
const dozing = 8

// restored is a pair of machines, one of which applies a command after it was restored from the other's image.
type restored struct {
	// now has the present state.
	now, other *wasmsm.Machine
	known      Tree
}

func (r *restored) apply(entry wasmsm.EntryContext, command []byte) (wasmsm.Outcome, error) {
	image, err := r.now.Image()
	if err != nil {
		return wasmsm.Outcome{}, err
	}
	if err := r.other.Restore(image); err != nil {
		return wasmsm.Outcome{}, err
	}
	r.now, r.other = r.other, r.now
	if _, err := r.now.Query(entry, command); err != nil {
		return wasmsm.Outcome{}, err
	}
	if entry.Index%dozing == 0 {
		if _, err := r.now.Doze(); err != nil {
			return wasmsm.Outcome{}, err
		}
	}
	return r.now.Apply(entry, command)
}

func (r *restored) state() (Hash, error) {
	image, err := r.now.Image()
	if err != nil {
		return Hash{}, err
	}
	r.known.Replace(&image)
	return r.known.Hash(), nil
}

func (r *restored) image() (wasmsm.Image, error) { return r.now.Image() }
func (r *restored) memory() int64                { return r.now.MemoryBytes() }
func (r *restored) close() error                 { return errors.Join(r.now.Close(), r.other.Close()) }

// bench is what machines are made in.
type bench struct {
	runtimes []*wasmsm.Runtime
	modules  []*wasmsm.CompiledModule
}

// newEngines returns the compiler and the interpreter. After an error it returns those that have to be closed.
func newEngines(config wasmsm.Config) ([]*wasmsm.Runtime, error) {
	auto, err := wasmsm.NewRuntime(config)
	if err != nil {
		return nil, err
	}
	config.Engine, config.Memory = wasmsm.EngineInterpreter, wasmsm.MemoryCopy
	interpreter, err := wasmsm.NewRuntime(config)
	if err != nil {
		return []*wasmsm.Runtime{auto}, err
	}
	return []*wasmsm.Runtime{auto, interpreter}, nil
}

// compile makes a module of an engine.
func (b *bench) compile(module []byte, runtime *wasmsm.Runtime) (*wasmsm.CompiledModule, error) {
	compiled, err := runtime.Compile(module)
	if err != nil {
		return nil, err
	}
	b.modules = append(b.modules, compiled)
	return compiled, nil
}

func (b *bench) close() error {
	var errs []error
	for _, m := range b.modules {
		errs = append(errs, m.Close())
	}
	for _, r := range b.runtimes {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// startLive makes a live lane.
func startLive(module *wasmsm.CompiledModule, config wasmsm.MachineConfig) (lane, error) {
	m, err := module.New(config)
	if err != nil {
		return nil, err
	}
	return &live{running: m}, nil
}

// startRestored makes a restored lane. The second machine never needs a start of its own, but can only be had with one.
func startRestored(module *wasmsm.CompiledModule, config wasmsm.MachineConfig) (lane, error) {
	now, err := module.New(config)
	if err != nil {
		return nil, err
	}
	other, err := module.New(config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("check: a second machine: %w", err), now.Close())
	}
	return &restored{now: now, other: other}, nil
}
