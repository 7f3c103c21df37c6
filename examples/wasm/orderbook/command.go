package main

import (
	"math"

	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk"
)

// Commands check everything before they change anything.

func (x *exchange) list(_ *sdk.Context, r protocol.Instrument) (protocol.Instrument, error) {
	if err := checkName("an instrument", r.Instrument); err != nil {
		return r, err
	}
	if _, found := x.instrumentNamed(r.Instrument); found {
		return r, sdk.Refuse(protocol.CodeExists, "the instrument %q is listed already", r.Instrument)
	}
	if x.instruments.Len() == protocol.MaxInstruments {
		return r, sdk.Refuse(protocol.CodeFull, "there are %d instruments already, which is the most", protocol.MaxInstruments)
	}
	x.addInstrument(&instrument{name: r.Instrument})
	return r, nil
}

// checkName takes what can be a token of a subject.
func checkName(what, name string) error {
	if len(name) == 0 || len(name) > protocol.MaxNameBytes {
		return sdk.Refuse(protocol.CodeBadName, "the name of %s has 1 to %d bytes, %.80q has %d", what, protocol.MaxNameBytes, name, len(name))
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return sdk.Refuse(protocol.CodeBadName, "the name of %s has letters, digits, '-' and '_', %q has %q", what, name, string(rune(c)))
		}
	}
	return nil
}

func checkQuantity(quantity int64) error {
	if quantity < 1 || quantity > protocol.MaxQuantity {
		return sdk.Refuse(protocol.CodeBadQuantity, "a quantity is 1 to %d, not %d", protocol.MaxQuantity, quantity)
	}
	return nil
}

// checkPrice bounds a price, and the value of a whole order at it.
func checkPrice(price, quantity int64) error {
	if price < 1 || price > protocol.MaxPrice {
		return sdk.Refuse(protocol.CodeBadPrice, "a price is 1 to %d, not %d", protocol.MaxPrice, price)
	}
	if price > math.MaxInt64/quantity {
		return sdk.Refuse(protocol.CodeOverflow, "%d at %d is worth more than fits into 64 bits: place several orders", quantity, price)
	}
	return nil
}

// checkPlace refuses what is no order.
func checkPlace(r *protocol.Place) error {
	if err := checkName("an account", r.Account); err != nil {
		return err
	}
	if r.Side != protocol.Buy && r.Side != protocol.Sell {
		return sdk.Refuse(protocol.CodeBadOrder, `the side is "buy" or "sell", not %.40q`, r.Side)
	}
	switch r.Force {
	case "", protocol.GoodTillCancelled, protocol.ImmediateOrCancel, protocol.FillOrKill:
	default:
		return sdk.Refuse(protocol.CodeBadOrder, `the force is "gtc", "ioc" or "fok", not %.40q`, r.Force)
	}
	if err := checkQuantity(r.Quantity); err != nil {
		return err
	}
	switch {
	case r.Type == protocol.Market && r.Price != 0:
		return sdk.Refuse(protocol.CodeBadPrice, "a market order has no price, this one has %d: leave it out, or place a limit order", r.Price)
	case r.Type == protocol.Market && (r.Force == protocol.GoodTillCancelled || r.PostOnly):
		return sdk.Refuse(protocol.CodeBadOrder, `a market order cannot rest: its force is "ioc" or "fok", and it is not post_only`)
	case r.Type == protocol.Market:
		return nil
	case r.Type != "" && r.Type != protocol.Limit:
		return sdk.Refuse(protocol.CodeBadOrder, `the type is "limit" or "market", not %.40q`, r.Type)
	case r.PostOnly && r.Force != "" && r.Force != protocol.GoodTillCancelled:
		return sdk.Refuse(protocol.CodeBadOrder, `a post_only order only rests: its force is "gtc", not %q`, r.Force)
	}
	return checkPrice(r.Price, r.Quantity)
}

func (x *exchange) place(ctx *sdk.Context, r protocol.Place) (protocol.Placed, error) {
	if err := checkPlace(&r); err != nil {
		return protocol.Placed{}, err
	}
	in, found := x.instrumentNamed(r.Instrument)
	if !found {
		return protocol.Placed{}, noInstrument(r.Instrument)
	}
	o := &order{instrument: in.number, side: bid, postOnly: r.PostOnly, price: r.Price, quantity: r.Quantity, account: r.Account}
	if r.Side == protocol.Sell {
		o.side = ask
	}
	t := &taking{ctx: ctx, in: &in, order: o, market: r.Type == protocol.Market}
	mayRest := !t.market && (r.Force == "" || r.Force == protocol.GoodTillCancelled)
	if mayRest {
		if err := x.checkRoom(r.Account); err != nil {
			return protocol.Placed{}, err
		}
	}
	if o.postOnly && x.wouldTake(t) {
		return protocol.Placed{}, wouldTake(o.price)
	}
	x.number++
	o.id, o.turn = x.number, x.number
	if r.Force == protocol.FillOrKill && !x.fillable(t) {
		t.stopped = protocol.Killed
	}
	x.match(t)
	return x.settle(t, mayRest), nil
}

func noInstrument(name string) error {
	return sdk.Refuse(protocol.CodeNoInstrument, "there is no instrument %.80q: list it first", name)
}

func wouldTake(price int64) error {
	return sdk.Refuse(protocol.CodeWouldTake, "the post_only order would trade at once at %d", price)
}

// checkRoom refuses an order that may rest where there are too many.
func (x *exchange) checkRoom(account string) error {
	if x.orders.Len() >= protocol.MaxOrders {
		return sdk.Refuse(protocol.CodeFull, "there are %d open orders, which is the most: only orders that do not rest are taken", x.orders.Len())
	}
	first, _ := x.owned.Rank(appendOwned(nil, account, 0))
	end, _ := x.owned.Rank(appendOwned(nil, account, math.MaxUint64))
	if end-first >= protocol.MaxAccountOrders {
		return sdk.Refuse(protocol.CodeFull, "%q has %d open orders, which is the most: cancel some", account, end-first)
	}
	return nil
}

// ownOrder looks up an open order of an account.
func (x *exchange) ownOrder(account string, id uint64) (order, instrument, error) {
	o, found := x.find(id)
	if !found || o.account != account {
		return order{}, instrument{}, sdk.Refuse(protocol.CodeNoOrder, "%.80q has no open order %d", account, id)
	}
	in, _ := x.instrumentNamed(x.nameOf(o.instrument))
	return o, in, nil
}

func (x *exchange) cancel(ctx *sdk.Context, r protocol.Cancel) (protocol.Placed, error) {
	o, in, err := x.ownOrder(r.Account, r.ID)
	if err != nil {
		return protocol.Placed{}, err
	}
	t := &taking{ctx: ctx, in: &in, order: &o, stopped: protocol.ByRequest}
	t.touch(&o)
	x.remove(&o)
	return x.settle(t, false), nil
}

// amend changes an order. Only one that shrinks at its price keeps its turn.
func (x *exchange) amend(ctx *sdk.Context, r protocol.Amend) (protocol.Placed, error) {
	o, in, err := x.ownOrder(r.Account, r.ID)
	if err != nil {
		return protocol.Placed{}, err
	}
	if r.Price == 0 {
		r.Price = o.price
	}
	if err := checkQuantity(r.Quantity); err != nil {
		return protocol.Placed{}, err
	}
	if err := checkPrice(r.Price, r.Quantity); err != nil {
		return protocol.Placed{}, err
	}
	if r.Quantity <= o.filled {
		return protocol.Placed{}, sdk.Refuse(protocol.CodeAlreadyFilled,
			"of order %d %d are filled, so its quantity cannot become %d: cancel it to end it", o.id, o.filled, r.Quantity)
	}
	next := o
	next.price, next.quantity = r.Price, r.Quantity
	t := &taking{ctx: ctx, in: &in, order: &next}
	if r.Price == o.price && r.Quantity <= o.quantity {
		if r.Quantity < o.quantity {
			t.touch(&o)
			x.put(&next)
			x.change(&next, r.Quantity-o.quantity, 0)
		}
		x.publish(t)
		return protocol.Placed{ID: o.id, Status: protocol.Open, Filled: o.filled, Rest: next.open()}, nil
	}
	if o.postOnly && x.wouldTake(t) {
		return protocol.Placed{}, wouldTake(r.Price)
	}
	t.touch(&o)
	x.remove(&o)
	x.number++
	next.turn = x.number
	x.match(t)
	return x.settle(t, true), nil
}
