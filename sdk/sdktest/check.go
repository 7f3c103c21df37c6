package sdktest

import (
	"errors"
	"fmt"
	"testing"
)

// second opens a machine of d's kind that is closed by the returned function, and when the test ends.
func second(t testing.TB, d Driver) *Harness {
	t.Helper()
	fresh, err := d.Fresh()
	if err != nil {
		t.Fatalf("sdktest: a second machine: %v", err)
	}
	return Open(t, fresh)
}

// shut closes a machine before the test ends: a check makes many.
func shut(t testing.TB, h *Harness) {
	t.Helper()
	if err := h.driver.Close(); err != nil {
		t.Errorf("sdktest: %v", err)
	}
}

// trace is what came of a script: after each step the outcome, and the digest unless there is none.
type trace struct {
	outcomes []Outcome
	// digests has the state before the first step too.
	digests []Digest
}

// digest adds the present state.
func (r *trace) digest(t testing.TB, h *Harness) {
	t.Helper()
	h.start()
	d, err := h.driver.Digest()
	switch {
	case err == nil:
		r.digests = append(r.digests, d)
	case !errors.Is(err, ErrNoDigest):
		t.Fatalf("sdktest: %v", err)
	}
}

// follow runs the script from a step on and fails the test where it comes out otherwise than in want.
func follow(t testing.TB, h *Harness, script Script, from int, want *trace, who string) {
	t.Helper()
	for i := from; i < len(script); i++ {
		outcome := h.Do(script[i])
		if what := Difference(want.outcomes[i], outcome); what != "" {
			t.Fatalf("sdktest: step %d of %d, %s: %s comes out otherwise: %s", i+1, len(script), script[i], who, what)
		}
		sameState(t, h, script, i+1, want, who)
	}
}

// sameState compares the present state with that after so many steps.
func sameState(t testing.TB, h *Harness, script Script, steps int, want *trace, who string) {
	t.Helper()
	if len(want.digests) == 0 {
		return
	}
	var now trace
	if now.digest(t, h); len(now.digests) == 0 || now.digests[0] == want.digests[steps] {
		return
	}
	if steps == 0 {
		t.Fatalf("sdktest: %s has another state after the start", who)
	}
	t.Fatalf("sdktest: after step %d of %d, %s, %s has another state", steps, len(script), script[steps-1], who)
}

// record runs the whole script on a fresh machine.
func record(t testing.TB, d Driver, script Script) *trace {
	t.Helper()
	h, out := second(t, d), &trace{}
	defer shut(t, h)
	out.digest(t, h)
	for _, step := range script {
		out.outcomes = append(out.outcomes, h.Do(step))
		out.digest(t, h)
	}
	return out
}

// CheckRepeat runs the script twice, on two fresh machines, and fails the test unless every outcome and every state is the
// same. Natively it finds what depends on the clock, on random numbers of one's own or on the order of a map; in the
// sandbox none of that can happen.
func CheckRepeat(t testing.TB, d Driver, script Script) {
	t.Helper()
	repeat(t, d, script, record(t, d, script))
}

func repeat(t testing.TB, d Driver, script Script, want *trace) {
	t.Helper()
	h := second(t, d)
	defer shut(t, h)
	sameState(t, h, script, 0, want, "a second run")
	follow(t, h, script, 0, want, "a second run")
}

// CheckRestore runs the script, and at each of its steps restores a second machine from the first one's state and has it run the
// rest: outcomes and states have to be the same as without. It finds what a machine keeps beside its state. In the sandbox the
// state is a snapshot. Natively it is what Export returns, taken over by Migrate; a machine without them is replayed
// from the start in place of that. The cost grows with the square of the script's length.
func CheckRestore(t testing.TB, d Driver, script Script) {
	t.Helper()
	restore(t, d, script, record(t, d, script))
}

func restore(t testing.TB, d Driver, script Script, want *trace) {
	t.Helper()
	h := second(t, d)
	defer shut(t, h)
	h.start()
	for i := range len(script) + 1 {
		restored, err := h.driver.Restored()
		if errors.Is(err, ErrNoRestore) {
			repeat(t, d, script, want)
			return
		}
		if err != nil {
			t.Fatalf("sdktest: restoring before step %d: %v", i+1, err)
		}
		other := h.beside(restored)
		sameState(t, other, script, i, want, "a machine restored there")
		follow(t, other, script, i, want, fmt.Sprintf("a machine restored after step %d", i))
		shut(t, other)
		if i < len(script) {
			h.Do(script[i])
		}
	}
}

// beside is a harness for another machine at the same entry.
func (h *Harness) beside(d Driver) *Harness {
	return &Harness{Index: h.Index, Term: h.Term, Time: h.Time, Step: h.Step, Caller: h.Caller, Seed: h.Seed,
		t: h.t, driver: d, started: true}
}

// CheckAgree runs the script on a fresh machine of each driver and fails the test where an outcome differs. With a native driver
// and the sandbox's it shows that native tests can be trusted. States are not compared: each has its own form.
func CheckAgree(t testing.TB, a, b Driver, script Script) {
	t.Helper()
	one, two := second(t, a), second(t, b)
	defer shut(t, one)
	defer shut(t, two)
	for i, step := range script {
		if what := Difference(one.Do(step), two.Do(step)); what != "" {
			t.Fatalf("sdktest: step %d of %d, %s: the machines differ: %s", i+1, len(script), step, what)
		}
	}
}

// CheckUntouched runs the script and fails the test if a step that was refused or trapped, or a query, leaves another state
// than it found. In the sandbox it cannot; natively it shows that the machine checks first and changes last, so
// that tests which go on after a refusal see what will happen in the sandbox.
func CheckUntouched(t testing.TB, d Driver, script Script) {
	t.Helper()
	h := second(t, d)
	defer shut(t, h)
	for i, step := range script {
		if _, changed := h.watched(step); changed != "" {
			t.Fatalf("sdktest: step %d of %d, %s: %s", i+1, len(script), step, changed)
		}
	}
}
