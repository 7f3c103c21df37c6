package main

import (
	"encoding/binary"
	"math"

	"github.com/groutlabs/grout/examples/wasm/internal/ordered"
	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk/typed"
)

// exchange is the machine's state. All of it is in trees of pages, which a collection of garbage passes over and of which a
// command writes few.
//
// Invariants, checked by valid() in the tests:
//  1. Each order in orders has one place in places and one entry in owned, and there are no others.
//  2. A level in levels has the open quantity and the number of the orders at its price, and neither is 0.
//  3. The best bid of an instrument is below its best ask.
type exchange struct {
	machine *typed.Machine
	// instruments has instruments under their names, and names the names under their numbers.
	instruments, names ordered.Tree
	// orders has the open orders under their IDs.
	orders ordered.Tree
	// places has the ID of each open order under its place, so that those of one side of a book are in the order of matching.
	places ordered.Tree
	// levels has quantity and number of orders under the beginning of their places.
	levels ordered.Tree
	// owned has an account, a 0 and an ID as key for each open order.
	owned ordered.Tree
	// trades has the last trades of each instrument under its number and theirs.
	trades ordered.Tree
	// number is the latest that an order got, as its ID or for its place when that was lost.
	number uint64

	// What follows is used again by every call.
	key, value []byte
}

// instrument is what instruments has under a name. changes and trades count those there have been.
type instrument struct {
	name            string
	number          uint32
	changes, trades uint64
}

// order is what orders has under an ID.
type order struct {
	id uint64
	// turn is the order's among those of its price.
	turn                    uint64
	instrument              uint32
	side                    byte
	postOnly                bool
	price, quantity, filled int64
	account                 string
}

// The sides as bytes of a place.
const (
	bid byte = 0
	ask byte = 1
)

var sideNames = [...]protocol.Side{bid: protocol.Buy, ask: protocol.Sell}

func (o *order) open() int64 { return o.quantity - o.filled }

// appendLevel appends the beginning of a place: instrument, side, and the price so turned that the best one comes first.
func appendLevel(dst []byte, instrument uint32, side byte, price int64) []byte {
	rank := uint64(price)
	if side == bid {
		rank = math.MaxUint64 - rank
	}
	return binary.BigEndian.AppendUint64(appendSide(dst, instrument, side), rank)
}

func appendSide(dst []byte, instrument uint32, side byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, instrument), side)
}

func priceOf(place []byte) int64 {
	rank := binary.BigEndian.Uint64(place[5:])
	if place[4] == bid {
		rank = math.MaxUint64 - rank
	}
	return int64(rank)
}

func (o *order) appendPlace(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(appendLevel(dst, o.instrument, o.side, o.price), o.turn)
}

func (o *order) appendOwned(dst []byte) []byte { return appendOwned(dst, o.account, o.id) }

func appendOwned(dst []byte, account string, id uint64) []byte {
	return binary.BigEndian.AppendUint64(append(append(dst, account...), 0), id)
}

func appendID(dst []byte, id uint64) []byte { return binary.BigEndian.AppendUint64(dst, id) }

// find looks an order up.
func (x *exchange) find(id uint64) (o order, found bool) {
	x.key = appendID(x.key[:0], id)
	x.value, found = x.orders.Get(x.value[:0], x.key)
	if !found {
		return order{}, false
	}
	v := x.value
	return order{
		id: id, turn: binary.LittleEndian.Uint64(v), price: int64(binary.LittleEndian.Uint64(v[8:])),
		quantity: int64(binary.LittleEndian.Uint64(v[16:])), filled: int64(binary.LittleEndian.Uint64(v[24:])),
		instrument: binary.LittleEndian.Uint32(v[32:]), side: v[36], postOnly: v[37] == 1, account: string(v[38:]),
	}, true
}

// put writes an order, whose place does not change.
func (x *exchange) put(o *order) {
	v := x.value[:0]
	for _, n := range []uint64{o.turn, uint64(o.price), uint64(o.quantity), uint64(o.filled)} {
		v = binary.LittleEndian.AppendUint64(v, n)
	}
	v = append(binary.LittleEndian.AppendUint32(v, o.instrument), o.side, 0)
	if o.postOnly {
		v[37] = 1
	}
	x.value = append(v, o.account...)
	x.key = appendID(x.key[:0], o.id)
	x.orders.Put(x.key, x.value)
}

// rest puts an order into the book.
func (x *exchange) rest(o *order) {
	x.put(o)
	x.value = appendID(x.value[:0], o.id)
	x.key = o.appendPlace(x.key[:0])
	x.places.Put(x.key, x.value)
	x.owned.Put(o.appendOwned(x.key[:0]), nil)
	x.change(o, o.open(), 1)
}

// remove takes an order out of the book.
func (x *exchange) remove(o *order) {
	x.key = o.appendPlace(x.key[:0])
	x.places.Delete(x.key)
	x.key = o.appendOwned(x.key[:0])
	x.owned.Delete(x.key)
	x.key = appendID(x.key[:0], o.id)
	x.orders.Delete(x.key)
	x.change(o, -o.open(), -1)
}

// fill takes a quantity off an order that rests.
func (x *exchange) fill(o *order, quantity int64) {
	if quantity == o.open() {
		x.remove(o)
		o.filled += quantity
		return
	}
	o.filled += quantity
	x.put(o)
	x.change(o, -quantity, 0)
}

// change adds to the level of an order.
func (x *exchange) change(o *order, quantity, orders int64) {
	x.key = appendLevel(x.key[:0], o.instrument, o.side, o.price)
	level, _ := x.level(x.key)
	level.Quantity += quantity
	level.Orders += orders
	if level.Orders == 0 {
		x.levels.Delete(x.key)
		return
	}
	x.value = binary.LittleEndian.AppendUint64(x.value[:0], uint64(level.Quantity))
	x.value = binary.LittleEndian.AppendUint64(x.value, uint64(level.Orders))
	x.levels.Put(x.key, x.value)
}

// level looks a level up, and has its price in any case.
func (x *exchange) level(key []byte) (level protocol.Level, found bool) {
	level.Price = priceOf(key)
	if x.value, found = x.levels.Get(x.value[:0], key); found {
		level.Quantity, level.Orders = parseLevel(x.value)
	}
	return level, found
}

func parseLevel(value []byte) (quantity, orders int64) {
	return int64(binary.LittleEndian.Uint64(value)), int64(binary.LittleEndian.Uint64(value[8:]))
}

// instrumentNamed looks an instrument up.
func (x *exchange) instrumentNamed(name string) (in instrument, found bool) {
	if len(name) > protocol.MaxNameBytes {
		return in, false
	}
	if x.value, found = x.instruments.Get(x.value[:0], []byte(name)); !found {
		return in, false
	}
	v := x.value
	return instrument{name, binary.LittleEndian.Uint32(v), binary.LittleEndian.Uint64(v[4:]), binary.LittleEndian.Uint64(v[12:])}, true
}

func (x *exchange) putInstrument(in *instrument) {
	v := binary.LittleEndian.AppendUint32(x.value[:0], in.number)
	v = binary.LittleEndian.AppendUint64(v, in.changes)
	x.value = binary.LittleEndian.AppendUint64(v, in.trades)
	x.instruments.Put([]byte(in.name), x.value)
}

// addInstrument gives a new instrument its number.
func (x *exchange) addInstrument(in *instrument) {
	in.number = uint32(x.instruments.Len())
	x.putInstrument(in)
	x.names.Put(binary.BigEndian.AppendUint32(nil, in.number), []byte(in.name))
}

// nameOf is the name of the instrument with a number.
func (x *exchange) nameOf(number uint32) string {
	name, _ := x.names.Get(nil, binary.BigEndian.AppendUint32(nil, number))
	return string(name)
}

// keep keeps a trade among the last ones of its instrument.
func (x *exchange) keep(in *instrument, t *protocol.Trade) {
	key := func(number uint64) []byte {
		x.key = appendID(binary.BigEndian.AppendUint32(x.key[:0], in.number), number)
		return x.key
	}
	v := binary.LittleEndian.AppendUint64(x.value[:0], t.Index)
	for _, n := range []uint64{uint64(t.Price), uint64(t.Quantity), t.Maker, t.Taker} {
		v = binary.LittleEndian.AppendUint64(v, n)
	}
	side := bid
	if t.Side == protocol.Sell {
		side = ask
	}
	v = append(append(v, side, byte(len(t.Buyer))), t.Buyer...)
	x.value = append(v, t.Seller...)
	x.trades.Put(key(t.Number), x.value)
	if t.Number > protocol.KeptTrades {
		x.trades.Delete(key(t.Number - protocol.KeptTrades))
	}
}

// kept are the last trades of an instrument, the oldest first.
func (x *exchange) kept(in *instrument, limit int) []protocol.Trade {
	first := in.trades - min(in.trades, uint64(limit)) + 1
	trades := []protocol.Trade{}
	key := appendID(binary.BigEndian.AppendUint32(nil, in.number), first)
	c := x.trades.Seek(key)
	for number := first; number <= in.trades; number++ {
		x.value = c.Value(x.value[:0])
		v, at := x.value, func(i int) uint64 { return binary.LittleEndian.Uint64(x.value[8*i:]) }
		names, buyer := v[42:], int(v[41])
		trades = append(trades, protocol.Trade{
			Number: number, Index: at(0), Price: int64(at(1)), Quantity: int64(at(2)), Maker: at(3), Taker: at(4),
			Side: sideNames[v[40]], Buyer: string(names[:buyer]), Seller: string(names[buyer:]),
		})
		c.Next()
	}
	return trades
}
