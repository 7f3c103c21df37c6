package consensus

import (
	"fmt"
	"slices"
)

// Repair is what makes one survivor of a group that lost its quorum able to go on alone, and what that
// costs.
type Repair struct {
	// Write is the first of a new run of the log, after Load: a much higher term, voted for by the survivor
	// itself, and a configuration with the survivor as the only voter. All of it or nothing is durable.
	Write Write
	// Last is the position of the survivor's last entry. All entries up to it stay, committed or not. What
	// was acknowledged after it, by members that are given up, is lost.
	Last Cursor
	// Committed is an index up to which entries are known to be committed: a log alone does not tell more.
	Committed Index
	// Configuration is the one that the repair replaces, and ConfigurationIndex the entry that carried it. Where
	// others know a later one, this member was away when they changed it.
	Configuration      Configuration
	ConfigurationIndex Index
	// GivenUp are its other members. None of them may ever run again with what it stored: together they
	// could elect a leader of their own, and answer clients otherwise than the survivor does.
	GivenUp []MemberID
}

// repairLeap is how far a repair moves the term on. While the survivor was away, its group may have gone through
// terms that its log does not tell of. In one of those a position would name two entries, and what is known of
// the configuration would seem to be newer than what the repair made of it.
const repairLeap = 1 << 20

// RepairQuorum works out how a member that is stopped can lead its group alone, because so many others are
// lost for good that no majority will ever be there again.
//
// It is the one operation that can lose what was acknowledged, which no rule of the protocol allows: an operator
// decides that, knowing which disks are gone. It must be done on one survivor only, the one whose Last is the most
// complete (the later term first, then the higher index).
//
// # Errors
//
// ErrBadState when restored breaks an invariant of the log, ErrBadConfiguration when initial does, and
// ErrNoSuchMember when self is no member of the configuration in its log, or is the only voter already.
func RepairQuorum(self MemberID, initial Configuration, restored Restored) (Repair, error) {
	core, err := New(Config{
		ID: self, Initial: initial, ElectionTicks: 2, HeartbeatTicks: 1, MaxMessageBytes: 1, MaxInflightMessages: 1,
		MaxUncommittedBytes: 1, MaxPendingReads: 1, MaxApplyBytes: 1,
	}, restored)
	if err != nil {
		return Repair{}, err
	}
	now := core.configuration()
	switch {
	case !now.IsMember(self):
		return Repair{}, fmt.Errorf("%w: %s is no member of %s", ErrNoSuchMember, self, now)
	case slices.Equal(now.Voters, []MemberID{self}) && !now.Joint():
		return Repair{}, fmt.Errorf("%w: %s is the only voter already", ErrNoSuchMember, self)
	}
	last := core.log.last()
	hard := HardState{Term: core.hard.Term + repairLeap, VotedFor: self}
	return Repair{
		Write: Write{Seq: 1, HardState: &hard, Entries: []LogEntry{{
			Term: hard.Term, Index: last.Index + 1, Kind: EntryConfiguration, Payload: EncodeConfiguration(Configuration{Voters: []MemberID{self}}),
		}}},
		Last: last, Committed: core.log.commit, Configuration: now, ConfigurationIndex: core.Status().ConfigurationIndex,
		GivenUp: slices.DeleteFunc(now.Members(), func(id MemberID) bool { return id == self }),
	}, nil
}
