package main

import (
	"math"
	"slices"
	"strings"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/typed"
)

// ledger is the machine's state, in plain Go variables.
type ledger struct {
	machine  *typed.Machine
	accounts map[string]*account
	// names are those of the accounts, sorted: a page is a slice of it.
	names                []string
	deposited, withdrawn int64
}

// account is what is known of one. moves are the newest last.
type account struct {
	balance int64
	moves   []Move
}

func (l *ledger) clear() {
	l.accounts, l.names, l.deposited, l.withdrawn = map[string]*account{}, nil, 0, 0
}

// open adds an account that must not exist.
func (l *ledger) open(_ *sdk.Context, a Account) (Balance, error) {
	if len(a.Account) == 0 || len(a.Account) > maxNameBytes {
		return Balance{}, sdk.Refuse(codeBadName, "an account's name has 1 to %d bytes, this one has %d", maxNameBytes, len(a.Account))
	}
	at, found := slices.BinarySearch(l.names, a.Account)
	if found {
		return Balance{}, sdk.Refuse(codeExists, "the account %q exists already", a.Account)
	}
	if len(l.names) == maxAccounts {
		return Balance{}, sdk.Refuse(codeFull, "there are %d accounts already", maxAccounts)
	}
	l.accounts[a.Account] = &account{}
	l.names = slices.Insert(l.names, at, a.Account)
	return Balance{Account: a.Account}, nil
}

func (l *ledger) deposit(ctx *sdk.Context, d Deposit) (Balance, error) {
	a, err := l.find(d.Account)
	if err == nil {
		err = check(d.Amount, d.Memo)
	}
	if err != nil {
		return Balance{}, err
	}
	if d.Amount > math.MaxInt64-l.deposited {
		return Balance{}, sdk.Refuse(codeOverflow, "all deposits together would not fit into 64 bits")
	}
	l.deposited += d.Amount
	a.move(Move{Index: ctx.Index(), Amount: d.Amount, Memo: d.Memo})
	return Balance{d.Account, a.balance}, nil
}

func (l *ledger) withdraw(ctx *sdk.Context, d Deposit) (Balance, error) {
	a, err := l.find(d.Account)
	if err == nil {
		err = check(d.Amount, d.Memo)
	}
	if err == nil {
		err = a.afford(d.Account, d.Amount)
	}
	if err != nil {
		return Balance{}, err
	}
	l.withdrawn += d.Amount
	a.move(Move{Index: ctx.Index(), Amount: -d.Amount, Memo: d.Memo})
	return Balance{d.Account, a.balance}, nil
}

// transfer moves money. It checks everything before it changes anything; the sandbox would undo half a
// transfer as well, the native tests would not.
func (l *ledger) transfer(ctx *sdk.Context, t Transfer) (Moved, error) {
	from, err := l.find(t.From)
	if err != nil {
		return Moved{}, err
	}
	to, err := l.find(t.To)
	switch {
	case err != nil:
		return Moved{}, err
	case from == to:
		return Moved{}, sdk.Refuse(codeSameOne, "a transfer needs two accounts, both are %q", t.From)
	}
	if err := check(t.Amount, t.Memo); err != nil {
		return Moved{}, err
	}
	if err := from.afford(t.From, t.Amount); err != nil {
		return Moved{}, err
	}
	from.move(Move{Index: ctx.Index(), Amount: -t.Amount, With: t.To, Memo: t.Memo})
	to.move(Move{Index: ctx.Index(), Amount: t.Amount, With: t.From, Memo: t.Memo})
	moved := Moved{t, from.balance, to.balance}
	typed.Emit(ctx, l.machine, "moved", moved)
	return moved, nil
}

func (l *ledger) find(name string) (*account, error) {
	if a := l.accounts[name]; a != nil {
		return a, nil
	}
	return nil, sdk.Refuse(codeNotFound, "there is no account %.80q", name)
}

func check(amount int64, memo string) error {
	if amount <= 0 {
		return sdk.Refuse(codeBadAmount, "an amount is 1 or more, not %d", amount)
	}
	if len(memo) > maxMemoBytes {
		return sdk.Refuse(codeBadAmount, "a memo has at most %d bytes, this one has %d", maxMemoBytes, len(memo))
	}
	return nil
}

func (a *account) afford(name string, amount int64) error {
	if amount > a.balance {
		return sdk.Refuse(codeShort, "%q holds %d, and not %d", name, a.balance, amount)
	}
	return nil
}

// move changes the balance and remembers why; only the newest moves are kept.
func (a *account) move(m Move) {
	a.balance += m.Amount
	if len(a.moves) == movesOfAccount {
		a.moves = append(a.moves[:0], a.moves[1:]...)
	}
	a.moves = append(a.moves, m)
}

func (l *ledger) balance(_ *sdk.Context, q Account) (Balance, error) {
	a, err := l.find(q.Account)
	if err != nil {
		return Balance{}, err
	}
	return Balance{q.Account, a.balance}, nil
}

// history answers the newest moves of an account, oldest first.
func (l *ledger) history(_ *sdk.Context, q Account) ([]Move, error) {
	a, err := l.find(q.Account)
	if err != nil {
		return nil, err
	}
	return append([]Move{}, a.moves...), nil
}

func (l *ledger) page(_ *sdk.Context, p Page) (Accounts, error) {
	if p.Limit < 0 || p.Limit > maxPage {
		return Accounts{}, sdk.Refuse(codeBadPage, "a page has 1 to %d accounts, not %d", maxPage, p.Limit)
	}
	if p.Limit == 0 {
		p.Limit = defaultPage
	}
	at, found := slices.BinarySearch(l.names, p.After)
	if found {
		at++
	}
	names := l.names[at:]
	answer := Accounts{Accounts: make([]Balance, 0, min(p.Limit, len(names)))}
	for i, name := range names {
		if i == p.Limit {
			answer.Next = names[i-1]
			break
		}
		answer.Accounts = append(answer.Accounts, Balance{name, l.accounts[name].balance})
	}
	return answer, nil
}

func (l *ledger) totals(*sdk.Context, struct{}) (Totals, error) {
	return Totals{len(l.names), l.deposited, l.withdrawn, l.deposited - l.withdrawn}, nil
}

// saved is the whole state, as the next module reads it. Format says how, for modules to come.
type saved struct {
	Format    int            `json:"format"`
	Deposited int64          `json:"deposited"`
	Withdrawn int64          `json:"withdrawn"`
	Accounts  []savedAccount `json:"accounts"`
}

type savedAccount struct {
	Name    string `json:"name"`
	Balance int64  `json:"balance"`
	Moves   []Move `json:"moves"`
}

const format = 1

func (l *ledger) save() saved {
	s := saved{Format: format, Deposited: l.deposited, Withdrawn: l.withdrawn, Accounts: make([]savedAccount, 0, len(l.names))}
	for _, name := range l.names {
		a := l.accounts[name]
		s.Accounts = append(s.Accounts, savedAccount{name, a.balance, a.moves})
	}
	return s
}

func (l *ledger) load(s saved) error {
	if s.Format != format {
		return sdk.Refuse(codeNotFound, "the old module's state has format %d, this one reads %d", s.Format, format)
	}
	l.clear()
	l.deposited, l.withdrawn = s.Deposited, s.Withdrawn
	for _, a := range s.Accounts {
		if len(l.names) > 0 && strings.Compare(l.names[len(l.names)-1], a.Name) >= 0 {
			return sdk.Refuse(codeExists, "in the old module's state %.80q is out of order", a.Name)
		}
		l.accounts[a.Name] = &account{a.Balance, a.Moves}
		l.names = append(l.names, a.Name)
	}
	return nil
}
