package applications

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/embedded"
	"github.com/groutlabs/grout/cmd/grout/internal/procs"
	"github.com/groutlabs/grout/sdk/client"
)

// within bounds a whole test.
const within = 4 * time.Minute

// cluster is three hosts with one machine.
type cluster struct {
	*procs.Hosts
	client *client.Client
	group  *client.Group
}

// start starts three hosts and deploys the example of that name.
func start(t *testing.T, ctx context.Context, name string) *cluster {
	t.Helper()
	dir := t.TempDir()
	must := func(_ string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	binary, err := procs.Build(ctx, dir, "grout", procs.Grout)
	must("", err)
	server, err := embedded.Start(embedded.Config{})
	must("", err)
	t.Cleanup(server.Close)
	c := &cluster{Hosts: &procs.Hosts{Binary: binary, Dir: dir, URL: server.URL(), Names: []string{"h1", "h2", "h3"}}}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, host := range c.Names {
		must("", c.Start(host))
	}
	module := filepath.Join(dir, name+".wasm")
	must(c.CLI(ctx, "build", filepath.Join("..", "..", "..", "..", "examples", "wasm", name), "-o", module))
	must(c.CLI(ctx, "deploy", name, module, "--replicas", "3"))
	c.client, err = client.Connect(client.Config{URL: c.URL})
	must("", err)
	t.Cleanup(c.client.Close)
	c.group = c.client.Group(name)
	return c
}

// killLeader kills the host that leads, and starts it again once another one does: query has to be one that the machine answers.
func (c *cluster) killLeader(t *testing.T, ctx context.Context, query string) {
	t.Helper()
	before, err := c.group.Query(ctx, []byte(query), client.QueryOptions{})
	if err == nil {
		err = c.Kill(before.Leader)
	}
	if err != nil {
		t.Fatal(err)
	}
	after, err := c.group.Query(ctx, []byte(query), client.QueryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s was killed, %s leads", before.Leader, after.Leader)
	if err := c.Start(before.Leader); err != nil {
		t.Fatal(err)
	}
}

// killAll kills all hosts, and starts them again.
func (c *cluster) killAll(t *testing.T) {
	t.Helper()
	c.each(t, c.Kill)
	c.each(t, c.Start)
}

// each does something to every host.
func (c *cluster) each(t *testing.T, do func(host string) error) {
	t.Helper()
	for _, host := range c.Names {
		if err := do(host); err != nil {
			t.Fatal(err)
		}
	}
}
