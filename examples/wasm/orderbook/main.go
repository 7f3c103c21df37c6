// Command orderbook is an exchange: it matches the orders of any number of instruments by price and time. It is made with package
// sdk/typed, of the types in package protocol beside it. README.md describes it; start reading at exchange.
package main

import (
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/typed"
)

func init() { sdk.Register(newExchange().machine) }

func main() {} // never runs: the host calls the machine

// newExchange returns a machine and what is behind it.
func newExchange() *exchange {
	x := &exchange{machine: typed.New(typed.Either)}
	typed.Command(x.machine, "list", x.list)
	typed.Command(x.machine, "place", x.place)
	typed.Command(x.machine, "cancel", x.cancel)
	typed.Command(x.machine, "amend", x.amend)
	typed.Query(x.machine, "best", x.bestOf)
	typed.Query(x.machine, "depth", x.depth)
	typed.Query(x.machine, "levels", x.levelsOf)
	typed.Query(x.machine, "order", x.orderOf)
	typed.Query(x.machine, "orders", x.ordersOf)
	typed.Query(x.machine, "trades", x.tradesOf)
	typed.Query(x.machine, "instruments", x.instrumentsOf)
	typed.State(x.machine, x.save, x.load)
	return x
}
