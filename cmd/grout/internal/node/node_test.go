package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/transport/nats"
)

// cluster is a NATS server and hosts in this process.
type cluster struct {
	t      *testing.T
	server *server.Server
	dir    string
	names  []string
	nodes  map[string]*Node
}

func startCluster(t *testing.T, names ...string) *cluster {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	c := &cluster{t: t, server: s, dir: t.TempDir(), names: names, nodes: map[string]*Node{}}
	t.Cleanup(c.close)
	c.startAll()
	return c
}

// startAll starts the hosts that do not run, together: none is ready before all have met.
func (c *cluster) startAll() {
	c.t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, name := range c.names {
		if c.nodes[name] != nil {
			continue
		}
		group.Add(1)
		go func() {
			defer group.Done()
			n, err := c.start(name)
			if err != nil {
				c.t.Errorf("starting %s: %v", name, err)
				return
			}
			mu.Lock()
			c.nodes[name] = n
			mu.Unlock()
		}()
	}
	group.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
}

func (c *cluster) start(name string) (*Node, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return Start(ctx, Config{
		Name: name, Peers: c.names, Dir: filepath.Join(c.dir, name), Version: "0.0.0",
		NATS: nats.Config{URL: c.server.ClientURL()}, Logger: testLogger(c.t, name),
	})
}

func testLogger(t *testing.T, name string) *slog.Logger {
	if os.Getenv("GROUT_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("host", name)
}

func (c *cluster) stop(name string) {
	c.t.Helper()
	if err := c.nodes[name].Close(); err != nil {
		c.t.Errorf("stopping %s: %v", name, err)
	}
	delete(c.nodes, name)
}

func (c *cluster) close() {
	for name := range c.nodes {
		c.stop(name)
	}
	c.server.Shutdown()
	c.server.WaitForShutdown()
}

func (c *cluster) client() *client.Client {
	c.t.Helper()
	conn, err := client.Connect(client.Config{URL: c.server.ClientURL()})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(conn.Close)
	return conn
}

// buildExample compiles one of the example machines.
func buildExample(t *testing.T, name string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), name+".wasm")
	request := project.BuildRequest{Dir: filepath.Join("..", "..", "..", "..", "examples", "wasm", name), Out: out}
	if _, err := project.Build(context.Background(), request); err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func deploy(t *testing.T, c *client.Client, group, example string) api.GroupInfo {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	digest, err := c.Admin().Upload(ctx, buildExample(t, example), func(int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	info, err := c.Admin().Deploy(ctx, api.DeployRequest{Group: group, Module: digest})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestCounterSurvivesRestarts shows the main path: deploy, execute, query, lose each host in turn,
// lose all of them, and still have every command exactly once.
func TestCounterSurvivesRestarts(t *testing.T) {
	c := startCluster(t, "a", "b", "c")
	conn := c.client()
	info := deploy(t, conn, "counter", "counter")
	if len(info.Members) != 3 {
		t.Fatalf("members %v", info.Members)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	total := 0
	add := func() {
		t.Helper()
		for range 20 {
			total++
			result, err := conn.Group("counter").Execute(ctx, []byte("1"))
			if err != nil {
				t.Fatal(err)
			}
			if string(result.Output) != fmt.Sprint(total) {
				t.Fatalf("answer %s, want %d", result.Output, total)
			}
		}
	}
	add()
	for _, name := range c.names {
		c.stop(name)
		add()
		c.startAll()
	}
	for _, name := range c.names {
		c.stop(name)
	}
	c.startAll()
	add()
	result, err := conn.Group("counter").Query(ctx, nil, client.QueryOptions{})
	if err != nil || string(result.Output) != fmt.Sprint(total) {
		t.Fatalf("query %q %v, want %d", result.Output, err, total)
	}
}
