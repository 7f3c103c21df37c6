package main

import (
	"bytes"
	"encoding/binary"

	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk"
)

// pageSize checks a limit; 0 stands for the default.
func pageSize(limit, usual, most int) (int, error) {
	if limit < 0 || limit > most {
		return 0, sdk.Refuse(protocol.CodeBadPage, "a limit is 1 to %d, not %d", most, limit)
	}
	if limit == 0 {
		return usual, nil
	}
	return limit, nil
}

// page are the levels of a side from a key on, and whether there are more.
func (x *exchange) page(instrument uint32, side byte, from []byte, limit int) (levels []protocol.Level, more bool) {
	levels = []protocol.Level{}
	prefix := appendSide(nil, instrument, side)
	for c := x.levels.Seek(from); c.Valid() && bytes.HasPrefix(c.Key(), prefix); c.Next() {
		if len(levels) == limit {
			return levels, true
		}
		x.value = c.Value(x.value[:0])
		level := protocol.Level{Price: priceOf(c.Key())}
		level.Quantity, level.Orders = parseLevel(x.value)
		levels = append(levels, level)
	}
	return levels, false
}

func (x *exchange) best(instrument uint32, side byte) *protocol.Level {
	levels, _ := x.page(instrument, side, appendSide(nil, instrument, side), 1)
	if len(levels) == 0 {
		return nil
	}
	return &levels[0]
}

func (x *exchange) bestOf(_ *sdk.Context, q protocol.Instrument) (protocol.Best, error) {
	in, found := x.instrumentNamed(q.Instrument)
	if !found {
		return protocol.Best{}, noInstrument(q.Instrument)
	}
	return protocol.Best{Bid: x.best(in.number, bid), Ask: x.best(in.number, ask)}, nil
}

func (x *exchange) depth(_ *sdk.Context, q protocol.DepthOf) (d protocol.Depth, err error) {
	in, found := x.instrumentNamed(q.Instrument)
	if !found {
		return d, noInstrument(q.Instrument)
	}
	limit, err := pageSize(q.Limit, protocol.DefaultDepth, protocol.MaxPage)
	if err != nil {
		return d, err
	}
	d.Number = in.changes
	d.Bids, _ = x.page(in.number, bid, appendSide(nil, in.number, bid), limit)
	d.Asks, _ = x.page(in.number, ask, appendSide(nil, in.number, ask), limit)
	return d, nil
}

func (x *exchange) levelsOf(_ *sdk.Context, q protocol.LevelsOf) (a protocol.Levels, err error) {
	in, found := x.instrumentNamed(q.Instrument)
	if !found {
		return a, noInstrument(q.Instrument)
	}
	side := bid
	switch q.Side {
	case protocol.Buy:
	case protocol.Sell:
		side = ask
	default:
		return a, sdk.Refuse(protocol.CodeBadOrder, `the side is "buy" or "sell", not %.40q`, q.Side)
	}
	if q.After < 0 || q.After > protocol.MaxPrice {
		return a, sdk.Refuse(protocol.CodeBadPrice, "after is a price up to %d, or 0 for the best, not %d", protocol.MaxPrice, q.After)
	}
	limit, err := pageSize(q.Limit, protocol.DefaultPage, protocol.MaxPage)
	if err != nil {
		return a, err
	}
	from := appendSide(nil, in.number, side)
	if q.After > 0 {
		from = append(appendLevel(nil, in.number, side, q.After), 0)
	}
	var more bool
	a.Number = in.changes
	if a.Levels, more = x.page(in.number, side, from, limit); more {
		a.Next = a.Levels[limit-1].Price
	}
	return a, nil
}

func (x *exchange) describe(o *order) protocol.Order {
	return protocol.Order{
		ID: o.id, Account: o.account, Instrument: x.nameOf(o.instrument), Side: sideNames[o.side], Price: o.price,
		Quantity: o.quantity, Filled: o.filled, PostOnly: o.postOnly,
	}
}

func (x *exchange) orderOf(_ *sdk.Context, q protocol.OrderID) (protocol.Order, error) {
	o, found := x.find(q.ID)
	if !found {
		return protocol.Order{}, sdk.Refuse(protocol.CodeNoOrder, "there is no open order %d: it was filled or cancelled, or never placed", q.ID)
	}
	return x.describe(&o), nil
}

func (x *exchange) ordersOf(_ *sdk.Context, q protocol.OrdersOf) (a protocol.Orders, err error) {
	if err := checkName("an account", q.Account); err != nil {
		return a, err
	}
	limit, err := pageSize(q.Limit, protocol.DefaultPage, protocol.MaxPage)
	if err != nil {
		return a, err
	}
	a.Orders = []protocol.Order{}
	prefix := append([]byte(q.Account), 0)
	for c := x.owned.Seek(append(appendOwned(nil, q.Account, q.After), 0)); c.Valid() && bytes.HasPrefix(c.Key(), prefix); c.Next() {
		if len(a.Orders) == limit {
			a.Next = a.Orders[limit-1].ID
			break
		}
		o, _ := x.find(binary.BigEndian.Uint64(c.Key()[len(prefix):]))
		a.Orders = append(a.Orders, x.describe(&o))
	}
	return a, nil
}

// tradesOf answers the last trades, the oldest first.
func (x *exchange) tradesOf(_ *sdk.Context, q protocol.TradesOf) (protocol.Trades, error) {
	in, found := x.instrumentNamed(q.Instrument)
	if !found {
		return protocol.Trades{}, noInstrument(q.Instrument)
	}
	limit, err := pageSize(q.Limit, protocol.KeptTrades, protocol.KeptTrades)
	if err != nil {
		return protocol.Trades{}, err
	}
	return protocol.Trades{Instrument: in.name, Trades: x.kept(&in, limit)}, nil
}

func (x *exchange) instrumentsOf(_ *sdk.Context, q protocol.InstrumentsPage) (a protocol.Instruments, err error) {
	limit, err := pageSize(q.Limit, protocol.DefaultPage, protocol.MaxPage)
	if err != nil {
		return a, err
	}
	a.Instruments = []string{}
	for c := x.instruments.Seek(append([]byte(q.After), 0)); c.Valid(); c.Next() {
		if len(a.Instruments) == limit {
			a.Next = a.Instruments[limit-1]
			break
		}
		a.Instruments = append(a.Instruments, string(c.Key()))
	}
	return a, nil
}
