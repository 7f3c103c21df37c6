package node

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/client"
)

// TestAPipelineKeepsItsOrder shows, with real hosts and a real machine, that the commands of a pipeline are
// applied in the order of Submit, each once, while the leader is stopped, another takes over and batches
// of other callers come between; and that a fed command's position ends in its place.
func TestAPipelineKeepsItsOrder(t *testing.T) {
	c := startCluster(t, host.DefaultTiming(), "a", "b", "c")
	conn := c.client()
	c.deploy(conn, "kv", "kv")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	defer cancel()
	group := conn.Group("kv")
	p, err := group.Pipeline(ctx, client.PipelineConfig{Window: 200})
	if err != nil {
		t.Fatal(err)
	}
	const commands = 4000
	go func() {
		defer p.Close()
		for i := range commands {
			if _, err := p.Submit(ctx, fmt.Appendf(nil, "put last %d", i)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	taken, last := 0, uint64(0)
	for r := range p.Results(ctx) {
		if r.Err != nil || r.Result.Index <= last {
			t.Fatalf("command %d was applied at %d, the one before at %d: %v", taken, r.Result.Index, last, r.Err)
		}
		last = r.Result.Index
		switch taken++; taken {
		case commands / 4, commands / 2:
			state, err := group.AwaitLeader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			c.stop(state.Leader)
			results, err := group.ExecuteMany(ctx, [][]byte{[]byte("put x 1"), []byte("put x 2"), []byte("put x 3")})
			if err != nil || results[0].Err != nil || results[1].Result.Index <= results[0].Result.Index || results[2].Result.Index <= results[1].Result.Index {
				t.Fatalf("%+v, %v", results, err)
			}
			c.startAll()
			if _, err := group.AwaitOnline(ctx, state.Leader); err != nil {
				t.Fatal(err)
			}
		}
	}
	if taken != commands {
		t.Errorf("%d results", taken)
	}
	at, err := group.Feed(ctx, []byte("put x 4"))
	if err != nil {
		t.Fatal(err)
	}
	if state, err := group.AwaitApplied(ctx, at); err != nil || state.Applied.Index < at.Index {
		t.Errorf("%+v, %v", state, err)
	}
	for query, want := range map[string]string{"get x": "4", "get last": fmt.Sprint(commands - 1)} {
		if r, err := group.Query(ctx, []byte(query), client.QueryOptions{}); err != nil || string(r.Output) != want {
			t.Errorf("%s: %q, %v", query, r.Output, err)
		}
	}
	t.Logf("%+v", conn.Stats())
}
