package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
	"github.com/groutlabs/grout/sdk/sdktest"
)

func edits(e ...protocol.VecEdit) string {
	return string((&protocol.VecCommit{Edits: e}).Append(nil))
}

func old(e protocol.VecEdit) string {
	return string((&protocol.VecCommit{Edits: []protocol.VecEdit{e}, Old: true}).Append(nil))
}

func push(value string) protocol.VecEdit {
	return protocol.VecEdit{Kind: protocol.VecPush, Value: []byte(value)}
}

// all is the whole vector as text.
func all(t testing.TB, h *sdktest.Harness) string {
	t.Helper()
	elements, more, err := protocol.ParseElements([]byte(h.MustQuery(string((&protocol.VecPage{To: 1 << 40}).Append(nil)))))
	if err != nil || more {
		t.Fatal(err, more)
	}
	return fmt.Sprintf("%s", elements)
}

// TestEdits shows each edit, and what it answers where the old elements are asked for.
func TestEdits(t *testing.T) {
	h := sdktest.New(t, newMachine())
	h.MustApply(edits(push("a"), push("b"), push("c"), protocol.VecEdit{Kind: protocol.VecInsert, At: 3, Value: []byte("d")}))
	for _, step := range []struct {
		edit     protocol.VecEdit
		old, now string
	}{
		{protocol.VecEdit{Kind: protocol.VecInsert, Value: []byte("z")}, "[]", "[z a b c d]"},
		{protocol.VecEdit{Kind: protocol.VecSet, At: 1, Value: []byte("A")}, "[a]", "[z A b c d]"},
		{protocol.VecEdit{Kind: protocol.VecSwap, At: 0, N: 4}, "[]", "[d A b c z]"},
		{protocol.VecEdit{Kind: protocol.VecSwap, At: 2, N: 2}, "[]", "[d A b c z]"},
		{protocol.VecEdit{Kind: protocol.VecRemove, At: 1, N: 2}, "[A b]", "[d c z]"},
		{protocol.VecEdit{Kind: protocol.VecTruncate, At: 5}, "[]", "[d c z]"},
		{push("y"), "[]", "[d c z y]"},
		{protocol.VecEdit{Kind: protocol.VecPopBack, N: 2}, "[y z]", "[d c]"},
		{protocol.VecEdit{Kind: protocol.VecPopFront, N: 1}, "[d]", "[c]"},
		{protocol.VecEdit{Kind: protocol.VecTruncate}, "[c]", "[]"},
		{protocol.VecEdit{Kind: protocol.VecPopFront, N: 9}, "[]", "[]"},
	} {
		reply, err := protocol.ParseVecReply([]byte(h.MustApply(old(step.edit))))
		if err != nil || !reply.OK {
			t.Fatal(reply.OK, err)
		}
		if got := fmt.Sprintf("%s", reply.Old); got != step.old || all(t, h) != step.now {
			t.Errorf("%+v: old %s, now %s; want %s and %s", step.edit, got, all(t, h), step.old, step.now)
		}
	}
	if len(h.Events) != 9 {
		t.Errorf("%d events, want 9: two edits changed nothing, and the last", len(h.Events))
	}
}

// TestConditions shows that a commit does nothing unless all of its conditions hold.
func TestConditions(t *testing.T) {
	h := sdktest.New(t, newMachine())
	h.MustApply(edits(push("a"), push("b")))
	for _, step := range []struct {
		conditions []protocol.VecCondition
		want       bool
	}{
		{[]protocol.VecCondition{{At: 0, Value: []byte("a")}, {At: 1, Value: []byte("x")}}, false},
		{[]protocol.VecCondition{{At: 2}}, false},
		{[]protocol.VecCondition{{At: 0, Value: []byte("a")}, {At: 1, Value: []byte("b")}}, true},
	} {
		commit := protocol.VecCommit{Conditions: step.conditions, Edits: []protocol.VecEdit{push("c")}}
		if reply, err := protocol.ParseVecReply([]byte(h.MustApply(string(commit.Append(nil))))); err != nil || reply.OK != step.want {
			t.Errorf("%+v gives %+v, %v", step.conditions, reply, err)
		}
	}
	if got := all(t, h); got != "[a b c]" {
		t.Errorf("the vector is %s", got)
	}
}

// TestRefusals shows the limits, and that a commit with one bad edit does nothing.
func TestRefusals(t *testing.T) {
	h := sdktest.New(t, newMachine())
	long := strings.Repeat("x", protocol.MaxValueBytes)
	for range 3 {
		h.MustApply(edits(push(long)))
	}
	for _, step := range []struct {
		command string
		code    int32
		words   string
	}{
		{edits(push(""), protocol.VecEdit{Kind: protocol.VecInsert, At: 5}), protocol.CodeOutOfRange, "edit 1: position 5 of a vector of 4"},
		{edits(protocol.VecEdit{Kind: protocol.VecSet, At: 3}), protocol.CodeOutOfRange, "position 3 of a vector of 3"},
		{edits(protocol.VecEdit{Kind: protocol.VecSwap, N: 3}), protocol.CodeOutOfRange, "position 3"},
		{edits(protocol.VecEdit{Kind: protocol.VecRemove, At: 1, N: 3}), protocol.CodeOutOfRange, "position 4"},
		{edits(protocol.VecEdit{Kind: protocol.VecRemove, At: 1, N: 1<<64 - 1}), protocol.CodeOutOfRange, "of a vector of 3"},
		{edits(push(long + "x")), protocol.CodeTooLarge, "the limit is 262144"},
		{old(protocol.VecEdit{Kind: protocol.VecRemove, N: 2}), protocol.CodeTooLarge, "in pieces"},
		{string((&protocol.VecCommit{Old: true}).Append(nil)), protocol.CodeBadRequest, "this commit has 0"},
		{edits(protocol.VecEdit{Kind: 9}), protocol.CodeBadRequest, "no edit 9"},
		{"?", protocol.CodeBadRequest, "no command of vectors"},
	} {
		h.WantRefused(step.command, step.code, step.words)
	}
	h.WantQueryRefused("?", protocol.CodeBadRequest, "no query of vectors")
	if reply, err := protocol.ParseVecReply([]byte(h.MustApply(old(protocol.VecEdit{Kind: protocol.VecPopBack, N: 3})))); err != nil || len(reply.Old) != 1 || reply.Length != 2 {
		t.Errorf("a pop of more than fits: %d elements, %d stay, %v", len(reply.Old), reply.Length, err)
	}
}

// TestVecEqualsSlice shows random edits beside a slice.
func TestVecEqualsSlice(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	h, model := sdktest.New(t, newMachine()), []string{}
	for step := range 5_000 {
		n, value := len(model), fmt.Sprint(step)
		switch e := randomEdit(random, n, value); e.Kind {
		case protocol.VecPush:
			model = append(model, value)
			h.MustApply(edits(e))
		case protocol.VecInsert:
			model = slices.Insert(model, int(e.At), value)
			h.MustApply(edits(e))
		default:
			if n == 0 {
				continue
			}
			h.MustApply(edits(e))
			at, other := int(e.At), int(e.N)
			switch e.Kind {
			case protocol.VecSet:
				model[at] = value
			case protocol.VecSwap:
				model[at], model[other] = model[other], model[at]
			case protocol.VecRemove:
				model = slices.Delete(model, at, at+other)
			case protocol.VecPopBack:
				model = model[:n-other]
			}
		}
		if step%50 == 0 {
			if got := all(t, h); got != fmt.Sprint(model) {
				t.Fatalf("seed %d, step %d: %s, want %s", seed, step, got, model)
			}
		}
	}
}

// randomEdit returns an edit that a vector of n elements takes; with none, one that adds.
func randomEdit(random *rand.Rand, n int, value string) protocol.VecEdit {
	e := protocol.VecEdit{Kind: protocol.VecInsert, At: uint64(random.IntN(n + 1)), Value: []byte(value)}
	if n == 0 {
		return e
	}
	switch random.IntN(9) {
	case 0:
		e.Kind, e.At = protocol.VecSet, uint64(random.IntN(n))
	case 1:
		e.Kind, e.At, e.N = protocol.VecSwap, uint64(random.IntN(n)), uint64(random.IntN(n))
	case 2:
		e.Kind, e.At = protocol.VecRemove, uint64(random.IntN(n))
		e.N = uint64(random.IntN(min(3, n-int(e.At)) + 1))
	case 3:
		e.Kind, e.At, e.N = protocol.VecPopBack, 0, uint64(random.IntN(min(2, n)+1))
	case 4:
		return push(value)
	}
	return e
}

func randomCommand(random *rand.Rand) string {
	c := protocol.VecCommit{Old: random.IntN(3) == 0}
	for range 1 + random.IntN(2) {
		value := strings.Repeat("v", random.IntN(50)*random.IntN(50))
		c.Edits = append(c.Edits, protocol.VecEdit{Kind: protocol.VecEditKind(1 + random.IntN(9)), At: random.Uint64N(30), N: random.Uint64N(4), Value: []byte(value)})
		c.Edits = append(c.Edits, push(value))
	}
	if c.Old {
		c.Edits = c.Edits[:1]
	}
	if random.IntN(8) == 0 {
		c.Conditions = []protocol.VecCondition{{At: random.Uint64N(30)}}
	}
	command := c.Append(nil)
	if random.IntN(20) == 0 {
		command = command[:random.IntN(len(command))]
	}
	return string(command)
}

func randomQuery(random *rand.Rand) string {
	page := protocol.VecPage{From: random.Uint64N(30), To: random.Uint64N(60), Limit: random.Uint64N(9), Descending: random.IntN(2) == 0}
	return []string{string(page.Append(nil)), string((&protocol.VecPage{To: 1 << 40}).Append(nil)), string([]byte{protocol.OpStatus}), "?"}[random.IntN(4)]
}

var plan = twin.Plan{New: newMachine, Command: randomCommand, Query: randomQuery, Steps: 3_000}

// TestSandboxEqualsNative shows that random requests have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) {
	twin.Compare(t, plan)
}

// TestRestoreAnywhere shows that a vector which is restored at any command goes on as if nothing had been.
func TestRestoreAnywhere(t *testing.T) { twin.Restore(t, plan) }

// FuzzVec shows on sequences of any requests that none traps, that refusals change nothing, and that the sandbox agrees.
func FuzzVec(f *testing.F) { twin.FuzzRequests(f, plan, nil) }

// FuzzMigrate shows that no bytes make Migrate break down, and that what it takes is exported again alike.
func FuzzMigrate(f *testing.F) {
	twin.FuzzMigrate(f, newMachine, "vec 1\n\x05\x01a\x00\x01b", "vec 1\n\x05\x02a", "vec 2\n")
}
