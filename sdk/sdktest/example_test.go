package sdktest_test

import (
	"fmt"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// last is a machine that remembers its last command.
type last struct{ text string }

func (m *last) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	if len(command) == 0 {
		return nil, sdk.Refuse(1, "an empty command")
	}
	ctx.Emit("changed", command)
	before := m.text
	m.text = string(command)
	return []byte(before), nil
}

func (m *last) Query(*sdk.Context, []byte) ([]byte, error) { return []byte(m.text), nil }

// A test passes its own T where these examples have a new one.
var exampleT = new(testing.T)

func Example() {
	h := sdktest.New(exampleT, &last{})
	h.MustApply("one")
	fmt.Println(h.MustApply("two"))
	fmt.Println(h.Apply(""))
	h.WantEvents("changed one", "changed two")
	// Output:
	// one
	// refused with code 1: an empty command
}

func ExampleCheckRepeat() {
	// In a test: sdktest.CheckRepeat(t, sdktest.Native(func() sdk.Machine { return newMachine() }), ...)
	sdktest.CheckRepeat(exampleT, sdktest.Native(func() sdk.Machine { return &last{} }), sdktest.Commands("one", "", "two"))
	fmt.Println("failed:", exampleT.Failed())
	// Output: failed: false
}

func ExampleNativeDriver() {
	d := sdktest.Native(func() sdk.Machine { return &last{} })
	d.State = func(m sdk.Machine) []byte { return []byte(m.(*last).text) } // what Export would return, for one that has none
	a, b := sdktest.Open(exampleT, d), sdktest.Open(exampleT, sdktest.Native(func() sdk.Machine { return &last{"one"} }))
	a.MustApply("one")
	fmt.Println(sdktest.Difference(a.Query(""), b.Query("")) == "")
	before := a.Digest()
	a.MustApply("two")
	fmt.Println(a.Digest() == before)
	// Output:
	// true
	// false
}

func ExampleFuzzing() {
	// In a fuzz test: sdktest.Fuzzing{...}.Run(f, seeds...). Check runs one sequence.
	never := func(h *sdktest.Harness) error {
		if h.MustQuery("") == "bad" {
			return fmt.Errorf("the last command is bad")
		}
		return nil
	}
	sdktest.Fuzzing{Machine: sdktest.Native(func() sdk.Machine { return &last{} }), Invariant: never}.Check(exampleT, sdktest.Commands("good", ""))
	fmt.Println("failed:", exampleT.Failed())
	// Output: failed: false
}
