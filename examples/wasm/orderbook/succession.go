package main

import (
	"bytes"
	"encoding/binary"

	"github.com/groutlabs/grout/examples/wasm/internal/ordered"
	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk"
)

// saved is the whole state, as the next module reads it. Format says how, for modules to come.
type saved struct {
	Format int    `json:"format"`
	Number uint64 `json:"number"`
	// Instruments are in the order of their numbers, Orders in that of matching.
	Instruments []savedInstrument `json:"instruments"`
	Orders      []savedOrder      `json:"orders"`
}

type savedInstrument struct {
	Name    string           `json:"name"`
	Changes uint64           `json:"changes"`
	Trades  uint64           `json:"trades"`
	Last    []protocol.Trade `json:"last"`
}

type savedOrder struct {
	ID         uint64 `json:"id"`
	Turn       uint64 `json:"turn"`
	Instrument uint32 `json:"instrument"`
	Sell       bool   `json:"sell"`
	PostOnly   bool   `json:"post_only"`
	Price      int64  `json:"price"`
	Quantity   int64  `json:"quantity"`
	Filled     int64  `json:"filled"`
	Account    string `json:"account"`
}

const format = 1

func (x *exchange) save() saved {
	s := saved{Format: format, Number: x.number, Orders: make([]savedOrder, 0, x.orders.Len())}
	for number := range x.names.Len() {
		in, _ := x.instrumentNamed(x.nameOf(uint32(number)))
		s.Instruments = append(s.Instruments, savedInstrument{in.name, in.changes, in.trades, x.kept(&in, protocol.KeptTrades)})
	}
	for c := x.places.At(0); c.Valid(); c.Next() {
		x.value = c.Value(x.value[:0])
		o, _ := x.find(binary.BigEndian.Uint64(x.value))
		s.Orders = append(s.Orders, savedOrder{o.id, o.turn, o.instrument, o.side == ask, o.postOnly, o.price, o.quantity, o.filled, o.account})
	}
	return s
}

func badState(format string, args ...any) error {
	return sdk.Refuse(protocol.CodeBadState, "the old module's state: "+format, args...)
}

func (x *exchange) load(s saved) error {
	if s.Format != format {
		return badState("it has format %d, this module reads %d", s.Format, format)
	}
	if len(s.Instruments) > protocol.MaxInstruments || len(s.Orders) > protocol.MaxOrders {
		return badState("%d instruments and %d orders are over the limits of %d and %d",
			len(s.Instruments), len(s.Orders), protocol.MaxInstruments, protocol.MaxOrders)
	}
	for _, t := range []*ordered.Tree{&x.instruments, &x.names, &x.orders, &x.places, &x.levels, &x.owned, &x.trades} {
		t.Clear()
	}
	x.number = s.Number
	for i := range s.Instruments {
		if err := x.loadInstrument(&s.Instruments[i]); err != nil {
			return err
		}
	}
	var before []byte
	for i := range s.Orders {
		o, err := x.loadOrder(&s.Orders[i])
		if err != nil {
			return err
		}
		place := o.appendPlace(nil)
		if bytes.Compare(before, place) >= 0 {
			return badState("order %d is out of order", o.id)
		}
		before = place
		x.rest(&o)
	}
	for number := range s.Instruments {
		buy, sell := x.best(uint32(number), bid), x.best(uint32(number), ask)
		if buy != nil && sell != nil && buy.Price >= sell.Price {
			return badState("the book of %q is crossed: bid %d, ask %d", s.Instruments[number].Name, buy.Price, sell.Price)
		}
	}
	return nil
}

func (x *exchange) loadInstrument(s *savedInstrument) error {
	if err := checkName("an instrument", s.Name); err != nil {
		return badState("%v", err)
	}
	if _, found := x.instrumentNamed(s.Name); found {
		return badState("the instrument %q comes twice", s.Name)
	}
	if uint64(len(s.Last)) != min(s.Trades, protocol.KeptTrades) {
		return badState("of the %d trades of %q it has the last %d", s.Trades, s.Name, len(s.Last))
	}
	in := instrument{name: s.Name, changes: s.Changes, trades: s.Trades}
	x.addInstrument(&in)
	for i := range s.Last {
		t := &s.Last[i]
		if want := s.Trades - uint64(len(s.Last)-1-i); t.Number != want {
			return badState("a trade of %q has the number %d in place of %d", s.Name, t.Number, want)
		}
		if len(t.Buyer) > protocol.MaxNameBytes || len(t.Seller) > protocol.MaxNameBytes || t.Side != protocol.Buy && t.Side != protocol.Sell {
			return badState("trade %d of %q has a bad name or side", t.Number, s.Name)
		}
		x.keep(&in, t)
	}
	return nil
}

func (x *exchange) loadOrder(s *savedOrder) (order, error) {
	o := order{s.ID, s.Turn, s.Instrument, bid, s.PostOnly, s.Price, s.Quantity, s.Filled, s.Account}
	if s.Sell {
		o.side = ask
	}
	err := checkName("an account", s.Account)
	if err == nil {
		err = checkQuantity(s.Quantity)
	}
	if err == nil {
		err = checkPrice(s.Price, s.Quantity)
	}
	_, twice := x.find(s.ID)
	switch {
	case err != nil:
		return o, badState("order %d: %v", s.ID, err)
	case twice || s.ID == 0 || s.ID > s.Turn || s.Turn > x.number:
		return o, badState("order %d with turn %d comes twice, or its numbers are not 1 to %d", s.ID, s.Turn, x.number)
	case int(s.Instrument) >= x.names.Len():
		return o, badState("order %d is of instrument %d, and there are %d", s.ID, s.Instrument, x.names.Len())
	case s.Filled < 0 || s.Filled >= s.Quantity:
		return o, badState("order %d is open, with %d of %d filled", s.ID, s.Filled, s.Quantity)
	}
	return o, nil
}
