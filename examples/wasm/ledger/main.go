// Command ledger keeps accounts and moves money between them. It is made with package sdk/typed: its commands and queries
// are functions on Go types, and it speaks JSON and MessagePack. README.md describes its requests.
package main

import (
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/typed"
)

func init() { sdk.Register(newLedger().machine) }

func main() {} // never runs: the host calls the machine

// The codes tell a client's program why it was refused.
const (
	codeBadName   = 1
	codeNotFound  = 2
	codeExists    = 3
	codeBadAmount = 4
	codeShort     = 5
	codeFull      = 6
	codeOverflow  = 7
	codeSameOne   = 8
	codeBadPage   = 9
)

// What the ledger takes. The largest page, all names at their longest, is below the sandbox's limit for answers.
const (
	maxNameBytes   = 64
	maxMemoBytes   = 256
	maxAccounts    = 1_000_000
	maxPage        = 1_000
	defaultPage    = 100
	movesOfAccount = 32
)

// Amounts are whole numbers of the smallest unit, such as cents: a float would lose some.
type (
	// Account names an account.
	Account struct {
		Account string `json:"account"`
	}
	// Deposit brings money into the ledger, Withdraw takes it out.
	Deposit struct {
		Account string `json:"account"`
		Amount  int64  `json:"amount"`
		Memo    string `json:"memo,omitempty"`
	}
	// Transfer moves money from one account to another.
	Transfer struct {
		From   string `json:"from"`
		To     string `json:"to"`
		Amount int64  `json:"amount"`
		Memo   string `json:"memo,omitempty"`
	}
	// Balance is what an account holds.
	Balance struct {
		Account string `json:"account"`
		Balance int64  `json:"balance"`
	}
	// Moved is the reply to a transfer, and the event that it emits.
	Moved struct {
		Transfer
		FromBalance int64 `json:"from_balance"`
		ToBalance   int64 `json:"to_balance"`
	}
	// Move is one change of an account's balance; With is the other account of a transfer.
	Move struct {
		Index  uint64 `json:"index"`
		Amount int64  `json:"amount"`
		With   string `json:"with,omitempty"`
		Memo   string `json:"memo,omitempty"`
	}
	// Page asks for the accounts whose names follow After.
	Page struct {
		After string `json:"after,omitempty"`
		Limit int    `json:"limit,omitempty"`
	}
	// Accounts are a page of them; Next is the After of the next one, "" after the last.
	Accounts struct {
		Accounts []Balance `json:"accounts"`
		Next     string    `json:"next,omitempty"`
	}
	// Totals are sums over all accounts: Balance is Deposited less Withdrawn.
	Totals struct {
		Accounts  int   `json:"accounts"`
		Deposited int64 `json:"deposited"`
		Withdrawn int64 `json:"withdrawn"`
		Balance   int64 `json:"balance"`
	}
)

// newLedger returns a machine and what is behind it.
func newLedger() *ledger {
	l := &ledger{machine: typed.New(typed.Either)}
	l.clear()
	typed.Command(l.machine, "open", l.open)
	typed.Command(l.machine, "deposit", l.deposit)
	typed.Command(l.machine, "withdraw", l.withdraw)
	typed.Command(l.machine, "transfer", l.transfer)
	typed.Query(l.machine, "balance", l.balance)
	typed.Query(l.machine, "history", l.history)
	typed.Query(l.machine, "accounts", l.page)
	typed.Query(l.machine, "totals", l.totals)
	typed.State(l.machine, l.save, l.load)
	return l
}
