package twin

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

// scriptSteps is how many steps a script of Restore and FuzzRequests has: after each of them all others are repeated.
const scriptSteps = 40

// Restore shows on random scripts of the plan that the machine goes on alike wherever it is restored, that the sandbox agrees, and
// that what was refused changed nothing. The seed is in the subtest's name.
func Restore(t *testing.T, plan Plan) {
	t.Helper()
	for _, seed := range []uint64{1, rand.Uint64()} {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			native, sandboxed := sdktest.Native(plan.New), sandbox.Open(t, sandbox.Config{})
			script := plan.script(seed)
			sdktest.CheckRestore(t, sandboxed, script)
			sdktest.CheckRestore(t, native, script)
			sdktest.CheckRepeat(t, native, script)
			sdktest.CheckUntouched(t, native, script)
			sdktest.CheckAgree(t, native, sandboxed, script)
		})
	}
}

// FuzzRequests is the whole of a fuzz test: on sequences of any requests none traps, refusals change nothing, the sandbox agrees,
// and invariant, which may be nil, holds.
func FuzzRequests(f *testing.F, plan Plan, invariant func(*sdktest.Harness) error) {
	f.Helper()
	sdktest.Fuzzing{Machine: sdktest.Native(plan.New), Twin: sandbox.Open(f, sandbox.Config{}), Invariant: invariant}.Run(f, plan.script(1))
}

// script returns random steps, of which every third is a query.
func (p *Plan) script(seed uint64) (script sdktest.Script) {
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range scriptSteps {
		if i%3 == 2 {
			script = append(script, sdktest.Queries(p.Query(random))...)
		} else {
			script = append(script, sdktest.Commands(p.Command(random))...)
		}
	}
	return script
}
