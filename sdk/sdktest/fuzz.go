package sdktest

import (
	"testing"

	"github.com/groutlabs/grout/sdk"
)

// defaultSteps is how many steps of a sequence are run: a restore at each of them costs the square.
const defaultSteps = 32

// madeUpSeeds is how many sequences are made up of the seeds' steps before the fuzzer begins.
const madeUpSeeds = 64

// Fuzzing says what has to hold of a machine after any sequence of requests.
type Fuzzing struct {
	// Machine is the driver of the machine.
	Machine Driver
	// Twin, if not nil, has to come to the same outcomes: the sandbox's driver beside a native one, or an older machine's.
	Twin Driver
	// Invariant, if not nil, is asked after every applied command. It may query. An error fails the test.
	Invariant func(h *Harness) error
	// MayTrap, if not nil, allows a step to trap. Without it none may.
	MayTrap func(step Step, outcome Outcome) bool
	// MayChange allows what was refused, and queries, to change the native machine: the sandbox undoes it. The
	// machine cannot have a Twin then, nor be restored.
	MayChange bool
	// Steps is how many steps of a sequence are run; 0 means 32.
	Steps int
}

// Fuzz fuzzes a native machine with sequences of requests: it is the whole of a fuzz test.
//
//	func FuzzTally(f *testing.F) {
//		sdktest.Fuzz(f, func() sdk.Machine { return newTally() }, sdktest.Commands("ada", "alan", "ada"))
//	}
//
// Fuzzing.Run has choices.
func Fuzz(f *testing.F, make func() sdk.Machine, seeds ...Script) {
	f.Helper()
	Fuzzing{Machine: Native(make)}.Run(f, seeds...)
}

// Run has the fuzzer turn bytes into sequences of commands and queries, from the seeds on, and checks each. `go test` runs the
// seeds, `go test -fuzz .` goes on from there. Seeds matter: they show the fuzzer what requests look like.
func (c Fuzzing) Run(f *testing.F, seeds ...Script) {
	f.Helper()
	var known Script
	for _, seed := range seeds {
		f.Add(EncodeScript(seed))
		// By number, too: the fuzzer exchanges, repeats and drops whole steps with a byte or two.
		f.Add(encodeKnown(len(known), len(seed)))
		known = append(known, seed...)
	}
	for i := range madeUpSeeds {
		f.Add([]byte{madeUp, byte(i)})
	}
	words := vocabularyOf(known)
	f.Fuzz(func(t *testing.T, data []byte) { c.Check(t, words.decode(data, c.steps())) })
}

func (c Fuzzing) steps() int {
	if c.Steps > 0 {
		return c.Steps
	}
	return defaultSteps
}

// Check runs one sequence on a fresh machine and fails the test unless
//
//   - no step traps that MayTrap does not allow,
//   - a command that was refused or trapped, and a query, leaves the state as it was,
//   - the invariant holds after every applied command,
//   - a second run has the same outcomes and states, and so has a machine that was restored at any step,
//   - the twin has the same outcomes.
//
// What needs the state is left out for a native machine that neither exports it nor has a NativeDriver.State.
func (c Fuzzing) Check(t testing.TB, script Script) {
	t.Helper()
	want := c.record(t, script)
	repeat(t, c.Machine, script, want)
	if c.MayChange {
		return
	}
	restore(t, c.Machine, script, want)
	if c.Twin != nil {
		CheckAgree(t, c.Machine, c.Twin, script)
	}
}

// record runs the script and checks what one run can show.
func (c Fuzzing) record(t testing.TB, script Script) *trace {
	t.Helper()
	h, out := second(t, c.Machine), &trace{}
	defer shut(t, h)
	out.digest(t, h)
	for i, step := range script {
		outcome, changed := h.watched(step)
		if outcome.Kind == sdk.Trapped && (c.MayTrap == nil || !c.MayTrap(step, outcome)) {
			t.Fatalf("sdktest: step %d of %d, %s, trapped: %s", i+1, len(script), step, outcome.Message)
		}
		if changed != "" && !c.MayChange {
			t.Fatalf("sdktest: step %d of %d, %s: %s", i+1, len(script), step, changed)
		}
		out.outcomes = append(out.outcomes, outcome)
		out.digest(t, h)
		if outcome.Kind == sdk.Applied && !step.Query && c.Invariant != nil {
			c.invariant(t, h, script, i, out)
		}
	}
	return out
}

// invariant asks the invariant after step i. What it asks must not change the machine either.
func (c Fuzzing) invariant(t testing.TB, h *Harness, script Script, i int, out *trace) {
	t.Helper()
	if err := c.Invariant(h); err != nil {
		t.Fatalf("sdktest: after step %d of %d, %s, the invariant does not hold: %v", i+1, len(script), script[i], err)
	}
	if !c.MayChange {
		sameState(t, h, script, i+1, out, "the machine that the invariant was asked of")
	}
}
