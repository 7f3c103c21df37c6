package check

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/groutlabs/grout/wasmsm"
	"github.com/groutlabs/grout/wasmsm/internal/generate"
	"github.com/groutlabs/grout/wasmsm/prepare"
)

var (
	moduleCount = flag.Int("modules", 300, "how many modules TestGenerated makes")
	firstSeed   = flag.Uint64("seed", 0, "the seed of its first module, 0 for a random one; the next has the next")
	keepModule  = flag.String("keep", "", "write the first module to this file")
)

// generatedLimits keep what runs for ever short, and let memory run out.
var generatedLimits = wasmsm.Limits{Fuel: 60_000, QueryFuel: 30_000, MemoryBytes: 5 << 16, OutputBytes: 4096, Events: 20, EventBytes: 2048, LogBytes: 512}

// campaign counts what became of generated modules.
type campaign struct {
	modules, unstartable, commands, applied, refused, trapped, starved, overflown atomic.Int64
}

// TestGenerated shows that random modules are accepted, prepared to the same bytes twice, and go the same way in all
// runs: compiled and interpreted, restored, rolled back. A failure names the seed: replay it with
// go test ./wasmsm/check -run TestGenerated -modules 1 -seed N.
func TestGenerated(t *testing.T) {
	seed := *firstSeed
	if seed == 0 {
		seed = rand.Uint64() >> 1
	}
	t.Logf("%d modules from seed %d on", *moduleCount, seed)
	var c campaign
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			engines, err := newEngines(wasmsm.Config{Limits: wasmsm.Limits{Fuel: generatedLimits.Fuel}, StackSlots: 16 << 10})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() {
				for _, e := range engines {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}
			}()
			for !t.Failed() {
				n := next.Add(1) - 1
				if n >= int64(*moduleCount) {
					return
				}
				if err := c.module(t.Context(), engines, seed+uint64(n)); err != nil {
					t.Errorf("seed %d: %v", seed+uint64(n), err)
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d modules, %d of which do not start; %d commands: %d applied, %d refused, %d trapped, %d of them out of fuel and %d nested too deep",
		c.modules.Load(), c.unstartable.Load(), c.commands.Load(), c.applied.Load(), c.refused.Load(), c.trapped.Load(), c.starved.Load(), c.overflown.Load())
	if *moduleCount >= 100 && !t.Failed() {
		c.wantVariety(t)
	}
}

// wantVariety shows that the modules are no monoculture.
func (c *campaign) wantVariety(t *testing.T) {
	commands := c.commands.Load()
	for name, share := range map[string]int64{
		"unstartable": 50 * c.unstartable.Load() / c.modules.Load(), "applied": 100 * c.applied.Load() / commands / 10,
		"trapped": 100 * c.trapped.Load() / commands / 10, "refused": 1000 * c.refused.Load() / commands, "starved": 1000 * c.starved.Load() / commands,
	} {
		if share == 0 {
			t.Errorf("hardly any are %s", name)
		}
	}
}

// module makes one module and checks it.
func (c *campaign) module(ctx context.Context, engines []*wasmsm.Runtime, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	module := generate.Module(rng)
	if *keepModule != "" && seed == *firstSeed {
		if err := os.WriteFile(*keepModule, module, 0o600); err != nil {
			return err
		}
	}
	if err := preparedAlike(module); err != nil {
		return err
	}
	c.modules.Add(1)
	log := func(yield func([]byte, error) bool) {
		for range 4 + rng.IntN(12) {
			command := make([]byte, rng.IntN(64))
			for i := range command {
				command[i] = byte(rng.Uint32())
			}
			if !yield(command, nil) {
				return
			}
		}
	}
	config := Config{Module: module, Machine: wasmsm.MachineConfig{Seed: [32]byte{1}, Limits: generatedLimits}, Commands: log, engines: engines}
	config.outcome = func(o *wasmsm.Outcome) {
		switch {
		case strings.HasPrefix(o.Message, "out of fuel"):
			c.starved.Add(1)
		case strings.HasPrefix(o.Message, "stack overflow"):
			c.overflown.Add(1)
		}
	}
	report, err := Run(ctx, config)
	if unstartable := (*wasmsm.InitError)(nil); errors.As(err, &unstartable) {
		c.unstartable.Add(1)
		return nil
	}
	c.commands.Add(int64(report.Commands))
	c.applied.Add(int64(report.Applied))
	c.refused.Add(int64(report.Refused))
	c.trapped.Add(int64(report.Trapped))
	return err
}

func preparedAlike(module []byte) error {
	first, err := prepare.Prepare(module, prepare.Limits{})
	if err != nil {
		return err
	}
	second, err := prepare.Prepare(module, prepare.Limits{})
	if err != nil || !bytes.Equal(first.Module, second.Module) {
		return fmt.Errorf("prepared a second time it is another module, or not at all: %w", err)
	}
	return nil
}
