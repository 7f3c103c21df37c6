package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/groutlabs/grout/examples/wasm/orderbook/protocol"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/typed"
)

// place is a place command: words are account, side, quantity, and price unless it is a market order; more is further JSON.
func place(account, side string, quantity, price int64, more ...string) string {
	text := fmt.Sprintf(`{"place":{"account":%q,"instrument":"GOLD","side":%q,"quantity":%d`, account, side, quantity)
	if price != 0 {
		text += fmt.Sprintf(`,"price":%d`, price)
	}
	return text + strings.Join(append([]string{""}, more...), ",") + "}}"
}

// newBook has a harness with the instrument GOLD.
func newBook(t *testing.T) *sdktest.Harness {
	h := sdktest.New(t, newMachine())
	h.MustApply(`{"list":{"instrument":"GOLD"}}`)
	return h
}

// rules has for each rule of matching commands with their replies, and the depth that they leave.
var rules = map[string]struct {
	steps [][2]string
	depth string
}{
	"the best price comes first, and trades are at the price that rests": {[][2]string{
		{place("ada", "sell", 5, 102), `{"id":1,"status":"open","filled":0,"rest":5}`},
		{place("bob", "sell", 5, 101), `{"id":2,"status":"open","filled":0,"rest":5}`},
		{place("cy", "buy", 7, 103), `{"id":3,"status":"filled","filled":7,"rest":0,"fills":[` +
			`{"trade":1,"price":101,"quantity":5,"maker":2},{"trade":2,"price":102,"quantity":2,"maker":1}]}`},
	}, `"bids":[],"asks":[{"price":102,"quantity":3,"orders":1}]`},
	"the earlier order of a price comes first": {[][2]string{
		{place("ada", "buy", 5, 100), `{"id":1,"status":"open","filled":0,"rest":5}`},
		{place("bob", "buy", 5, 100), `{"id":2,"status":"open","filled":0,"rest":5}`},
		{place("cy", "sell", 6, 0, `"type":"market"`), `{"id":3,"status":"filled","filled":6,"rest":0,"fills":[` +
			`{"trade":1,"price":100,"quantity":5,"maker":1},{"trade":2,"price":100,"quantity":1,"maker":2}]}`},
	}, `"bids":[{"price":100,"quantity":4,"orders":1}],"asks":[]`},
	"the rest of an order rests": {[][2]string{
		{place("ada", "sell", 5, 100), `{"id":1,"status":"open","filled":0,"rest":5}`},
		{place("bob", "buy", 8, 100), `{"id":2,"status":"open","filled":5,"rest":3,"fills":[{"trade":1,"price":100,"quantity":5,"maker":1}]}`},
	}, `"bids":[{"price":100,"quantity":3,"orders":1}],"asks":[]`},
	"immediate or cancel does not rest": {[][2]string{
		{place("ada", "sell", 5, 100), `{"id":1,"status":"open","filled":0,"rest":5}`},
		{place("bob", "buy", 8, 100, `"force":"ioc"`),
			`{"id":2,"status":"cancelled","filled":5,"rest":0,"cancelled":3,"reason":"no_match","fills":[{"trade":1,"price":100,"quantity":5,"maker":1}]}`},
	}, `"bids":[],"asks":[]`},
	"fill or kill is filled whole or not at all": {[][2]string{
		{place("ada", "sell", 5, 100), `{"id":1,"status":"open","filled":0,"rest":5}`},
		{place("bob", "buy", 6, 100, `"force":"fok"`), `{"id":2,"status":"cancelled","filled":0,"rest":0,"cancelled":6,"reason":"killed"}`},
		{place("bob", "buy", 4, 100, `"force":"fok"`),
			`{"id":3,"status":"filled","filled":4,"rest":0,"fills":[{"trade":1,"price":100,"quantity":4,"maker":1}]}`},
	}, `"bids":[],"asks":[{"price":100,"quantity":1,"orders":1}]`},
	"an account does not trade with itself: the newer order ends": {[][2]string{
		{place("ada", "sell", 1, 99), `{"id":1,"status":"open","filled":0,"rest":1}`},
		{place("bob", "sell", 5, 100), `{"id":2,"status":"open","filled":0,"rest":5}`},
		{place("bob", "buy", 8, 100),
			`{"id":3,"status":"cancelled","filled":1,"rest":0,"cancelled":7,"reason":"self_trade","fills":[{"trade":1,"price":99,"quantity":1,"maker":1}]}`},
		{place("bob", "buy", 5, 0, `"type":"market","force":"fok"`), `{"id":4,"status":"cancelled","filled":0,"rest":0,"cancelled":5,"reason":"killed"}`},
	}, `"bids":[],"asks":[{"price":100,"quantity":5,"orders":1}]`},
	"an order that shrinks keeps its turn": {[][2]string{
		{place("ada", "buy", 5, 100), `{"id":1,"status":"open","filled":0,"rest":5}`},
		{place("bob", "buy", 5, 100), `{"id":2,"status":"open","filled":0,"rest":5}`},
		{`{"amend":{"account":"ada","id":1,"quantity":3}}`, `{"id":1,"status":"open","filled":0,"rest":3}`},
		{place("cy", "sell", 1, 100), `{"id":3,"status":"filled","filled":1,"rest":0,"fills":[{"trade":1,"price":100,"quantity":1,"maker":1}]}`},
	}, `"bids":[{"price":100,"quantity":7,"orders":2}],"asks":[]`},
	"an order that grows loses its turn": {[][2]string{
		{place("ada", "buy", 5, 100), `{"id":1,"status":"open","filled":0,"rest":5}`},
		{place("bob", "buy", 5, 100), `{"id":2,"status":"open","filled":0,"rest":5}`},
		{`{"amend":{"account":"ada","id":1,"quantity":6}}`, `{"id":1,"status":"open","filled":0,"rest":6}`},
		{place("cy", "sell", 1, 100), `{"id":4,"status":"filled","filled":1,"rest":0,"fills":[{"trade":1,"price":100,"quantity":1,"maker":2}]}`},
	}, `"bids":[{"price":100,"quantity":10,"orders":2}],"asks":[]`},
	"an order with a new price is matched anew": {[][2]string{
		{place("ada", "buy", 5, 100), `{"id":1,"status":"open","filled":0,"rest":5}`},
		{place("bob", "sell", 2, 102), `{"id":2,"status":"open","filled":0,"rest":2}`},
		{`{"amend":{"account":"ada","id":1,"price":102,"quantity":5}}`,
			`{"id":1,"status":"open","filled":2,"rest":3,"fills":[{"trade":1,"price":102,"quantity":2,"maker":2}]}`},
		{`{"cancel":{"account":"ada","id":1}}`, `{"id":1,"status":"cancelled","filled":2,"rest":0,"cancelled":3,"reason":"request"}`},
	}, `"bids":[],"asks":[]`},
}

// TestRules shows each rule of matching.
func TestRules(t *testing.T) {
	for name, test := range rules {
		t.Run(name, func(t *testing.T) {
			h := newBook(t)
			for _, step := range test.steps {
				if got := h.MustApply(step[0]); got != step[1] {
					t.Errorf("%s gives\n     %s\nwant %s", step[0], got, step[1])
				}
			}
			if got := h.MustQuery(`{"depth":{"instrument":"GOLD"}}`); !strings.HasSuffix(got, test.depth+"}") {
				t.Errorf("the depth is %s, want %s", got, test.depth)
			}
		})
	}
}

// TestEventsAndQueries shows the events of a trade, and every query that the rules' test does not have.
func TestEventsAndQueries(t *testing.T) {
	h := newBook(t)
	h.MustApply(`{"list":{"instrument":"TIN"}}`)
	h.MustApply(place("ada", "sell", 5, 101, `"post_only":true`))
	h.MustApply(place("bob", "buy", 8, 101))
	h.WantEvents(
		`book.GOLD {"instrument":"GOLD","number":1,"levels":[{"side":"sell","price":101,"quantity":5,"orders":1}]}`,
		`trades.GOLD {"instrument":"GOLD","trades":[{"number":1,"index":4,"side":"buy","price":101,"quantity":5,"maker":1,"taker":2,"buyer":"bob","seller":"ada"}]}`,
		`book.GOLD {"instrument":"GOLD","number":2,"levels":[{"side":"sell","price":101,"quantity":0,"orders":0},{"side":"buy","price":101,"quantity":3,"orders":1}]}`)
	h.MustApply(place("bob", "buy", 1, 99))
	h.MustApply(place("bob", "buy", 1, 98))
	for query, want := range map[string]string{
		`{"best":{"instrument":"GOLD"}}`: `{"bid":{"price":101,"quantity":3,"orders":1},"ask":null}`,
		`{"best":{"instrument":"TIN"}}`:  `{"bid":null,"ask":null}`,
		`{"order":{"id":2}}`:             `{"id":2,"account":"bob","instrument":"GOLD","side":"buy","price":101,"quantity":8,"filled":5}`,
		`{"orders":{"account":"bob","after":2,"limit":1}}`: `{"orders":[{"id":3,"account":"bob","instrument":"GOLD","side":"buy","price":99,` +
			`"quantity":1,"filled":0}],"next":3}`,
		`{"orders":{"account":"bo"}}`:                                         `{"orders":[]}`,
		`{"levels":{"instrument":"GOLD","side":"buy","after":101,"limit":1}}`: `{"number":4,"levels":[{"price":99,"quantity":1,"orders":1}],"next":99}`,
		`{"trades":{"instrument":"TIN"}}`:                                     `{"instrument":"TIN","trades":[]}`,
		`{"instruments":{"limit":1}}`:                                         `{"instruments":["GOLD"],"next":"GOLD"}`,
		`{"instruments":{"after":"GOLD"}}`:                                    `{"instruments":["TIN"]}`,
	} {
		if got := h.MustQuery(query); got != want {
			t.Errorf("%s gives %s, want %s", query, got, want)
		}
	}
}

// TestRefusals shows every refusal of a request, and that none changes anything.
func TestRefusals(t *testing.T) {
	h := newBook(t)
	h.MustApply(place("ada", "sell", 5, 100))
	h.MustApply(place("ada", "buy", 5, 90, `"post_only":true`))
	h.MustApply(place("bob", "buy", 2, 100))
	long := strings.Repeat("x", protocol.MaxNameBytes+1)
	for _, step := range []struct {
		command string
		code    int32
		words   string
	}{
		{`{"list":{"instrument":""}}`, protocol.CodeBadName, "1 to 32 bytes"},
		{`{"list":{"instrument":"` + long + `"}}`, protocol.CodeBadName, "has 33"},
		{`{"list":{"instrument":"A.B"}}`, protocol.CodeBadName, `has "."`},
		{`{"list":{"instrument":"GOLD"}}`, protocol.CodeExists, "listed already"},
		{place("", "buy", 1, 1), protocol.CodeBadName, "an account"},
		{place("a b", "buy", 1, 1), protocol.CodeBadName, `has " "`},
		{place("ada", "bid", 1, 1), protocol.CodeBadOrder, "the side"},
		{place("ada", "buy", 1, 1, `"force":"day"`), protocol.CodeBadOrder, "the force"},
		{place("ada", "buy", 1, 1, `"type":"stop"`), protocol.CodeBadOrder, "the type"},
		{place("ada", "buy", 0, 1), protocol.CodeBadQuantity, "not 0"},
		{place("ada", "buy", -1, 1), protocol.CodeBadQuantity, "not -1"},
		{place("ada", "buy", protocol.MaxQuantity+1, 1), protocol.CodeBadQuantity, "1 to"},
		{place("ada", "buy", 1, 0), protocol.CodeBadPrice, "not 0"},
		{place("ada", "buy", 1, -1), protocol.CodeBadPrice, "not -1"},
		{place("ada", "buy", 1, protocol.MaxPrice+1), protocol.CodeBadPrice, "1 to"},
		{place("ada", "buy", protocol.MaxQuantity, protocol.MaxPrice), protocol.CodeOverflow, "64 bits"},
		{place("ada", "buy", 1, 1, `"type":"market"`), protocol.CodeBadPrice, "leave it out"},
		{place("ada", "buy", 1, 0, `"type":"market","force":"gtc"`), protocol.CodeBadOrder, "cannot rest"},
		{place("ada", "buy", 1, 0, `"type":"market","post_only":true`), protocol.CodeBadOrder, "cannot rest"},
		{place("ada", "buy", 1, 1, `"force":"ioc","post_only":true`), protocol.CodeBadOrder, "only rests"},
		{place("bob", "buy", 1, 100, `"post_only":true`), protocol.CodeWouldTake, "at 100"},
		{strings.Replace(place("ada", "buy", 1, 1), "GOLD", "LEAD", 1), protocol.CodeNoInstrument, `"LEAD"`},
		{`{"cancel":{"account":"bob","id":1}}`, protocol.CodeNoOrder, `"bob" has no open order 1`},
		{`{"cancel":{"account":"bob","id":3}}`, protocol.CodeNoOrder, "no open order 3"},
		{`{"amend":{"account":"bob","id":1,"quantity":9}}`, protocol.CodeNoOrder, "no open order 1"},
		{`{"amend":{"account":"ada","id":1,"quantity":2}}`, protocol.CodeAlreadyFilled, "2 are filled"},
		{`{"amend":{"account":"ada","id":1,"quantity":0}}`, protocol.CodeBadQuantity, "not 0"},
		{`{"amend":{"account":"ada","id":1,"price":-5,"quantity":5}}`, protocol.CodeBadPrice, "not -5"},
		{`{"amend":{"account":"ada","id":2,"price":100,"quantity":5}}`, protocol.CodeWouldTake, "at 100"},
		{`{"place":{"account":"ada","instrument":"GOLD","side":"buy","price":1.5,"quantity":1}}`, typed.CodeBadPayload, "price"},
		{`{"place":{"account":"ada","instrument":"GOLD","side":"buy","prise":1,"quantity":1}}`, typed.CodeBadPayload, "prise"},
		{`{"buy":{}}`, typed.CodeUnknownName, "amend, cancel, list, place"},
	} {
		h.WantRefused(step.command, step.code, step.words)
	}
	for _, step := range []struct {
		query string
		code  int32
		words string
	}{
		{`{"best":{"instrument":"LEAD"}}`, protocol.CodeNoInstrument, "LEAD"},
		{`{"depth":{"instrument":"LEAD"}}`, protocol.CodeNoInstrument, "LEAD"},
		{`{"trades":{"instrument":"` + strings.Repeat("x", 2000) + `"}}`, protocol.CodeNoInstrument, "xxx"},
		{`{"depth":{"instrument":"GOLD","limit":1001}}`, protocol.CodeBadPage, "1 to 1000"},
		{`{"trades":{"instrument":"GOLD","limit":21}}`, protocol.CodeBadPage, "1 to 20"},
		{`{"levels":{"instrument":"GOLD","side":"up"}}`, protocol.CodeBadOrder, "the side"},
		{`{"levels":{"instrument":"GOLD","side":"buy","after":-1}}`, protocol.CodeBadPrice, "not -1"},
		{`{"levels":{"instrument":"GOLD","side":"buy","limit":-1}}`, protocol.CodeBadPage, "not -1"},
		{`{"order":{"id":3}}`, protocol.CodeNoOrder, "no open order 3"},
		{`{"orders":{"account":""}}`, protocol.CodeBadName, "1 to 32"},
		{`{"orders":{"account":"ada","limit":-1}}`, protocol.CodeBadPage, "not -1"},
		{`{"instruments":{"limit":1001}}`, protocol.CodeBadPage, "1 to 1000"},
	} {
		h.WantQueryRefused(step.query, step.code, step.words)
	}
}

// TestAccountLimit shows that an account has no more open orders than the limit, and that others go on.
func TestAccountLimit(t *testing.T) {
	h := newBook(t)
	for range protocol.MaxAccountOrders {
		h.MustApply(place("ada", "buy", 1, 100))
	}
	h.WantRefused(place("ada", "buy", 1, 100), protocol.CodeFull, "10000 open orders")
	h.MustApply(place("ada", "buy", 1, 100, `"force":"ioc"`))
	h.MustApply(place("bob", "buy", 1, 100))
	h.MustApply(`{"cancel":{"account":"ada","id":1}}`)
	h.MustApply(place("ada", "buy", 1, 100))
}

// TestMigrateRefuses shows that what is no exchange's state is refused.
func TestMigrateRefuses(t *testing.T) {
	good := func() saved {
		x := newExchange()
		h := sdktest.New(t, x.machine)
		h.MustApply(`{"list":{"instrument":"GOLD"}}`)
		h.MustApply(place("ada", "buy", 2, 100))
		h.MustApply(place("ada", "buy", 2, 101))
		h.MustApply(place("bob", "sell", 1, 101))
		return x.save()
	}
	if err := newExchange().load(good()); err != nil {
		t.Fatal(err)
	}
	for words, spoil := range map[string]func(*saved){
		"format 2":           func(s *saved) { s.Format = 2 },
		"over the limits":    func(s *saved) { s.Instruments = make([]savedInstrument, protocol.MaxInstruments+1) },
		"comes twice":        func(s *saved) { s.Instruments = append(s.Instruments, s.Instruments[0]) },
		"has letters":        func(s *saved) { s.Instruments[0].Name = "a.b" },
		"it has the last 1":  func(s *saved) { s.Instruments[0].Trades = 7 },
		"in place of 1":      func(s *saved) { s.Instruments[0].Last[0].Number = 2 },
		"bad name or side":   func(s *saved) { s.Instruments[0].Last[0].Side = "up" },
		"out of order":       func(s *saved) { s.Orders[0], s.Orders[1] = s.Orders[1], s.Orders[0] },
		"order 2 with turn":  func(s *saved) { s.Orders[1].ID, s.Orders[1].Turn = 2, 2 },
		"not 1 to 1":         func(s *saved) { s.Number = 1 },
		"of instrument 4":    func(s *saved) { s.Orders[0].Instrument = 4 },
		"with 2 of 2 filled": func(s *saved) { s.Orders[0].Filled = 2 },
		"a quantity is":      func(s *saved) { s.Orders[0].Quantity = 0 },
		"a price is":         func(s *saved) { s.Orders[0].Price = 0 },
		"an account":         func(s *saved) { s.Orders[0].Account = "" },
		"is crossed":         func(s *saved) { s.Orders[1].Sell = true },
	} {
		s := good()
		spoil(&s)
		if err := newExchange().load(s); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", words, err)
		}
	}
}
