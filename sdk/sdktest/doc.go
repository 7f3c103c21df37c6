// Package sdktest runs a machine in a Go test: natively, with a debugger and the race detector, or in the sandbox (package
// sandbox below this one). There is no host and no network.
//
//	func TestCounter(t *testing.T) {
//		h := sdktest.New(t, &counter{})
//		if got := h.MustApply("5"); got != "5" {
//			t.Fatalf("5 gives %q", got)
//		}
//		h.WantRefused("five", codeNotANumber, "is not a whole number")
//	}
//
// The test decides what the machine may know of an entry: its index, term, time, caller and random
// bytes are fields of Harness. Replies, refusals and traps are values (Outcome), and everything that
// the machine logged and emitted is recorded, for WantEvents and WantLogs.
//
// # Where a machine runs
//
// A Driver runs it. New takes a machine and Open a driver: Native makes native machines, sandbox.Open sandboxed ones. The
// harness is the same, so one test can run both ways.
//
// # What can be checked without writing a test
//
// Each check takes a driver and a script, which is a sequence of commands and queries:
//
//	CheckRestore    a machine restored at any step goes on as if nothing had been
//	CheckRepeat     a second run has the same outcomes and states
//	CheckAgree      two drivers, such as Native's and the sandbox's, have the same outcomes
//	CheckUntouched  what was refused, and queries, changed nothing
//	Fuzz            all of it on sequences that the fuzzer makes up; Fuzzing has an invariant and a twin besides
//
// Checks compare states, where that is possible: in the sandbox by the hash of the memory, natively by what Export returns or
// by a function of the test's (NativeDriver.State). Equal states have to give equal bytes there: sort maps.
//
// Fuzz with `go test -fuzz NAME -fuzzminimizetime 100x`: by default Go spends a minute on making each new sequence shorter.
//
// # What differs from the sandbox
//
// The native harness cannot undo anything. In the sandbox a refused or trapped command, and every
// query, leaves the machine as it was; here whatever it changed before it failed stays changed. A
// test that goes on after a refusal therefore sees the real state only if the machine checks first
// and changes last, which WantRefused and CheckUntouched watch over. What a failed command emitted is kept out of
// Harness.Events all the same, since the host would never publish it.
//
// A native machine also sees the real clock through time.Now and the real runtime's random numbers (Context.Random gives
// the sandbox's in both), has 64-bit ints and no memory limit, and may open files: none of that exists in the sandbox. The
// order of a range over a map differs from run to run here, and is equal on every member there.
// Panics in goroutines that the machine started end the test.
//
// Start reading at Harness, then Driver.
package sdktest
