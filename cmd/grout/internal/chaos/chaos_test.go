package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/groutlabs/grout/cmd/grout/internal/procs"
	"github.com/groutlabs/grout/sdk/client"
)

var (
	length = flag.Duration("chaos", 20*time.Second, "how long hosts are killed under load")
	seed   = flag.Uint64("seed", 0, "which hosts are killed when; 0 chooses one")
)

const (
	writers = 6
	adders  = 2
	keys    = 8
	// patience is how long a client tries one operation before it counts it as unknown.
	patience = 10 * time.Second
)

// TestKills shows that hosts which are killed with SIGKILL at random moments under load lose no
// acknowledged command, apply none twice, and answer every request as one linear history would.
func TestKills(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d (the schedule of kills; the timing of processes is their own)", *seed)
	h := startHosts(t)
	c, err := client.Connect(client.Config{URL: h.URL, AttemptTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := &workload{client: c, began: time.Now()}
	ctx, cancel := context.WithTimeout(context.Background(), *length)
	defer cancel()
	kills := w.run(ctx, t, h)
	w.final(t)
	t.Logf("%d kills, %d operations on %d keys (%d of unknown outcome), %d additions acknowledged (%d unknown); client: %+v",
		kills, len(w.history), keys, w.unknown, len(w.totals), w.openAdds, c.Stats())
	w.checkAdditions(t)
	result, _ := porcupine.CheckOperationsVerbose(register, w.history, 2*time.Minute)
	if result != porcupine.Ok {
		t.Fatalf("the history is not linearizable: %s", result)
	}
	if kills < 2 || len(w.history) < 100 {
		t.Fatalf("only %d kills and %d operations: this shows nothing", kills, len(w.history))
	}
}

// startHosts builds everything and deploys kv and counter on three hosts.
func startHosts(t *testing.T) *procs.Hosts {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	dir := t.TempDir()
	binary, err := procs.Build(ctx, dir, "grout", procs.Grout)
	if err != nil {
		t.Fatal(err)
	}
	h := &procs.Hosts{Binary: binary, Dir: dir, URL: startNATS(ctx, t, dir), Names: []string{"a", "b", "c"}}
	for _, name := range h.Names {
		if err := h.Start(name); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, machine := range []string{"kv", "counter"} {
		if _, err := h.CLI(ctx, "deploy", machine, filepath.Join("..", "..", "..", "..", "examples", "wasm", machine)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// startNATS runs a NATS server as a process of its own and returns its URL.
func startNATS(ctx context.Context, t *testing.T, dir string) string {
	t.Helper()
	binary, err := procs.Build(ctx, dir, "nats-server", procs.NATSServer)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", dir)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(command.Process.Kill(), ignoreExit(command.Wait())); err != nil {
			t.Error(err)
		}
	})
	ports := filepath.Join(dir, fmt.Sprintf("nats-server_%d.ports", command.Process.Pid))
	for {
		text, err := os.ReadFile(ports)
		var found struct {
			NATS []string `json:"nats"`
		}
		if err == nil && json.Unmarshal(text, &found) == nil && len(found.NATS) > 0 {
			return found.NATS[0]
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		select { // the server writes the file once it listens; there is no other sign of it
		case <-ctx.Done():
			t.Fatal("the NATS server does not start")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func ignoreExit(err error) error {
	if _, ended := err.(*exec.ExitError); ended {
		return nil
	}
	return err
}

// workload is what the clients do and what they were told.
type workload struct {
	client *client.Client
	began  time.Time

	mu      sync.Mutex
	history []porcupine.Operation
	unknown int
	// totals are the acknowledged answers of the counter, each its value after one addition.
	totals   []int
	openAdds int
}

// run works and kills until ctx ends, and returns the number of kills.
func (w *workload) run(ctx context.Context, t *testing.T, h *procs.Hosts) int {
	var group sync.WaitGroup
	for id := range writers {
		group.Go(func() { w.write(ctx, t, id) })
	}
	for range adders {
		group.Go(func() { w.add(ctx, t) })
	}
	kills := 0
	rng := rand.New(rand.NewPCG(*seed, 1))
	for pause(ctx, time.Duration(500+rng.IntN(1500))*time.Millisecond) {
		name := h.Names[rng.IntN(len(h.Names))]
		if err := h.Kill(name); err != nil {
			t.Error(err)
		}
		kills++
		pause(ctx, time.Duration(rng.IntN(1500))*time.Millisecond)
		if err := h.Start(name); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
	return kills
}

// pause is part of the schedule of faults, not a wait for anything.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (w *workload) write(ctx context.Context, t *testing.T, id int) {
	rng := rand.New(rand.NewPCG(*seed, uint64(100+id)))
	known := map[string]string{}
	for i := 0; ctx.Err() == nil; i++ {
		o := operation{key: fmt.Sprintf("k%d", rng.IntN(keys)), value: fmt.Sprintf("v%d.%d", id, i)}
		switch rng.IntN(4) {
		case 0:
			o.verb = "put"
		case 1:
			o.verb, o.old = "cas", known[o.key]
			if o.old == "" {
				o.verb = "put"
			}
		default:
			o.verb, o.value = "get", ""
		}
		a := w.do(t, id, o)
		if o.verb == "get" && a.found {
			known[o.key] = a.value
		}
	}
}

// do carries out one operation and records it.
func (w *workload) do(t *testing.T, id int, o operation) answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	called := time.Since(w.began)
	a, err := w.ask(ctx, o)
	returned := int64(time.Since(w.began))
	if err != nil {
		if !ambiguous(err) {
			t.Errorf("%+v: %v", o, err)
		}
		a, returned = answer{unknown: true}, math.MaxInt64
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.unknown {
		w.unknown++
		if o.verb == "get" {
			return a // a read without an answer says nothing
		}
	}
	w.history = append(w.history, porcupine.Operation{ClientId: id, Input: o, Call: int64(called), Output: a, Return: returned})
	return a
}

func (w *workload) ask(ctx context.Context, o operation) (answer, error) {
	group := w.client.Group("kv")
	var refused *client.RefusedError
	switch o.verb {
	case "put":
		_, err := group.Execute(ctx, []byte("put "+o.key+" "+o.value))
		return answer{}, err
	case "cas":
		_, err := group.Execute(ctx, []byte("cas "+o.key+" "+o.old+" "+o.value))
		if errors.As(err, &refused) {
			return answer{}, nil
		}
		return answer{done: true}, err
	}
	result, err := group.Query(ctx, []byte("get "+o.key), client.QueryOptions{})
	if errors.As(err, &refused) {
		return answer{}, nil
	}
	return answer{found: true, value: string(result.Output)}, err
}

// ambiguous reports whether an error leaves open what happened, as opposed to being wrong.
func ambiguous(err error) bool {
	return errors.Is(err, client.ErrUnknownOutcome) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, client.ErrNoServers)
}

// add counts up: each acknowledged addition must have an answer of its own.
func (w *workload) add(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(context.Background(), patience)
		result, err := w.client.Group("counter").Execute(attempt, []byte("1"))
		cancel()
		w.mu.Lock()
		if err == nil {
			total, parseErr := strconv.Atoi(string(result.Output))
			if parseErr != nil {
				t.Errorf("the counter answers %q", result.Output)
			}
			w.totals = append(w.totals, total)
		} else {
			w.openAdds++
			if !ambiguous(err) {
				t.Errorf("adding: %v", err)
			}
		}
		w.mu.Unlock()
	}
}

// final reads every key once more, with all hosts up.
func (w *workload) final(t *testing.T) {
	for i := range keys {
		if a := w.do(t, writers, operation{verb: "get", key: fmt.Sprintf("k%d", i)}); a.unknown {
			t.Errorf("key %d cannot be read after the faults", i)
		}
	}
}

// checkAdditions shows that no acknowledged addition is missing and none was applied twice.
func (w *workload) checkAdditions(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := w.client.Group("counter").Query(ctx, nil, client.QueryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	total, err := strconv.Atoi(string(result.Output))
	if err != nil {
		t.Fatal(err)
	}
	if total < len(w.totals) || total > len(w.totals)+w.openAdds {
		t.Errorf("the counter is at %d, with %d additions acknowledged and %d open", total, len(w.totals), w.openAdds)
	}
	seen := map[int]bool{}
	for _, answered := range w.totals {
		if seen[answered] || answered > total {
			t.Errorf("the answer %d came twice, or is above the end", answered)
		}
		seen[answered] = true
	}
}
