package wasmsm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/groutlabs/grout/wasmsm/prepare"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// ModuleInfo describes a module to people.
type ModuleInfo = prepare.Info

// CompiledModule is a module that machines can be made of. It is safe for concurrent use.
type CompiledModule struct {
	runtime *Runtime
	shared  *sharedModule
	digest  [sha256.Size]byte
	closed  atomic.Bool
}

// Info describes the module.
func (c *CompiledModule) Info() ModuleInfo { return c.shared.prepared.Info }

// Close gives the compiled code back. Machines made of it are not affected.
func (c *CompiledModule) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.runtime.release(c.digest)
	}
	return nil
}

// New makes a machine: it instantiates the module, calls _initialize (when exported) and then
// grout_init with the configured input. The result must be closed.
//
// # Errors
//
// An *InitError when one of the two refused or trapped; ErrLimits when the module's smallest memory
// is over the limit.
func (c *CompiledModule) New(config MachineConfig) (*Machine, error) {
	m, err := c.open(config)
	if err != nil {
		return nil, err
	}
	if err := m.start(config.Init); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// open makes an instance that has not been started.
func (c *CompiledModule) open(config MachineConfig) (*Machine, error) {
	limits := config.Limits.or(c.runtime.config.Limits)
	if err := limits.validate(); err != nil {
		return nil, err
	}
	if low := int64(c.shared.prepared.Info.MemoryMin) * pageBytes; low > limits.MemoryBytes {
		return nil, fmt.Errorf("%w: the module's memory begins with %d bytes, MemoryBytes is %d", ErrLimits, low, limits.MemoryBytes)
	}
	if _, _, err := c.runtime.acquire(c.digest); err != nil {
		return nil, err
	}
	m := &Machine{module: c, limits: limits, seed: config.Seed, log: config.Log}
	m.ctx.machine = m
	if err := m.embody(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// memoryLimit is how large the memory may become, in bytes.
func (c *CompiledModule) memoryLimit(limits Limits) uint64 {
	return uint64(min(int64(c.shared.prepared.Info.MemoryMax)*pageBytes, limits.MemoryBytes))
}

// instantiate makes the engine's instance over a memory of ours.
func (m *Machine) instantiate(memory backing, limit uint64) (err error) {
	runtime := m.module.runtime
	// A limit that was lowered since the start may be below what every instance begins with.
	least := uint64(m.module.shared.prepared.Info.MemoryMin) * pageBytes
	m.linear = &linear{backing: memory, limit: max(limit, least)}
	ctx := experimental.WithMemoryAllocator(context.Background(), m.linear)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	m.instance, err = runtime.engine.InstantiateModule(ctx, m.module.shared.code, config)
	if err != nil {
		return fmt.Errorf("wasmsm: the module cannot be instantiated: %w", err)
	}
	m.memory = m.instance.Memory()
	for _, g := range m.module.shared.prepared.Globals {
		global, ok := m.instance.ExportedGlobal(g.Name).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("wasmsm: the prepared module does not export %s", g.Name)
		}
		m.globals = append(m.globals, mutableGlobal{MutableGlobal: global, narrow: g.Type == 'i' || g.Type == 'f'})
	}
	for name, counter := range map[string]*api.MutableGlobal{prepare.FuelGlobal: &m.fuel, prepare.StackGlobal: &m.room} {
		global, ok := m.instance.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("wasmsm: the prepared module does not export %s", name)
		}
		*counter = global
	}
	if m.committed == nil {
		m.committed = make([]uint64, len(m.globals))
	}
	m.lookUp()
	return nil
}

// lookUp makes fresh call engines. The engine keeps a call's stack for the next one, as large as it
// became, so after a stack overflow they are made anew.
func (m *Machine) lookUp() {
	m.apply = m.instance.ExportedFunction("grout_apply")
	m.query = m.instance.ExportedFunction("grout_query")
}

// start runs the guest's own start-up, outside of any entry.
func (m *Machine) start(input []byte) error {
	if initialize := m.instance.ExportedFunction("_initialize"); initialize != nil {
		if err := m.startWith(initialize, "_initialize", callStart, nil); err != nil {
			return err
		}
	}
	return m.startWith(m.instance.ExportedFunction("grout_init"), "grout_init", callInit, input)
}

func (m *Machine) startWith(f api.Function, name string, kind callKind, input []byte) error {
	outcome, err := m.run(f, kind, EntryContext{}, input)
	if err != nil {
		return err
	}
	if outcome.Kind != Applied {
		return &InitError{Function: name, Outcome: outcome}
	}
	return m.commit()
}
