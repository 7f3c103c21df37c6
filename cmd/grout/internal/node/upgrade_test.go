package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

// TestUpgradeInPlace shows an upgrade with real machines: commands flow while a group changes its module, none is
// lost, a host that slept through it comes back with the new module, and a module that cannot take over is refused.
func TestUpgradeInPlace(t *testing.T) {
	c := startCluster(t, host.DefaultTiming(), "a", "b", "c")
	conn := c.client()
	old := c.deploy(conn, "kv", "kv")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	next := append(slices.Clone(c.buildExample("kv")), 0, 2, 1, 'x') // the same machine under another digest
	digest, err := conn.Admin().Upload(ctx, next, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if _, err := conn.Group("kv").Execute(ctx, fmt.Appendf(nil, "put early%d value %d", i, i)); err != nil {
			t.Fatal(err)
		}
	}
	c.stop("c")
	stopLoad := putAllTheTime(ctx, t, conn)
	reply, err := conn.Admin().Upgrade(ctx, api.UpgradeRequest{Group: "kv", Module: digest})
	late := stopLoad()
	if err != nil || reply.From != old.Module || reply.To != digest {
		t.Fatalf("%+v, %v", reply, err)
	}
	want := fmt.Sprint(200 + late)
	counts := func(options client.QueryOptions) string {
		result, err := conn.Group("kv").Query(ctx, []byte("count"), options)
		if err != nil {
			return err.Error()
		}
		return string(result.Output)
	}
	if got := counts(client.QueryOptions{}); got != want {
		t.Errorf("after the upgrade there are %s keys, want %s", got, want)
	}
	if info, err := conn.Admin().Info(ctx, "kv"); err != nil || info.Module != digest {
		t.Errorf("the catalog says %s, %v", info.Module, err)
	}
	c.startAll()
	for got := ""; got != want; got = counts(client.QueryOptions{Consistency: client.Stale, Host: "c"}) {
		if ctx.Err() != nil {
			t.Fatalf("host c has %s keys, want %s", got, want)
		}
	}
	counter, err := conn.Admin().Upload(ctx, c.buildExample("counter"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Admin().Upgrade(ctx, api.UpgradeRequest{Group: "kv", Module: counter})
	if err == nil || !strings.Contains(err.Error(), "Migrate") || !strings.Contains(err.Error(), "nothing has changed") {
		t.Errorf("a module that cannot take over: %v", err)
	}
	for _, name := range c.names {
		c.stop(name)
	}
	c.startAll()
	if got := counts(client.QueryOptions{}); got != want {
		t.Errorf("after a restart of all hosts there are %s keys, want %s", got, want)
	}
}

// putAllTheTime puts one key after the other until stop is called, which returns how many it put.
func putAllTheTime(ctx context.Context, t *testing.T, conn *client.Client) (stop func() int) {
	var load sync.WaitGroup
	quit, n := make(chan struct{}), 0
	load.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
			}
			if _, err := conn.Group("kv").Execute(ctx, fmt.Appendf(nil, "put late%d value %d", n, n)); err != nil {
				t.Errorf("during the upgrade: %v", err)
				return
			}
			n++
		}
	})
	return func() int {
		close(quit)
		load.Wait()
		return n
	}
}
