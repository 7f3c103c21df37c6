package consensus

import "fmt"

// Config fixes how one member behaves. All times are in ticks, whose length is the host's choice.
type Config struct {
	// ID is this member.
	ID MemberID
	// Initial is the group's configuration before its first entry: the same on every member, those
	// included that join later and are not part of it.
	Initial Configuration
	// ElectionTicks is the shortest election timeout. A member waits for ElectionTicks to
	// 2*ElectionTicks-1 ticks without a leader before it stands for election, anew by chance each time.
	ElectionTicks int
	// HeartbeatTicks is the interval between a leader's heartbeats.
	HeartbeatTicks int
	// MaxMessageBytes bounds the payloads of one AppendEntries, save that one entry always fits.
	MaxMessageBytes int
	// MaxInflightMessages bounds the AppendEntries sent to one peer and not yet answered.
	MaxInflightMessages int
	// MaxUncommittedBytes bounds the payloads that a leader holds uncommitted; past it proposals
	// are refused with ErrBusy.
	MaxUncommittedBytes int
	// MaxPendingReads bounds the ReadIndex requests that await confirmation.
	MaxPendingReads int
	// MaxApplyBytes bounds the payloads of one Ready.Committed, save that one entry always fits.
	MaxApplyBytes int
	// Seed drives all jitter.
	Seed uint64
}

// validate returns an error that names the first field out of range.
func (c Config) validate() error {
	if c.ID == NoMember {
		return fmt.Errorf("%w: ID is zero", ErrBadConfig)
	}
	if c.HeartbeatTicks < 1 {
		return fmt.Errorf("%w: HeartbeatTicks is %d, must be at least 1", ErrBadConfig, c.HeartbeatTicks)
	}
	if c.ElectionTicks < 2*c.HeartbeatTicks {
		return fmt.Errorf("%w: ElectionTicks is %d, must be at least twice HeartbeatTicks (%d)",
			ErrBadConfig, c.ElectionTicks, c.HeartbeatTicks)
	}
	positive := []struct {
		name  string
		value int
	}{
		{"MaxMessageBytes", c.MaxMessageBytes},
		{"MaxInflightMessages", c.MaxInflightMessages},
		{"MaxUncommittedBytes", c.MaxUncommittedBytes},
		{"MaxPendingReads", c.MaxPendingReads},
		{"MaxApplyBytes", c.MaxApplyBytes},
	}
	for _, field := range positive {
		if field.value < 1 {
			return fmt.Errorf("%w: %s is %d, must be at least 1", ErrBadConfig, field.name, field.value)
		}
	}
	return c.Initial.valid()
}
