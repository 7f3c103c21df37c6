package host

import (
	"strings"
	"testing"
)

// TestLargeCommandsLeaveAShortLog shows that the log that members keep is bounded in bytes as well as in entries, and that a
// leader takes a snapshot for each stretch of log and not more often.
func TestLargeCommandsLeaveAShortLog(t *testing.T) {
	timing := snapshotTiming()
	timing.SnapshotBytes, timing.RetainEntries, timing.RetainBytes = 4000, 100, 2000
	s := newSim(t, 7, 3, timing)
	leader := s.leader()
	const commands = 60
	most := 0
	for range commands {
		s.apply(leader, "add A 1 %s", strings.Repeat("x", 400))
		most = max(most, leader.g.core.LogBytes())
	}
	if bound := timing.SnapshotBytes + timing.RetainBytes + 2500; most > bound { // and what comes while a snapshot is written
		t.Errorf("seed %d: the log had %d bytes, want %d at most", s.seed, most, bound)
	}
	if n := len(s.digests); n < 4 || n > commands*500/timing.SnapshotBytes {
		t.Errorf("seed %d: %d snapshots of %d commands", s.seed, n, commands)
	}
}
