package typed_test

import (
	"fmt"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/typed"
)

func Example() {
	type vote struct {
		For string `json:"for"`
	}
	votes := map[string]int{}
	m := typed.New(typed.JSON)
	typed.Command(m, "vote", func(_ *sdk.Context, v vote) (int, error) {
		votes[v.For]++
		return votes[v.For], nil
	})
	typed.Query(m, "all", func(*sdk.Context, struct{}) (map[string]int, error) { return votes, nil })
	// A guest goes on with sdk.Register(m) in an init function.

	h := sdktest.New(new(testing.T), m) // a test passes its own T
	fmt.Println(string(h.Apply(`{"vote":{"for":"ada"}}`).Output))
	fmt.Println(string(h.Query(`{"all":null}`).Output))
	fmt.Println(h.Apply(`{"vot":{}}`).Message)
	// Output:
	// 1
	// {"ada":1}
	// typed: there is no command "vot": this machine has vote
}
