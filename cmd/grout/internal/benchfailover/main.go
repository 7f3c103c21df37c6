// Command benchfailover is `make bench-failover`: it kills the host that leads a group under load, with SIGKILL, again and
// again, and prints how long the group took no commands. The hosts are processes of their own; the killed one is
// started again and has caught up before the next is killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/benchkit"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	// target is how many election timeouts the median may take.
	target = 1.5
	// phaseTimeout bounds the wait for a new leader, and for a host to catch up.
	phaseTimeout = time.Minute
)

func main() {
	kills := flag.Int("kills", 20, "how many leaders are killed")
	clients := flag.Int("clients", 64, "how many closed-loop clients write")
	flag.Parse()
	benchkit.Main("benchfailover", func(ctx context.Context, dir string) error { return run(ctx, dir, *kills, *clients) })
}

func run(ctx context.Context, dir string, kills, clients int) (err error) {
	if kills < 1 || clients < 1 {
		return fmt.Errorf("%d kills and %d clients are too few, use 1 or more of both", kills, clients)
	}
	c, err := benchkit.Start(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	load := benchkit.StartLoad(ctx, c.Client.Group(benchkit.Group), clients)
	defer func() { err = errors.Join(err, load.Stop()) }()
	timing := host.DefaultTiming()
	timeout := timing.Tick * time.Duration(timing.ElectionTicks)
	fmt.Printf("%d clients write to one group on three hosts; the shortest election timeout is %s\n\n", clients, timeout)
	var pauses []time.Duration
	for n := range kills {
		pause, err := kill(ctx, c, load)
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

// kill ends the leader's host and waits until a command of a later term is acknowledged, and the host is back.
func kill(ctx context.Context, c *benchkit.Cluster, load *benchkit.Load) (pause time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, phaseTimeout, fmt.Errorf("the group is not well again after %s", phaseTimeout))
	defer cancel()
	before, err := load.Next(ctx, 0)
	if err != nil {
		return 0, err
	}
	info, err := c.Client.Admin().Info(ctx, benchkit.Group)
	if err != nil {
		return 0, err
	}
	if err := c.Kill(info.Leader); err != nil {
		return 0, err
	}
	killed := time.Now()
	after, err := load.Next(ctx, max(before.Term, info.Term)+1)
	if err != nil {
		return 0, err
	}
	if err := c.Hosts.Start(info.Leader); err != nil {
		return 0, err
	}
	return after.At.Sub(killed), caughtUp(ctx, c.Client, info.Leader, after.Index)
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
		has := func(g api.GroupBrief) bool { return g.Group == benchkit.Group && g.Applied >= index }
		if slices.ContainsFunc(statuses, func(s api.HostStatus) bool {
			return strings.EqualFold(s.Host, name) && slices.ContainsFunc(s.Groups, has)
		}) {
			return nil
		}
	}
}
