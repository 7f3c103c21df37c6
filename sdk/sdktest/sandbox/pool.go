package sandbox

import (
	"errors"
	"fmt"
	"sync"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/wasmsm"
)

// A start costs milliseconds, most of them for memory that is touched for the first time, and checks and the fuzzer make thousands
// of machines. So one that is closed is kept, and the next gets its memory, with the state after the start restored.
const (
	// maxStarts is how many ways to start one module are remembered, and maxIdle how many machines are kept for each.
	maxStarts = 16
	maxIdle   = 4
)

// startKey says how a machine was started: two with the same have the same state then.
type startKey struct {
	limits wasmsm.Limits
	seed   uint64
	init   string
}

// stable has the machines that were started in one way.
type stable struct {
	module *wasmsm.CompiledModule
	key    startKey

	mu sync.Mutex
	// started is how the start ended, and image the state after it; known says that they are.
	known   bool
	started sdktest.Outcome
	image   wasmsm.Image
	idle    []*seat
}

// seat is a machine and whoever has it now.
type seat struct {
	machine *wasmsm.Machine
	logs    []sdktest.Log
}

func (s *seat) log(level int, text string) {
	s.logs = append(s.logs, sdktest.Log{Level: sdk.Level(level), Text: text})
}

// take returns a machine in any state, nil if none is kept.
func (s *stable) take() *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return nil
	}
	last := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	return last
}

// give keeps a machine for the next, or closes it.
func (s *stable) give(m *seat) error {
	s.mu.Lock()
	if s.known && len(s.idle) < maxIdle {
		s.idle = append(s.idle, m)
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	return m.machine.Close()
}

// start returns a machine after the start. The seat is nil if the start was refused or trapped.
func (s *stable) start() (*seat, sdktest.Outcome, error) {
	if m := s.take(); m != nil {
		if err := m.machine.Restore(s.image); err != nil {
			return nil, sdktest.Outcome{}, errors.Join(fmt.Errorf("sandbox: %w", err), m.machine.Close())
		}
		return m, s.started, nil
	}
	m := &seat{}
	machine, err := s.module.New(wasmsm.MachineConfig{Seed: sdktest.SeedBytes(s.key.seed), Limits: s.key.limits, Init: []byte(s.key.init), Log: m.log})
	var failed *wasmsm.InitError
	switch {
	case errors.As(err, &failed):
		return nil, outcomeOf(failed.Outcome, 0, m.logs), nil
	case err != nil:
		return nil, sdktest.Outcome{}, fmt.Errorf("sandbox: %w", err)
	}
	m.machine = machine
	started := sdktest.Outcome{Kind: sdk.Applied, Logs: m.logs}
	return m, started, s.remember(m, started)
}

// remember notes the state after the first start.
func (s *stable) remember(m *seat, started sdktest.Outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return nil
	}
	image, err := m.machine.Image()
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.known, s.started, s.image = true, started, image
	return nil
}

// restored returns a machine with this state.
func (s *stable) restored(image wasmsm.Image) (*seat, error) {
	m := s.take()
	if m == nil {
		var err error
		if m, _, err = s.start(); err != nil {
			return nil, err
		}
		if m == nil {
			return nil, errors.New("sandbox: the second machine does not start as the first did")
		}
	}
	if err := m.machine.Restore(image); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), m.machine.Close())
	}
	return m, nil
}

// stableFor finds the machines of a module that are started in one way. Beyond a number of ways none are kept.
func (b *built) stableFor(key startKey) *stable {
	modules.Lock()
	defer modules.Unlock()
	if known := b.stables[key]; known != nil {
		return known
	}
	s := &stable{module: b.code, key: key}
	if len(b.stables) < maxStarts {
		if b.stables == nil {
			b.stables = map[startKey]*stable{}
		}
		b.stables[key] = s
	}
	return s
}
