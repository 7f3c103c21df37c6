package prepare

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/groutlabs/grout/wasmsm/internal/generate"
)

// fuelOf runs some commands on a module that was prepared by the given rules, and returns what fuel each left, and whether it trapped.
func fuelOf(t *testing.T, module []byte, by rules) (left []int64, trapped []bool, size int) {
	t.Helper()
	prepared, err := prepareBy(module, Limits{}, by)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	for _, name := range []string{ModuleGrout, ModuleWASI} {
		b := r.NewHostModuleBuilder(name)
		for function, signature := range AllowedImports(name) {
			params, results := signature.Types()
			b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
				if len(results) > 0 {
					stack[0] = 0
				}
			}), params, results).Export(function)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	m, err := r.InstantiateWithConfig(ctx, prepared.Module, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return nil, nil, len(prepared.Module) // a segment lies outside
	}
	fuel, room := m.ExportedGlobal(FuelGlobal).(api.MutableGlobal), m.ExportedGlobal(StackGlobal).(api.MutableGlobal)
	for n := range uint64(6) {
		fuel.Set(uint64(20_000 * (n%2 + 1)))
		room.Set(20_000)
		_, err := m.ExportedFunction("grout_apply").Call(ctx, n)
		left, trapped = append(left, int64(fuel.Get())), append(trapped, err != nil)
	}
	return left, trapped, len(prepared.Module)
}

// TestReleasesAreNotMissed shows that a function which does not write the counter back where it charged nothing leaves the
// same fuel as one that always does, however generated code branches.
func TestReleasesAreNotMissed(t *testing.T) {
	saved, ran := 0, 0
	for seed := range uint64(400) {
		module := generate.Module(rand.New(rand.NewPCG(seed, 4)))
		left, trapped, size := fuelOf(t, module, rules{})
		want, wantTrapped, eager := fuelOf(t, module, rules{eager: true})
		if !slices.Equal(left, want) || !slices.Equal(trapped, wantTrapped) {
			t.Fatalf("seed %d: %v are left, want %v; trapped %v, want %v", seed, left, want, trapped, wantTrapped)
		}
		ran += len(left)
		if size < eager {
			saved++
		}
	}
	if saved < 50 || ran < 1000 {
		t.Errorf("%d modules differ and %d commands ran, which shows little", saved, ran)
	}
}
