// Command bench measures Grout on this machine: three durable hosts in this process, clients over
// NATS, the kv example as the machine. It prints one Markdown table, with the floors that no system
// over NATS and a disk can pass, taken in the same run.
//
// It always exits 0 when it could measure: the figures are for reading, not for passing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/cmd/grout/internal/benchkit"
	"github.com/groutlabs/grout/cmd/grout/internal/node"
	"github.com/groutlabs/grout/transport/nats"
)

var (
	duration = flag.Duration("time", 5*time.Second, "how long each row is measured")
	warmup   = flag.Duration("warmup", time.Second, "how long each row runs before it is measured")
	only     = flag.String("only", "", "measure only the rows whose name contains this")
	profiles = flag.String("profiles", "", "write a CPU profile of each row's measured time, and a heap profile at the end, into this folder")
	clients  = []int{1, 16, 64, 256}
)

func main() {
	flag.Parse()
	dir, err := os.MkdirTemp("", "grout-bench-")
	if err == nil {
		err = profiled(dir)
	}
	if removeErr := os.RemoveAll(dir); err == nil {
		err = removeErr
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// profiled runs the benchmark, and writes a heap profile after it if profiles are asked for.
func profiled(dir string) error {
	if *profiles != "" {
		if err := os.MkdirAll(*profiles, 0o755); err != nil {
			return err
		}
	}
	if err := run(dir); err != nil || *profiles == "" {
		return err
	}
	file, err := os.Create(filepath.Join(*profiles, "heap.out"))
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(file), file.Close())
}

// profileRow writes a CPU profile until the returned function is called.
func profileRow(name string, clients int) (stop func() error, err error) {
	if *profiles == "" {
		return func() error { return nil }, nil
	}
	letters := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}
	file, err := os.Create(filepath.Join(*profiles, fmt.Sprintf("cpu-%s-%d.out", strings.Map(letters, name), clients)))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}

// row is one line of the table.
type row struct {
	name    string
	clients int
	rate    float64
	latency *hdrhistogram.Histogram
	// processor is the time that all in this process took for one operation.
	processor time.Duration
}

func (r row) print() {
	at := func(q float64) time.Duration {
		return time.Duration(r.latency.ValueAtQuantile(q)).Round(time.Microsecond)
	}
	fmt.Printf("| %-34s | %4d | %9.0f | %10s | %10s | %10s |\n", r.name, r.clients, r.rate, at(50), at(99), r.processor)
}

func run(dir string) error {
	fmt.Printf("%s, %d cores, %s a row, 128-byte commands, three hosts in one process, fsync before every answer\n\n",
		runtime.Version(), runtime.NumCPU(), *duration)
	fmt.Println("| what | clients | ops/s | p50 | p99 | processor/op |")
	fmt.Println("|---|---|---|---|---|---|")
	ns, err := startServer()
	if err != nil {
		return err
	}
	defer ns.Shutdown()
	t := &table{}
	if err := benchEcho(t, ns.ClientURL()); err != nil {
		return err
	}
	if err := benchDisk(t, dir); err != nil {
		return err
	}
	nodes, err := startNodes(dir, ns.ClientURL())
	defer func() {
		for _, n := range nodes {
			if err := n.Close(); err != nil {
				fmt.Fprintln(os.Stderr, "bench: closing:", err)
			}
		}
	}()
	if err != nil {
		return err
	}
	if err := benchGrout(t, dir, ns.ClientURL(), nodes); err != nil {
		return err
	}
	t.printTargets()
	return nil
}

func startServer() (*server.Server, error) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true})
	if err != nil {
		return nil, err
	}
	ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		return nil, fmt.Errorf("the NATS server does not start")
	}
	return ns, nil
}

func startNodes(dir, url string) ([]*node.Node, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	names := []string{"a", "b", "c"}
	nodes := make([]*node.Node, len(names))
	errs := make([]error, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() {
			nodes[i], errs[i] = node.Start(ctx, node.Config{
				Name: name, Peers: names, Dir: filepath.Join(dir, name), Version: "0.0.0",
				CompileCache: filepath.Join(dir, "compiled"), NATS: nats.Config{URL: url},
				Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
			})
		})
	}
	group.Wait()
	started := nodes[:0]
	for i := range nodes {
		if nodes[i] != nil {
			started = append(started, nodes[i])
		}
		if errs[i] != nil {
			return started, errs[i]
		}
	}
	return started, nil
}

// benchEcho measures a bare NATS request and reply.
func benchEcho(t *table, url string) error {
	conn, err := natsgo.Connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Subscribe("echo", func(m *natsgo.Msg) {
		if err := m.Respond(m.Data); err != nil {
			fmt.Fprintln(os.Stderr, "bench: echo:", err)
		}
	}); err != nil {
		return err
	}
	payload := []byte(strings.Repeat("x", 128))
	for _, n := range clients {
		conns, err := connect(url, n)
		if err != nil {
			return err
		}
		r, err := measure(rowNATS, n, func(worker, _ int) error {
			_, err := conns[worker%len(conns)].Request("echo", payload, 10*time.Second)
			return err
		})
		for _, c := range conns {
			c.Close()
		}
		if err != nil {
			return err
		}
		t.add(r)
	}
	return nil
}

// connect opens a few connections for many clients, as an application would.
func connect(url string, n int) ([]*natsgo.Conn, error) {
	var conns []*natsgo.Conn
	for range min(n, maxConnections) {
		c, err := natsgo.Connect(url)
		if err != nil {
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

const maxConnections = 8

// benchDisk measures appends of 128 bytes to one file with one sync for all that wait.
func benchDisk(t *table, dir string) error {
	for _, n := range clients {
		log, err := newSharedLog(filepath.Join(dir, fmt.Sprintf("floor-%d", n)))
		if err != nil {
			return err
		}
		payload := []byte(strings.Repeat("x", 128))
		r, err := measure(rowDisk, n, func(int, int) error { return log.append(payload) })
		if err := log.close(); err != nil {
			return err
		}
		if err != nil {
			return err
		}
		t.add(r)
	}
	return nil
}

// asked reports whether a row is to be measured.
func asked(name string, n int) bool { return strings.Contains(fmt.Sprintf("%s %d", name, n), *only) }

// measure runs n closed-loop workers for the warm-up and the measured time.
func measure(name string, n int, do func(worker, i int) error) (row, error) {
	if !asked(name, n) {
		return row{}, nil
	}
	result, err := benchkit.Measurement{
		Workers: n, Do: do, Warmup: *warmup, Time: *duration, Begin: func() (func() error, error) { return profileRow(name, n) },
	}.Run()
	if err != nil {
		return row{}, fmt.Errorf("%s: %w", name, err)
	}
	return row{name, n, result.Rate, result.Latency, result.Processor}, nil
}
