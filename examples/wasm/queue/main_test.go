package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
	"github.com/groutlabs/grout/sdk/sdktest"
)

func push(items ...protocol.Item) string {
	out := protocol.AppendNumber([]byte{protocol.OpPush}, uint64(len(items)))
	for i := range items {
		out = items[i].Append(out)
	}
	return string(out)
}

func pop(end byte, n uint64) string {
	return string(protocol.AppendNumber([]byte{protocol.OpPop, end}, n))
}

// request is an op with fields of bytes.
func request(op byte, fields ...string) string {
	out := []byte{op}
	for _, f := range fields {
		out = protocol.AppendBytes(out, []byte(f))
	}
	return string(out)
}

func drop(keys ...string) string {
	out := protocol.AppendNumber([]byte{protocol.OpDrop}, uint64(len(keys)))
	return string(out) + request(0, keys...)[1:]
}

func newItem(key, priority, value string) protocol.Item {
	return protocol.Item{Key: []byte(key), Priority: []byte(priority), Value: []byte(value)}
}

// show is an answer of items as text.
func show(t *testing.T, answer string) string {
	t.Helper()
	items, more, err := protocol.ParseItems([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, it := range items {
		text = append(text, fmt.Sprintf("%s:%s=%s", it.Priority, it.Key, it.Value))
	}
	if more {
		text = append(text, "...")
	}
	return strings.Join(text, " ")
}

// TestOrder shows the order of priorities that begin each other and hold zeros, of equal ones, and what changes it.
func TestOrder(t *testing.T) {
	h := sdktest.New(t, newMachine())
	all := string((&protocol.ItemsPage{}).Append(nil))
	step := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	step(h.MustApply(push(newItem("a", "5", "1"), newItem("b", "5", "2"), newItem("c", "\x00", ""), newItem("d", "", ""), newItem("e", "\x00\x01", ""), newItem("f", "5\x00", ""))), "\x06")
	step(show(t, h.MustQuery(all)), ":d= \x00:c= \x00\x01:e= 5:a=1 5:b=2 5\x00:f=")
	step(h.MustApply(push(newItem("a", "5", "3"))), "\x00") // it keeps its place
	step(show(t, h.MustQuery(string((&protocol.ItemsPage{From: []byte("5"), To: []byte("5\x00")}).Append(nil)))), "5:a=3 5:b=2")
	step(h.MustApply(request(protocol.OpPrioritise, "d", "5")), "\x01") // now the latest
	step(h.MustApply(request(protocol.OpPrioritise, "x", "5")), "\x00")
	step(show(t, h.MustApply(pop(1, 3))), "5\x00:f= 5:d= 5:b=2")
	step(show(t, h.MustApply(pop(0, 1))), "\x00:c=")
	step(show(t, h.MustQuery(all)), "\x00\x01:e= 5:a=3")
	step(h.MustQuery(request(protocol.OpItem, "a")), "\x01\x01a\x015\x013")
	step(h.MustQuery(request(protocol.OpItem, "b")), "\x00")
	step(h.MustQuery(request(protocol.OpItemCount, "\x00", "5")), "\x01")
	step(h.MustApply(drop("e", "e", "x")), "\x01")
	step(h.MustApply(request(protocol.OpDropRange, "", "")), "\x01")
	step(show(t, h.MustApply(pop(0, 9))), "")
	step(h.MustQuery(string([]byte{protocol.OpStatus})), "\x00\x08\x00")
}

// TestRefusals shows the limits.
func TestRefusals(t *testing.T) {
	h := sdktest.New(t, newMachine())
	long := strings.Repeat("x", 1000)
	h.WantRefused(push(newItem(long, "", "")), protocol.CodeTooLarge, "the limit is 512")
	h.WantRefused(push(newItem("", long, "")), protocol.CodeTooLarge, "the limit is 128")
	h.WantRefused(push(newItem("", "", strings.Repeat(long, 300))), protocol.CodeTooLarge, "the limit is 262144")
	h.WantRefused(push(slices.Repeat([]protocol.Item{{}}, 150_000)...), protocol.CodeTooLarge, "150000 items in 450004 bytes")
	h.WantRefused(pop(2, 1), protocol.CodeBadRequest, "no end 2")
	h.WantRefused(push(newItem("", "", ""))+"x", protocol.CodeBadRequest, "left over")
	h.WantRefused("?", protocol.CodeBadRequest, "no command of queues")
	h.WantQueryRefused("?", protocol.CodeBadRequest, "no query of queues")
	if got := h.MustApply(push(slices.Repeat([]protocol.Item{{}}, 120_000)...)); got != "\x01" || len(h.Events) != 1 {
		t.Errorf("the largest event: %q, %d events", got, len(h.Events))
	}
}

// TestQueueEqualsModel shows that random changes leave what a sorted list would hold.
func TestQueueEqualsModel(t *testing.T) {
	type entry struct {
		protocol.Item
		number int
	}
	seed := rand.Uint64()
	random, number := rand.New(rand.NewPCG(seed, 0)), 0
	q, model := &queue{}, []entry{}
	index := func(key []byte) int {
		return slices.IndexFunc(model, func(e entry) bool { return bytes.Equal(e.Key, key) })
	}
	for step := range 20_000 {
		it := newItem(fmt.Sprint(random.IntN(200)), strings.Repeat("\x00", random.IntN(3))+fmt.Sprint(random.IntN(9)), fmt.Sprint(step))
		at := index(it.Key)
		switch random.IntN(4) {
		case 0:
			if q.drop(it.Key) != (at >= 0) {
				t.Fatalf("seed %d, step %d: drop", seed, step)
			}
			if at >= 0 {
				model = slices.Delete(model, at, at+1)
			}
		case 1:
			if q.prioritise(it.Key, it.Priority) != (at >= 0) {
				t.Fatalf("seed %d, step %d: prioritise", seed, step)
			}
			if at >= 0 && !bytes.Equal(model[at].Priority, it.Priority) {
				number++
				model[at] = entry{protocol.Item{Key: it.Key, Priority: it.Priority, Value: model[at].Value}, number}
			}
		default:
			if q.push(it) != (at < 0) {
				t.Fatalf("seed %d, step %d: push", seed, step)
			}
			if at < 0 || !bytes.Equal(model[at].Priority, it.Priority) {
				number++
			}
			switch {
			case at < 0:
				model = append(model, entry{it, number})
			case bytes.Equal(model[at].Priority, it.Priority):
				model[at].Value = it.Value
			default:
				model[at] = entry{it, number}
			}
		}
		slices.SortFunc(model, func(a, b entry) int { return cmp.Or(bytes.Compare(a.Priority, b.Priority), a.number-b.number) })
		if q.items.Len() != len(model) || q.places.Len() != len(model) {
			t.Fatalf("seed %d, step %d: %d items, %d places, want %d", seed, step, q.items.Len(), q.places.Len(), len(model))
		}
		if step%100 > 0 {
			continue
		}
		c := q.places.At(0)
		for i, want := range model {
			if got := q.at(c.Key()); fmt.Sprint(got) != fmt.Sprint(want.Item) {
				t.Fatalf("seed %d, step %d: item %d is %s, want %s", seed, step, i, got, want.Item)
			}
			c.Next()
		}
	}
}

func randomCommand(random *rand.Rand) string {
	key, priority := fmt.Sprint(random.IntN(60)), fmt.Sprint(random.IntN(20))
	switch random.IntN(10) {
	case 0:
		return pop(byte(random.IntN(2)), random.Uint64N(4))
	case 1:
		return request(protocol.OpPrioritise, key, priority)
	case 2:
		return drop(key, priority)
	case 3:
		return request(protocol.OpDropRange, priority, fmt.Sprint(random.IntN(20)))
	case 4:
		command := push(newItem(key, priority, "cut off"))
		return command[:random.IntN(len(command))]
	}
	return push(newItem(key, priority, strings.Repeat("v", random.IntN(3_000))), newItem(priority, key, ""))
}

func randomQuery(random *rand.Rand) string {
	page := protocol.ItemsPage{Skip: random.Uint64N(9), Limit: random.Uint64N(9), Descending: random.IntN(2) == 0, From: fmt.Append(nil, random.IntN(20))}
	return []string{request(protocol.OpItem, fmt.Sprint(random.IntN(60))), string(page.Append(nil)), string((&protocol.ItemsPage{}).Append(nil)),
		request(protocol.OpItemCount, "1", "2"), string([]byte{protocol.OpStatus}), "?"}[random.IntN(6)]
}

var plan = twin.Plan{New: newMachine, Command: randomCommand, Query: randomQuery, Steps: 3_000}

// TestSandboxEqualsNative shows that random requests have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) {
	twin.Compare(t, plan)
}

// TestRestoreAnywhere shows that a queue which is restored at any command goes on as if nothing had been.
func TestRestoreAnywhere(t *testing.T) { twin.Restore(t, plan) }

// invariant is that each item has its place, and each place its item.
func invariant(h *sdktest.Harness) error {
	items, more, err := protocol.ParseItems(h.Query(string((&protocol.ItemsPage{}).Append(nil))).Output)
	if err != nil || more {
		return fmt.Errorf("the items: %v, more %v", err, more)
	}
	for i := range items {
		want := string(items[i].Append([]byte{1}))
		if got := h.Query(request(protocol.OpItem, string(items[i].Key))).Output; string(got) != want {
			return fmt.Errorf("the item of key %q is %q, in order it is %q", items[i].Key, got, want)
		}
	}
	return nil
}

// FuzzQueue shows on sequences of any requests that none traps, that refusals change nothing, and that the sandbox agrees.
func FuzzQueue(f *testing.F) { twin.FuzzRequests(f, plan, invariant) }

// FuzzMigrate shows that no bytes make Migrate break down, and that what it takes is exported again alike.
func FuzzMigrate(f *testing.F) {
	twin.FuzzMigrate(f, newMachine, "queue 1\n\x03\x05\x02\x01a\x01p\x01v\x03\x01b\x01p\x00", "queue 1\n\x03\x05\x04\x01a\x01p\x01v", "queue 2\n")
}
