package host

import (
	"fmt"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// Timing fixes the pace and the bounds of every group on a host. All hosts should have the same.
type Timing struct {
	// Tick is the length of the core's tick.
	Tick time.Duration
	// ElectionTicks is the shortest election timeout in ticks, HeartbeatTicks the interval of heartbeats.
	ElectionTicks  int
	HeartbeatTicks int
	// QuietTicks is after how many ticks with nothing to do a group falls quiet, 0 for never: see consensus.Core.Quiet.
	QuietTicks int
	// DozeAfter is how long a group sleeps, at least, before its machine dozes; twice as long is the most: see Dozer. 0 is for ever.
	DozeAfter time.Duration
	// RequestTimeout bounds a client's wait where the client sets no bound.
	RequestTimeout time.Duration
	// SnapshotBytes is how much log a group gathers before it takes a snapshot. RetainEntries and RetainBytes
	// bound what stays before the snapshot for members that are a little behind.
	SnapshotBytes int
	RetainEntries consensus.Index
	RetainBytes   int
	// MaxMessageBytes bounds the entries of one message between members; the transport knows the size.
	MaxMessageBytes int
}

// DefaultTiming suits hosts of one data centre.
func DefaultTiming() Timing {
	return Timing{
		Tick: 50 * time.Millisecond, ElectionTicks: 16, HeartbeatTicks: 2, QuietTicks: 32, DozeAfter: 5 * time.Second, RequestTimeout: 5 * time.Second,
		SnapshotBytes: 16 << 20, RetainEntries: 2048, RetainBytes: 16 << 20, MaxMessageBytes: 512 << 10,
	}
}

func (t Timing) validate() error {
	switch {
	case t.Tick <= 0:
		return fmt.Errorf("%w: Timing.Tick is %s, must be positive", ErrBadConfig, t.Tick)
	case t.QuietTicks < 0:
		return fmt.Errorf("%w: Timing.QuietTicks is %d, must not be negative", ErrBadConfig, t.QuietTicks)
	case t.DozeAfter != 0 && t.DozeAfter < napTicks*t.Tick:
		return fmt.Errorf("%w: Timing.DozeAfter is %s, must be 0 or at least %d ticks", ErrBadConfig, t.DozeAfter, napTicks)
	case t.RequestTimeout <= 0:
		return fmt.Errorf("%w: Timing.RequestTimeout is %s, must be positive", ErrBadConfig, t.RequestTimeout)
	case t.SnapshotBytes < 1 || t.RetainEntries < 1 || t.RetainBytes < 1 || t.MaxMessageBytes < 1:
		return fmt.Errorf("%w: Timing.SnapshotBytes, RetainEntries, RetainBytes and MaxMessageBytes must be positive", ErrBadConfig)
	case t.HeartbeatTicks < 1 || t.ElectionTicks < 2*t.HeartbeatTicks:
		return fmt.Errorf("%w: Timing.ElectionTicks is %d and HeartbeatTicks %d: the first must be at least twice the second, which must be positive",
			ErrBadConfig, t.ElectionTicks, t.HeartbeatTicks)
	}
	return nil
}

// coreConfig is the configuration of the member's core.
func (c *groupConfig) coreConfig() consensus.Config {
	return consensus.Config{
		ID: c.self, Initial: c.initial, ElectionTicks: c.timing.ElectionTicks, HeartbeatTicks: c.timing.HeartbeatTicks, QuietTicks: c.timing.QuietTicks,
		MaxMessageBytes: c.timing.MaxMessageBytes, MaxInflightMessages: 64, MaxUncommittedBytes: 64 << 20,
		MaxPendingReads: 4096, MaxApplyBytes: 4 << 20, Seed: c.seed, Reluctance: c.reluctance,
		DemoteAfterTicks: int(c.demoteAfter / c.timing.Tick), VoterFloor: c.voterFloor,
	}
}
