// Command benchfailover is `make bench-failover`: it kills the host that leads a group under load, with SIGKILL, again and
// again, and prints how long the group took no commands. The hosts are processes of their own; the killed one is
// started again and has caught up before the next is killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/embedded"
	"github.com/groutlabs/grout/cmd/grout/internal/procs"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	group = "kv"
	// target is how many election timeouts the median may take.
	target = 1.5
	// phaseTimeout bounds the wait for a new leader, and for a host to catch up.
	phaseTimeout = time.Minute
)

func main() {
	kills := flag.Int("kills", 20, "how many leaders are killed")
	clients := flag.Int("clients", 64, "how many closed-loop clients write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kills, *clients); err != nil {
		fmt.Fprintln(os.Stderr, "benchfailover:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, kills, clients int) (err error) {
	if kills < 1 || clients < 1 {
		return fmt.Errorf("%d kills and %d clients are too few, use 1 or more of both", kills, clients)
	}
	dir, err := os.MkdirTemp("", "grout-failover-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	hosts, stop, err := start(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c, err := client.Connect(client.Config{URL: hosts.URL})
	if err != nil {
		return err
	}
	defer c.Close()
	load := startLoad(ctx, c.Group(group), clients)
	defer func() { err = errors.Join(err, load.stop()) }()
	timing := host.DefaultTiming()
	timeout := timing.Tick * time.Duration(timing.ElectionTicks)
	fmt.Printf("%d clients write to one group on three hosts; the shortest election timeout is %s\n\n", clients, timeout)
	var pauses []time.Duration
	for n := range kills {
		pause, err := kill(ctx, hosts, c, load)
		if err != nil {
			return err
		}
		fmt.Printf("kill %2d: the next command was acknowledged after %4d ms\n", n+1, pause.Milliseconds())
		pauses = append(pauses, pause)
	}
	slices.Sort(pauses)
	median := pauses[len(pauses)/2]
	fmt.Printf("\nmedian %d ms, longest %d ms\n", median.Milliseconds(), pauses[len(pauses)-1].Milliseconds())
	fmt.Printf("median to the election timeout: %.2f (target: at most %g)\n", float64(median)/float64(timeout), target)
	return nil
}

// start runs a server and three hosts with the group.
func start(ctx context.Context, dir string) (*procs.Hosts, func() error, error) {
	binary, err := procs.Build(ctx, dir, "grout", procs.Grout)
	if err != nil {
		return nil, nil, err
	}
	server, err := embedded.Start(embedded.Config{})
	if err != nil {
		return nil, nil, err
	}
	h := &procs.Hosts{Binary: binary, Dir: dir, URL: server.URL(), Names: []string{"h1", "h2", "h3"}}
	stop := func() error {
		err := h.Stop()
		server.Close()
		return err
	}
	for _, name := range h.Names {
		err = errors.Join(err, h.Start(name))
	}
	module := filepath.Join(dir, "kv.wasm")
	for _, args := range [][]string{
		{"build", filepath.Join("examples", "wasm", "kv"), "-o", module},
		{"deploy", group, module, "--replicas", "3"},
	} {
		if err == nil {
			_, err = h.CLI(ctx, args...)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return h, stop, nil
}

// kill ends the leader's host and waits until a command of a later term is acknowledged, and the host is back.
func kill(ctx context.Context, hosts *procs.Hosts, c *client.Client, load *load) (pause time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, phaseTimeout, fmt.Errorf("the group is not well again after %s", phaseTimeout))
	defer cancel()
	before, err := load.next(ctx, 0)
	if err != nil {
		return 0, err
	}
	info, err := c.Admin().Info(ctx, group)
	if err != nil {
		return 0, err
	}
	if err := hosts.Kill(info.Leader); err != nil {
		return 0, err
	}
	killed := time.Now()
	after, err := load.next(ctx, max(before.term, info.Term)+1)
	if err != nil {
		return 0, err
	}
	if err := hosts.Start(info.Leader); err != nil {
		return 0, err
	}
	return after.at.Sub(killed), caughtUp(ctx, c, info.Leader, after.index)
}

// caughtUp waits until a host has applied an entry.
func caughtUp(ctx context.Context, c *client.Client, name string, index uint64) error {
	for {
		statuses, err := c.Admin().Status(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		if err != nil {
			return err
		}
		has := func(g api.GroupBrief) bool { return g.Group == group && g.Applied >= index }
		if slices.ContainsFunc(statuses, func(s api.HostStatus) bool {
			return strings.EqualFold(s.Host, name) && slices.ContainsFunc(s.Groups, has)
		}) {
			return nil
		}
	}
}
