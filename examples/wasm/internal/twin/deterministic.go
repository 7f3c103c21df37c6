package twin

import (
	"math/rand/v2"
	"testing"

	"github.com/groutlabs/grout/wasmsm"
	"github.com/groutlabs/grout/wasmsm/check"
)

// deterministicSteps is how many commands go through all runs of a check: one is interpreted.
const deterministicSteps = 300

// deterministic applies random commands of the plan in every run of wasmsm/check. cache is for compiled code.
func deterministic(t *testing.T, plan Plan, module []byte, cache string, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	report, err := check.Run(t.Context(), check.Config{
		Module: module, Machine: wasmsm.MachineConfig{Seed: [32]byte{1}}, CacheDir: cache,
		Commands: func(yield func([]byte, error) bool) {
			for range deterministicSteps {
				if !yield([]byte(plan.Command(random)), nil) {
					return
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Commands != deterministicSteps || report.Applied == 0 || report.Fuel == 0 {
		t.Errorf("the commands are a poor sample: %+v", report)
	}
}
