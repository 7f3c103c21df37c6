package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
	"github.com/groutlabs/grout/sdk/sdktest"
)

func acquire(name, owner string, lease time.Duration) string {
	return string((&protocol.Acquire{Name: []byte(name), Owner: []byte(owner), Lease: lease}).Append(nil))
}

func renew(name string, token uint64, lease time.Duration) string {
	return string((&protocol.Held{Name: []byte(name), Token: token, Lease: lease}).Append(nil, protocol.OpRenew))
}

func release(name string, token uint64) string {
	return string((&protocol.Held{Name: []byte(name), Token: token}).Append(nil, protocol.OpRelease))
}

func holder(name string) string {
	return string(protocol.AppendBytes([]byte{protocol.OpHolder}, []byte(name)))
}

// show is an answer as text.
func show(t *testing.T, answer string) string {
	t.Helper()
	var g protocol.Granted
	if err := g.Parse([]byte(answer)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%v %s %d %v", g.OK, g.Lease.Owner, g.Lease.Token, g.Left)
}

// TestLeases shows a lock's life: one holder at a time, renewal, release, a lease that ends by the stamps, and tokens that only grow.
func TestLeases(t *testing.T) {
	h := sdktest.New(t, &locks{})
	h.Step = time.Second
	want := func(answer, want string) {
		t.Helper()
		if got := show(t, answer); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	want(h.MustApply(acquire("a", "ada", 5*time.Second)), "true ada 1 5s")
	want(h.MustApply(acquire("a", "bob", time.Hour)), "false ada 1 4s")
	want(h.MustApply(acquire("b", "bob", time.Second)), "true bob 2 1s")
	h.MustApply(renew("a", 1, 10*time.Second)) // b has ended, and is swept
	want(h.MustQuery(holder("a")), "false ada 1 10s")
	want(h.MustQuery(holder("b")), "false  0 0s")
	h.WantRefused(renew("a", 2, time.Second), protocol.CodeNotHeld, "not held under token 2")
	h.WantRefused(release("b", 2), protocol.CodeNotHeld, "not held under token 2")
	h.MustApply(release("a", 1))
	want(h.MustApply(acquire("a", "bob", time.Second)), "true bob 3 1s")
	h.WantRefused(renew("a", 3, time.Second), protocol.CodeNotHeld, "until 0 ns ago: acquire it again")
	want(h.MustApply(acquire("a", "ada", time.Second)), "true ada 4 1s")
	var events []string
	for _, e := range h.Events {
		event, err := protocol.ParseEvent(e.Payload)
		for err == nil && event.Changes.More() {
			var c protocol.LockChange
			c, err = protocol.ParseLockChange(&event.Changes)
			events = append(events, fmt.Sprintf("%d %s %d %s", c.Kind, c.Name, c.Token, c.Owner))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(events, ", "); got != "1 a 1 ada, 1 b 2 bob, 3 b 2 , 2 a 1 , 1 a 3 bob, 3 a 3 , 1 a 4 ada" {
		t.Errorf("events are %s", got)
	}
}

// TestRefusals shows the limits.
func TestRefusals(t *testing.T) {
	h := sdktest.New(t, &locks{})
	long := strings.Repeat("x", 600)
	h.WantRefused(acquire(long, "", time.Second), protocol.CodeTooLarge, "has 600 bytes, the limit is 512")
	h.WantRefused(acquire("a", long, time.Second), protocol.CodeTooLarge, "the limit is 256")
	h.WantRefused(acquire("a", "", 0), protocol.CodeBadRequest, "a lease of 0 ns")
	h.WantRefused(acquire("a", "", 25*time.Hour), protocol.CodeBadRequest, "at most 24h")
	h.WantRefused(renew("a", 1, -1), protocol.CodeBadRequest, "at most 24h")
	h.WantRefused(acquire("a", "", 1)+"x", protocol.CodeBadRequest, "the last 1 are left over")
	h.WantRefused("?", protocol.CodeBadRequest, "no command of locks")
	h.WantQueryRefused("?", protocol.CodeBadRequest, "no query of locks")
}

func randomCommand(random *rand.Rand) string {
	name := fmt.Sprint(random.IntN(20))
	lease := time.Duration(random.IntN(40)) * time.Millisecond
	switch random.IntN(6) {
	case 0:
		return renew(name, random.Uint64N(50), lease)
	case 1:
		return release(name, random.Uint64N(50))
	case 2:
		command := acquire(name, "cut off", lease)
		return command[:random.IntN(len(command))]
	}
	return acquire(name, fmt.Sprint("owner ", random.IntN(5)), lease)
}

func randomQuery(random *rand.Rand) string {
	return []string{holder(fmt.Sprint(random.IntN(20))), string([]byte{protocol.OpStatus}), "?"}[random.IntN(3)]
}

func newMachine() sdk.Machine { return &locks{} }

var plan = twin.Plan{New: newMachine, Command: randomCommand, Query: randomQuery, Steps: 3_000}

// TestSandboxEqualsNative shows that random requests have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) {
	twin.Compare(t, plan)
}

// TestRestoreAnywhere shows that locks which are restored at any command go on as if nothing had been.
func TestRestoreAnywhere(t *testing.T) { twin.Restore(t, plan) }

// TestEndsOfLeases shows on random commands the invariant of the machine: each lease has its end, and no token comes twice.
func TestEndsOfLeases(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	m := &locks{}
	h, last := sdktest.New(t, m), uint64(0)
	for range 3_000 {
		outcome := h.Apply(randomCommand(random))
		var g protocol.Granted
		if outcome.Kind == sdk.Applied && g.Parse(outcome.Output) == nil && g.OK {
			if g.Lease.Token <= last {
				t.Fatalf("seed %d: token %d after %d", seed, g.Lease.Token, last)
			}
			last = g.Lease.Token
		}
		for c := m.names.At(0); c.Valid(); c.Next() {
			if lease, _ := m.lease(c.Key()); !m.ends.Has(m.endKey(c.Key(), lease.Expires)) {
				t.Fatalf("seed %d: %q has no end", seed, c.Key())
			}
		}
		if m.names.Len() != m.ends.Len() {
			t.Fatalf("seed %d: %d leases, %d ends", seed, m.names.Len(), m.ends.Len())
		}
	}
	if last == 0 {
		t.Fatalf("seed %d: nothing was granted", seed)
	}
}

// FuzzLocks shows on sequences of any requests that none traps, that refusals change nothing, and that the sandbox agrees.
func FuzzLocks(f *testing.F) { twin.FuzzRequests(f, plan, nil) }

// FuzzMigrate shows that no bytes make Migrate break down, and that what it takes is exported again alike.
func FuzzMigrate(f *testing.F) {
	twin.FuzzMigrate(f, newMachine, "lock 1\n\x03\x05\x01a\x02\x09\x03ada\x01b\x03\x09\x00", "lock 1\n\x01\x05\x01a\x02\x09\x00", "lock 2\n")
}
