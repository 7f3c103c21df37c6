package sandbox_test

import (
	"fmt"
	"testing"

	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

// A test passes its own T where these examples have a new one, and leaves Dir out: its machine is in the present folder.
var (
	exampleT = new(testing.T)
	counter  = sandbox.Config{Dir: "../../../examples/wasm/counter"}
)

func ExampleOpen() {
	h := sdktest.Open(exampleT, sandbox.Open(exampleT, counter))
	h.MustApply("5")
	h.Restart() // from a snapshot
	fmt.Println(h.MustApply("5"))
	before := h.Digest()
	fmt.Println(h.Apply("five").Kind, h.Digest() == before)
	// Output:
	// 10
	// refused true
}

func ExampleOpen_checks() {
	sdktest.CheckRestore(exampleT, sandbox.Open(exampleT, counter), sdktest.Commands("5", "five", "-7"))
	fmt.Println("failed:", exampleT.Failed())
	// Output: failed: false
}
