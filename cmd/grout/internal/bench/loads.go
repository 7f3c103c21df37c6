package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/node"
	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	// most is the number of clients of the rows that are measured for one number alone.
	most = 256
	// manyGroups is how many groups share the load of the row about many.
	manyGroups = 64
	// kv is the group of the other rows.
	kv = "kv"
)

// cluster is three hosts with the kv machine.
type cluster struct {
	ctx    context.Context
	url    string
	nodes  []*node.Node
	module string
}

var value = strings.Repeat("v", 100)

func put(worker, i int) []byte { return fmt.Appendf(nil, "put k%04d-%06d %s", worker, i%1000, value) }
func get(worker, i int) []byte { return fmt.Appendf(nil, "get k%04d-%06d", worker%4, i%1000) }

func benchGrout(t *table, dir, url string, nodes []*node.Node) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	c := &cluster{ctx: ctx, url: url, nodes: nodes}
	if err := c.deploy(dir); err != nil {
		return err
	}
	for _, load := range []struct {
		name string
		do   func(*client.Group, int, int) error
	}{{rowWrite, c.write}, {rowRead, c.read}, {rowStale, c.stale}} {
		for _, n := range clients {
			if err := c.bench(t, load.name, n, []string{kv}, load.do); err != nil {
				return err
			}
		}
	}
	for _, bench := range []func(*table) error{c.benchMixed, c.benchHere, c.benchPipeline, c.benchGroups} {
		if err := bench(t); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) deploy(dir string) error {
	conn, err := client.Connect(client.Config{URL: c.url})
	if err != nil {
		return err
	}
	defer conn.Close()
	out := filepath.Join(dir, "kv.wasm")
	if _, err := project.Build(c.ctx, project.BuildRequest{Dir: filepath.Join("examples", "wasm", "kv"), Out: out}); err != nil {
		return err
	}
	module, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	if c.module, err = conn.Admin().Upload(c.ctx, module, func(int64, int64) {}); err != nil {
		return err
	}
	if _, err = conn.Admin().Deploy(c.ctx, api.DeployRequest{Group: kv, Module: c.module}); err != nil {
		return err
	}
	for worker := range 4 {
		var puts [][]byte
		for i := range 1000 {
			puts = append(puts, put(worker, i)) // what get asks for
		}
		results, err := conn.Group(kv).ExecuteMany(c.ctx, puts)
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) write(g *client.Group, worker, i int) error {
	_, err := g.Execute(c.ctx, put(worker, i))
	return err
}

func (c *cluster) read(g *client.Group, worker, i int) error {
	_, err := g.Query(c.ctx, get(worker, i), client.QueryOptions{})
	return err
}

func (c *cluster) stale(g *client.Group, worker, i int) error {
	_, err := g.Query(c.ctx, get(worker, i), client.QueryOptions{Consistency: client.Stale})
	return err
}

// bench measures n clients over a few connections, as an application would have, that share some groups.
func (c *cluster) bench(t *table, name string, n int, names []string, do func(*client.Group, int, int) error) error {
	if !asked(name, n) {
		return nil
	}
	groups, closeAll, err := c.connect(n, names)
	defer closeAll()
	if err != nil {
		return err
	}
	r, err := measure(name, n, func(worker, i int) error { return do(groups[worker%len(groups)], worker, i) })
	if err == nil {
		t.add(r)
	}
	return err
}

// connect returns each of the groups on each of the connections.
func (c *cluster) connect(n int, names []string) (groups []*client.Group, closeAll func(), err error) {
	var conns []*client.Client
	closeAll = func() {
		for _, conn := range conns {
			conn.Close()
		}
	}
	for range min(n, maxConnections) {
		conn, err := client.Connect(client.Config{URL: c.url})
		if err != nil {
			return nil, closeAll, err
		}
		conns = append(conns, conn)
	}
	for i := range max(len(conns), len(names)) {
		groups = append(groups, conns[i%len(conns)].Group(names[i%len(names)]))
	}
	return groups, closeAll, nil
}

// benchMixed measures reads while other clients write at half the rate that they reached alone.
func (c *cluster) benchMixed(t *table) error {
	alone, measured := t.find(rowWrite, most)
	if !measured || !asked(rowReadMixed, most) {
		return nil // without the rate there is no half of it
	}
	groups, closeAll, err := c.connect(most, []string{kv})
	defer closeAll()
	if err != nil {
		return err
	}
	const writers = 64
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	var writing sync.WaitGroup
	interval := time.Duration(writers / (alone.rate / 2) * float64(time.Second))
	for worker := range writers {
		writing.Go(func() {
			pace := time.NewTicker(interval)
			defer pace.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				if err := c.write(groups[worker%len(groups)], worker, i); err != nil {
					cancel(err)
				}
				select {
				case <-pace.C:
				case <-ctx.Done():
				}
			}
		})
	}
	r, err := measure(rowReadMixed, most, func(worker, i int) error { return c.read(groups[worker%len(groups)], worker, i) })
	if err = errors.Join(err, context.Cause(ctx)); err == nil {
		t.add(r)
	}
	cancel(nil)
	writing.Wait()
	return err
}

// benchHere measures calls of the leader's host in this process, without a client's connection.
func (c *cluster) benchHere(t *table) error {
	groups, closeAll, err := c.connect(1, []string{kv})
	defer closeAll()
	if err != nil {
		return err
	}
	if _, err := groups[0].Query(c.ctx, []byte("count"), client.QueryOptions{}); err != nil {
		return err // the client learns by this who leads
	}
	var leader *host.Host
	for _, n := range c.nodes {
		if h := n.Host(); h.Status().Host == groups[0].Leader() {
			leader = h
		}
	}
	if leader == nil {
		return fmt.Errorf("the leader %q is none of the hosts", groups[0].Leader())
	}
	began := time.Now().UnixNano() // makes the sessions new in each run
	write := func(worker, i int, reply func(host.Reply)) {
		leader.Execute(host.CommandRequest{
			Group: kv, Payload: put(worker, i), Session: fmt.Sprintf("bench-%d-%d", began, worker), Seq: uint64(i) + 1, Acked: uint64(i),
		}, reply)
	}
	read := func(worker, i int, reply func(host.Reply)) {
		leader.Query(host.QueryRequest{Group: kv, Payload: get(worker, i), Consistency: host.Linearizable}, reply)
	}
	return errors.Join(t.benchCalls(rowWriteHere, write), t.benchCalls(rowReadHere, read))
}

// benchCalls measures calls that are answered by a function.
func (t *table) benchCalls(name string, send func(worker, i int, reply func(host.Reply))) error {
	r, err := measure(name, most, func(worker, i int) error {
		replies := make(chan host.Reply, 1)
		send(worker, i, func(r host.Reply) { replies <- r })
		r := <-replies
		switch {
		case r.Err != nil:
			return r.Err
		case r.Outcome.Kind != host.Applied:
			return fmt.Errorf("the outcome is %v: %s", r.Outcome.Kind, r.Outcome.Message)
		}
		return nil
	})
	if err == nil {
		t.add(r)
	}
	return err
}

// benchPipeline measures one client that keeps many commands under way, by the interval between results.
func (c *cluster) benchPipeline(t *table) error {
	groups, closeAll, err := c.connect(1, []string{kv})
	defer closeAll()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	pipeline, err := groups[0].Pipeline(ctx, client.PipelineConfig{})
	if err != nil {
		return err
	}
	var submitting sync.WaitGroup
	submitting.Go(func() {
		for i := 0; ; i++ {
			if _, err := pipeline.Submit(ctx, fmt.Appendf(nil, "put p%06d %s", i%1000, value)); err != nil {
				return // the measurement is over; an earlier failure comes out of Next
			}
		}
	})
	r, err := measure(rowPipelined, 1, func(int, int) error {
		result, err := pipeline.Next(ctx)
		return errors.Join(err, result.Err)
	})
	cancel()
	submitting.Wait()
	if err == nil {
		t.add(r)
	}
	return err
}

// benchGroups measures clients that write to many groups.
func (c *cluster) benchGroups(t *table) error {
	if !asked(rowGroups, most) {
		return nil
	}
	conn, err := client.Connect(client.Config{URL: c.url})
	if err != nil {
		return err
	}
	defer conn.Close()
	var names []string
	for i := range manyGroups {
		names = append(names, fmt.Sprintf("kv-%02d", i))
		if _, err := conn.Admin().Deploy(c.ctx, api.DeployRequest{Group: names[i], Module: c.module}); err != nil {
			return err
		}
	}
	return c.bench(t, rowGroups, most, names, c.write)
}
