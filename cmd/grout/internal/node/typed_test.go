package node

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/typed/wire"
)

type account struct {
	Account string `json:"account"`
}

type deposit struct {
	Account string `json:"account"`
	Amount  int64  `json:"amount"`
}

type balance struct {
	Account string `json:"account"`
	Balance int64  `json:"balance"`
}

// TestTypedMachine shows the example ledger on real hosts: typed calls in both encodings, plain JSON from any NATS client, refusals with
// code and message, and every call applied once while the leader's host dies.
func TestTypedMachine(t *testing.T) {
	c := startCluster(t, host.DefaultTiming(), "a", "b", "c")
	conn := c.client()
	c.deploy(conn, "ledger", "ledger")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	group := conn.Group("ledger")
	text, packed := group.Typed(client.JSON), group.Typed(client.MessagePack)
	if got, err := client.Call[balance](ctx, packed, "open", account{"ada"}); err != nil || got != (balance{"ada", 0}) {
		t.Fatalf("open gives %+v, %v", got, err)
	}
	var refused *client.RefusedError
	if _, err := client.Call[balance](ctx, text, "opne", account{"bob"}); !errors.As(err, &refused) || refused.Code != wire.CodeUnknownName ||
		!strings.Contains(refused.Message, "this machine has deposit, open, transfer, withdraw") {
		t.Errorf("an unknown command gives %v", err)
	}
	if _, err := client.Call[balance](ctx, packed, "deposit", map[string]string{"amount": "5"}); !errors.As(err, &refused) ||
		refused.Code != wire.CodeBadPayload || !strings.Contains(refused.Message, `field "amount": the text "5" is not a whole number`) {
		t.Errorf("a bad payload gives %v", err)
	}
	plain, err := natsgo.Connect(c.server.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	reply, err := plain.RequestWithContext(ctx, api.Command("ledger", ""), []byte(`{"deposit": {"account": "ada", "amount": 5}}`))
	if err != nil || string(reply.Data) != `{"account":"ada","balance":5}` {
		t.Fatalf("plain JSON gives %+v, %v", reply, err)
	}
	const workers, each = 4, 50
	var deposits sync.WaitGroup
	for range workers {
		deposits.Go(func() {
			for range each {
				if _, err := client.Call[balance](ctx, packed, "deposit", deposit{"ada", 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	leader := group.Leader()
	if c.nodes[leader] == nil {
		t.Fatalf("the client takes %q for the leader", leader)
	}
	c.stop(leader)
	deposits.Wait()
	if got, err := client.Ask[balance](ctx, text, "balance", account{"ada"}, client.QueryOptions{}); err != nil || got.Balance != 5+workers*each {
		t.Errorf("ada has %+v, %v, want %d", got, err, 5+workers*each)
	}
}
