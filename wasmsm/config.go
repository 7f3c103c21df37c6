package wasmsm

import (
	"cmp"
	"fmt"

	"github.com/groutlabs/grout/wasmsm/prepare"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// pageBytes is the size of a WebAssembly page, and of a page of an Image.
const pageBytes = 64 << 10

// maxMemoryBytes leaves one page of the 4 GiB free: a rollback that shrinks the memory passes
// through the engine's grow by one page.
const maxMemoryBytes = 65535 * pageBytes

// Limits bound a machine. The zero value of a field means its default.
type Limits struct {
	// MemoryBytes bounds the linear memory; growing beyond it fails as WebAssembly says, with -1.
	// Default 256 MiB, at most 65,535 pages of 64 KiB.
	MemoryBytes int64
	// ModuleBytes bounds the module's binary, by the runtime's Config alone. Default 64 MiB.
	ModuleBytes int
	// InputBytes bounds a command, a query and the init argument. Default 512 KiB.
	InputBytes int
	// OutputBytes bounds the output of one command or query; more is a trap. Default 512 KiB.
	OutputBytes int
	// Events bounds the events of one command; more is a trap. Default 1,024.
	Events int
	// EventBytes bounds the events' suffixes and payloads together; more is a trap. Default 512 KiB.
	EventBytes int
	// Fuel bounds the work of one command, QueryFuel that of a query; more is a trap. One fuel is about one
	// simple instruction, see docs/PREPARER.md. A start may use four times the
	// runtime's, an export and a migration four times a command's, and of the runtime's at least. Default
	// 5,000,000,000 each: two or three seconds.
	Fuel, QueryFuel int64
	// LogBytes bounds the log of one command or query; more is dropped. Default 64 KiB.
	LogBytes int
}

// defaultLimits are the defaults of every limit.
var defaultLimits = Limits{
	MemoryBytes: 256 << 20, ModuleBytes: 64 << 20, InputBytes: 512 << 10, OutputBytes: 512 << 10,
	Events: 1024, EventBytes: 512 << 10, LogBytes: 64 << 10, Fuel: 5_000_000_000, QueryFuel: 5_000_000_000,
}

// or returns the limits with every zero field taken from fallback.
func (l Limits) or(fallback Limits) Limits {
	return Limits{
		MemoryBytes: cmp.Or(l.MemoryBytes, fallback.MemoryBytes), ModuleBytes: cmp.Or(l.ModuleBytes, fallback.ModuleBytes),
		InputBytes: cmp.Or(l.InputBytes, fallback.InputBytes), OutputBytes: cmp.Or(l.OutputBytes, fallback.OutputBytes),
		Events: cmp.Or(l.Events, fallback.Events), EventBytes: cmp.Or(l.EventBytes, fallback.EventBytes),
		LogBytes: cmp.Or(l.LogBytes, fallback.LogBytes),
		Fuel:     cmp.Or(l.Fuel, fallback.Fuel), QueryFuel: cmp.Or(l.QueryFuel, fallback.QueryFuel),
	}
}

// maxFuel keeps all arithmetic on fuel far from the ends of its 63 bits.
const maxFuel = 1 << 50

func (l Limits) validate() error {
	if l.MemoryBytes < 0 || l.MemoryBytes > maxMemoryBytes {
		return fmt.Errorf("%w: MemoryBytes is %d, use 1 to %d", ErrLimits, l.MemoryBytes, int64(maxMemoryBytes))
	}
	for name, v := range map[string]int64{"Fuel": l.Fuel, "QueryFuel": l.QueryFuel} {
		if v < 0 || v > maxFuel {
			return fmt.Errorf("%w: %s is %d, use 1 to %d", ErrLimits, name, v, int64(maxFuel))
		}
	}
	for name, v := range map[string]int{
		"ModuleBytes": l.ModuleBytes, "InputBytes": l.InputBytes, "OutputBytes": l.OutputBytes,
		"Events": l.Events, "EventBytes": l.EventBytes, "LogBytes": l.LogBytes,
	} {
		if v < 0 || v > 1<<30 {
			return fmt.Errorf("%w: %s is %d, use 1 to %d", ErrLimits, name, v, 1<<30)
		}
	}
	return nil
}

// MemoryKind chooses what is behind a machine's memory.
type MemoryKind uint8

// The kinds of memory. They differ in speed alone.
const (
	// MemoryAuto is MemoryCopyOnWrite where it works, else MemoryCopy.
	MemoryAuto MemoryKind = iota
	// MemoryCopy compares the whole memory with a copy of it after every command. It works everywhere.
	MemoryCopy
	// MemoryCopyOnWrite lets the kernel find the pages that a command wrote. It needs Linux with a
	// readable /proc/self/pagemap.
	MemoryCopyOnWrite
)

// EngineKind chooses how guest code runs.
type EngineKind uint8

// The engines. They differ in speed alone.
const (
	// EngineAuto is EngineCompiler where the processor has one, else EngineInterpreter.
	EngineAuto EngineKind = iota
	// EngineCompiler makes machine code: amd64 and arm64.
	EngineCompiler
	// EngineInterpreter works everywhere, some fifty times slower.
	EngineInterpreter
)

// Config configures a Runtime.
type Config struct {
	// CacheDir keeps compiled code across restarts, "" for none. Whoever can write to it can run
	// code in this process.
	CacheDir string
	// Limits are the defaults of the machines' limits.
	Limits Limits
	// Memory is MemoryAuto but for tests and for systems where copy-on-write misbehaves.
	Memory MemoryKind
	// Engine is EngineAuto but for comparing the two.
	Engine EngineKind
	// StackSlots is the room for the frames of calls, in slots of 8 bytes as the preparer counts them; the default
	// is the most, prepare.StackSlots. Replicas have to have the same.
	StackSlots int64
	// Prepare bounds the parser; its ModuleBytes follows Limits.ModuleBytes.
	Prepare prepare.Limits
}

func (c *Config) validate() error {
	c.Limits = c.Limits.or(defaultLimits)
	if err := c.Limits.validate(); err != nil {
		return err
	}
	if c.Memory > MemoryCopyOnWrite {
		return fmt.Errorf("wasmsm: memory kind %d is unknown", c.Memory)
	}
	if c.StackSlots = cmp.Or(c.StackSlots, prepare.StackSlots); c.StackSlots < 1 || c.StackSlots > prepare.StackSlots {
		return fmt.Errorf("wasmsm: StackSlots is %d, use 1 to %d", c.StackSlots, int64(prepare.StackSlots))
	}
	if c.Engine > EngineInterpreter {
		return fmt.Errorf("wasmsm: engine %d is unknown", c.Engine)
	}
	c.Prepare.ModuleBytes = c.Limits.ModuleBytes
	return nil
}

// engine is the engine's own configuration.
func (c *Config) engine() wazero.RuntimeConfig {
	rc := wazero.NewRuntimeConfig()
	switch c.Engine {
	case EngineCompiler:
		rc = wazero.NewRuntimeConfigCompiler()
	case EngineInterpreter:
		rc = wazero.NewRuntimeConfigInterpreter()
	}
	features := api.CoreFeaturesV2.SetEnabled(api.CoreFeatureSIMD, false)
	// Debug sections are gone after preparation, and the engine need not look for them.
	return rc.WithCoreFeatures(features).WithDebugInfoEnabled(false)
}

// MachineConfig configures one machine.
type MachineConfig struct {
	// Seed is the group's; random numbers derive from it and from the entry's index.
	Seed [32]byte
	// Limits override the runtime's where they are not zero.
	Limits Limits
	// Init is the input of grout_init.
	Init []byte
	// Log takes the machine's log lines, one call each, without the newline; level 0 debug, 1 info,
	// 2 warn, 3 error. nil discards them. It is called from within Apply and Query,
	// and from the queries of views, which may be several at once.
	Log func(level int, text string)
}
