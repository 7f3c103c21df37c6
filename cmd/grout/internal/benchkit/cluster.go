package benchkit

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/groutlabs/grout/cmd/grout/internal/embedded"
	"github.com/groutlabs/grout/cmd/grout/internal/procs"
	"github.com/groutlabs/grout/sdk/client"
)

// Group is the group of a Cluster: the kv example.
const Group = "kv"

// Cluster is a NATS server and three host processes with one group.
type Cluster struct {
	*procs.Hosts
	Client *client.Client
	server *embedded.Server
}

// Start builds the command line and the kv example, starts the hosts and deploys the group. Their data is in dir. It runs in the
// root of the project. The deployment takes further arguments.
func Start(ctx context.Context, dir string, deploy ...string) (*Cluster, error) {
	binary, err := procs.Build(ctx, dir, "grout", procs.Grout)
	if err != nil {
		return nil, err
	}
	server, err := embedded.Start(embedded.Config{})
	if err != nil {
		return nil, err
	}
	c := &Cluster{server: server, Hosts: &procs.Hosts{Binary: binary, Dir: dir, URL: server.URL(), Names: []string{"h1", "h2", "h3"}}}
	for _, name := range c.Names {
		err = errors.Join(err, c.Hosts.Start(name))
	}
	module := filepath.Join(dir, "kv.wasm")
	for _, args := range [][]string{
		{"build", filepath.Join("examples", "wasm", "kv"), "-o", module},
		append([]string{"deploy", Group, module, "--replicas", "3"}, deploy...),
	} {
		if err == nil {
			_, err = c.CLI(ctx, args...)
		}
	}
	if err == nil {
		c.Client, err = client.Connect(client.Config{URL: server.URL()})
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close ends the hosts and the server.
func (c *Cluster) Close() error {
	if c.Client != nil {
		c.Client.Close()
	}
	err := c.Stop()
	c.server.Close()
	return err
}
