package client

import (
	"errors"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/typed/wire"
)

type transfer struct {
	Account string `json:"account"`
	Amount  int64  `json:"amount"`
}

// TestTyped shows the bytes of typed commands and queries, their replies as values, and their errors.
func TestTyped(t *testing.T) {
	url := runServer(t)
	cluster := newCluster(t, url, "a")
	cluster.respond = func(command string) (string, natsgo.Header) {
		switch {
		case strings.HasPrefix(command, `{"refuse"`):
			return "no", natsgo.Header{errorCodeHeader: {"409"}, errorHeader: {"no"}, api.HeaderMachineCode: {"9404"}}
		case strings.HasPrefix(command, "\x81"):
			return "\x82\xa3new\x01\xa6amount\x07", natsgo.Header{}
		}
		return `{"account":"ada","amount":5,"new":[]}`, natsgo.Header{}
	}
	queries(t, plain(t, url), func(m *natsgo.Msg) *natsgo.Msg {
		if string(m.Data) != `{"all":{}}` {
			t.Errorf("the query is %s", m.Data)
		}
		return &natsgo.Msg{Data: []byte(`{"b":2,"a":1}`)}
	})
	ctx := limited(t)
	g := dialTest(t, url).Group("g")
	text, packed := g.Typed(JSON), g.Typed(MessagePack)
	if got, err := Call[transfer](ctx, text, "deposit", transfer{"ada", 5}); err != nil || got != (transfer{"ada", 5}) {
		t.Errorf("JSON gives %+v, %v", got, err)
	}
	if got, err := Call[transfer](ctx, packed, "deposit", transfer{"ada", 2}); err != nil || got.Amount != 7 {
		t.Errorf("MessagePack gives %+v, %v", got, err)
	}
	if got, err := Ask[map[string]int](ctx, text, "all", struct{}{}, QueryOptions{}); err != nil || len(got) != 2 || got["b"] != 2 {
		t.Errorf("the query gives %v, %v", got, err)
	}
	var refused *RefusedError
	if _, err := Call[int](ctx, text, "refuse", 1); !errors.As(err, &refused) || refused.Code != wire.CodeUnknownName || refused.Message != "no" {
		t.Errorf("a refusal is %v", err)
	}
	if _, err := Call[int](ctx, text, "deposit", transfer{}); !errors.Is(err, ErrBadReply) || !strings.Contains(err.Error(), "the command deposit was applied at index 4") {
		t.Errorf("a reply of another type is %v", err)
	}
	cluster.once(`{"deposit":{"account":"ada","amount":5}}`, "\x81\xa7deposit\x82\xa7account\xa3ada\xa6amount\x02",
		`{"refuse":1}`, `{"deposit":{"account":"","amount":0}}`)
	for _, err := range []error{
		second(Call[int](ctx, text, "two words", 1)), second(Call[int](ctx, text, "x", func() {})), second(Call[int](ctx, g.Typed(3), "x", 1)),
		second(Ask[int](ctx, text, "", 1, QueryOptions{})), second(Decode[chan int](text, nil)),
	} {
		if !errors.Is(err, ErrBadConfig) {
			t.Errorf("what cannot be sent is %v", err)
		}
	}
}

func second[A any](_ A, err error) error { return err }

// TestTypedRetriesUnderOneSession shows that a typed command whose reply was lost is applied once.
func TestTypedRetriesUnderOneSession(t *testing.T) {
	url := runServer(t)
	cluster := newCluster(t, url, "a")
	tries := 0
	cluster.fate = func(string, *natsgo.Msg) fate {
		tries++
		return []fate{loseReply, doubleRequest, busy, answer}[min(tries-1, 3)]
	}
	cluster.respond = func(string) (string, natsgo.Header) { return "1", natsgo.Header{} }
	got, err := Call[int](limited(t), dialTest(t, url).Group("g").Typed(JSON), "add", 1)
	if err != nil || got != 1 || tries < 2 {
		t.Fatalf("%d after %d attempts, %v", got, tries, err)
	}
	cluster.once(`{"add":1}`)
}
