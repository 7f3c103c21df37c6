package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/typed"
)

func newMachine() sdk.Machine { return newLedger().machine }

// TestRequests shows every request of the README with its reply, in order.
func TestRequests(t *testing.T) {
	h := sdktest.New(t, newMachine())
	for _, step := range []struct{ command, want string }{
		{`{"open": {"account": "ada"}}`, `{"account":"ada","balance":0}`},
		{`{"open": {"account": "bob"}}`, `{"account":"bob","balance":0}`},
		{`{"deposit": {"account": "ada", "amount": 500}}`, `{"account":"ada","balance":500}`},
		{`{"transfer": {"from": "ada", "to": "bob", "amount": 200, "memo": "rent"}}`,
			`{"from":"ada","to":"bob","amount":200,"memo":"rent","from_balance":300,"to_balance":200}`},
		{`{"withdraw": {"account": "bob", "amount": 50}}`, `{"account":"bob","balance":150}`},
	} {
		if got := h.MustApply(step.command); got != step.want {
			t.Errorf("%s gives %s, want %s", step.command, got, step.want)
		}
	}
	for query, want := range map[string]string{
		`{"balance": {"account": "bob"}}`:       `{"account":"bob","balance":150}`,
		`{"totals": null}`:                      `{"accounts":2,"deposited":500,"withdrawn":50,"balance":450}`,
		`{"history": {"account": "bob"}}`:       `[{"index":4,"amount":200,"with":"ada","memo":"rent"},{"index":5,"amount":-50}]`,
		`{"accounts": {"limit": 1}}`:            `{"accounts":[{"account":"ada","balance":300}],"next":"ada"}`,
		`{"accounts": {"after": "ada"}}`:        `{"accounts":[{"account":"bob","balance":150}]}`,
		`{"accounts": {"after": "c"}}`:          `{"accounts":[]}`,
		"\x81\xa6totals\x80":                    "\x84\xa8accounts\x02\xa9deposited\xcd\x01\xf4\xa9withdrawn\x32\xa7balance\xcd\x01\xc2",
		"\x81\xa7balance\x81\xa7account\xa3bob": "\x82\xa7account\xa3bob\xa7balance\xcc\x96",
	} {
		if got := h.MustQuery(query); got != want {
			t.Errorf("%q gives %q, want %q", query, got, want)
		}
	}
	h.WantEvents(`moved {"from":"ada","to":"bob","amount":200,"memo":"rent","from_balance":300,"to_balance":200}`)
}

// TestRefusals shows every refusal, and that none moves money.
func TestRefusals(t *testing.T) {
	h := sdktest.New(t, newMachine())
	h.MustApply(`{"open":{"account":"ada"}}`)
	h.MustApply(`{"open":{"account":"bob"}}`)
	h.MustApply(`{"deposit":{"account":"ada","amount":9223372036854775807}}`)
	long := strings.Repeat("x", 257)
	for command, code := range map[string]int32{
		`{"open":{"account":""}}`:                                                 codeBadName,
		`{"open":{"account":"` + long + `"}}`:                                     codeBadName,
		`{"open":{"account":"ada"}}`:                                              codeExists,
		`{"deposit":{"account":"eve","amount":1}}`:                                codeNotFound,
		`{"withdraw":{"account":"eve","amount":1}}`:                               codeNotFound,
		`{"transfer":{"from":"ada","to":"eve"}}`:                                  codeNotFound,
		`{"transfer":{"from":"eve","to":"ada"}}`:                                  codeNotFound,
		`{"deposit":{"account":"ada","amount":0}}`:                                codeBadAmount,
		`{"withdraw":{"account":"ada","amount":-1}}`:                              codeBadAmount,
		`{"transfer":{"from":"ada","to":"bob","amount":1,"memo":"` + long + `"}}`: codeBadAmount,
		`{"deposit":{"account":"bob","amount":1}}`:                                codeOverflow,
		`{"withdraw":{"account":"bob","amount":1}}`:                               codeShort,
		`{"transfer":{"from":"bob","to":"ada","amount":1}}`:                       codeShort,
		`{"transfer":{"from":"ada","to":"ada","amount":1}}`:                       codeSameOne,
		`{"transfer":{"from":"ada","to":"bob","amount":"1"}}`:                     typed.CodeBadPayload,
		`{"trnasfer":{}}`:                                                         typed.CodeUnknownName,
	} {
		h.WantRefused(command, code, "")
	}
	for query, code := range map[string]int32{
		`{"accounts":{"limit":1001}}`:   codeBadPage,
		`{"balance":{"account":"eve"}}`: codeNotFound,
		`{"history":{"account":"eve"}}`: codeNotFound,
		`{"deposit":{"account":"ada"}}`: typed.CodeUnknownName,
	} {
		h.WantQueryRefused(query, code, "")
	}
	if got := h.MustQuery(`{"totals":{}}`); got != `{"accounts":2,"deposited":9223372036854775807,"withdrawn":0,"balance":9223372036854775807}` {
		t.Errorf("after refusals the totals are %s", got)
	}
}

// invariant says what is wrong with the books, if anything: they have to add up.
func invariant(h *sdktest.Harness) error {
	var sum int64
	for page := (Page{Limit: maxPage}); ; {
		question, err := json.Marshal(map[string]Page{"accounts": page})
		if err != nil {
			return err
		}
		var answer Accounts
		if err := json.Unmarshal([]byte(h.MustQuery(string(question))), &answer); err != nil {
			return err
		}
		for _, a := range answer.Accounts {
			if a.Balance < 0 {
				return fmt.Errorf("%q holds %d", a.Account, a.Balance)
			}
			sum += a.Balance
		}
		if page.After = answer.Next; page.After == "" {
			break
		}
	}
	var totals Totals
	if err := json.Unmarshal([]byte(h.MustQuery(`{"totals":{}}`)), &totals); err != nil {
		return err
	}
	if sum != totals.Balance || sum != totals.Deposited-totals.Withdrawn {
		return fmt.Errorf("all accounts hold %d, the totals are %+v", sum, totals)
	}
	return nil
}

// randomCommand is a request that is often good.
func randomCommand(random *rand.Rand) string {
	name := func() string { return []string{"ada", "bob", "cy", "dee", "Ω", "none"}[random.IntN(6)] }
	amount := random.IntN(1000) - 20
	switch random.IntN(10) {
	case 0:
		return fmt.Sprintf(`{"open":{"account":%q}}`, name())
	case 1, 2, 3:
		return fmt.Sprintf(`{"deposit":{"account":%q,"amount":%d,"memo":"<%d>"}}`, name(), amount, random.IntN(100))
	case 4:
		return fmt.Sprintf(`{"withdraw":{"account":%q,"amount":%d}}`, name(), amount)
	case 5:
		return "\x81\xa8transfer\x83\xa4from\xa3ada\xa2to\xa3bob\xa6amount\x05"
	case 6:
		return []string{"5", `{"deposit":{"amount":1.5}}`, `{"nope":0}`, `{"open":{"name":"x"}}`}[random.IntN(4)]
	}
	return fmt.Sprintf(`{"transfer":{"from":%q,"to":%q,"amount":%d}}`, name(), name(), amount)
}

// TestBooksAddUp shows after random commands that no money is made or lost, and none after an upgrade.
func TestBooksAddUp(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	h := sdktest.New(t, newMachine())
	for step := range 3_000 {
		h.Apply(randomCommand(random))
		if step == 1_500 {
			if got := h.Upgrade(newMachine()); got.Kind != sdk.Applied {
				t.Fatalf("seed %d: %+v", seed, got)
			}
		}
		if err := invariant(h); err != nil {
			t.Fatalf("seed %d, step %d: %v", seed, step, err)
		}
	}
	var totals Totals
	if err := json.Unmarshal([]byte(h.MustQuery(`{"totals":{}}`)), &totals); err != nil || totals.Deposited == 0 || totals.Withdrawn == 0 {
		t.Fatalf("seed %d: the commands did little: %+v, %v", seed, totals, err)
	}
}

// TestMigrateRefuses shows that what is no ledger's state is refused.
func TestMigrateRefuses(t *testing.T) {
	for state, words := range map[string]string{
		"":                   "format 0, this one reads 1",
		"\x81\xa6format\x02": "format 2, this one reads 1",
		"\xc1":               "begins no value",
		"\x82\xa6format\x01\xa8accounts\x92\x81\xa4name\xa1b\x81\xa4name\xa1a": `"a" is out of order`,
	} {
		if got := sdktest.New(t, newMachine()).Migrate(state); got.Kind != sdk.Refused || !strings.Contains(got.Message, words) {
			t.Errorf("%q gives %+v, want %q", state, got, words)
		}
	}
}

func BenchmarkNative(b *testing.B) {
	h := newMachine()
	for _, request := range []string{`{"open":{"account":"ada"}}`} {
		if _, err := h.Apply(nil, []byte(request)); err != nil {
			b.Fatal(err)
		}
	}
	query := []byte(`{"balance":{"account":"ada"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Query(nil, query); err != nil {
			b.Fatal(err)
		}
	}
}
