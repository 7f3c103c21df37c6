// Package sdktest runs a machine natively in a Go test: no WebAssembly, no host, no network, and a
// debugger and the race detector work.
//
//	func TestCounter(t *testing.T) {
//		h := sdktest.New(t, &counter{})
//		if got := h.MustApply("5"); got != "5" {
//			t.Fatalf("5 gives %q", got)
//		}
//	}
//
// The test decides what the machine may know of an entry: its index, term, time, caller and random
// bytes are fields of Harness. Replies, refusals and traps are values (Outcome), and everything that
// the machine logged and emitted is recorded.
//
// # What differs from the sandbox
//
// The native harness cannot undo anything. In the sandbox a refused or trapped command, and every
// query, leaves the machine as it was; here whatever it changed before it failed stays changed. A
// test that goes on after a refusal therefore sees the real state only if the machine checks first
// and changes last. What a failed command emitted is kept out of Harness.Events all the same, since
// the host would never publish it.
//
// A native machine also sees the real clock through time.Now and the real runtime's random numbers,
// has 64-bit ints and no memory limit, and may open files: none of that exists in the sandbox. The
// order of a range over a map differs from run to run here, and is equal on every member there.
// Panics in goroutines that the machine started end the test.
package sdktest
