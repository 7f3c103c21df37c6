package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/groutlabs/grout/sdk/client"
)

// progressInterval is the pause between two lines of progress.
const progressInterval = 5 * time.Second

// window is how many commands are under way at once.
const window = 512

// outcome is what publishing the input came to.
type outcome struct {
	lines   int
	terms   int
	elapsed time.Duration
	latency *hdrhistogram.Histogram
	stats   client.Stats
}

// publish sends every line as one command and takes every result. disturb is called once, when
// killAt results are there, and runs beside the load.
func publish(ctx context.Context, c *client.Client, lines []string, killAt int, disturb func() error) (outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := c.Group(groupName).Pipeline(ctx, client.PipelineConfig{Window: window})
	if err != nil {
		return outcome{}, err
	}
	sent := make([]atomic.Int64, len(lines))
	began := time.Now()
	go func() {
		defer p.Close()
		for i, line := range lines {
			sent[i].Store(int64(time.Since(began)))
			if _, err := p.Submit(ctx, []byte(line)); err != nil {
				cancel(err)
				return
			}
		}
	}()
	disturbed := make(chan error, 1)
	result := outcome{latency: hdrhistogram.New(1, int64(5*time.Minute), 3)}
	var term uint64
	shown := time.Now()
	for {
		r, err := p.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.Err
		}
		if err != nil {
			return outcome{}, fmt.Errorf("line %d: %w", result.lines+1, err)
		}
		if err := result.latency.RecordValue(int64(time.Since(began)) - sent[result.lines].Load()); err != nil {
			return outcome{}, err
		}
		if r.Result.Term > term {
			term = r.Result.Term
			result.terms++
		}
		result.lines++
		if result.lines == killAt {
			go func() { disturbed <- disturb() }()
		}
		if time.Since(shown) > progressInterval {
			shown = time.Now()
			fmt.Fprintf(os.Stderr, "  %7d of %d lines, %.0f a second\n", result.lines, len(lines),
				float64(result.lines)/time.Since(began).Seconds())
		}
	}
	result.elapsed, result.stats = time.Since(began), c.Stats()
	return result, <-disturbed
}
