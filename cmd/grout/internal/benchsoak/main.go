// Command benchsoak is `make soak`: three host processes under full load for a long time. It prints what each host has in memory
// and on disk as it goes, and fails when something grows without a bound, when a leader is replaced though nothing
// disturbs it, or when an acknowledged command is lost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/benchkit"
	"github.com/groutlabs/grout/sdk/client"
)

// passing is how many clients come, write a few commands under sessions of their own, and go, in each interval.
const passing = 32

func main() {
	length := flag.Duration("time", 10*time.Minute, "how long the load lasts")
	every := flag.Duration("every", 10*time.Second, "the time between two samples")
	clients := flag.Int("clients", 64, "how many closed-loop clients write")
	flag.Parse()
	benchkit.Main("benchsoak", func(ctx context.Context, dir string) error { return run(ctx, dir, *length, *every, *clients) })
}

func run(ctx context.Context, dir string, length, every time.Duration, clients int) (err error) {
	if samples := int(length / max(every, 1)); samples < minSamples || clients < 1 {
		return fmt.Errorf("%d samples of %d clients are too few: at least %d of 1 are needed, as %s every %s gives them", samples, clients,
			minSamples, minSamples*every, every)
	}
	c, err := benchkit.Start(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	load := benchkit.StartLoad(ctx, c.Client.Group(benchkit.Group), clients)
	fmt.Printf("%d clients write to one group on three hosts for %s, others come and go\n\n", clients, length)
	series, elections, err := watch(ctx, c, load, length, every)
	if stopped := load.Stop(); stopped != nil {
		return errors.Join(err, stopped)
	}
	if err != nil {
		return err
	}
	checked, err := load.Check(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d keys hold what was acknowledged last\n%d elections while nothing was disturbed (target: 0)\n\n", checked, elections)
	if err := series.judge(); err != nil {
		return err
	}
	if elections > 0 {
		return fmt.Errorf("%d elections though no host failed", elections)
	}
	return nil
}

// watch takes samples until the time is over.
func watch(ctx context.Context, c *benchkit.Cluster, load *benchkit.Load, length, every time.Duration) (series, int, error) {
	s, elections, total := series{}, 0, int64(0)
	fmt.Println(header)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for began := time.Now(); time.Since(began) < length; {
		select {
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		case <-ticker.C:
		}
		w := load.Take()
		elections += w.Elections
		total += w.Commands
		if w.LastAnswer > every {
			return nil, 0, fmt.Errorf("no command was acknowledged for %s", w.LastAnswer.Round(time.Second))
		}
		samples, err := sampleAll(ctx, c)
		if err != nil {
			return nil, 0, err
		}
		for _, at := range samples {
			fmt.Println(at.line(time.Since(began), w))
		}
		s = append(s, samples)
		if err := passBy(ctx, c); err != nil {
			return nil, 0, err
		}
	}
	fmt.Printf("\n%d commands\n", total)
	return s, elections, nil
}

// passBy has clients come and go, so that sessions begin and end.
func passBy(ctx context.Context, c *benchkit.Cluster) error {
	for range passing {
		one, err := client.Connect(client.Config{URL: c.URL})
		if err != nil {
			return err
		}
		_, err = one.Group(benchkit.Group).Execute(ctx, []byte("put passing by"))
		one.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
