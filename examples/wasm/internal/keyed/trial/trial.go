// Package trial exercises the machines of package keyed in the tests of their modules: natively and in the sandbox, restored at
// every command, and on sequences that the fuzzer makes up.
package trial

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/keyed"
	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// plan exercises a collection.
func plan(rules keyed.Rules) twin.Plan {
	return twin.Plan{
		New:     func() sdk.Machine { return keyed.New(rules) },
		Command: func(random *rand.Rand) string { return command(random, rules) },
		Query:   func(random *rand.Rand) string { return query(random, rules) },
		Steps:   2_000,
	}
}

// Compare is twin.Compare, Check is twin.Restore and Fuzz is twin.FuzzRequests.
func Compare(t *testing.T, rules keyed.Rules) { t.Helper(); twin.Compare(t, plan(rules)) }

func Check(t *testing.T, rules keyed.Rules) { t.Helper(); twin.Restore(t, plan(rules)) }

func Fuzz(f *testing.F, rules keyed.Rules) { f.Helper(); twin.FuzzRequests(f, plan(rules), nil) }

// key returns one of a few hundred keys, seldom a long one.
func key(random *rand.Rand, rules keyed.Rules) []byte {
	switch {
	case rules.Single && random.IntN(50) > 0:
		return nil
	case random.IntN(40) == 0:
		return []byte(strings.Repeat("k", random.IntN(protocol.MaxKeyBytes+2)))
	}
	return fmt.Appendf(nil, "key-%d", random.IntN(300))
}

func value(random *rand.Rand, rules keyed.Rules) []byte {
	if !rules.Values && random.IntN(50) > 0 {
		return nil
	}
	size := random.IntN(30)
	if random.IntN(20) == 0 {
		size = random.IntN(20_000)
	}
	return []byte(strings.Repeat("v", size))
}

// command returns a random commit, one in twenty of them cut off.
func command(random *rand.Rand, rules keyed.Rules) string {
	var c protocol.Commit
	for range random.IntN(8) / 6 {
		condition := protocol.Condition{Kind: protocol.ConditionKind(1 + random.IntN(4)), Key: key(random, rules)}
		switch condition.Kind {
		case protocol.Equals:
			condition.Value = value(random, rules)
		case protocol.Unchanged:
			condition.Version = random.Uint64N(10)
		}
		c.Conditions = append(c.Conditions, condition)
	}
	for range 1 + random.IntN(4)*random.IntN(8) {
		w := protocol.Write{Kind: protocol.Put, Key: key(random, rules)}
		switch random.IntN(12) {
		case 0, 1, 2:
			w.Kind = protocol.Remove
		case 3:
			w.Kind, w.Value = protocol.RemoveRange, key(random, rules)
		default:
			w.Value = value(random, rules)
		}
		c.Writes = append(c.Writes, w)
	}
	c.Old = random.IntN(6) == 0
	command := c.Append(nil)
	if random.IntN(20) == 0 {
		command = command[:random.IntN(len(command))]
	}
	return string(command)
}

// query returns a random query, seldom one that there is not.
func query(random *rand.Rand, rules keyed.Rules) string {
	switch random.IntN(8) {
	case 0, 1:
		query := protocol.AppendNumber([]byte{protocol.OpGet}, 2)
		return string(protocol.AppendBytes(protocol.AppendBytes(query, key(random, rules)), key(random, rules)))
	case 2:
		return string(protocol.AppendBytes(protocol.AppendBytes([]byte{protocol.OpCount}, key(random, rules)), key(random, rules)))
	case 3:
		return string([]byte{protocol.OpStatus})
	case 4:
		return "?"
	}
	p := protocol.Page{From: key(random, rules), Limit: random.Uint64N(40), Descending: random.IntN(2) == 0, KeysOnly: random.IntN(2) == 0}
	if random.IntN(2) == 0 {
		p.To = key(random, rules)
	}
	return string(p.Append(nil))
}
