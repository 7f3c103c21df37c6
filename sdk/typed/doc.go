// Package typed makes a machine of functions on Go types, in place of two methods on bytes.
//
//	type Deposit struct {
//		Account string `json:"account"`
//		Amount  int64  `json:"amount"`
//	}
//
//	type Balance struct {
//		Account string `json:"account"`
//		Balance int64  `json:"balance"`
//	}
//
//	type ledger struct{ balances map[string]int64 }
//
//	func (l *ledger) deposit(ctx *sdk.Context, d Deposit) (Balance, error) {
//		if d.Amount <= 0 {
//			return Balance{}, sdk.Refuse(1, "a deposit is positive, this one is %d", d.Amount)
//		}
//		l.balances[d.Account] += d.Amount
//		return Balance{d.Account, l.balances[d.Account]}, nil
//	}
//
//	func init() {
//		l := &ledger{balances: map[string]int64{}}
//		m := typed.New(typed.Either)
//		typed.Command(m, "deposit", l.deposit)
//		sdk.Register(m)
//	}
//
// A client of any kind names the command and gives its payload:
//
//	nats req grout.v1.ledger.cmd '{"deposit": {"account": "ada", "amount": 5}}'    # {"account":"ada","balance":5}
//
// and a Go program has client.Call for it, with the same types.
//
// # Encodings
//
// Requests and replies are JSON or MessagePack, as the machine's author chooses; Either takes both and answers
// each in its own. Package wire has the bytes of both, in which other languages can speak. To the host they are bytes like any
// others. Both carry the same values under the same names, those of the json tags.
//
// # Refusals
//
// What is no request, a name that nobody registered and a payload that does not fit its type are refused before any
// function runs, with CodeBadRequest, CodeUnknownName and CodeBadPayload. The message lists the names that there
// are, or tells the field and what is wrong with it. A function's own errors refuse as they do everywhere.
//
// # Determinism
//
// Equal replies have equal bytes on every member: maps are written in the order of their keys, and floats with the fewest
// digits that give them again. A float that is NaN or infinite has no JSON: a function that returns one has its
// command refused with CodeBadReply, and so undone.
//
// Types are looked at when a function is registered: one that cannot be carried, such as an interface, panics there and not at
// the first command.
//
// Start reading at New, Command and Query.
package typed
