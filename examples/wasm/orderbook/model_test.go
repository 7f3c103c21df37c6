package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/orderbook/naive"
	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/sdktest/sandbox"
)

func newMachine() sdk.Machine { return newExchange().machine }

// request is a request as JSON.
func request(name string, payload any) string {
	text, err := json.Marshal(map[string]any{name: payload})
	if err != nil {
		panic(err) // the types of package protocol can all be written
	}
	return string(text)
}

// query asks a query and reads the answer.
func query[Answer any](h *sdktest.Harness, name string, payload any) (answer Answer, err error) {
	err = json.Unmarshal([]byte(h.MustQuery(request(name, payload))), &answer)
	return answer, err
}

var (
	accounts    = []string{"ada", "bob", "cy", "dee"}
	instruments = []string{"GOLD", "TIN"}
)

// comparison runs the same commands on a machine and on the naive exchange.
type comparison struct {
	h     *sdktest.Harness
	naive naive.Exchange
	// depth is rebuilt from the events alone, taken how many of them are in it.
	depth map[string]map[protocol.Side]map[int64]protocol.Level
	taken int
	// trades are those of the events.
	trades map[string][]protocol.Trade
	// numbers are those of the last changes.
	numbers map[string]uint64
	// counts are how often orders ended in some way.
	counts map[string]int
}

func newComparison(h *sdktest.Harness) *comparison {
	c := &comparison{h: h, depth: map[string]map[protocol.Side]map[int64]protocol.Level{}, trades: map[string][]protocol.Trade{},
		numbers: map[string]uint64{}, counts: map[string]int{}}
	for _, name := range instruments {
		h.MustApply(request("list", protocol.Instrument{Instrument: name}))
		c.naive.List(name)
		c.depth[name] = map[protocol.Side]map[int64]protocol.Level{protocol.Buy: {}, protocol.Sell: {}}
	}
	return c
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// randomPlace is an order that is well formed.
func randomPlace(random *rand.Rand) protocol.Place {
	r := protocol.Place{Account: pick(random, accounts), Instrument: pick(random, instruments), Side: pick(random, []protocol.Side{protocol.Buy, protocol.Sell}),
		Price: 100 + random.Int64N(12), Quantity: 1 + random.Int64N(30)}
	if r.Side == protocol.Sell {
		r.Price += 4
	}
	switch random.IntN(10) {
	case 0:
		r.Type, r.Price, r.Force = protocol.Market, 0, pick(random, []protocol.Force{"", protocol.ImmediateOrCancel, protocol.FillOrKill})
	case 1:
		r.PostOnly = true
	case 2:
		r.Force = protocol.ImmediateOrCancel
	case 3:
		r.Force, r.Type = protocol.FillOrKill, protocol.Limit
	}
	return r
}

// target is an open order's ID more often than another.
func (c *comparison) target(random *rand.Rand) (account string, id uint64) {
	account = pick(random, accounts)
	if orders := c.naive.OrdersOf(account); len(orders) > 0 && random.IntN(8) > 0 {
		return account, pick(random, orders).ID
	}
	return account, random.Uint64N(100)
}

// step runs one random command on both.
func (c *comparison) step(random *rand.Rand) error {
	index := c.h.Index + 1
	var command string
	var want protocol.Placed
	var ok bool
	switch n := random.IntN(10); {
	case n < 6:
		r := randomPlace(random)
		command = request("place", r)
		want, ok = c.naive.Place(index, r)
	case n < 8:
		var r protocol.Cancel
		r.Account, r.ID = c.target(random)
		command = request("cancel", r)
		want, ok = c.naive.Cancel(r)
	default:
		r := protocol.Amend{Quantity: 1 + random.Int64N(30), Price: pick(random, []int64{0, 0, 100 + random.Int64N(16)})}
		r.Account, r.ID = c.target(random)
		command = request("amend", r)
		want, ok = c.naive.Amend(index, r)
	}
	outcome := c.h.Apply(command)
	if !ok {
		c.counts["refused"]++
		if outcome.Kind != sdk.Refused {
			return fmt.Errorf("%s: %s, and the rules refuse it", command, outcome)
		}
		return nil
	}
	c.counts[string(want.Status)+" "+string(want.Reason)]++
	var got protocol.Placed
	if outcome.Kind != sdk.Applied {
		return fmt.Errorf("%s: %s, and the rules allow it", command, outcome)
	}
	if err := json.Unmarshal(outcome.Output, &got); err != nil {
		return err
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s:\n got %+v\nwant %+v", command, got, want)
	}
	return nil
}

// takeEvents rebuilds depth and trades.
func (c *comparison) takeEvents() error {
	for _, e := range c.h.Events[c.taken:] {
		if name := e.Suffix[len("book."):]; e.Suffix[:5] == "book." {
			var change protocol.BookChange
			if err := json.Unmarshal(e.Payload, &change); err != nil {
				return err
			}
			if c.numbers[name]++; change.Number != c.numbers[name] || change.Instrument != name {
				return fmt.Errorf("%s: change %+v after number %d", e.Suffix, change, c.numbers[name]-1)
			}
			for _, level := range change.Levels {
				if level.Quantity == 0 {
					delete(c.depth[name][level.Side], level.Price)
				} else {
					c.depth[name][level.Side][level.Price] = level.Level
				}
			}
			continue
		}
		var trades protocol.Trades
		if err := json.Unmarshal(e.Payload, &trades); err != nil {
			return err
		}
		c.trades[trades.Instrument] = append(c.trades[trades.Instrument], trades.Trades...)
	}
	c.taken = len(c.h.Events)
	return nil
}

// compare holds the machine's books, and those rebuilt from events, against the naive ones.
func (c *comparison) compare() error {
	if err := c.takeEvents(); err != nil {
		return err
	}
	for name, book := range c.naive.Books {
		depth, err := query[protocol.Depth](c.h, "depth", protocol.DepthOf{Instrument: name, Limit: protocol.MaxPage})
		if err != nil {
			return err
		}
		want := protocol.Depth{Number: book.Changes, Bids: book.Levels(protocol.Buy), Asks: book.Levels(protocol.Sell)}
		if !reflect.DeepEqual(depth, want) {
			return fmt.Errorf("%s:\nthe depth is %+v\nwant         %+v", name, depth, want)
		}
		for side, levels := range map[protocol.Side][]protocol.Level{protocol.Buy: want.Bids, protocol.Sell: want.Asks} {
			if err := c.compareSide(name, side, levels); err != nil {
				return err
			}
		}
		if !slices.Equal(c.trades[name], book.Trades) {
			return fmt.Errorf("%s: the trades of the events are %+v\nwant %+v", name, c.trades[name], book.Trades)
		}
		last, err := query[protocol.Trades](c.h, "trades", protocol.TradesOf{Instrument: name})
		if kept := book.Trades[max(0, len(book.Trades)-protocol.KeptTrades):]; err != nil || !slices.Equal(last.Trades, kept) {
			return fmt.Errorf("%s: the last trades are %+v, %v\nwant %+v", name, last.Trades, err, kept)
		}
	}
	for _, account := range accounts {
		orders, err := query[protocol.Orders](c.h, "orders", protocol.OrdersOf{Account: account, Limit: protocol.MaxPage})
		if want := c.naive.OrdersOf(account); err != nil || !slices.Equal(orders.Orders, want) {
			return fmt.Errorf("%s has the orders %+v, %v\nwant %+v", account, orders.Orders, err, want)
		}
	}
	return nil
}

// compareSide compares what the events make of one side, and what pages of it hold.
func (c *comparison) compareSide(name string, side protocol.Side, want []protocol.Level) error {
	rebuilt := c.depth[name][side]
	if len(rebuilt) != len(want) {
		return fmt.Errorf("%s: the events make %d levels to %s, want %d", name, len(rebuilt), side, len(want))
	}
	for _, level := range want {
		if rebuilt[level.Price] != level {
			return fmt.Errorf("%s: the events make %+v, want %+v", name, rebuilt[level.Price], level)
		}
	}
	var all []protocol.Level
	for page := (protocol.LevelsOf{Instrument: name, Side: side, Limit: 3}); ; {
		answer, err := query[protocol.Levels](c.h, "levels", page)
		if err != nil {
			return err
		}
		all = append(all, answer.Levels...)
		if page.After = answer.Next; page.After == 0 {
			break
		}
	}
	if !slices.Equal(all, want) {
		return fmt.Errorf("%s: pages to %s hold %+v, want %+v", name, side, all, want)
	}
	return nil
}

// TestEqualsNaive shows on long random streams that the machine and the naive exchange agree: every reply with its fills, after
// some commands both books, all trades and every account's orders, and what a subscriber rebuilds from the events alone.
func TestEqualsNaive(t *testing.T) {
	for name, open := range map[string]func(testing.TB) sdktest.Driver{
		"native":  func(testing.TB) sdktest.Driver { return sdktest.Native(newMachine) },
		"sandbox": func(t testing.TB) sdktest.Driver { return sandbox.Open(t, sandbox.Config{}) },
	} {
		for _, seed := range []uint64{1, rand.Uint64()} {
			t.Run(fmt.Sprintf("%s/seed=%d", name, seed), func(t *testing.T) {
				const steps, every, restarts = 8_000, 25, 1_000
				random, c := rand.New(rand.NewPCG(seed, 0)), newComparison(sdktest.Open(t, open(t)))
				for step := range steps {
					err := c.step(random)
					if err == nil && step%every == 0 {
						err = c.compare()
					}
					if err != nil {
						t.Fatalf("step %d: %v", step, err)
					}
					if step%restarts == restarts/2 {
						c.h.Restart()
					}
				}
				for _, end := range []string{"open ", "filled ", "refused", "cancelled request", "cancelled no_match", "cancelled killed", "cancelled self_trade"} {
					if c.counts[end] < steps/1_000 {
						t.Errorf("the commands are a poor sample: %v", c.counts)
					}
				}
			})
		}
	}
}
