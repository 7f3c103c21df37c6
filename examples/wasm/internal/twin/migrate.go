package twin

import (
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// FuzzMigrate is the whole of a fuzz test: no bytes make Migrate trap, and what it takes is exported again alike, and taken again. One of
// the seeds has to be taken.
func FuzzMigrate(f *testing.F, machine func() sdk.Machine, seeds ...string) {
	f.Helper()
	taken := false
	for _, seed := range seeds {
		f.Add(seed)
		taken = taken || sdktest.New(f, machine()).Migrate(seed).Kind == sdk.Applied
	}
	if !taken {
		f.Fatal("no seed is taken")
	}
	f.Fuzz(func(t *testing.T, old string) {
		h := sdktest.New(t, machine())
		switch outcome := h.Migrate(old); outcome.Kind {
		case sdk.Trapped:
			t.Fatalf("%q traps: %s", old, outcome.Message)
		case sdk.Applied:
			again := string(h.Export().Output)
			second := sdktest.New(t, machine())
			if second.Migrate(again).Kind != sdk.Applied || string(second.Export().Output) != again {
				t.Fatalf("%q is exported as %q, which is read otherwise", old, again)
			}
		}
	})
}
