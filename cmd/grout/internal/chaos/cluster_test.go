package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/cmd/grout/internal/procs"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

// hostNames are the cluster's.
var hostNames = []string{"a", "b", "c"}

// groups are the groups that are deployed, and the example machine of each.
var groups = map[string]string{groupKV: "kv", groupCounter: "counter", groupBulk: "kv"}

const (
	groupKV      = "kv"
	groupCounter = "counter"
	// groupBulk takes what fills the logs while a disk is full.
	groupBulk = "bulk"
)

// cluster is everything that runs.
type cluster struct {
	dir     string
	network network
	server  *server
	hosts   []*host
	client  *client.Client
	raw     *natsgo.Conn

	mu sync.Mutex
	// problems are what went wrong; the test fails with them.
	problems []error
}

// fail notes what must not happen.
func (c *cluster) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, err)
}

func (c *cluster) host(name string) *host {
	for _, h := range c.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

// startCluster starts the server and the hosts, and deploys the machines that prepare has built in dir.
func startCluster(ctx context.Context, t *testing.T, dir string, n network, newDisk func(dir string) (disk, error)) *cluster {
	t.Helper()
	c := &cluster{dir: dir, network: n}
	t.Cleanup(func() { c.close(t) })
	c.server = &server{dir: dir, network: n}
	must(t, c.server.start(ctx))
	for _, name := range hostNames {
		d, err := newDisk(filepath.Join(dir, "disk-"+name))
		must(t, err)
		h := &host{name: name, disk: d, log: filepath.Join(dir, "host-"+name+".log"), unexpected: c.fail}
		h.command = func() *exec.Cmd {
			return procs.ServeCommand(filepath.Join(dir, "grout"), name, hostNames, d.folder(), n.url(name))
		}
		h.begin = func(command *exec.Cmd) error { return n.begin(name, command) }
		c.hosts = append(c.hosts, h)
		must(t, h.up())
	}
	var err error
	c.raw, err = natsgo.Connect(n.url(""), natsgo.MaxReconnects(-1), natsgo.ReconnectWait(100*time.Millisecond), natsgo.ReconnectBufSize(-1),
		natsgo.ErrorHandler(func(*natsgo.Conn, *natsgo.Subscription, error) {}))
	must(t, err)
	c.client, err = client.Connect(client.Config{URL: n.url(""), AttemptTimeout: time.Second})
	must(t, err)
	for group, machine := range groups {
		must(t, c.deploy(ctx, group, filepath.Join(dir, machine+".wasm")))
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) deploy(ctx context.Context, group, path string) error {
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	digest, err := c.client.Admin().Upload(ctx, module, nil)
	if err == nil {
		_, err = c.client.Admin().Deploy(ctx, api.DeployRequest{Group: group, Module: digest})
	}
	if err != nil {
		return fmt.Errorf("deploying %s: %w", group, err)
	}
	return nil
}

// close ends everything in an orderly way, whatever state it is in.
func (c *cluster) close(t *testing.T) {
	var stopping sync.WaitGroup
	for _, h := range c.hosts {
		c.network.link(h.name).suffer(condition{}, condition{})
		stopping.Go(func() {
			p := h.process()
			if p == nil {
				return
			}
			began := time.Now()
			if err := errors.Join(p.Signal(syscall.SIGCONT), h.stop()); err != nil {
				t.Error(err)
			}
			h.watching.Wait()
			t.Logf("host %s stopped in %s", h.name, time.Since(began).Round(time.Millisecond))
		})
	}
	stopping.Wait()
	if c.client != nil {
		c.client.Close()
	}
	if c.raw != nil {
		c.raw.Close()
	}
	errs := []error{c.server.kill()}
	for _, h := range c.hosts {
		errs = append(errs, h.disk.close())
	}
	if err := errors.Join(append(errs, c.network.close())...); err != nil {
		t.Error(err)
	}
}

// server is the NATS server's process.
type server struct {
	dir     string
	network network
	// fault is held by whoever does something to the server.
	fault sync.Mutex

	mu      sync.Mutex
	running *procs.Process
}

func (s *server) log() string { return filepath.Join(s.dir, natsName+".log") }

// start runs the server and returns when it listens.
func (s *server) start(ctx context.Context) error {
	address, port := s.network.listen()
	for {
		p, err := procs.Start(procs.Launch{
			Name: "the NATS server", Log: s.log(),
			Command: exec.Command(filepath.Join(s.dir, "nats-server"), "-a", address, "-p", strconv.Itoa(port)),
			Begin:   func(command *exec.Cmd) error { return s.network.begin(natsName, command) },
		})
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.running = p
		s.mu.Unlock()
		if s.listens(ctx, p) {
			return nil
		}
		select { // another process may have had the port for a moment: try again
		case <-ctx.Done():
			return fmt.Errorf("the NATS server does not start: %w\n%s", ctx.Err(), p.Tail())
		case <-time.After(restartPause):
		}
	}
}

// listens waits until the server takes connections. There is no other sign of it.
func (s *server) listens(ctx context.Context, p *procs.Process) bool {
	address, port := s.network.listen()
	for {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(port)), time.Second)
		if err == nil {
			return conn.Close() == nil
		}
		select {
		case <-p.Ended():
			return false
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// kill ends the server with SIGKILL.
func (s *server) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	return s.running.Kill()
}
