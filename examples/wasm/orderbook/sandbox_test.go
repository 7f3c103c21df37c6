package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/internal/twin"
	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

func randomCommand(random *rand.Rand) string {
	switch random.IntN(12) {
	case 0:
		return request("list", protocol.Instrument{Instrument: pick(random, append(instruments, "LEAD", ""))})
	case 1:
		return request("cancel", protocol.Cancel{Account: pick(random, accounts), ID: random.Uint64N(60)})
	case 2:
		return request("amend", protocol.Amend{Account: pick(random, accounts), ID: random.Uint64N(60), Quantity: random.Int64N(40), Price: 100 * random.Int64N(2)})
	case 3:
		return pick(random, []string{"5", `{"place":{"price":1.5}}`, `{"nope":0}`, `{"list":{"name":"x"}}`,
			"\x81\xa4list\x81\xaainstrument\xa4GOLD", "\x81\xa6cancel\x82\xa7account\xa3ada\xa2id\x05"})
	}
	return request("place", randomPlace(random))
}

func randomQuery(random *rand.Rand) string {
	return pick(random, []string{`{"depth":{"instrument":"GOLD","limit":3}}`, `{"best":{"instrument":"TIN"}}`, `{"order":{"id":7}}`, `{"orders":{"account":"bob"}}`,
		`{"trades":{"instrument":"GOLD"}}`, `{"levels":{"instrument":"TIN","side":"sell","after":101,"limit":2}}`, `{"instruments":{}}`,
		"\x81\xa4best\x81\xaainstrument\xa4GOLD", `{"depth":{}}`, "?"})
}

var plan = twin.Plan{New: newMachine, Command: randomCommand, Query: randomQuery, Steps: 3_000}

// TestSandboxEqualsNative shows that random requests in both encodings have the same outcomes in the sandbox.
func TestSandboxEqualsNative(t *testing.T) { twin.Compare(t, plan) }

// TestRestore shows that an exchange which is restored from a snapshot at any request goes on as if nothing had been.
func TestRestore(t *testing.T) { twin.Restore(t, plan) }

// FuzzRequests shows on sequences of any requests that books are uncrossed and add up, that refusals change nothing, and that the
// sandbox agrees.
func FuzzRequests(f *testing.F) { twin.FuzzRequests(f, plan, invariant) }

// FuzzCommands has the fuzzer choose the seed and length of a stream that has to agree with the naive exchange.
func FuzzCommands(f *testing.F) {
	f.Add(uint64(1), uint16(300))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		random, c := rand.New(rand.NewPCG(seed, 0)), newComparison(sdktest.New(t, newMachine()))
		for range steps % 1_000 {
			if err := c.step(random); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.compare(); err != nil {
			t.Fatal(err)
		}
	})
}

// invariant says what is wrong with the books, if anything, as far as queries show it.
func invariant(h *sdktest.Harness) error {
	listed, err := query[protocol.Instruments](h, "instruments", protocol.InstrumentsPage{})
	if err != nil {
		return err
	}
	for _, name := range listed.Instruments {
		best, err := query[protocol.Best](h, "best", protocol.Instrument{Instrument: name})
		if err != nil {
			return err
		}
		if best.Bid != nil && best.Ask != nil && best.Bid.Price >= best.Ask.Price {
			return fmt.Errorf("%s is crossed: bid %d, ask %d", name, best.Bid.Price, best.Ask.Price)
		}
	}
	return nil
}

// valid checks the invariants of exchange.
func (x *exchange) valid() error {
	if x.orders.Len() != x.places.Len() || x.orders.Len() != x.owned.Len() {
		return fmt.Errorf("%d orders have %d places and %d owners", x.orders.Len(), x.places.Len(), x.owned.Len())
	}
	sums := map[string][2]int64{}
	for c := x.orders.At(0); c.Valid(); c.Next() {
		o, _ := x.find(binary.BigEndian.Uint64(c.Key()))
		id, found := x.places.Get(nil, o.appendPlace(nil))
		if !found || !bytes.Equal(id, c.Key()) || !x.owned.Has(o.appendOwned(nil)) || o.open() < 1 {
			return fmt.Errorf("order %+v has no place or owner", o)
		}
		key := string(appendLevel(nil, o.instrument, o.side, o.price))
		sums[key] = [2]int64{sums[key][0] + o.open(), sums[key][1] + 1}
	}
	if len(sums) != x.levels.Len() {
		return fmt.Errorf("there are %d levels, want %d", x.levels.Len(), len(sums))
	}
	for key, want := range sums {
		if level, _ := x.level([]byte(key)); level.Quantity != want[0] || level.Orders != want[1] {
			return fmt.Errorf("level %+v, want %v", level, want)
		}
	}
	return nil
}

// TestInvariants shows that the trees fit together after each of many random commands.
func TestInvariants(t *testing.T) {
	seed := rand.Uint64()
	x, random := newExchange(), rand.New(rand.NewPCG(seed, 0))
	c := newComparison(sdktest.New(t, x.machine))
	for step := range 2_000 {
		err := c.step(random)
		if err == nil {
			err = x.valid()
		}
		if err != nil {
			t.Fatalf("seed %d, step %d: %v", seed, step, err)
		}
	}
}

// TestLongestCommand shows that an order which meets more orders than one command may fill ends there, far below the limits of
// fuel and events, and that a second one goes on.
func TestLongestCommand(t *testing.T) {
	h := sandbox.New(t)
	h.MustApply(`{"list":{"instrument":"GOLD"}}`)
	for n := range int64(protocol.MaxFills + 1) {
		h.MustApply(place("ada", "sell", 1, 1_000_000_000+n))
	}
	h.Events = nil
	killed := h.MustApply(place("bob", "buy", protocol.MaxFills+1, 0, `"type":"market","force":"fok"`))
	outcome := h.Apply(place("bob", "buy", protocol.MaxFills+1, 0, `"type":"market"`))
	var reply protocol.Placed
	if err := json.Unmarshal(outcome.Output, &reply); err != nil {
		t.Fatalf("%s: %v", outcome, err)
	}
	if reply.Reason != protocol.FillLimit || reply.Filled != protocol.MaxFills || reply.Cancelled != 1 || len(reply.Fills) != protocol.MaxFills {
		t.Errorf("the reply is %+v", reply)
	}
	if want := `{"id":502,"status":"cancelled","filled":0,"rest":0,"cancelled":501,"reason":"killed"}`; killed != want {
		t.Errorf("fill or kill gives %s, want %s", killed, want)
	}
	size := 0
	for _, e := range h.Events {
		size += len(e.Payload)
	}
	const mostFuel = 500_000_000 // a tenth of the limit
	if len(h.Events) != 2 || size > sdktest.MaxEventBytes/2 || outcome.Fuel == 0 || outcome.Fuel > mostFuel {
		t.Errorf("%d events with %d bytes, fuel %d", len(h.Events), size, outcome.Fuel)
	}
	t.Logf("%d bytes of events, %d of reply, fuel %d", size, len(outcome.Output), outcome.Fuel)
	if got := h.MustApply(place("bob", "buy", 1, 0, `"type":"market"`)); !bytes.Contains([]byte(got), []byte(`"maker":501`)) {
		t.Errorf("the next order gives %s", got)
	}
}

// BenchmarkSandbox has an order that rests and one that takes it, with an empty book and with a full one.
func BenchmarkSandbox(b *testing.B) {
	for _, resting := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("resting=%d", resting), func(b *testing.B) {
			preparing := []string{`{"list":{"instrument":"GOLD"}}`}
			for n := range resting {
				preparing = append(preparing, place(fmt.Sprintf("a%d", n%100), "buy", 5, int64(1+n%1_000)))
			}
			twin.Bench(b, []string{place("ada", "sell", 5, 5_000), place("bob", "buy", 5, 5_000)}, preparing...)
		})
	}
}

// BenchmarkUpgradeFull upgrades an exchange that is at every limit, with the longest names.
func BenchmarkUpgradeFull(b *testing.B) {
	h := sandbox.New(b)
	name := func(kind string, n int) string {
		return fmt.Sprintf("%s%0*d", kind, protocol.MaxNameBytes-len(kind), n)
	}
	at := func(instrument int, account string, side protocol.Side, price int64) {
		h.Events = nil
		h.MustApply(request("place", protocol.Place{Account: account, Instrument: name("i", instrument), Side: side, Price: price,
			Quantity: protocol.MaxQuantity / 1_000}))
	}
	for n := range protocol.MaxInstruments {
		h.MustApply(request("list", protocol.Instrument{Instrument: name("i", n)}))
		for range protocol.KeptTrades {
			at(n, name("seller", 1), protocol.Sell, protocol.MaxPrice/1_000)
			at(n, name("buyer", 1), protocol.Buy, protocol.MaxPrice/1_000)
		}
	}
	for n := range protocol.MaxOrders {
		at(n%protocol.MaxInstruments, name("a", n%2_000), protocol.Buy, int64(1+n/protocol.MaxInstruments))
	}
	h.WantRefused(place("ada", "buy", 1, 1), protocol.CodeNoInstrument, "GOLD")
	h.WantRefused(request("place", protocol.Place{Account: "ada", Instrument: name("i", 0), Side: protocol.Buy, Price: 1, Quantity: 1}),
		protocol.CodeFull, "open orders")
	for b.Loop() {
		exported := h.Export()
		upgraded := h.UpgradeTo(sandbox.Open(b, sandbox.Config{}))
		if exported.Kind != sdk.Applied || upgraded.Kind != sdk.Applied {
			b.Fatalf("%s, %s", exported, upgraded)
		}
		b.ReportMetric(float64(exported.Fuel), "fuel/export")
		b.ReportMetric(float64(upgraded.Fuel), "fuel/migration")
		b.ReportMetric(float64(len(exported.Output)), "B/export")
	}
}
