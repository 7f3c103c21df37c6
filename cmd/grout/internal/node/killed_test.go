package node

import (
	"path/filepath"
	"testing"

	"github.com/groutlabs/grout/cmd/grout/internal/procs"
)

// TestStreamToStreamThroughKills shows that a source and a sink stay exact while hosts that are processes of their own
// are killed with SIGKILL in the middle of their work: the leader's, several times, and then all of them at once.
func TestStreamToStreamThroughKills(t *testing.T) {
	dir := t.TempDir()
	binary, err := procs.Build(t.Context(), dir, "grout", procs.Grout)
	if err != nil {
		t.Fatal(err)
	}
	server := streamServer(t, filepath.Join(dir, "jetstream"), -1)
	c := &cluster{t: t, server: server, dir: dir, cache: filepath.Join(dir, "compiled"), names: []string{"a", "b", "c"}}
	t.Cleanup(c.close)
	hosts := &procs.Hosts{Binary: binary, Dir: dir, URL: server.ClientURL(), Names: c.names}
	t.Cleanup(func() {
		if err := hosts.Stop(); err != nil {
			t.Error(err)
		}
	})
	start := func(names ...string) {
		for _, name := range names {
			if err := hosts.Start(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	kill := func(names ...string) {
		for _, name := range names {
			if err := hosts.Kill(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	start(c.names...)
	p := newPipeline(c)
	stop := p.sendAllTheTime()
	p.bind()
	for range 2 {
		p.source(uint64(p.sent.Load()))
		leader := p.leader()
		kill(leader)
		p.source(uint64(p.sent.Load()))
		start(leader)
	}
	kill(c.names...)
	start(c.names...)
	p.source(uint64(p.sent.Load()))
	stop()
	sent := int(p.sent.Load())
	if got := p.source(uint64(sent)); got.Applied != uint64(sent) || got.Missing != 0 {
		t.Errorf("the source counts %+v of %d", got, sent)
	}
	p.wantOut(sent)
	t.Logf("%d messages", sent)
}
