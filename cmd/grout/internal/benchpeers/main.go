// Command benchpeers is `make bench-peers`: Grout and others that replicate durably, one after the other, at the same work on
// this machine: put a value of 100 bytes under a key, and read one that exists, linearizably. Everybody syncs to the disk before
// it acknowledges, keeps three replicas in this process, and is asked at its leader.
//
// It is a module of its own, so that none of the others comes near the product. It exits 0 whatever the figures are.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/benchkit"
)

var (
	duration = flag.Duration("time", 5*time.Second, "how long each figure is measured")
	warmup   = flag.Duration("warmup", time.Second, "how long the load runs before it is measured")
	only     = flag.String("only", "", "measure only systems whose name contains this, and Grout")
	parent   = flag.String("dir", "", "where the data goes, in a folder of its own; the system's folder for temporary files if empty")
)

// clientCounts are those of the writes; reads are measured with the most.
var clientCounts = []int{1, 16, 64, 256}

const (
	most = 256
	// readers is how many workers' keys are read, keys how many each has.
	readers, keys = 4, 1000
	// connections is how many a system's clients share.
	connections = 8
	// startTimeout bounds the start of a system, callTimeout one call.
	startTimeout, callTimeout = time.Minute, 30 * time.Second
)

// system is one that is measured.
type system interface {
	// write puts a value, and read returns it. A nil error says that it is durable on a majority, or that no
	// newer one had been acknowledged when it was asked for.
	write(worker int, key, value string) error
	read(worker int, key string) (string, error)
	close() error
}

// candidates are the systems in the order in which they are measured. Grout is so at both ends, so that a machine that
// becomes slower or faster on the way favours nobody.
var candidates = []struct {
	name  string
	start func(ctx context.Context, dir string) (system, error)
}{
	{grout, startGrout}, {groutHere, startGroutHere}, {"etcd", startEtcd}, {"hashicorp/raft, raft-wal, in process", startRaft},
	{"JetStream R3, sync always", startJetStream}, {grout, startGrout}, {groutHere, startGroutHere},
}

const (
	grout     = "Grout"
	groutHere = "Grout, in process"
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchpeers:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	dir, err := os.MkdirTemp(*parent, "grout-peers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Printf("%s, %d cores, three replicas in one process, synced before every answer, %s a figure\n\n", runtime.Version(), runtime.NumCPU(), *duration)
	var all []figures
	for n, candidate := range candidates {
		if !strings.HasPrefix(candidate.name, grout) && !strings.Contains(candidate.name, *only) {
			continue
		}
		data := filepath.Join(dir, fmt.Sprint(n))
		f, err := measure(candidate.name, data, candidate.start)
		if err != nil {
			return fmt.Errorf("%s: %w", candidate.name, err)
		}
		fmt.Fprintf(os.Stderr, "measured %s: %v\n", f.name, f.writes)
		all = append(all, f)
		if err := os.RemoveAll(data); err != nil {
			return err
		}
	}
	printTables(joined(all))
	return nil
}

// measure starts a system, measures it, checks what it holds and stops it.
func measure(name, dir string, start func(context.Context, string) (system, error)) (f figures, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return f, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s, err := start(ctx, dir)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	w := newWork(s)
	if err := w.fill(); err != nil {
		return f, err
	}
	f = figures{name: name, runs: 1}
	for _, n := range clientCounts {
		r, err := benchkit.Measurement{Workers: n, Do: w.write, Warmup: *warmup, Time: *duration}.Run()
		if err != nil {
			return f, err
		}
		f.writes = append(f.writes, figureOf(r))
	}
	r, err := benchkit.Measurement{Workers: most, Do: w.read, Warmup: *warmup, Time: *duration}.Run()
	if err != nil {
		return f, err
	}
	f.reads = figureOf(r)
	return f, w.check()
}
