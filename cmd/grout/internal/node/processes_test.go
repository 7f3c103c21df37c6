package node

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/groutlabs/grout/cmd/grout/internal/procs"
	"github.com/groutlabs/grout/sdk/client"
)

// processes is a NATS server in this process, and hosts that are processes of their own.
type processes struct {
	*cluster
	hosts *procs.Hosts
}

// startProcesses starts hosts at a running server.
func startProcesses(t *testing.T, s *server.Server, names ...string) *processes {
	t.Helper()
	dir := t.TempDir()
	binary, err := procs.Build(t.Context(), dir, "grout", procs.Grout)
	if err != nil {
		t.Fatal(err)
	}
	p := &processes{
		&cluster{t: t, server: s, dir: dir, cache: filepath.Join(dir, "compiled"), names: names},
		&procs.Hosts{Binary: binary, Dir: dir, URL: s.ClientURL(), Names: names},
	}
	t.Cleanup(p.close)
	t.Cleanup(func() {
		if err := p.hosts.Stop(); err != nil {
			t.Error(err)
		}
	})
	p.run(names...)
	return p
}

// run starts hosts, which are ready when the cluster answers.
func (p *processes) run(names ...string) {
	p.t.Helper()
	for _, name := range names {
		if err := p.hosts.Start(name); err != nil {
			p.t.Fatal(err)
		}
	}
}

// kill ends hosts with SIGKILL.
func (p *processes) kill(names ...string) {
	p.t.Helper()
	for _, name := range names {
		if err := p.hosts.Kill(name); err != nil {
			p.t.Fatal(err)
		}
	}
}

// killLeader kills the host that leads a group, and returns its name.
func (p *processes) killLeader(ctx context.Context, group *client.Group) string {
	p.t.Helper()
	state, err := group.AwaitLeader(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	p.kill(state.Leader)
	return state.Leader
}
