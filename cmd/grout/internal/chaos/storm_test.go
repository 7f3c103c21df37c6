package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/procs"
)

var (
	length = flag.Duration("chaos", 2*time.Minute, "how long faults go on")
	seed   = flag.Uint64("seed", 0, "which faults come when; 0 chooses one")
	on     = flag.String("network", "auto", "namespaces, user (namespaces without being root), proxy, or auto: the first that this machine allows")
)

// startPatience is how long everything may take to be up and deployed, on a machine that compiles beside it.
const startPatience = 4 * time.Minute

// full is the length from which on every kind of fault has to come about.
const full = 2 * time.Minute

// TestStorm shows that hosts which are killed, stopped, cut off, slowed, filled up and left without NATS,
// singly and all at once, lose no acknowledged command, apply none twice and none that was said not to
// have happened, answer every request as one linear history would, and come level again.
func TestStorm(t *testing.T) {
	if dir := os.Getenv(insideDir); dir != "" {
		if task := os.Getenv(insideTask); task != "" {
			runTask(t, dir, task)
			return
		}
		rage(t, dir, true)
		return
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	dir, err := os.MkdirTemp("", "grout-chaos-")
	must(t, err)
	prepare(t, dir)
	if *on == "proxy" || !runInside(t, dir) {
		t.Run("proxies", func(t *testing.T) { rage(t, dir, false) })
	}
	nothingLeft(t, dir)
	if !t.Failed() {
		must(t, os.RemoveAll(dir))
	}
}

// prepare builds everything into dir: inside the namespaces there is no way out to fetch anything.
func prepare(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	binary, err := procs.Build(ctx, dir, "grout", procs.Grout)
	must(t, err)
	_, err = procs.Build(ctx, dir, "nats-server", procs.NATSServer)
	must(t, err)
	h := procs.Hosts{Binary: binary}
	for _, machine := range groups {
		_, err := h.CLI(ctx, "build", filepath.Join("..", "..", "..", "..", "examples", "wasm", machine), "-o", filepath.Join(dir, machine+".wasm"))
		must(t, err)
	}
}

// rage is the test itself, in namespaces of its own or on the machine's loopback.
func rage(t *testing.T, dir string, inside bool) {
	t.Logf("seed %d decides the faults; the timing of the processes is their own. Logs are in %s", *seed, dir)
	t.Cleanup(func() { showLogs(t, dir) })
	n, newDisk, disks := surroundings(t, inside)
	starting, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	began := time.Now()
	c := startCluster(starting, t, dir, n, newDisk)
	t.Logf("started in %s", time.Since(began).Round(time.Millisecond))
	w := newWorkload(c)
	s := newStorm(c, lanes(disks), w.stats.leader)
	ctx, stop := context.WithTimeout(context.Background(), *length)
	defer stop()
	go w.stats.watch(ctx, c)
	w.start(ctx, *seed)
	began = time.Now()
	s.rage(ctx, *seed)
	w.wait()
	t.Logf("the storm took %s", time.Since(began).Round(time.Millisecond))
	verify(t, w, s)
	t.Logf("%s\n%s", s.report(), w.stats.report())
	if *length >= full {
		s.wantAll(t)
	}
	if n := w.stats.operations(done); n < 20*int(length.Seconds()) {
		t.Errorf("only %d operations were done in %s: this shows little", n, *length)
	}
}

// surroundings makes the network, and says what the hosts' disks are.
func surroundings(t *testing.T, inside bool) (network, func(string) (disk, error), string) {
	t.Helper()
	if inside {
		n, err := newNamespaces(*seed, hostNames)
		must(t, err)
		return n, newFullableDisk, "full disk"
	}
	n, err := newProxies(*seed, hostNames)
	must(t, err)
	return n, func(dir string) (disk, error) { return newLimited(dir) }, "limited files"
}

// verify is what must hold after the storm.
func verify(t *testing.T, w *workload, s *storm) {
	t.Helper()
	began := time.Now()
	errs := []error{w.calm(), w.level()}
	ctx, cancel := context.WithTimeout(context.Background(), levelPatience)
	defer cancel()
	t.Logf("level %s after the last fault", time.Since(began).Round(time.Millisecond))
	total, err := w.final(ctx)
	if err == nil {
		err = w.tally.check(total)
	}
	began = time.Now()
	errs = append(errs, err, w.board.linearizable(w.dir))
	t.Logf("%d keys checked in %s", len(w.board.history), time.Since(began).Round(time.Millisecond))
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(append(errs, first(w.problems, 20)...)...); err != nil {
		t.Error(err)
	}
}

// first keeps a report readable.
func first(errs []error, n int) []error {
	if len(errs) <= n {
		return errs
	}
	return append(slices.Clone(errs[:n]), fmt.Errorf("and %d more like these", len(errs)-n))
}

// report lists the faults.
func (s *storm) report() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%-30s %9s %9s\n", "fault", "tried", "happened")
	for _, l := range s.lanes {
		for _, k := range l.kinds {
			fmt.Fprintf(&b, "%-30s %9d %9d\n", k.name, s.tried[k.name], s.done[k.name])
		}
	}
	fmt.Fprintf(&b, "%-30s %9s %9d\n", readOnlyStart, "", s.done[readOnlyStart])
	for n, d := range s.together {
		fmt.Fprintf(&b, "%d faults at a time for %s\n", n, d.Round(100*time.Millisecond))
	}
	for _, h := range s.hosts {
		fmt.Fprintf(&b, "host %s: %d starts, of which %d found no NATS\n", h.name, h.runs.Load(), h.unreachable.Load())
	}
	return b.String()
}

// wantAll fails the test for every kind of fault that did not come about.
func (s *storm) wantAll(t *testing.T) {
	t.Helper()
	for _, l := range s.lanes {
		for _, k := range l.kinds {
			if s.done[k.name] == 0 {
				t.Errorf("the fault %q never came about: run longer", k.name)
			}
		}
	}
}

// showLogs prints the ends of all logs when the test has failed.
func showLogs(t *testing.T, dir string) {
	if !t.Failed() {
		return
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	must(t, err)
	for _, path := range logs {
		t.Logf("the end of %s:\n%s", path, procs.Tail(path))
	}
}
