package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/transport/nats"
)

// cluster is a NATS server and hosts in this process.
type cluster struct {
	t      *testing.T
	timing host.Timing
	cache  string
	server *server.Server
	dir    string
	names  []string
	nodes  map[string]*Node
	// between is what stands between a host that starts and its sandbox, see Config.
	between map[string]func(host.Machines) host.Machines
}

func startCluster(t *testing.T, timing host.Timing, names ...string) *cluster {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return newCluster(t, timing, s, names...)
}

// newCluster starts hosts at a running server.
func newCluster(t *testing.T, timing host.Timing, s *server.Server, names ...string) *cluster {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{t: t, timing: timing, server: s, dir: dir, cache: filepath.Join(dir, "compiled"), names: names, nodes: map[string]*Node{}}
	t.Cleanup(c.close)
	c.startAll()
	return c
}

// startAll starts the hosts that do not run, together: none is ready before all have met.
func (c *cluster) startAll() {
	c.t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	missing := slices.DeleteFunc(slices.Clone(c.names), func(name string) bool { return c.nodes[name] != nil })
	for _, name := range missing {
		group.Go(func() {
			n, err := c.start(name)
			if err != nil {
				c.t.Errorf("starting %s: %v", name, err)
				return
			}
			mu.Lock()
			c.nodes[name] = n
			mu.Unlock()
		})
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
		Name: name, Peers: c.names, Dir: filepath.Join(c.dir, name), Version: "0.0.0", Timing: c.timing, CompileCache: c.cache,
		NATS: nats.Config{URL: c.server.ClientURL()}, Logger: testLogger(c.t, name),
		between: c.between[name],
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

// buildExample compiles one of the example machines, its machine code into the cluster's cache.
func (c *cluster) buildExample(name string) []byte {
	t := c.t
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(name)+".wasm")
	request := project.BuildRequest{Dir: filepath.Join("..", "..", "..", "..", "examples", "wasm", name), Out: out}
	if _, err := project.Build(context.Background(), request); err != nil {
		t.Fatal(err)
	}
	warm := exec.Command("go", "test", "-count", "1", "./warm", "-cache", c.cache, "-module", out)
	if text, err := warm.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func (c *cluster) deploy(conn *client.Client, group, example string) api.GroupInfo {
	t := c.t
	t.Helper()
	module := c.buildExample(example)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	digest, err := conn.Admin().Upload(ctx, module, func(int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	info, err := conn.Admin().Deploy(ctx, api.DeployRequest{Group: group, Module: digest})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestCounterSurvivesRestarts shows the main path: deploy, execute, query, lose each host in turn,
// lose all of them, and still have every command exactly once.
func TestCounterSurvivesRestarts(t *testing.T) {
	c := startCluster(t, host.DefaultTiming(), "a", "b", "c")
	conn := c.client()
	info := c.deploy(conn, "counter", "counter")
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

// TestLaggingHostFetchesSnapshot shows that a host which was away for longer than the others keep
// their logs fetches a snapshot, chunk by chunk, and then leads with the whole state.
func TestLaggingHostFetchesSnapshot(t *testing.T) {
	timing := host.DefaultTiming()
	timing.SnapshotBytes, timing.RetainEntries = 64<<10, 50
	c := startCluster(t, timing, "a", "b", "c")
	conn := c.client()
	c.deploy(conn, "kv", "kv")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	put := func(from, to int) {
		t.Helper()
		var commands [][]byte
		for i := from; i < to; i++ {
			commands = append(commands, fmt.Appendf(nil, "put key%05d %0200d", i, i))
		}
		results, err := conn.Group("kv").ExecuteMany(ctx, commands)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
	put(0, 200)
	c.stop("c")
	for i := range 10 {
		put(200+i*200, 400+i*200)
	}
	snapshot := await(ctx, t, conn, "", func(b api.GroupBrief) bool { return b.SnapshotIndex > 1000 })
	c.startAll()
	await(ctx, t, conn, "c", func(b api.GroupBrief) bool {
		return b.SnapshotIndex >= snapshot.SnapshotIndex && b.Applied >= snapshot.Applied
	})
	put(2200, 2300)
	if err := transferTo(ctx, conn, "kv", "c"); err != nil {
		t.Fatal(err)
	}
	result, err := conn.Group("kv").Query(ctx, []byte("count"), client.QueryOptions{})
	if err != nil || string(result.Output) != "2300" {
		t.Fatalf("count %q %v, want 2300", result.Output, err)
	}
	value, err := conn.Group("kv").Query(ctx, []byte("get key00007"), client.QueryOptions{})
	if err != nil || string(value.Output) != fmt.Sprintf("%0200d", 7) {
		t.Fatalf("get %q %v", value.Output, err)
	}
}

// await asks a host, or all where it has no name, for its status until its member of kv is as wanted.
func await(ctx context.Context, t *testing.T, conn *client.Client, name string, wanted func(api.GroupBrief) bool) api.GroupBrief {
	t.Helper()
	var last api.GroupBrief
	for ctx.Err() == nil {
		statuses, err := conn.Admin().Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statuses {
			for _, g := range s.Groups {
				if (name == "" || s.Host == name) && g.Group == "kv" {
					if last = g; wanted(g) {
						return g
					}
				}
			}
		}
	}
	t.Fatalf("host %s did not get there: %+v", name, last)
	return last
}

// transferTo hands leadership over, and returns once the host leads.
func transferTo(ctx context.Context, conn *client.Client, group, to string) error {
	for ctx.Err() == nil {
		err := conn.Admin().Transfer(ctx, group, to)
		info, infoErr := conn.Admin().Info(ctx, group)
		if infoErr == nil && info.Leader == to {
			return nil
		}
		if err != nil && !strings.Contains(err.Error(), "leader") {
			return err
		}
	}
	return ctx.Err()
}
