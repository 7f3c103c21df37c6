package wasmsm

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/groutlabs/grout/wasmsm/prepare"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// hostFunction implements an import. The stack has the parameters, and takes the result.
type hostFunction func(m *Machine, stack []uint64)

// trap is what a host function panics with to end the command. It never leaves the package: the
// engine's own panic values would close the instance.
type trap struct{ reason string }

func (t *trap) Error() string { return t.reason }

func trapf(format string, args ...any) {
	panic(&trap{reason: fmt.Sprintf(format, args...)})
}

// addHostModules offers every function of the preparer's allow-list to guests.
func (r *Runtime) addHostModules(ctx context.Context) error {
	for module, functions := range map[string]map[string]hostFunction{
		prepare.ModuleGrout: groutFunctions,
		prepare.ModuleWASI:  wasiFunctions,
	} {
		builder := r.engine.NewHostModuleBuilder(module)
		allowed := prepare.AllowedImports(module)
		for _, name := range slices.Sorted(maps.Keys(allowed)) {
			f, ok := functions[name]
			if !ok {
				return fmt.Errorf("wasmsm: %s.%s is allowed to guests and not implemented", module, name)
			}
			export(builder, name, allowed[name], f)
		}
		if _, err := builder.Instantiate(ctx); err != nil {
			return fmt.Errorf("wasmsm: host module %s: %w", module, err)
		}
	}
	return nil
}

func export(builder wazero.HostModuleBuilder, name string, signature prepare.Signature, f hostFunction) {
	params, results := signature.Types()
	call := api.GoFunc(func(ctx context.Context, stack []uint64) {
		m := ctx.(*callContext).machine
		m.spend(hostCallPrice)
		f(m, stack)
	})
	builder.NewFunctionBuilder().WithGoFunction(call, params, results).Export(name)
}

// slice returns a range of the guest's memory, valid until the guest runs again. A range outside
// the memory traps. Pointer and length are taken as 32 bits and added in 64. The bytes are charged.
func (m *Machine) slice(function string, ptr, size uint64) []byte {
	b, ok := m.memory.Read(uint32(ptr), uint32(size))
	if !ok {
		trapf("%s: the range of %d bytes at %#x is outside the memory of %d bytes",
			function, uint32(size), uint32(ptr), m.memory.Size())
	}
	m.spend(bytePrice * uint64(len(b)))
	return b
}

func (m *Machine) putU32(function string, ptr uint64, v uint32) {
	if !m.memory.WriteUint32Le(uint32(ptr), v) {
		m.slice(function, ptr, 4)
	}
}

func (m *Machine) putU64(function string, ptr uint64, v uint64) {
	if !m.memory.WriteUint64Le(uint32(ptr), v) {
		m.slice(function, ptr, 8)
	}
}
