package applications

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/orderbook/exchange"
	"github.com/groutlabs/grout/examples/wasm/orderbook/naive"
	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	traders        = 4
	ordersOfTrader = 250
)

var exchangeBooks = []string{"GOLD", "TIN"}

// acknowledged is a command of a trader that was answered, place or cancel, with its reply.
type acknowledged struct {
	index  uint64
	place  *protocol.Place
	cancel *protocol.Cancel
	reply  protocol.Placed
	// refused says that the machine refused it, as it does a cancel of an order that was filled meanwhile.
	refused bool
}

// trade places and cancels orders at random, one after another, and hands on what was answered.
func trade(ctx context.Context, group *client.Group, account string, random *rand.Rand, out chan<- acknowledged) error {
	typed := group.Typed(client.JSON)
	var resting []uint64
	for range ordersOfTrader {
		var a acknowledged
		var request []byte
		var err error
		if len(resting) > 0 && random.IntN(4) == 0 {
			a.cancel = &protocol.Cancel{Account: account, ID: resting[random.IntN(len(resting))]}
			request, err = client.Encode(typed, "cancel", *a.cancel)
		} else {
			a.place = &protocol.Place{Account: account, Instrument: exchangeBooks[random.IntN(2)], Side: protocol.Buy, Price: 95 + random.Int64N(10),
				Quantity: 1 + random.Int64N(20), Force: []protocol.Force{"", "", protocol.ImmediateOrCancel, protocol.FillOrKill}[random.IntN(4)]}
			if random.IntN(2) == 0 {
				a.place.Side = protocol.Sell
			}
			request, err = client.Encode(typed, "place", *a.place)
		}
		if err != nil {
			return err
		}
		result, err := group.Execute(ctx, request)
		var refused *client.RefusedError
		switch {
		case errors.As(err, &refused):
			a.refused = true
			if a.place != nil {
				return fmt.Errorf("%s: %w", request, err)
			}
		case err != nil:
			return fmt.Errorf("%s: %w", request, err)
		default:
			a.index = result.Index
			if a.reply, err = client.Decode[protocol.Placed](typed, result.Output); err != nil {
				return err
			}
			if a.reply.Status == protocol.Open {
				resting = append(resting, a.reply.ID)
			}
		}
		if a.cancel != nil {
			resting = slices.DeleteFunc(resting, func(id uint64) bool { return id == a.cancel.ID })
		}
		out <- a
	}
	return nil
}

// replay runs what was answered through the naive exchange, in the order of the log, and compares every reply.
func replay(t *testing.T, all []acknowledged) *naive.Exchange {
	t.Helper()
	slices.SortFunc(all, func(x, y acknowledged) int { return cmp.Compare(x.index, y.index) })
	e := &naive.Exchange{}
	for _, name := range exchangeBooks {
		e.List(name)
	}
	var before uint64
	for _, a := range all {
		if a.refused {
			continue
		}
		if a.index == before {
			t.Fatalf("two commands were applied at index %d", a.index)
		}
		before = a.index
		var want protocol.Placed
		var ok bool
		if a.place != nil {
			want, ok = e.Place(a.index, *a.place)
		} else {
			want, ok = e.Cancel(*a.cancel)
		}
		if !ok || !reflect.DeepEqual(a.reply, want) {
			t.Fatalf("index %d, %+v %+v:\nthe reply is %+v\nwant         %+v, %t", a.index, a.place, a.cancel, a.reply, want, ok)
		}
	}
	return e
}

// followBooks rebuilds the books and their trades from events until both are at the end of the naive ones.
func followBooks(ctx context.Context, t *testing.T, events *client.Events, want map[string]*naive.Book) {
	t.Helper()
	mirrors, trades := map[string]*exchange.Mirror{}, map[string][]protocol.Trade{}
	behind := func() bool {
		return slices.ContainsFunc(exchangeBooks, func(name string) bool {
			return mirrors[name] == nil || mirrors[name].Number < want[name].Changes
		})
	}
	for behind() {
		e, err := events.Next(ctx)
		if err != nil {
			t.Fatalf("the events do not reach the end: %v", err)
		}
		kind, name, _ := strings.Cut(e.Suffix, ".")
		if kind == "trades" {
			var of protocol.Trades
			if err := json.Unmarshal(e.Payload, &of); err != nil {
				t.Fatal(err)
			}
			for _, one := range of.Trades {
				if one.Number == uint64(len(trades[name])+1) { // what comes again is known
					trades[name] = append(trades[name], one)
				}
			}
			continue
		}
		var change protocol.BookChange
		if err := json.Unmarshal(e.Payload, &change); err != nil {
			t.Fatal(err)
		}
		if mirrors[name] == nil {
			mirrors[name] = &exchange.Mirror{}
		}
		if err := mirrors[name].Apply(change); err != nil {
			t.Fatal(err)
		}
	}
	for name, book := range want {
		if got := mirrors[name].Depth(); !reflect.DeepEqual(got, depthOf(book)) {
			t.Errorf("%s: the events make\n     %+v\nwant %+v", name, got, depthOf(book))
		}
		if !slices.Equal(trades[name], book.Trades) {
			t.Errorf("%s: the events have %d trades, want %d, or others", name, len(trades[name]), len(book.Trades))
		}
	}
}

func depthOf(b *naive.Book) protocol.Depth {
	return protocol.Depth{Number: b.Changes, Bids: b.Levels(protocol.Buy), Asks: b.Levels(protocol.Sell)}
}

// TestExchangeThroughKills shows that of traders who place and cancel while hosts are killed with SIGKILL, the leader's twice and then
// all, each acknowledged order was matched exactly once and in the order of the log: an independent exchange that is given the
// commands in that order gives every reply, every trade, and the books of every member and of the events.
func TestExchangeThroughKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	c := start(t, ctx, "orderbook")
	x := exchange.New(c.group)
	events := must[*client.Events](t)(c.group.Events(">"))
	for _, name := range exchangeBooks {
		if err := x.List(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	answers, ended := make(chan acknowledged, traders*ordersOfTrader), make(chan error, traders)
	for n := range traders {
		own := c.connect(t)
		go func() {
			ended <- trade(ctx, own, fmt.Sprintf("trader%d", n), rand.New(rand.NewPCG(seed, uint64(n))), answers)
		}()
	}
	var all []acknowledged
	upTo := func(part int) {
		for len(all) < traders*ordersOfTrader*part/10 {
			select {
			case a := <-answers:
				all = append(all, a)
			case err := <-ended:
				if err != nil {
					t.Fatal(err)
				}
			case <-ctx.Done():
				t.Fatalf("after %d answers: %v", len(all), ctx.Err())
			}
		}
	}
	for _, part := range []int{2, 5} {
		upTo(part)
		dead := c.killLeader(t, ctx, `{"instruments":{}}`)
		upTo(part + 1)
		c.restart(t, dead)
	}
	upTo(8)
	c.killAll(t)
	upTo(10)
	e := replay(t, all)
	compareMembers(ctx, t, x, c.Names, e, all[len(all)-1].index)
	followBooks(ctx, t, events, e.Books)
	t.Logf("%d commands, %d and %d trades", len(all), len(e.Books["GOLD"].Trades), len(e.Books["TIN"].Trades))
}

// compareMembers holds every member's books and orders against the naive exchange.
func compareMembers(ctx context.Context, t *testing.T, x exchange.Exchange, names []string, e *naive.Exchange, index uint64) {
	t.Helper()
	for _, host := range names {
		there := client.QueryOptions{Consistency: client.AtLeast, AtLeast: index, Host: host}
		for name, book := range e.Books {
			got := must[protocol.Depth](t)(x.Depth(ctx, protocol.DepthOf{Instrument: name, Limit: protocol.MaxPage}, there))
			if !reflect.DeepEqual(got, depthOf(book)) {
				t.Errorf("%s on %s:\n     %+v\nwant %+v", name, host, got, depthOf(book))
			}
		}
		for n := range traders {
			account := fmt.Sprintf("trader%d", n)
			got := must[protocol.Orders](t)(x.Orders(ctx, protocol.OrdersOf{Account: account, Limit: protocol.MaxPage}, there))
			if !slices.Equal(got.Orders, e.OrdersOf(account)) {
				t.Errorf("the orders of %s on %s:\n     %+v\nwant %+v", account, host, got.Orders, e.OrdersOf(account))
			}
		}
	}
}
