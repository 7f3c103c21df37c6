package consensus

import (
	"fmt"
	"slices"
)

// configuration is the latest one in the log, committed or not (R1).
func (c *Core) configuration() Configuration { return c.configs[len(c.configs)-1].configuration }

// Configuration returns the latest configuration in the log.
func (c *Core) Configuration() Configuration { return c.configuration() }

// ChangeMembership proposes new voters and observers. A change of voters goes through a joint
// configuration, which the core leaves by itself once it has committed.
//
// # Errors
//
// ErrNotLeader; ErrChangePending while another change is under way or before the leader has
// committed an entry of its own term (R4); ErrBadConfiguration.
func (c *Core) ChangeMembership(voters, observers []MemberID) error {
	if c.role != Leader {
		return ErrNotLeader
	}
	if !c.changePossible() {
		return ErrChangePending
	}
	current := c.configuration()
	next := Configuration{Voters: slices.Clone(voters), Observers: slices.Clone(observers)}
	slices.Sort(next.Voters)
	slices.Sort(next.Observers)
	if !slices.Equal(next.Voters, current.Voters) {
		next.Outgoing = current.Voters
	}
	if err := next.valid(); err != nil {
		return err
	}
	c.appendConfiguration(next)
	return nil
}

// changePossible reports whether a leader may change the membership: one change at a time, and none
// before an entry of its own term has committed (R4).
func (c *Core) changePossible() bool {
	current := c.configs[len(c.configs)-1]
	return current.index <= c.log.commit && !current.configuration.Joint() && c.committedInTerm()
}

// demoteSilent lets a tick pass for the peers' silence, and proposes to make the longest silent voter
// an observer, where Config allows it (R4).
func (c *Core) demoteSilent() {
	for _, p := range c.peers {
		p.silent++
	}
	current := c.configuration()
	if c.cfg.DemoteAfterTicks == 0 || len(current.Voters) <= c.cfg.VoterFloor || !c.changePossible() {
		return
	}
	id := c.longestSilent(current.Voters)
	if id == NoMember || c.transferee != NoMember {
		return
	}
	next := Configuration{
		Voters:    slices.DeleteFunc(slices.Clone(current.Voters), func(v MemberID) bool { return v == id }),
		Outgoing:  current.Voters,
		Observers: append(slices.Clone(current.Observers), id),
	}
	slices.Sort(next.Observers)
	c.appendConfiguration(next)
}

// longestSilent returns the voter that has been silent for longest, the first of several, and nobody
// when all have answered within DemoteAfterTicks. This member is no peer of its own.
func (c *Core) longestSilent(voters []MemberID) MemberID {
	longest, found := c.cfg.DemoteAfterTicks-1, NoMember
	for _, id := range voters {
		if p := c.peers[id]; p != nil && p.silent > longest {
			longest, found = p.silent, id
		}
	}
	return found
}

// appendConfiguration appends a valid configuration; it is in force at once (R1).
func (c *Core) appendConfiguration(next Configuration) {
	c.appendOwn(LogEntry{Kind: EntryConfiguration, Payload: EncodeConfiguration(next)})
	c.configs = append(c.configs, placedConfiguration{c.log.lastIndex(), next})
	c.syncPeers()
}

// noteConfiguration puts the configuration of a received or restored entry in force.
func (c *Core) noteConfiguration(e LogEntry) error {
	if e.Kind != EntryConfiguration {
		return nil
	}
	next, err := DecodeConfiguration(e.Payload)
	if err != nil {
		return fmt.Errorf("entry %s: %w", e, err)
	}
	c.configs = append(c.configs, placedConfiguration{e.Index, next})
	return nil
}

// configurationCommitted goes on after the latest configuration has committed: a leader completes a
// joint one, and leaves office when it has no vote any more.
func (c *Core) configurationCommitted() {
	current := c.configs[len(c.configs)-1]
	if c.role != Leader || current.index > c.log.commit || !c.committedInTerm() {
		return
	}
	if current.configuration.Joint() {
		c.appendConfiguration(Configuration{
			Voters: current.configuration.Voters, Observers: current.configuration.Observers,
		})
		return
	}
	if !current.configuration.IsVoter(c.cfg.ID) {
		c.becomeFollower(c.hard.Term, NoMember)
	}
}

// syncPeers keeps one progress for every other member of the configuration.
func (c *Core) syncPeers() {
	members := c.configuration().Members()
	c.peerIDs = c.peerIDs[:0]
	for _, id := range members {
		if id == c.cfg.ID {
			continue
		}
		c.peerIDs = append(c.peerIDs, id)
		if c.peers[id] == nil {
			c.peers[id] = &progress{next: c.log.lastIndex() + 1, active: true}
		}
	}
	for id := range c.peers {
		if !contains(members, id) {
			delete(c.peers, id)
		}
	}
	if c.transferee != NoMember && c.peers[c.transferee] == nil {
		c.transferee = NoMember
	}
}
