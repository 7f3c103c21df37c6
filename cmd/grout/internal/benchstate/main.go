// Command benchstate is `make bench-state`: a machine with a large state on three host processes under full load. It prints what a
// snapshot costs the load while it is written, and how fast a host that was away catches up, beside the speed of the disk and of
// loopback in the same run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/benchkit"
	"github.com/groutlabs/grout/sdk/api"
)

const (
	// valueBytes is the size of the values that make up the state: the largest that the kv example takes.
	valueBytes = 256 << 10
	// writers fill the state at once.
	writers = 8
	// window is a stretch of load without a snapshot.
	window = 3 * time.Second
	// phaseTimeout bounds each phase.
	phaseTimeout = 15 * time.Minute
)

func main() {
	size := flag.Int64("mib", 1024, "the size of the state in MiB")
	clients := flag.Int("clients", 64, "how many closed-loop clients write")
	rounds := flag.Int("rounds", 6, "how many snapshots are measured")
	flag.Parse()
	benchkit.Main("benchstate", func(ctx context.Context, dir string) error { return run(ctx, dir, *size, *clients, *rounds) })
}

// bench is a run.
type bench struct {
	*benchkit.Cluster
	load *benchkit.Load
	// values is how many make up the state.
	values, rounds int
}

func run(ctx context.Context, dir string, size int64, clients, rounds int) (err error) {
	if size < 1 || size > 1536 || clients < 1 || rounds < 1 {
		return fmt.Errorf("%d MiB, %d clients and %d rounds: 1 to 1536 MiB and at least 1 of the others are possible", size, clients, rounds)
	}
	speeds, err := measureSpeeds(dir)
	if err != nil {
		return err
	}
	fmt.Printf("the disk writes %.0f MiB/s, loopback carries %.0f MiB/s\n", speeds.disk, speeds.loopback)
	c, err := benchkit.Start(ctx, dir, "--memory", "4095MiB")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	b := &bench{Cluster: c, values: int(size << 20 / valueBytes), rounds: rounds}
	if err := within(ctx, b.fill); err != nil {
		return err
	}
	b.load = benchkit.StartLoad(ctx, c.Client.Group(benchkit.Group), clients)
	for _, phase := range []func(context.Context) error{b.snapshots, func(ctx context.Context) error { return b.catchUp(ctx, speeds) }} {
		if err := within(ctx, phase); err != nil {
			return errors.Join(err, b.load.Stop())
		}
	}
	if err := b.load.Stop(); err != nil {
		return err
	}
	checked, err := b.load.Check(ctx)
	fmt.Printf("\n%d keys hold what was acknowledged last\n", checked)
	return err
}

func within(ctx context.Context, phase func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, phaseTimeout, fmt.Errorf("a phase takes longer than %s", phaseTimeout))
	defer cancel()
	return phase(ctx)
}

// fill writes every value of the state.
func (b *bench) fill(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began, filler := time.Now(), strings.Repeat("x", valueBytes-16)
	var workers sync.WaitGroup
	for w := range writers {
		workers.Go(func() {
			for n := w; n < b.values && ctx.Err() == nil; n += writers {
				command := fmt.Sprintf("put bulk-%05d %016x%s", n, time.Now().UnixNano(), filler)
				if _, err := b.Client.Group(benchkit.Group).Execute(ctx, []byte(command)); err != nil {
					cancel(fmt.Errorf("filling the state: %w", err)) // the first one counts
				}
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	fmt.Printf("%d MiB of state written in %.1f s\n", b.values*valueBytes>>20, time.Since(began).Seconds())
	for _, name := range b.Names {
		if pid := b.Pid(name); pid != 0 {
			m, err := benchkit.MemoryOf(pid)
			if err != nil {
				return err
			}
			fmt.Printf("host %s has %d MiB resident, %d of them checkpoints\n", name, m.Resident>>10, m.Shared>>10)
		}
	}
	return nil
}

// snapshots measures stretches of load in which a snapshot is written on all hosts, and stretches without one.
func (b *bench) snapshots(ctx context.Context) error {
	var with, without []benchkit.Window
	for len(with) < b.rounds {
		last, err := b.load.Next(ctx, 0)
		if err != nil {
			return err
		}
		b.load.Take()
		if err := b.Client.Admin().Snapshot(ctx, benchkit.Group); err != nil {
			return err
		}
		before, err := b.snapshotsEqual(ctx, last.Index)
		if err != nil {
			return err
		}
		with = append(with, b.load.Take())
		if err := wait(ctx, window); err != nil {
			return err
		}
		calm := b.load.Take()
		after, err := b.snapshotsEqual(ctx, before)
		if err != nil {
			return err
		}
		if before == after { // no member took one of its own accord meanwhile
			without = append(without, calm)
		}
	}
	if len(without) == 0 {
		return errors.New("members take snapshots without a pause: nothing to compare with")
	}
	during, calm := merge(with), merge(without)
	fmt.Printf("\nwithout a snapshot: %6.0f commands/s, p50 %s, p99 %s\nwhile one is written: %4.0f commands/s, p50 %s, p99 %s, %s each\n",
		calm.Rate(), calm.P50, calm.P99, during.Rate(), during.P50, during.P99, (during.For / time.Duration(len(with))).Round(time.Millisecond))
	fmt.Printf("throughput lost while a snapshot is written: %.0f %% (target: at most 15 %%)\n", 100*(1-during.Rate()/calm.Rate()))
	fmt.Printf("p99 to p50 meanwhile: %.1f (target: at most 10)\n", float64(during.P99)/float64(during.P50))
	return nil
}

// merge joins windows. The percentiles are the worst of them.
func merge(windows []benchkit.Window) benchkit.Window {
	var all benchkit.Window
	for _, w := range windows {
		all.Commands, all.For = all.Commands+w.Commands, all.For+w.For
		all.P50, all.P99 = max(all.P50, w.P50), max(all.P99, w.P99)
	}
	return all
}

// snapshotsEqual waits until all hosts have their snapshot at one index, at or after another, and returns it.
func (b *bench) snapshotsEqual(ctx context.Context, from uint64) (uint64, error) {
	for {
		at, err := b.each(ctx, func(g api.GroupBrief) uint64 { return g.SnapshotIndex })
		if err != nil {
			return 0, err
		}
		if len(at) == len(b.Names) && at["h1"] >= from && at["h1"] == at["h2"] && at["h2"] == at["h3"] {
			return at["h1"], nil
		}
	}
}

// each asks all hosts for something of the group, by host.
func (b *bench) each(ctx context.Context, of func(api.GroupBrief) uint64) (map[string]uint64, error) {
	statuses, err := b.Client.Admin().Status(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	out := map[string]uint64{}
	for _, s := range statuses {
		for _, g := range s.Groups {
			if g.Group == benchkit.Group {
				out[s.Host] = of(g)
			}
		}
	}
	return out, err
}

// catchUp kills a follower, writes the whole state anew while it is away, and measures its return.
func (b *bench) catchUp(ctx context.Context, s speeds) error {
	info, err := b.Client.Admin().Info(ctx, benchkit.Group)
	if err != nil {
		return err
	}
	away := b.Names[0]
	if away == info.Leader {
		away = b.Names[1]
	}
	fmt.Printf("\nhost %s is killed\n", away)
	if err := b.Kill(away); err != nil {
		return err
	}
	if err := b.fill(ctx); err != nil {
		return err
	}
	if err := b.Client.Admin().Snapshot(ctx, benchkit.Group); err != nil {
		return err
	}
	b.load.Take()
	if err := wait(ctx, 2*window); err != nil {
		return err
	}
	calm := b.load.Take()
	last, err := b.load.Next(ctx, 0)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := b.Hosts.Start(away); err != nil {
		return err
	}
	for applied := uint64(0); applied < last.Index; {
		at, err := b.each(ctx, func(g api.GroupBrief) uint64 { return g.Applied })
		if err != nil {
			return err
		}
		applied = at[away]
	}
	took, busy := time.Since(began), b.load.Take()
	rate := float64(b.values*valueBytes>>20) / took.Seconds()
	fmt.Printf("it had what was acknowledged at its start after %.1f s, its process's start included: %.0f MiB/s\n", took.Seconds(), rate)
	fmt.Printf("to the slower of disk and loopback: %.2f (target: at least 0.5)\n", rate/min(s.disk, s.loopback))
	fmt.Printf("p99 of the load meanwhile: %s, before: %s, ratio %.2f (target: at most 2); commands/s: %.0f, before: %.0f\n",
		busy.P99, calm.P99, float64(busy.P99)/float64(calm.P99), busy.Rate(), calm.Rate())
	return nil
}

// wait lets time pass, which is what is measured.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
