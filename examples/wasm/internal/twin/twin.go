package twin

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
	"github.com/groutlabs/grout/wasmsm"
)

// Plan says how to exercise a machine.
type Plan struct {
	// New returns a native machine as the module's init function registers it.
	New func() sdk.Machine
	// Command and Query return random requests, bad ones among them.
	Command, Query func(random *rand.Rand) string
	// Steps is how many requests one run makes; one of four is a query.
	Steps int
}

// Compare builds the package in the present folder and runs plan twice, with a fixed seed and with a
// new one, and in each of the runs of wasmsm/check. The seed is in the subtest's name: to replay it, put it in place of the fixed one.
func Compare(t *testing.T, plan Plan) {
	t.Helper()
	cache := t.TempDir()
	for _, seed := range []uint64{1, rand.Uint64()} {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { run(t, plan, seed) })
		t.Run(fmt.Sprintf("deterministic/seed=%d", seed), func(t *testing.T) { deterministic(t, plan, build(t), cache, seed) })
	}
}

// Bench applies commands in turn inside the sandbox, after the preparing ones, and reports the time of one.
func Bench(b *testing.B, commands []string, preparing ...string) {
	b.Helper()
	machine, entry := Start(b, ""), wasmsm.EntryContext{Term: 1}
	apply := func(command []byte) {
		entry.Index++
		entry.TimeNanos += 1000
		if outcome, err := machine.Apply(entry, command); err != nil || outcome.Kind != wasmsm.Applied {
			b.Fatalf("command %.80q gives %+v, %v", command, outcome, err)
		}
	}
	for _, command := range preparing {
		apply([]byte(command))
	}
	requests := make([][]byte, len(commands))
	for i := range commands {
		requests[i] = []byte(commands[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		apply(requests[i%len(requests)])
	}
}

// Start builds the package in the present folder and returns a machine of it with this init argument.
func Start(t testing.TB, init string) *wasmsm.Machine {
	t.Helper()
	machine, err := Compile(t).New(wasmsm.MachineConfig{Seed: [32]byte{1}, Init: []byte(init)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, machine) })
	return machine
}

// Compile builds the package in the present folder and compiles it, for as long as the test runs.
func Compile(t testing.TB) *wasmsm.CompiledModule {
	t.Helper()
	runtime, err := wasmsm.NewRuntime(wasmsm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, runtime) })
	module, err := runtime.Compile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// build compiles the package in the present folder to a module, once in a process.
func build(t testing.TB) []byte {
	t.Helper()
	module, err := sandbox.Module(t.Context(), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func closed(t testing.TB, c interface{ Close() error }) {
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// run drives the native machine and two sandboxed ones. One of those is restored from a snapshot halfway, and has to go on exactly like
// the other. Machines that export their state are upgraded later on.
func run(t *testing.T, plan Plan, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	native, straight, restarted := sdktest.New(t, plan.New()), sandbox.New(t), sandbox.New(t)
	kinds := map[sdk.OutcomeKind]int{}
	for i := range plan.Steps {
		step := sdktest.Step{Query: random.IntN(4) == 0}
		if step.Query {
			step.Input = plan.Query(random)
		} else {
			step.Input = plan.Command(random)
		}
		want := native.Do(step)
		kinds[want.Kind]++
		for name, h := range map[string]*sdktest.Harness{"sandbox": straight, "restarted sandbox": restarted} {
			if what := sdktest.Difference(want, h.Do(step)); what != "" {
				t.Fatalf("step %d: %s: native and %s differ: %s", i, step, name, what)
			}
		}
		switch i {
		case plan.Steps / 2:
			restarted.Restart()
		case plan.Steps * 3 / 4:
			if native.Export().Kind == sdk.Applied {
				upgrade(t, plan, native, straight, restarted)
			}
		}
	}
	if straight.Digest() != restarted.Digest() {
		t.Error("the machine that was restarted has another state at the end")
	}
	t.Logf("%d steps: %v", plan.Steps, kinds)
	if kinds[sdk.Applied] == 0 || kinds[sdk.Refused]+kinds[sdk.Trapped] == 0 {
		t.Fatalf("the plan exercises only %v", kinds)
	}
}

// upgrade has new machines of the same module take the places of all three.
func upgrade(t *testing.T, plan Plan, native *sdktest.Harness, sandboxed ...*sdktest.Harness) {
	t.Helper()
	if outcome := native.Upgrade(plan.New()); outcome.Kind != sdk.Applied {
		t.Fatalf("the native machine cannot be upgraded: %s", outcome)
	}
	for _, h := range sandboxed {
		if outcome := h.UpgradeTo(sandbox.Open(t, sandbox.Config{})); outcome.Kind != sdk.Applied {
			t.Fatalf("the machine cannot be upgraded: %s", outcome)
		}
	}
}
