package main

import (
	"fmt"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/benchkit"
)

// figure is one measurement.
type figure struct {
	rate      float64
	p50, p99  time.Duration
	processor time.Duration
}

func figureOf(r benchkit.Result) figure {
	return figure{r.Rate, r.Quantile(50), r.Quantile(99), r.Processor}
}

// String gives the rate.
func (f figure) String() string { return fmt.Sprintf("%.0f/s", f.rate) }

// figures are those of one system. Its writes are in the order of clientCounts.
type figures struct {
	name   string
	runs   int
	writes []figure
	reads  figure
}

// joined takes the means of the systems that were measured more than once.
func joined(all []figures) []figures {
	var out []figures
	at := map[string]int{}
	for _, f := range all {
		i, again := at[f.name]
		if !again {
			at[f.name] = len(out)
			out = append(out, f)
			continue
		}
		before := &out[i]
		for n := range f.writes {
			before.writes[n] = mean(before.writes[n], f.writes[n], before.runs)
		}
		before.reads = mean(before.reads, f.reads, before.runs)
		before.runs++
	}
	return out
}

// mean adds one more figure to the mean of some.
func mean(of, one figure, runs int) figure {
	mix := func(a, b time.Duration) time.Duration {
		return (a*time.Duration(runs) + b) / time.Duration(runs+1)
	}
	return figure{(of.rate*float64(runs) + one.rate) / float64(runs+1), mix(of.p50, one.p50), mix(of.p99, one.p99), mix(of.processor, one.processor)}
}

func printTables(all []figures) {
	fmt.Println("| writes/s (p50, p99) | 1 client | 16 | 64 | 256 | processor/op at 256 |\n|---|---|---|---|---|---|")
	for _, f := range all {
		fmt.Printf("| %s |", f.name)
		for _, w := range f.writes {
			fmt.Printf(" %.0f (%s, %s) |", w.rate, short(w.p50), short(w.p99))
		}
		fmt.Printf(" %s |\n", short(f.writes[len(f.writes)-1].processor))
	}
	fmt.Println("\n| linearizable reads/s | 256 clients | p50 | p99 | processor/op |\n|---|---|---|---|---|")
	for _, f := range all {
		fmt.Printf("| %s | %.0f | %s | %s | %s |\n", f.name, f.reads.rate, short(f.reads.p50), short(f.reads.p99), short(f.reads.processor))
	}
	fmt.Println("\n| Grout to it | write 1 | 16 | 64 | 256 | read 256 |\n|---|---|---|---|---|---|")
	for _, f := range all {
		ours := all[0]
		if f.name == grout || f.name == groutHere {
			continue
		}
		fmt.Printf("| %s |", f.name)
		for n := range f.writes {
			fmt.Printf(" %.2f |", ours.writes[n].rate/f.writes[n].rate)
		}
		fmt.Printf(" %.2f |\n", ours.reads.rate/f.reads.rate)
	}
}

// short rounds to three digits or so.
func short(d time.Duration) time.Duration {
	for unit := time.Nanosecond; ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
}
