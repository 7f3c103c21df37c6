package exchange

import (
	"errors"
	"reflect"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
)

// TestMirror shows that changes are taken over once each and in order, and that a missing one is an error which changes nothing.
func TestMirror(t *testing.T) {
	level := func(side protocol.Side, price, quantity int64) protocol.LevelChange {
		return protocol.LevelChange{Side: side, Level: protocol.Level{Price: price, Quantity: quantity, Orders: min(quantity, 1)}}
	}
	change := func(number uint64, levels ...protocol.LevelChange) protocol.BookChange {
		return protocol.BookChange{Instrument: "GOLD", Number: number, Levels: levels}
	}
	var m Mirror
	for _, c := range []protocol.BookChange{
		change(1, level(protocol.Buy, 5, 9), level(protocol.Buy, 6, 2)),
		change(2, level(protocol.Sell, 8, 1), level(protocol.Sell, 7, 3)),
		change(1, level(protocol.Buy, 5, 9)),
		change(3, level(protocol.Buy, 5, 0)),
		change(2, level(protocol.Sell, 8, 9)),
	} {
		if err := m.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Apply(change(5, level(protocol.Buy, 1, 1))); !errors.Is(err, ErrGap) {
		t.Errorf("a gap gives %v", err)
	}
	want := protocol.Depth{Number: 3, Bids: []protocol.Level{{Price: 6, Quantity: 2, Orders: 1}},
		Asks: []protocol.Level{{Price: 7, Quantity: 3, Orders: 1}, {Price: 8, Quantity: 1, Orders: 1}}}
	if got := m.Depth(); !reflect.DeepEqual(got, want) {
		t.Errorf("the depth is %+v, want %+v", got, want)
	}
}
