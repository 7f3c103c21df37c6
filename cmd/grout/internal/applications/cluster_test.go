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
	// name is that of the group, and of the example.
	name  string
	group *client.Group
}

// start starts three hosts and deploys the example of that name.
func start(t *testing.T, ctx context.Context, name string) *cluster {
	t.Helper()
	c := hosts(t, ctx, name)
	module := filepath.Join(c.Dir, name+".wasm")
	must[string](t)(c.CLI(ctx, "build", filepath.Join("..", "..", "..", "..", "examples", "wasm", name), "-o", module))
	c.deploy(t, ctx, module)
	return c
}

// deploy deploys the cluster's machine.
func (c *cluster) deploy(t *testing.T, ctx context.Context, module string, more ...string) {
	t.Helper()
	must[string](t)(c.CLI(ctx, append([]string{"deploy", c.name, module, "--replicas", "3"}, more...)...))
	c.group = c.connect(t)
}

// hosts starts three hosts for a machine of that name.
func hosts(t *testing.T, ctx context.Context, name string) *cluster {
	t.Helper()
	dir := t.TempDir()
	binary := must[string](t)(procs.Build(ctx, dir, "grout", procs.Grout))
	server := must[*embedded.Server](t)(embedded.Start(embedded.Config{}))
	t.Cleanup(server.Close)
	c := &cluster{name: name, Hosts: &procs.Hosts{Binary: binary, Dir: dir, URL: server.URL(), Names: []string{"h1", "h2", "h3"}}}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	c.each(t, c.Start)
	return c
}

// must returns the value of a call, and ends the test with its error.
func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// connect returns the group as a new client has it, with a session of its own.
func (c *cluster) connect(t *testing.T) *client.Group {
	t.Helper()
	conn := must[*client.Client](t)(client.Connect(client.Config{URL: c.URL}))
	t.Cleanup(conn.Close)
	return conn.Group(c.name)
}

// killLeader kills the host that leads, and returns its name once another one does: query has to be one that the machine answers.
func (c *cluster) killLeader(t *testing.T, ctx context.Context, query string) string {
	t.Helper()
	before := must[client.Result](t)(c.group.Query(ctx, []byte(query), client.QueryOptions{}))
	if err := c.Kill(before.Leader); err != nil {
		t.Fatal(err)
	}
	after := must[client.Result](t)(c.group.Query(ctx, []byte(query), client.QueryOptions{}))
	t.Logf("%s was killed, %s leads", before.Leader, after.Leader)
	return before.Leader
}

// restart starts a host that was killed.
func (c *cluster) restart(t *testing.T, host string) {
	t.Helper()
	if err := c.Start(host); err != nil {
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
