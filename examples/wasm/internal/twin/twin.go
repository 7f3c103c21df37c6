package twin

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
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
	bytes, cache := build(t), t.TempDir()
	module := compile(t, bytes)
	for _, seed := range []uint64{1, rand.Uint64()} {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { run(t, plan, module, seed) })
		t.Run(fmt.Sprintf("deterministic/seed=%d", seed), func(t *testing.T) { deterministic(t, plan, bytes, cache, seed) })
	}
}

// Bench applies commands in turn inside the sandbox and reports the time of one.
func Bench(b *testing.B, commands []string) {
	b.Helper()
	machine := Start(b, "")
	requests := make([][]byte, len(commands))
	for i := range commands {
		requests[i] = []byte(commands[i])
	}
	entry := wasmsm.EntryContext{Term: 1}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		entry.Index++
		entry.TimeNanos += 1000
		outcome, err := machine.Apply(entry, requests[i%len(requests)])
		if err != nil || outcome.Kind != wasmsm.Applied {
			b.Fatalf("command %.80q gives %+v, %v", requests[i%len(requests)], outcome, err)
		}
	}
}

// Start builds the package in the present folder and returns a machine of it with this init argument.
func Start(t testing.TB, init string) *wasmsm.Machine {
	t.Helper()
	return start(t, Compile(t), []byte(init))
}

// Compile builds the package in the present folder and compiles it, for as long as the test runs.
func Compile(t testing.TB) *wasmsm.CompiledModule {
	t.Helper()
	return compile(t, build(t))
}

// build compiles the package in the present folder to a module.
func build(t testing.TB) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "module.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-o", out, ".")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, output)
	}
	bytes, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func compile(t testing.TB, bytes []byte) *wasmsm.CompiledModule {
	t.Helper()
	runtime, err := wasmsm.NewRuntime(wasmsm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, runtime) })
	module, err := runtime.Compile(bytes)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func start(t testing.TB, module *wasmsm.CompiledModule, init []byte) *wasmsm.Machine {
	t.Helper()
	machine, err := module.New(wasmsm.MachineConfig{Seed: [32]byte{1}, Init: init})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, machine) })
	return machine
}

func closed(t testing.TB, c interface{ Close() error }) {
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// run drives the native machine and two sandboxed ones. The second sandboxed machine gets the first
// one's image halfway, and has to go on exactly like it. Machines that export their state are upgraded later on.
func run(t *testing.T, plan Plan, module *wasmsm.CompiledModule, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	native := sdktest.New(t, plan.New())
	first, second := start(t, module, nil), start(t, module, nil)
	kinds := map[sdk.OutcomeKind]int{}
	for step := range plan.Steps {
		query := random.IntN(4) == 0
		request := plan.Command
		if query {
			request = plan.Query
		}
		text := request(random)
		want := native.Apply
		if query {
			want = native.Query
		}
		wanted := want(text)
		kinds[wanted.Kind]++
		same(t, step, text, wanted, sandboxed(t, first, native, query, text))
		if step == plan.Steps/2 {
			move(t, first, second)
		}
		if step > plan.Steps/2 {
			same(t, step, text, wanted, sandboxed(t, second, native, query, text))
		}
		if _, upgradable := plan.New().(sdk.Exporter); upgradable && step == plan.Steps*3/4 {
			upgrade(t, plan, module, native, &first, &second)
		}
	}
	equalImages(t, first, second)
	t.Logf("%d steps: %v", plan.Steps, kinds)
	if kinds[sdk.Applied] == 0 || kinds[sdk.Refused]+kinds[sdk.Trapped] == 0 {
		t.Fatalf("the plan exercises only %v", kinds)
	}
}

// sandboxed runs one request under the entry that the native machine has just seen.
func sandboxed(t *testing.T, machine *wasmsm.Machine, native *sdktest.Harness, query bool, text string) wasmsm.Outcome {
	t.Helper()
	entry := wasmsm.EntryContext{
		Index: native.Index, Term: native.Term, TimeNanos: native.Time.UnixNano(), Caller: native.Caller,
	}
	method := machine.Apply
	if query {
		method = machine.Query
	}
	outcome, err := method(entry, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func same(t *testing.T, step int, text string, want sdktest.Outcome, got wasmsm.Outcome) {
	t.Helper()
	equal := sdk.OutcomeKind(got.Kind) == want.Kind && got.Code == want.Code && bytes.Equal(got.Output, want.Output) &&
		sameMessage(got, want) && len(got.Events) == len(want.Events)
	for i := range min(len(got.Events), len(want.Events)) {
		equal = equal && got.Events[i].Suffix == want.Events[i].Suffix && bytes.Equal(got.Events[i].Payload, want.Events[i].Payload)
	}
	if !equal {
		t.Fatalf("step %d: %.200q\nsandbox: %v %d %.300q %q\nnative:  %v %d %.300q %q", step, text,
			got.Kind, got.Code, got.Output, got.Message, want.Kind, want.Code, want.Output, want.Message)
	}
}

// sameMessage compares texts, save for traps that are not the machine's own panics: for those the
// sandbox has words of its own.
func sameMessage(got wasmsm.Outcome, want sdktest.Outcome) bool {
	panicked := strings.HasPrefix(trimTrap(got.Message), "panic: ") && strings.HasPrefix(want.Message, "panic: ")
	if want.Kind == sdk.Trapped && !panicked {
		return true
	}
	return trimTrap(got.Message) == trimTrap(want.Message)
}

// trimTrap cuts the function's name off a panic's description, because a package main has another path
// when it is under test, and the sandbox's remark that the guest ended the call itself.
func trimTrap(message string) string {
	message = strings.TrimPrefix(message, "aborted: ")
	if at := strings.LastIndex(message, " ("); at >= 0 && strings.HasPrefix(message, "panic: ") {
		return message[:at]
	}
	return message
}

// upgrade has new machines of the same module take the places of all three.
func upgrade(t *testing.T, plan Plan, module *wasmsm.CompiledModule, native *sdktest.Harness, machines ...**wasmsm.Machine) {
	t.Helper()
	if outcome := native.Upgrade(plan.New()); outcome.Kind != sdk.Applied {
		t.Fatalf("the native machine cannot be upgraded: %+v", outcome)
	}
	entry := wasmsm.EntryContext{Index: native.Index, Term: native.Term, TimeNanos: native.Time.UnixNano()}
	for _, m := range machines {
		next, outcome, err := module.Migrate(*m, wasmsm.MachineConfig{Seed: [32]byte{1}}, entry)
		if err != nil || next == nil {
			t.Fatalf("the machine cannot be upgraded: %+v, %v", outcome, err)
		}
		t.Cleanup(func() { closed(t, next) })
		*m = next
	}
}

func move(t *testing.T, from, to *wasmsm.Machine) {
	t.Helper()
	image, err := from.Image()
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Restore(image); err != nil {
		t.Fatal(err)
	}
}

func equalImages(t *testing.T, a, b *wasmsm.Machine) {
	t.Helper()
	one, err := a.Image()
	if err != nil {
		t.Fatal(err)
	}
	two, err := b.Image()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Header, two.Header) || len(one.Pages) != len(two.Pages) {
		t.Fatalf("images differ: headers %x and %x, %d and %d pages", one.Header, two.Header, len(one.Pages), len(two.Pages))
	}
	for i := range one.Pages {
		if !bytes.Equal(one.Pages[i], two.Pages[i]) {
			t.Fatalf("images differ in page %d of %d", i, len(one.Pages))
		}
	}
}
