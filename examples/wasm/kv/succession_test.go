package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
)

// TestUpgradeKeepsEveryPair shows that a machine which takes over answers as the one before it, whatever bytes
// keys and values have, and that the one before it is as it was.
func TestUpgradeKeepsEveryPair(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 0))
	h := sdktest.New(t, &kv{})
	if outcome := h.Upgrade(&kv{}); outcome.Kind != sdk.Applied {
		t.Fatalf("of an empty store: %+v", outcome)
	}
	for range 2_000 {
		h.Apply(randomCommand(random))
	}
	h.MustApply("put empty ")
	h.MustApply("put #3:\x00 \n \xff\n\x00")
	everything := func() string { return h.MustQuery("count") + h.MustQuery("range #0: #0: 100000") }
	before := everything()
	next := &kv{}
	if outcome := h.Upgrade(next); outcome.Kind != sdk.Applied {
		t.Fatalf("%+v", outcome)
	}
	if everything() != before {
		t.Error("the new machine answers otherwise")
	}
	h.MustApply("put later yes")
	if got := h.MustQuery("get later"); got != "yes" {
		t.Errorf("after the upgrade a command's effect is %q", got)
	}
	if err := next.store.valid(); err != nil {
		t.Error(err)
	}
}

// TestMigrateRefuses shows that what is no export of this machine is refused.
func TestMigrateRefuses(t *testing.T) {
	for old, words := range map[string]string{
		"":               "this one reads",
		"kv9\na b ":      `exports "kv9\na b "`,
		"kv1\nkey":       `in the middle of the pair "key"`,
		"kv1\nkey value": `in the middle of the pair "key"`,
		"kv1\n#9:a b ":   "promises 9 bytes",
	} {
		outcome := sdktest.New(t, &kv{}).Migrate(old)
		if outcome.Kind != sdk.Refused || !strings.Contains(outcome.Message, words) {
			t.Errorf("%q gives %+v, want %q", old, outcome, words)
		}
	}
}

// FuzzMigrate shows that no bytes make Migrate break down, and that what it takes is exported again alike.
func FuzzMigrate(f *testing.F) {
	f.Add("kv1\n")
	f.Add("kv1\na b c d ")
	f.Add(fmt.Sprintf("kv1\n%s 1 ", appendArgument(nil, "a key")))
	f.Fuzz(func(t *testing.T, old string) {
		h := sdktest.New(t, &kv{})
		switch outcome := h.Migrate(old); outcome.Kind {
		case sdk.Trapped:
			t.Fatalf("%q traps: %s", old, outcome.Message)
		case sdk.Applied:
			again := string(h.Export().Output)
			twin := sdktest.New(t, &kv{})
			if twin.Migrate(again).Kind != sdk.Applied || string(twin.Export().Output) != again {
				t.Fatalf("%q is exported as %q, which is read otherwise", old, again)
			}
		}
	})
}
