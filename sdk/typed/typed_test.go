package typed_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/typed"
)

type amount struct {
	Account string `json:"account"`
	Amount  int64  `json:"amount"`
}

type setup struct {
	Opening map[string]int64 `json:"opening"`
}

// bank is a machine of typed functions.
type bank struct {
	m        *typed.Machine
	balances map[string]int64
}

func newBank(accepts typed.Accepts) *typed.Machine {
	b := &bank{m: typed.New(accepts), balances: map[string]int64{}}
	typed.Init(b.m, func(_ *sdk.Context, s setup) error {
		for account, balance := range s.Opening {
			b.balances[account] = balance
		}
		return nil
	})
	typed.Command(b.m, "deposit", b.deposit)
	typed.Command(b.m, "reset", func(*sdk.Context, struct{}) (struct{}, error) {
		clear(b.balances)
		return struct{}{}, nil
	})
	typed.Query(b.m, "all", func(*sdk.Context, struct{}) (map[string]int64, error) { return b.balances, nil })
	typed.Query(b.m, "ratio", func(_ *sdk.Context, by float64) (float64, error) { return float64(len(b.balances)) / by, nil })
	typed.State(b.m, func() map[string]int64 { return b.balances }, func(old map[string]int64) error {
		b.balances = old
		return nil
	})
	return b.m
}

func (b *bank) deposit(ctx *sdk.Context, d amount) (amount, error) {
	if d.Amount <= 0 {
		return amount{}, sdk.Refuse(1, "a deposit is positive, not %d", d.Amount)
	}
	b.balances[d.Account] += d.Amount
	typed.Emit(ctx, b.m, "deposited", d)
	return amount{d.Account, b.balances[d.Account]}, nil
}

func unhex(t testing.TB, text string) string {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestBothEncodings shows one machine that answers each request in its own encoding, to the byte.
func TestBothEncodings(t *testing.T) {
	h := sdktest.New(t, newBank(typed.Either))
	if got := h.MustApply(`{"deposit":{"account":"ada","amount":5}}`); got != `{"account":"ada","amount":5}` {
		t.Errorf("JSON gives %s", got)
	}
	packed := unhex(t, "81a76465706f73697482a76163636f756e74a3616461a6616d6f756e7402")
	if got := hex.EncodeToString([]byte(h.MustApply(packed))); got != "82a76163636f756e74a3616461a6616d6f756e7407" {
		t.Errorf("MessagePack gives %s", got)
	}
	if got := h.MustQuery(` {"all": null} `); got != `{"ada":7}` {
		t.Errorf("all is %s", got)
	}
	if got := h.Events; len(got) != 2 || got[1].Suffix != "deposited" || string(got[1].Payload) != `{"account":"ada","amount":2}` {
		t.Errorf("events are %+v", got)
	}
	if got := h.MustApply(`{"reset":{}}`) + h.MustQuery(`{"all":{}}`); got != `{}{}` {
		t.Errorf("a reset and nothing are %s", got)
	}
}

// TestRefusals shows the code and words of each refusal that comes before a function runs, and of one's own.
func TestRefusals(t *testing.T) {
	h := sdktest.New(t, newBank(typed.Either))
	only := sdktest.New(t, newBank(typed.JSON))
	for _, c := range []struct {
		run   func(string) sdktest.Outcome
		text  string
		code  int32
		words string
	}{
		{h.Apply, "5", typed.CodeBadRequest, `"5" is no envelope: send {"NAME": PAYLOAD} in JSON, or the same map in MessagePack`},
		{h.Apply, `{"depsit":{}}`, typed.CodeUnknownName, `typed: there is no command "depsit": this machine has deposit, reset`},
		{h.Query, `{"al":{}}`, typed.CodeUnknownName, `typed: there is no query "al": this machine has all, ratio`},
		{h.Apply, `{"all":{}}`, typed.CodeUnknownName, `"all" is a query, not a command: send it to the group's query subject`},
		{h.Query, `{"reset":{}}`, typed.CodeUnknownName, `"reset" is a command, not a query: send it to the group's cmd subject`},
		{h.Apply, `{"deposit":{"amount":"5"}}`, typed.CodeBadPayload, `deposit: field "amount": the text "5" is not a whole number`},
		{h.Apply, `{"deposit":{"amuont":5}}`, typed.CodeBadPayload, `deposit: the payload: field "amuont" is not known: there are account, amount`},
		{h.Apply, `{"deposit":{},"reset":{}}`, typed.CodeBadPayload, `nothing is expected after the payload`},
		{h.Apply, `{"deposit":{"amount":-5}}`, 1, `a deposit is positive, not -5`},
		{h.Query, `{"ratio":0}`, typed.CodeBadReply, `ratio: the reply cannot be written: the payload: NaN has no form in JSON`},
		{only.Apply, "\x81\xa5reset\xc0", typed.CodeBadRequest, `this is MessagePack, and the machine takes JSON`},
		{sdktest.New(t, typed.New(typed.JSON)).Apply, `{"x":1}`, typed.CodeUnknownName, `there is no command "x": this machine has none`},
	} {
		got := c.run(c.text)
		if got.Kind != sdk.Refused || got.Code != c.code || !strings.Contains(got.Message, c.words) {
			t.Errorf("%s gives %v %d %s\nwant %d %s", c.text, got.Kind, got.Code, got.Message, c.code, c.words)
		}
	}
	if got := h.MustQuery(`{"all":null}`); got != "{}" {
		t.Errorf("after the refusals the state is %s", got)
	}
	nan := unhex(t, "81a5726174696f00")
	if got := h.MustQuery(nan); len(got) != 9 || got[0] != 0xcb {
		t.Errorf("MessagePack carries %x", got)
	}
}

// TestInitAndUpgrade shows the typed init argument, and a state that travels from machine to machine.
func TestInitAndUpgrade(t *testing.T) {
	h := sdktest.New(t, newBank(typed.JSON))
	if got := h.Init(`{"opening":{"b":2,"a":1}}`); got.Kind != sdk.Applied {
		t.Fatalf("%+v", got)
	}
	if got := h.Upgrade(newBank(typed.Either)); got.Kind != sdk.Applied {
		t.Fatalf("%+v", got)
	}
	if got := h.MustQuery(`{"all":{}}`); got != `{"a":1,"b":2}` {
		t.Errorf("after the upgrade all is %s", got)
	}
	if got := sdktest.New(t, newBank(typed.JSON)).Init(`{"opening":{"a":"x"}}`); got.Code != typed.CodeBadPayload ||
		got.Message != `the init argument: field "opening.a": the text "x" is not a whole number` {
		t.Errorf("a bad argument gives %+v", got)
	}
	if got := h.Migrate("\xc1"); got.Code != typed.CodeBadPayload || !strings.HasPrefix(got.Message, "the old machine's state: ") {
		t.Errorf("a bad state gives %+v", got)
	}
	bare := sdktest.New(t, typed.New(typed.JSON))
	for _, got := range []sdktest.Outcome{bare.Export(), bare.Migrate("")} {
		if got.Kind != sdk.Refused || !strings.Contains(got.Message, "register its state with typed.State") {
			t.Errorf("a machine without a state gives %+v", got)
		}
	}
}

// TestMisusePanics shows what is wrong at registration panics there, and says what.
func TestMisusePanics(t *testing.T) {
	ok := func(*sdk.Context, int) (int, error) { return 0, nil }
	m := typed.New(typed.JSON)
	typed.Command(m, "taken", ok)
	for want, misuse := range map[string]func(){
		"typed: New(0): choose JSON":                            func() { typed.New(0) },
		`typed: Command "taken": the name is taken`:             func() { typed.Command(m, "taken", ok) },
		`typed: Query "taken": the name is taken`:               func() { typed.Query(m, "taken", ok) },
		`typed: Command "two words": wire: bad request`:         func() { typed.Command(m, "two words", ok) },
		`typed: Command "x": there is no function`:              func() { typed.Command[int, int](m, "x", nil) },
		`typed: Query "y": wire: no such type on the wire: any`: func() { typed.Query(m, "y", func(*sdk.Context, any) (int, error) { return 0, nil }) },
		`typed: Query "z": wire: no such type on the wire: chan int`: func() {
			typed.Query(m, "z", func(*sdk.Context, int) (chan int, error) { return nil, nil })
		},
		"typed: State: wire: no such type": func() { typed.State(m, func() func() { return nil }, func(func()) error { return nil }) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, strings.Replace(want, ": any", ": interface {}", 1)) {
					t.Errorf("the panic is %q, want %q", got, want)
				}
			}()
			misuse()
		}()
	}
	h := sdktest.New(t, func() sdk.Machine {
		m := typed.New(typed.JSON)
		typed.Command(m, "emit", func(ctx *sdk.Context, _ struct{}) (int, error) {
			typed.Emit(ctx, m, "x", math.Inf(1))
			return 0, nil
		})
		return m
	}())
	if got := h.Apply(`{"emit":{}}`); got.Kind != sdk.Trapped || !strings.Contains(got.Message, `typed: Emit("x"): the payload: +Inf has no form in JSON`) {
		t.Errorf("an event without JSON gives %+v", got)
	}
}
