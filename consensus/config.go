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
	// Reluctance is how little this member should lead. 0 and 1 are normal; n makes it wait for
	// n*ElectionTicks to (n+1)*ElectionTicks-1 ticks before it stands for election, so that it stands
	// only when no other does. That is a preference and no more: a reluctant member votes like any
	// other, protects a leader that it hears just as long, and once it leads, it keeps leading.
	// A member that must never lead is an observer.
	Reluctance int
	// HeartbeatTicks is the interval between a leader's heartbeats.
	HeartbeatTicks int
	// QuietTicks is after how many ticks with nothing to do a leader lets the group fall quiet, 0 for never: see Core.Quiet,
	// which asks something of the host.
	QuietTicks int
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
	// DemoteAfterTicks, when above 0, lets a leader propose that a voter which has not answered for
	// so many ticks becomes an observer (rule R4). It is a proposal like any other: it needs a
	// majority of the present voters, so that no minority can shrink the quorum. Nothing makes the
	// observer a voter again by itself. At least 2*ElectionTicks.
	DemoteAfterTicks int
	// VoterFloor is how many voters DemoteAfterTicks leaves at least. Three are advised: with two
	// voters the group stands still when either fails, and with one an acknowledged command is on one
	// disk alone.
	VoterFloor int
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
	if c.Reluctance < 0 || c.Reluctance > maxReluctance {
		return fmt.Errorf("%w: Reluctance is %d, must be 0 to %d", ErrBadConfig, c.Reluctance, maxReluctance)
	}
	if c.QuietTicks < 0 {
		return fmt.Errorf("%w: QuietTicks is %d, must not be negative", ErrBadConfig, c.QuietTicks)
	}
	if err := c.validateDemotion(); err != nil {
		return err
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

// maxReluctance keeps the election timeout of a reluctant member far from the end of the number range.
const maxReluctance = 1000

func (c Config) validateDemotion() error {
	switch {
	case c.DemoteAfterTicks == 0:
		return nil
	case c.DemoteAfterTicks < 2*c.ElectionTicks:
		return fmt.Errorf("%w: DemoteAfterTicks is %d, must be 0 or at least twice ElectionTicks (%d)",
			ErrBadConfig, c.DemoteAfterTicks, c.ElectionTicks)
	case c.VoterFloor < 1:
		return fmt.Errorf("%w: VoterFloor is %d, must be at least 1 where DemoteAfterTicks is set; 3 are advised",
			ErrBadConfig, c.VoterFloor)
	}
	return nil
}
