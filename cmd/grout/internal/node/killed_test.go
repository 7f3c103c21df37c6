package node

import (
	"path/filepath"
	"testing"
)

// TestStreamToStreamThroughKills shows that a source and a sink stay exact while hosts that are processes of their own
// are killed with SIGKILL in the middle of their work: the leader's, several times, and then all of them at once.
func TestStreamToStreamThroughKills(t *testing.T) {
	c := startProcesses(t, streamServer(t, filepath.Join(t.TempDir(), "jetstream"), -1), "a", "b", "c")
	p := newPipeline(c.cluster)
	stop := p.sendAllTheTime()
	p.bind()
	for range 2 {
		p.source(uint64(p.sent.Load()))
		leader := p.leader()
		c.kill(leader)
		p.source(uint64(p.sent.Load()))
		c.run(leader)
	}
	c.kill(c.names...)
	c.run(c.names...)
	p.source(uint64(p.sent.Load()))
	stop()
	sent := int(p.sent.Load())
	if got := p.source(uint64(sent)); got.Applied != uint64(sent) || got.Missing != 0 {
		t.Errorf("the source counts %+v of %d", got, sent)
	}
	p.wantOut(sent)
	t.Logf("%d messages", sent)
}
