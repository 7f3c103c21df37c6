// Command benchwasm measures what preparation costs: the same module, prepared and not, in the same engine in
// the same process, run in turns. It builds its guests with the toolchains of this machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// workload is one row of the table.
type workload struct {
	guest string // "go" or "c"
	name  string
	op    byte
}

var workloads = []workload{
	{"go", "map of strings", 'm'}, {"go", "sort", 'l'}, {"go", "calls", 'c'}, {"go", "floats", 'f'},
	{"go", "memory", 'b'}, {"go", "JSON", 'j'}, {"go", "tiny command", 't'},
	{"c", "hash (SHA-256)", 'h'}, {"c", "sieve", 'l'}, {"c", "calls", 'c'}, {"c", "floats, locals", 'f'},
	{"c", "floats, memory", 'x'}, {"c", "hash table", 'm'}, {"c", "memory", 'b'}, {"c", "sort, indirect calls", 's'},
	{"c", "tiny command", 't'},
}

func main() {
	turns := flag.Int("turns", 401, "how often prepared and unprepared code take turns in each row")
	slice := flag.Duration("slice", time.Millisecond, "how long one turn takes, about")
	only := flag.String("run", "", "one guest: go or c")
	flag.Parse()
	if err := run(*turns, *slice, *only); err != nil {
		fmt.Fprintln(os.Stderr, "benchwasm:", err)
		os.Exit(1)
	}
}

func run(turns int, slice time.Duration, only string) error {
	ctx := context.Background()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "guest\tworkload\tunprepared, µs\tprepared, µs\tratio\tfuel\tns per fuel\t")
	var ratios []float64
	var compiled []string
	for _, guest := range []string{"go", "c"} {
		if only != "" && only != guest {
			continue
		}
		module, err := build(guest)
		if errors.Is(err, errNoToolchain) {
			fmt.Fprintf(w, "%s\t%v\t\t\t\t\t\t\n", guest, err)
			continue
		}
		if err != nil {
			return err
		}
		pair, err := open(ctx, module)
		if err != nil {
			return err
		}
		compiled = append(compiled, pair.compiled(guest, len(module)))
		for _, l := range workloads {
			if l.guest != guest {
				continue
			}
			m, err := measure(ctx, pair, l.op, turns, slice)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", l.guest, l.name, err)
			}
			ratios = append(ratios, m.ratio)
			fmt.Fprintf(w, "%s\t%s\t%.4g\t%.4g\t%.3f\t%d\t%.2f\t\n", guest, l.name, m.plain/1e3, m.prepared/1e3, m.ratio, m.fuel, m.prepared/float64(m.fuel))
		}
		if err := pair.close(ctx); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	sum := 0.0
	for _, r := range ratios {
		sum += math.Log(r)
	}
	fmt.Printf("geometric mean %.3f, worst %.3f\n", math.Exp(sum/float64(len(ratios))), slices.Max(ratios))
	for _, line := range compiled {
		fmt.Println(line)
	}
	return overhead(only)
}
