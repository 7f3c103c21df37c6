// Command benchgroups is `make bench-groups`: what many idle groups cost a host. It starts host processes, deploys many
// groups of the counter example, and prints the memory and the processor time of a host while nothing is
// asked of them, how long a start takes until all of them answer, and how long the groups that a killed host led are without a leader.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/benchkit"
	"github.com/groutlabs/grout/cmd/grout/internal/embedded"
	"github.com/groutlabs/grout/cmd/grout/internal/procs"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

// parallel is how many requests are under way at once.
const parallel = 16

// settle is how long hosts without groups are left alone before their memory is read, asleep how long it takes until all machines doze: the
// groups are quiet after 1.6 seconds, and their machines doze within ten more.
const (
	settle = 5 * time.Second
	asleep = 15 * time.Second
)

// phaseTimeout bounds each phase: a group that never answers ends the run.
const phaseTimeout = 10 * time.Minute

func main() {
	groups := flag.Int("groups", 200, "how many groups")
	hosts := flag.Int("hosts", 3, "how many hosts, each with a replica of every group if they are three or fewer")
	idle := flag.Duration("idle", 20*time.Second, "how long the processor time of idle hosts is measured")
	flag.Parse()
	benchkit.Main("benchgroups", func(ctx context.Context, dir string) error { return run(ctx, dir, *groups, *hosts, *idle) })
}

func run(ctx context.Context, dir string, groups, hosts int, idle time.Duration) (err error) {
	if groups < 1 || hosts < 1 {
		return fmt.Errorf("%d groups on %d hosts are too few, use 1 or more of both", groups, hosts)
	}
	b, err := start(ctx, dir, groups, hosts)
	if err != nil {
		return err
	}
	defer func() {
		b.client.Close()
		err = errors.Join(err, b.hosts.Stop())
		b.server.Close()
	}()
	fmt.Printf("%d groups of the counter example, a replica on each of %d hosts, %d processors\n\n", groups, hosts, runtime.GOMAXPROCS(0))
	for _, phase := range []func(context.Context) error{
		b.deploy, func(ctx context.Context) error { return b.rest(ctx, idle) }, b.restart,
		func(ctx context.Context) error { return b.rest(ctx, idle) }, b.failover,
	} {
		if err := within(ctx, phase); err != nil {
			return err
		}
	}
	return nil
}

// within runs a phase for phaseTimeout at most.
func within(ctx context.Context, phase func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, phaseTimeout, fmt.Errorf("a phase takes longer than %s", phaseTimeout))
	defer cancel()
	return phase(ctx)
}

// bench is a cluster under measurement.
type bench struct {
	server *embedded.Server
	hosts  *procs.Hosts
	client *client.Client
	module string
	groups []string
	// empty is the memory of the first host without groups.
	empty benchkit.Memory
}

func start(ctx context.Context, dir string, groups, hosts int) (*bench, error) {
	binary, err := procs.Build(ctx, dir, "grout", procs.Grout)
	if err != nil {
		return nil, err
	}
	server, err := embedded.Start(embedded.Config{})
	if err != nil {
		return nil, err
	}
	b := &bench{server: server, hosts: &procs.Hosts{Binary: binary, Dir: dir, URL: server.URL()}}
	for i := range hosts {
		b.hosts.Names = append(b.hosts.Names, fmt.Sprintf("h%d", i+1))
	}
	for i := range groups {
		b.groups = append(b.groups, fmt.Sprintf("g%04d", i))
	}
	if err := within(ctx, b.startHosts); err != nil {
		err = errors.Join(err, b.hosts.Stop())
		server.Close()
		return nil, err
	}
	return b, nil
}

func (b *bench) startHosts(ctx context.Context) (err error) {
	for _, name := range b.hosts.Names {
		if err := b.hosts.Start(name); err != nil {
			return err
		}
	}
	if b.client, err = client.Connect(client.Config{URL: b.hosts.URL, AttemptTimeout: time.Second}); err != nil {
		return err
	}
	wasm := filepath.Join(b.hosts.Dir, "counter.wasm")
	if _, err := b.hosts.CLI(ctx, "build", filepath.Join("examples", "wasm", "counter"), "-o", wasm); err != nil {
		return err
	}
	module, err := os.ReadFile(wasm)
	if err != nil {
		return err
	}
	if b.module, err = b.client.Admin().Upload(ctx, module, nil); err != nil {
		return err
	}
	if err := wait(ctx, settle); err != nil {
		return err
	}
	b.empty, err = benchkit.MemoryOf(b.hosts.Pid(b.hosts.Names[0]))
	return err
}

// each calls do for every group, some of them at once.
func (b *bench) each(ctx context.Context, names []string, do func(ctx context.Context, group string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	var next atomic.Int64
	for range min(parallel, len(names)) {
		workers.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(names) || ctx.Err() != nil {
					return
				}
				if err := do(ctx, names[n]); err != nil {
					cancel(fmt.Errorf("group %s: %w", names[n], err)) // the first one counts
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

func (b *bench) deploy(ctx context.Context) error {
	began := time.Now()
	err := b.each(ctx, b.groups, func(ctx context.Context, group string) error {
		_, err := b.client.Admin().Deploy(ctx, api.DeployRequest{Group: group, Module: b.module, Replicas: min(3, len(b.hosts.Names))})
		return err
	})
	if err != nil {
		return err
	}
	if err := b.each(ctx, b.groups, b.add); err != nil {
		return err
	}
	fmt.Printf("deployed, and each answered a command, in %.1f s\n", time.Since(began).Seconds())
	return nil
}

func (b *bench) add(ctx context.Context, group string) error {
	_, err := b.client.Group(group).Execute(ctx, []byte("1"))
	return err
}

// rest prints what a host takes while nothing happens.
func (b *bench) rest(ctx context.Context, idle time.Duration) error {
	if err := wait(ctx, asleep); err != nil {
		return err
	}
	pids := b.pids()
	before, err := benchkit.ProcessorTime(pids)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := wait(ctx, idle); err != nil {
		return err
	}
	after, err := benchkit.ProcessorTime(pids)
	if err != nil {
		return err
	}
	used := after - before
	m, err := benchkit.MemoryOf(pids[0])
	if err != nil {
		return err
	}
	fmt.Printf("idle: %.2f %% of one core for each host, %.2f %% for all\n",
		100*used.Seconds()/time.Since(began).Seconds()/float64(len(pids)), 100*used.Seconds()/time.Since(began).Seconds())
	n := int64(len(b.groups))
	fmt.Printf("%-22s %12s %12s %14s\n", "memory of a host, KiB", "no groups", "now", "for each group")
	for _, row := range []struct {
		name       string
		empty, now int64
	}{
		{"resident", b.empty.Resident, m.Resident}, {"  anonymous", b.empty.Anonymous, m.Anonymous},
		{"  shared (checkpoints)", b.empty.Shared, m.Shared}, {"  files (the program)", b.empty.Files, m.Files},
	} {
		fmt.Printf("%-22s %12d %12d %14d\n", row.name, row.empty, row.now, (row.now-row.empty)/n)
	}
	return nil
}

// restart stops all hosts in order and starts them again.
func (b *bench) restart(ctx context.Context) error {
	if err := b.hosts.Stop(); err != nil {
		return err
	}
	began := time.Now()
	for _, name := range b.hosts.Names {
		if err := b.hosts.Start(name); err != nil {
			return err
		}
	}
	if err := b.add(ctx, b.groups[0]); err != nil {
		return err
	}
	first := time.Since(began)
	if err := b.each(ctx, b.groups, b.add); err != nil {
		return err
	}
	fmt.Printf("\nrestarted with compiled modules in the cache: the first group answers after %.1f s, all after %.1f s\n",
		first.Seconds(), time.Since(began).Seconds())
	return nil
}

// failover kills the host that leads most groups and waits until every group that it led answers again.
func (b *bench) failover(ctx context.Context) error {
	if len(b.hosts.Names) < 3 {
		return nil
	}
	groups, err := b.client.Admin().List(ctx)
	if err != nil {
		return err
	}
	ledBy := map[string][]string{}
	for _, g := range groups {
		ledBy[g.Leader] = append(ledBy[g.Leader], g.Group)
	}
	victim := slices.MaxFunc(b.hosts.Names, func(x, y string) int { return cmp.Compare(len(ledBy[x]), len(ledBy[y])) })
	led := ledBy[victim]
	began := time.Now()
	if err := b.hosts.Kill(victim); err != nil {
		return err
	}
	if err := b.each(ctx, led, b.add); err != nil {
		return err
	}
	fmt.Printf("\n%s killed, which led %d groups: all of them answered commands again after %.2f s\n", victim, len(led), time.Since(began).Seconds())
	return nil
}

func (b *bench) pids() []int {
	var pids []int
	for _, name := range b.hosts.Names {
		pids = append(pids, b.hosts.Pid(name))
	}
	return pids
}

// wait lets time pass, which is what is measured.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
