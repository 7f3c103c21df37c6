// Package exchange is the typed client of the orderbook example. Start reading at New and Mirror.
package exchange

import (
	"context"

	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk/client"
)

// Exchange sends requests to a group that runs the example. Commands are exactly once, as client.Call has it: an order whose reply was
// lost is not placed twice. Errors are those of client.Call and client.Ask; a refusal is a *client.RefusedError with a code of package
// protocol.
type Exchange struct{ typed client.Typed }

// New returns the client of a group.
func New(group *client.Group) Exchange { return Exchange{group.Typed(client.MessagePack)} }

// List lists an instrument.
func (x Exchange) List(ctx context.Context, instrument string) error {
	_, err := client.Call[protocol.Instrument](ctx, x.typed, "list", protocol.Instrument{Instrument: instrument})
	return err
}

// Place places an order.
func (x Exchange) Place(ctx context.Context, order protocol.Place) (protocol.Placed, error) {
	return client.Call[protocol.Placed](ctx, x.typed, "place", order)
}

// Cancel cancels an open order of the account.
func (x Exchange) Cancel(ctx context.Context, account string, id uint64) (protocol.Placed, error) {
	return client.Call[protocol.Placed](ctx, x.typed, "cancel", protocol.Cancel{Account: account, ID: id})
}

// Amend changes an open order.
func (x Exchange) Amend(ctx context.Context, change protocol.Amend) (protocol.Placed, error) {
	return client.Call[protocol.Placed](ctx, x.typed, "amend", change)
}

// Best returns the best levels of an instrument.
func (x Exchange) Best(ctx context.Context, instrument string, options client.QueryOptions) (protocol.Best, error) {
	return client.Ask[protocol.Best](ctx, x.typed, "best", protocol.Instrument{Instrument: instrument}, options)
}

// Depth returns the best levels of both sides.
func (x Exchange) Depth(ctx context.Context, q protocol.DepthOf, options client.QueryOptions) (protocol.Depth, error) {
	return client.Ask[protocol.Depth](ctx, x.typed, "depth", q, options)
}

// Levels returns a page of the levels of one side.
func (x Exchange) Levels(ctx context.Context, q protocol.LevelsOf, options client.QueryOptions) (protocol.Levels, error) {
	return client.Ask[protocol.Levels](ctx, x.typed, "levels", q, options)
}

// Order returns an open order.
func (x Exchange) Order(ctx context.Context, id uint64, options client.QueryOptions) (protocol.Order, error) {
	return client.Ask[protocol.Order](ctx, x.typed, "order", protocol.OrderID{ID: id}, options)
}

// Orders returns a page of the open orders of an account.
func (x Exchange) Orders(ctx context.Context, q protocol.OrdersOf, options client.QueryOptions) (protocol.Orders, error) {
	return client.Ask[protocol.Orders](ctx, x.typed, "orders", q, options)
}

// Trades returns the last trades of an instrument, the oldest first.
func (x Exchange) Trades(ctx context.Context, q protocol.TradesOf, options client.QueryOptions) (protocol.Trades, error) {
	return client.Ask[protocol.Trades](ctx, x.typed, "trades", q, options)
}

// Instruments returns a page of the listed instruments.
func (x Exchange) Instruments(ctx context.Context, q protocol.InstrumentsPage, options client.QueryOptions) (protocol.Instruments, error) {
	return client.Ask[protocol.Instruments](ctx, x.typed, "instruments", q, options)
}
