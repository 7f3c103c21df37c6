package exchange

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
)

// ErrGap means that changes between the mirror and the one at hand are missing.
var ErrGap = errors.New("exchange: changes of the book are missing")

// Mirror is the depth of one instrument, rebuilt from its events. The zero value is a book that nothing has changed yet. It is not safe
// for concurrent use.
type Mirror struct {
	// Number is that of the last change.
	Number     uint64
	bids, asks map[int64]protocol.Level
}

// Apply takes the next change over. One that was taken over before changes nothing: events come at least once.
//
// # Errors
//
// ErrGap for a change that is not the next one: start anew with the answers to Levels.
func (m *Mirror) Apply(change protocol.BookChange) error {
	switch {
	case change.Number <= m.Number:
		return nil
	case change.Number != m.Number+1:
		return fmt.Errorf("%w: change %d of %s after %d", ErrGap, change.Number, change.Instrument, m.Number)
	}
	if m.bids == nil {
		m.bids, m.asks = map[int64]protocol.Level{}, map[int64]protocol.Level{}
	}
	for _, level := range change.Levels {
		side := m.bids
		if level.Side == protocol.Sell {
			side = m.asks
		}
		if level.Quantity == 0 {
			delete(side, level.Price)
		} else {
			side[level.Price] = level.Level
		}
	}
	m.Number = change.Number
	return nil
}

// Depth returns the whole book, the best levels first.
func (m *Mirror) Depth() protocol.Depth {
	descending := func(x, y protocol.Level) int { return cmp.Compare(y.Price, x.Price) }
	ascending := func(x, y protocol.Level) int { return cmp.Compare(x.Price, y.Price) }
	d := protocol.Depth{Number: m.Number, Bids: []protocol.Level{}, Asks: []protocol.Level{}}
	d.Bids = slices.AppendSeq(d.Bids, maps.Values(m.bids))
	d.Asks = slices.AppendSeq(d.Asks, maps.Values(m.asks))
	slices.SortFunc(d.Bids, descending)
	slices.SortFunc(d.Asks, ascending)
	return d
}
