// Package naive is the exchange of the orderbook example again, for its tests: written from the rules in README.md, with sorted
// slices and no thought of speed, and without a line of the machine's. Only requests and replies are the same types.
package naive

import (
	"cmp"
	"slices"

	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
)

// Exchange is any number of books. The zero value has none.
type Exchange struct {
	// Books are those of the listed instruments.
	Books map[string]*Book
	// numbers is how many numbers were given to orders, as IDs or as new turns.
	numbers uint64
}

// Book is one instrument's.
type Book struct {
	// Resting are the open orders of both sides, in no order that means anything.
	Resting []*Order
	// Trades are all there have been.
	Trades []protocol.Trade
	// Changes counts the commands that changed the book.
	Changes uint64
}

// Order is an open order.
type Order struct {
	protocol.Order
	Turn uint64
}

func (o *Order) left() int64 { return o.Quantity - o.Filled }

// List lists an instrument that is not listed.
func (e *Exchange) List(name string) {
	if e.Books == nil {
		e.Books = map[string]*Book{}
	}
	e.Books[name] = &Book{}
}

// number returns the next number.
func (e *Exchange) number() uint64 {
	e.numbers++
	return e.numbers
}

// Find returns an open order and its book, nil if there is none.
func (e *Exchange) Find(id uint64) (*Order, *Book) {
	for _, b := range e.Books {
		for _, o := range b.Resting {
			if o.ID == id {
				return o, b
			}
		}
	}
	return nil, nil
}

// Place runs an order at an index of the log. ok is false if the rules refuse it. Requests that are malformed are not for it.
func (e *Exchange) Place(index uint64, r protocol.Place) (reply protocol.Placed, ok bool) {
	b := e.Books[r.Instrument]
	if b == nil {
		return reply, false
	}
	o := &Order{Order: protocol.Order{Account: r.Account, Instrument: r.Instrument, Side: r.Side, Price: r.Price, Quantity: r.Quantity, PostOnly: r.PostOnly}}
	against := b.against(o, r.Type == protocol.Market)
	if r.PostOnly && len(against) > 0 {
		return reply, false
	}
	o.ID = e.number()
	o.Turn = o.ID
	if r.Force == protocol.FillOrKill && !fillsWhole(o, against) {
		return protocol.Placed{ID: o.ID, Status: protocol.Cancelled, Cancelled: o.Quantity, Reason: protocol.Killed}, true
	}
	rests := r.Type != protocol.Market && r.Force != protocol.ImmediateOrCancel && r.Force != protocol.FillOrKill
	return b.run(index, o, against, rests, false), true
}

// against are the orders that o could trade with, in the order in which it would.
func (b *Book) against(o *Order, anyPrice bool) []*Order {
	var found []*Order
	for _, other := range b.Resting {
		crosses := other.Price <= o.Price
		if o.Side == protocol.Sell {
			crosses = other.Price >= o.Price
		}
		if other.Side != o.Side && (anyPrice || crosses) {
			found = append(found, other)
		}
	}
	slices.SortFunc(found, func(x, y *Order) int {
		byPrice := cmp.Compare(x.Price, y.Price)
		if o.Side == protocol.Sell {
			byPrice = -byPrice
		}
		return cmp.Or(byPrice, cmp.Compare(x.Turn, y.Turn))
	})
	return found
}

// fillsWhole adds up what o gets before an order of its own account, or the limit of fills.
func fillsWhole(o *Order, against []*Order) bool {
	var sum int64
	for i, other := range against {
		if i == protocol.MaxFills || other.Account == o.Account {
			break
		}
		sum += other.left()
	}
	return sum >= o.left()
}

// run fills o and lets the rest of it rest or go. changed says that the book has been changed by the command already.
func (b *Book) run(index uint64, o *Order, against []*Order, rests, changed bool) protocol.Placed {
	reply := protocol.Placed{ID: o.ID, Status: protocol.Filled}
	for _, other := range against {
		if o.left() == 0 {
			break
		}
		if other.Account == o.Account {
			reply.Reason = protocol.SelfTrade
			break
		}
		if len(reply.Fills) == protocol.MaxFills {
			reply.Reason = protocol.FillLimit
			break
		}
		reply.Fills = append(reply.Fills, b.trade(index, o, other))
	}
	reply.Filled = o.Filled
	switch {
	case o.left() == 0:
	case rests && reply.Reason == "":
		reply.Status, reply.Rest = protocol.Open, o.left()
		b.Resting = append(b.Resting, o)
		changed = true
	default:
		reply.Status, reply.Cancelled = protocol.Cancelled, o.left()
		if reply.Reason == "" {
			reply.Reason = protocol.NoMatch
		}
	}
	if changed || len(reply.Fills) > 0 {
		b.Changes++
	}
	return reply
}

func (b *Book) trade(index uint64, taker, maker *Order) protocol.Fill {
	quantity := min(taker.left(), maker.left())
	taker.Filled += quantity
	maker.Filled += quantity
	if maker.left() == 0 {
		b.drop(maker)
	}
	t := protocol.Trade{
		Number: uint64(len(b.Trades) + 1), Index: index, Side: taker.Side, Price: maker.Price, Quantity: quantity,
		Maker: maker.ID, Taker: taker.ID, Buyer: maker.Account, Seller: taker.Account,
	}
	if taker.Side == protocol.Buy {
		t.Buyer, t.Seller = taker.Account, maker.Account
	}
	b.Trades = append(b.Trades, t)
	return protocol.Fill{Trade: t.Number, Price: t.Price, Quantity: quantity, Maker: maker.ID}
}

func (b *Book) drop(o *Order) {
	b.Resting = slices.DeleteFunc(b.Resting, func(other *Order) bool { return other == o })
}

// Cancel takes an order out. ok is false if the rules refuse it.
func (e *Exchange) Cancel(r protocol.Cancel) (reply protocol.Placed, ok bool) {
	o, b := e.Find(r.ID)
	if o == nil || o.Account != r.Account {
		return reply, false
	}
	b.drop(o)
	b.Changes++
	return protocol.Placed{ID: o.ID, Status: protocol.Cancelled, Filled: o.Filled, Cancelled: o.left(), Reason: protocol.ByRequest}, true
}

// Amend changes an order at an index of the log. ok is false if the rules refuse it.
func (e *Exchange) Amend(index uint64, r protocol.Amend) (reply protocol.Placed, ok bool) {
	o, b := e.Find(r.ID)
	if o == nil || o.Account != r.Account || r.Quantity <= o.Filled {
		return reply, false
	}
	if r.Price == 0 || r.Price == o.Price {
		if r.Quantity <= o.Quantity {
			if r.Quantity < o.Quantity {
				b.Changes++
			}
			o.Quantity = r.Quantity
			return protocol.Placed{ID: o.ID, Status: protocol.Open, Filled: o.Filled, Rest: o.left()}, true
		}
		r.Price = o.Price
	}
	moved := *o
	moved.Price, moved.Quantity = r.Price, r.Quantity
	against := b.against(&moved, false)
	if o.PostOnly && len(against) > 0 {
		return reply, false
	}
	b.drop(o)
	moved.Turn = e.number()
	return b.run(index, &moved, against, true, true), true
}

// Levels are those of one side, the best first.
func (b *Book) Levels(side protocol.Side) []protocol.Level {
	sums := map[int64]protocol.Level{}
	for _, o := range b.Resting {
		if o.Side == side {
			sum := sums[o.Price]
			sums[o.Price] = protocol.Level{Price: o.Price, Quantity: sum.Quantity + o.left(), Orders: sum.Orders + 1}
		}
	}
	levels := []protocol.Level{}
	for _, level := range sums {
		levels = append(levels, level)
	}
	slices.SortFunc(levels, func(x, y protocol.Level) int {
		if side == protocol.Buy {
			return cmp.Compare(y.Price, x.Price)
		}
		return cmp.Compare(x.Price, y.Price)
	})
	return levels
}

// OrdersOf are the open orders of an account in all books, by ID.
func (e *Exchange) OrdersOf(account string) []protocol.Order {
	orders := []protocol.Order{}
	for _, b := range e.Books {
		for _, o := range b.Resting {
			if o.Account == account {
				orders = append(orders, o.Order)
			}
		}
	}
	slices.SortFunc(orders, func(x, y protocol.Order) int { return cmp.Compare(x.ID, y.ID) })
	return orders
}
