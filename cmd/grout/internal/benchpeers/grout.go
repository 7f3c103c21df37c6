package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/groutlabs/grout/cmd/grout/internal/node"
	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/transport/nats"
)

// kv is the name of everybody's group, bucket and stream.
const kv = "kv"

// groutSystem is three hosts and the kv example, asked over NATS.
type groutSystem struct {
	server *server.Server
	nodes  []*node.Node
	conns  []*client.Client
	groups []*client.Group
}

func startGrout(ctx context.Context, dir string) (system, error) { return newGrout(ctx, dir) }

func newGrout(ctx context.Context, dir string) (*groutSystem, error) {
	s := &groutSystem{}
	if err := s.start(ctx, dir); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *groutSystem) start(ctx context.Context, dir string) (err error) {
	if s.server, err = startServer(&server.Options{}); err != nil {
		return err
	}
	if err := s.startNodes(ctx, dir); err != nil {
		return err
	}
	for range connections {
		conn, err := client.Connect(client.Config{URL: s.server.ClientURL()})
		if err != nil {
			return err
		}
		s.conns, s.groups = append(s.conns, conn), append(s.groups, conn.Group(kv))
	}
	wasm := filepath.Join(dir, "kv.wasm")
	if _, err := project.Build(ctx, project.BuildRequest{Dir: filepath.Join("..", "..", "..", "..", "examples", "wasm", "kv"), Out: wasm}); err != nil {
		return err
	}
	module, err := os.ReadFile(wasm)
	if err != nil {
		return err
	}
	admin := s.conns[0].Admin()
	digest, err := admin.Upload(ctx, module, nil)
	if err == nil {
		_, err = admin.Deploy(ctx, api.DeployRequest{Group: kv, Module: digest})
	}
	return err
}

func (s *groutSystem) startNodes(ctx context.Context, dir string) error {
	names := []string{"a", "b", "c"}
	s.nodes = make([]*node.Node, len(names))
	errs := make([]error, len(names))
	var starting sync.WaitGroup
	for i, name := range names {
		starting.Go(func() {
			s.nodes[i], errs[i] = node.Start(ctx, node.Config{
				Name: name, Peers: names, Dir: filepath.Join(dir, name), Version: "0.0.0", CompileCache: filepath.Join(dir, "compiled"),
				NATS:   nats.Config{URL: s.server.ClientURL()},
				Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
			})
		})
	}
	starting.Wait()
	return errors.Join(errs...)
}

func (s *groutSystem) write(worker int, key, value string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	_, err := s.groups[worker%connections].Execute(ctx, []byte("put "+key+" "+value))
	return err
}

func (s *groutSystem) read(worker int, key string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	r, err := s.groups[worker%connections].Query(ctx, []byte("get "+key), client.QueryOptions{})
	return string(r.Output), err
}

func (s *groutSystem) close() error {
	for _, c := range s.conns {
		c.Close()
	}
	var errs []error
	for _, n := range s.nodes {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	if s.server != nil {
		s.server.Shutdown()
	}
	return errors.Join(errs...)
}

// groutHereSystem calls the leader's host in this process.
type groutHereSystem struct {
	*groutSystem
	leader *host.Host
	began  int64
	seq    [most]uint64
}

func startGroutHere(ctx context.Context, dir string) (system, error) {
	s, err := newGrout(ctx, dir)
	if err != nil {
		return nil, err
	}
	here := &groutHereSystem{groutSystem: s, began: time.Now().UnixNano()}
	if _, err := s.groups[0].Query(ctx, []byte("count"), client.QueryOptions{}); err != nil {
		return nil, errors.Join(err, s.close()) // the client learns by this who leads
	}
	for _, n := range s.nodes {
		if n.Host().Status().Host == s.groups[0].Leader() {
			here.leader = n.Host()
		}
	}
	if here.leader == nil {
		return nil, errors.Join(fmt.Errorf("the leader %q is none of the hosts", s.groups[0].Leader()), s.close())
	}
	return here, nil
}

func (s *groutHereSystem) write(worker int, key, value string) error {
	s.seq[worker]++
	_, err := answered(func(reply func(host.Reply)) {
		s.leader.Execute(host.CommandRequest{
			Group: kv, Payload: []byte("put " + key + " " + value),
			Session: fmt.Sprintf("peers-%d-%d", s.began, worker), Seq: s.seq[worker], Acked: s.seq[worker] - 1,
		}, reply)
	})
	return err
}

func (s *groutHereSystem) read(_ int, key string) (string, error) {
	return answered(func(reply func(host.Reply)) {
		s.leader.Query(host.QueryRequest{Group: kv, Payload: []byte("get " + key), Consistency: host.Linearizable}, reply)
	})
}

// answered waits for the reply of a call.
func answered(call func(reply func(host.Reply))) (string, error) {
	replies := make(chan host.Reply, 1)
	call(func(r host.Reply) { replies <- r })
	r := <-replies
	switch {
	case r.Err != nil:
		return "", r.Err
	case r.Outcome.Kind != host.Applied:
		return "", fmt.Errorf("the outcome is %v: %s", r.Outcome.Kind, r.Outcome.Message)
	}
	return string(r.Outcome.Output), nil
}
