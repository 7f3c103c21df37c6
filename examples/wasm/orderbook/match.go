package main

import (
	"bytes"
	"encoding/binary"

	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/typed"
)

// taking is an order on its way through the book, with what the command has done so far.
type taking struct {
	ctx *sdk.Context
	in  *instrument
	*order
	market bool
	fills  []protocol.Fill
	trades []protocol.Trade
	// touched are the levels that were changed. Only neighbours can be the same.
	touched [][]byte
	// stopped is why matching ended before the book did, "" if it did not.
	stopped protocol.Reason
}

// touch notes the level of an order that is about to change.
func (t *taking) touch(o *order) {
	key := appendLevel(nil, o.instrument, o.side, o.price)
	if n := len(t.touched); n == 0 || !bytes.Equal(t.touched[n-1], key) {
		t.touched = append(t.touched, key)
	}
}

// accepts reports whether the order trades at a price of the other side.
func (t *taking) accepts(price int64) bool {
	return t.market || t.side == bid && price <= t.price || t.side == ask && price >= t.price
}

// makers calls visit with the orders that the taking one would trade with, in the order of matching, until it returns false. It
// must not change the book.
func (x *exchange) makers(t *taking, visit func(*order) bool) {
	prefix := appendSide(nil, t.instrument, 1-t.side)
	for c := x.places.Seek(prefix); c.Valid() && bytes.HasPrefix(c.Key(), prefix) && t.accepts(priceOf(c.Key())); c.Next() {
		x.value = c.Value(x.value[:0])
		o, _ := x.find(binary.BigEndian.Uint64(x.value))
		if !visit(&o) {
			return
		}
	}
}

// wouldTake reports whether the order would trade at once.
func (x *exchange) wouldTake(t *taking) bool {
	found := false
	x.makers(t, func(*order) bool { found = true; return false })
	return found
}

// fillable reports whether match would fill the order whole.
func (x *exchange) fillable(t *taking) bool {
	left, fills := t.open(), 0
	x.makers(t, func(maker *order) bool {
		if maker.account == t.account || fills == protocol.MaxFills {
			return false
		}
		fills++
		left -= min(left, maker.open())
		return left > 0
	})
	return left == 0
}

// match fills the order from the other side: the best price first, and the earliest order of a price.
func (x *exchange) match(t *taking) {
	for t.open() > 0 && t.stopped == "" {
		var maker *order
		x.makers(t, func(o *order) bool { maker = o; return false })
		switch {
		case maker == nil:
			return
		case maker.account == t.account:
			t.stopped = protocol.SelfTrade
		case len(t.fills) == protocol.MaxFills:
			t.stopped = protocol.FillLimit
		default:
			x.trade(t, maker)
		}
	}
}

// trade fills both orders, at the price of the one that rests.
func (x *exchange) trade(t *taking, maker *order) {
	quantity := min(t.open(), maker.open())
	t.touch(maker)
	x.fill(maker, quantity)
	t.filled += quantity
	t.in.trades++
	trade := protocol.Trade{
		Number: t.in.trades, Index: t.ctx.Index(), Side: sideNames[t.side], Price: maker.price, Quantity: quantity,
		Maker: maker.id, Taker: t.id, Buyer: t.account, Seller: maker.account,
	}
	if t.side == ask {
		trade.Buyer, trade.Seller = trade.Seller, trade.Buyer
	}
	x.keep(t.in, &trade)
	t.trades = append(t.trades, trade)
	t.fills = append(t.fills, protocol.Fill{Trade: trade.Number, Price: trade.Price, Quantity: quantity, Maker: maker.id})
}

// publish emits what the command changed.
func (x *exchange) publish(t *taking) {
	if len(t.touched) == 0 {
		return
	}
	t.in.changes++
	x.putInstrument(t.in)
	if len(t.trades) > 0 {
		typed.Emit(t.ctx, x.machine, "trades."+t.in.name, protocol.Trades{Instrument: t.in.name, Trades: t.trades})
	}
	change := protocol.BookChange{Instrument: t.in.name, Number: t.in.changes}
	for _, key := range t.touched {
		level, _ := x.level(key)
		change.Levels = append(change.Levels, protocol.LevelChange{Side: sideNames[key[4]], Level: level})
	}
	typed.Emit(t.ctx, x.machine, "book."+t.in.name, change)
}

// settle puts what is left of the order into the book, if it may rest, and replies.
func (x *exchange) settle(t *taking, mayRest bool) protocol.Placed {
	reply := protocol.Placed{ID: t.id, Filled: t.filled, Fills: t.fills}
	switch {
	case t.open() == 0:
		reply.Status = protocol.Filled
	case mayRest && t.stopped == "":
		t.touch(t.order)
		x.rest(t.order)
		reply.Status, reply.Rest = protocol.Open, t.open()
	default:
		if reply.Reason = t.stopped; t.stopped == "" {
			reply.Reason = protocol.NoMatch
		}
		reply.Status, reply.Cancelled = protocol.Cancelled, t.open()
	}
	x.publish(t)
	return reply
}
