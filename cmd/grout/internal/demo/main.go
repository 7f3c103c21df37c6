// Command demo is `make run`: Grout's main job, end to end, on real parts.
//
// It builds the CLI and the example machines, starts an embedded NATS server and three host processes
// with durable storage, deploys wordcount through the CLI, publishes every line of its input as one
// command with an exactly-once ID, kills the leader's host with SIGKILL while commands are in flight,
// restarts it, and compares the machine's answer, word for word, with a count made without Grout.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/embedded"
	"github.com/groutlabs/grout/cmd/grout/internal/procs"
	"github.com/groutlabs/grout/examples/wasm/wordcount/words"
	"github.com/groutlabs/grout/sdk/client"
)

const groupName = "wordcount"

func main() {
	input := flag.String("input", "", "a text file; the Go distribution's documentation and comments when empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *input); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, input string) (err error) {
	dir, err := os.MkdirTemp("", "grout-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	step("reading the input")
	lines, source, err := readInput(ctx, input)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return fmt.Errorf("the input %s has no lines", source)
	}
	fmt.Fprintf(os.Stderr, "  %d lines: %s\n", len(lines), source)
	h, stop, err := startCluster(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c, err := client.Connect(client.Config{URL: h.URL, AttemptTimeout: 500 * time.Millisecond})
	if err != nil {
		return err
	}
	defer c.Close()
	step("publishing every line as one command")
	result, err := publish(ctx, c, lines, len(lines)*2/5, func() error { return killLeader(ctx, h, c) })
	if err != nil {
		return err
	}
	step("comparing with a count made without Grout")
	total, err := verify(ctx, c, lines)
	if err != nil {
		return err
	}
	printTable(result, total)
	return nil
}

func step(what string) { fmt.Fprintln(os.Stderr, "==", what) }

// startCluster builds everything and starts the server and the hosts. stop ends them.
func startCluster(ctx context.Context, dir string) (h *procs.Hosts, stop func() error, err error) {
	step("building grout")
	binary, err := procs.Build(ctx, dir, "grout", procs.Grout)
	if err != nil {
		return nil, nil, err
	}
	step("starting an embedded NATS server and three hosts")
	server, err := embedded.Start(embedded.Config{})
	if err != nil {
		return nil, nil, err
	}
	h = &procs.Hosts{Binary: binary, Dir: dir, URL: server.URL(), Names: []string{"h1", "h2", "h3"}}
	stop = func() error {
		err := h.Stop()
		server.Close()
		return err
	}
	for _, name := range h.Names {
		if err := h.Start(name); err != nil {
			return nil, nil, errors.Join(err, stop())
		}
	}
	if err := buildAndDeploy(ctx, h); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return h, stop, nil
}

// buildAndDeploy compiles the example machines and deploys wordcount, all through the CLI.
func buildAndDeploy(ctx context.Context, h *procs.Hosts) error {
	step("building the example machines")
	for _, name := range []string{"counter", "kv", groupName} {
		out := filepath.Join(h.Dir, name+".wasm")
		if _, err := h.CLI(ctx, "build", filepath.Join("examples", "wasm", name), "-o", out); err != nil {
			return err
		}
	}
	step("deploying wordcount on three hosts")
	_, err := h.CLI(ctx, "deploy", groupName, filepath.Join(h.Dir, groupName+".wasm"), "--replicas", "3")
	return err
}

// killLeader kills the host that leads the group, waits until another leads, and restarts it.
func killLeader(ctx context.Context, h *procs.Hosts, c *client.Client) error {
	leader := c.Group(groupName).Leader()
	step("killing " + leader + ", which leads, with SIGKILL")
	if err := h.Kill(leader); err != nil {
		return err
	}
	began := time.Now()
	result, err := c.Group(groupName).Query(ctx, nil, client.QueryOptions{})
	if err != nil {
		return fmt.Errorf("querying after the kill: %w", err)
	}
	step(fmt.Sprintf("%s leads and answers %.1f s later; restarting %s", result.Leader, time.Since(began).Seconds(), leader))
	return h.Start(leader)
}

// totals is the machine's summary.
type totals struct {
	Lines    int `json:"lines"`
	Words    int `json:"words"`
	Distinct int `json:"distinct"`
}

// verify reads the machine's whole answer and compares it, word for word.
func verify(ctx context.Context, c *client.Client, lines []string) (totals, error) {
	want := map[string]int{}
	for _, line := range lines {
		words.Count([]byte(line), want)
	}
	group := c.Group(groupName)
	var total totals
	summary, err := group.Query(ctx, nil, client.QueryOptions{})
	if err != nil {
		return total, err
	}
	if err := json.Unmarshal(summary.Output, &total); err != nil {
		return total, err
	}
	if total.Lines != len(lines) || total.Distinct != len(want) {
		return total, fmt.Errorf("WRONG ANSWER: the machine has %d lines and %d distinct words, %d and %d were sent",
			total.Lines, total.Distinct, len(lines), len(want))
	}
	seen := 0
	for after := "-"; ; {
		page, err := group.Query(ctx, fmt.Appendf(nil, "range %s 20000", after), client.QueryOptions{})
		if err != nil {
			return total, err
		}
		if len(page.Output) == 0 {
			break
		}
		for _, line := range strings.Split(strings.TrimSuffix(string(page.Output), "\n"), "\n") {
			word, text, _ := strings.Cut(line, " ")
			count, err := strconv.Atoi(text)
			if err != nil || want[word] != count {
				return total, fmt.Errorf("WRONG ANSWER: the machine says %q, the direct count of %q is %d", line, word, want[word])
			}
			after = word
			seen++
		}
	}
	if seen != len(want) {
		return total, fmt.Errorf("WRONG ANSWER: the machine lists %d words, there are %d", seen, len(want))
	}
	return total, nil
}

func printTable(r outcome, t totals) {
	at := func(q float64) string {
		return time.Duration(r.latency.ValueAtQuantile(q)).Round(10 * time.Microsecond).String()
	}
	rows := []struct{ name, value string }{
		{"lines", fmt.Sprint(t.Lines)},
		{"words", fmt.Sprintf("%d (%d distinct), equal to the direct count", t.Words, t.Distinct)},
		{"leader changes", fmt.Sprint(r.terms - 1)},
		{"retries", fmt.Sprint(r.stats.Retries)},
		{"duplicates suppressed", fmt.Sprint(r.stats.Duplicates)},
		{"commands/s", fmt.Sprintf("%.0f, %d under way at a time", float64(r.lines)/r.elapsed.Seconds(), window)},
		{"p50 / p99", at(50) + " / " + at(99)},
	}
	fmt.Println()
	for _, row := range rows {
		fmt.Printf("%-22s %s\n", row.name, row.value)
	}
}
