package host

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/groutlabs/grout/consensus"
)

// The alarm of rule R8. The digest of a snapshot's manifest is the state hash at its marker. A leader
// compares its own with that of every member, and asks again until each has answered: a lost message
// delays the alarm and no more. Once a majority of the voters agrees on one hash, a member that has
// another is wrong, and is told so; see quarantine.go for what it does then.

const (
	// rememberedDigests is how many state hashes a member remembers: markers follow each other faster than
	// a leader that was paused asks.
	rememberedDigests = 8
	// maxAskPause is the longest pause, in sweeps, between two questions to a member that does not answer.
	maxAskPause = 8
	// comparePatience is for how many sweeps a new snapshot is not offered to others, while it is not
	// known whether a majority agrees with it.
	comparePatience = 10
	// pleaPatience is how many sweeps pass before the leader proposes another marker for a member that
	// pleads for a state hash which no comparison yields.
	pleaPatience = 25
)

// stateHash is a member's state hash at one marker.
type stateHash struct {
	digest Digest
	// copied is set when the state came from another member.
	copied bool
}

// hashes are the state hashes of this member's last snapshots.
type hashes struct {
	order []consensus.Cursor
	known map[consensus.Cursor]stateHash
}

func (h *hashes) add(anchor consensus.Cursor, hash stateHash) {
	if h.known == nil {
		h.known = map[consensus.Cursor]stateHash{}
	}
	if _, again := h.known[anchor]; !again {
		h.order = append(h.order, anchor)
	}
	h.known[anchor] = hash
	if len(h.order) > rememberedDigests {
		delete(h.known, h.order[0])
		h.order = h.order[1:]
	}
}

// replaced forgets all but the hash of a state that came from elsewhere: what was before is gone.
func (h *hashes) replaced(anchor consensus.Cursor, digest Digest) {
	*h = hashes{}
	h.add(anchor, stateHash{digest: digest, copied: true})
}

// latest is the position of the last snapshot, zero without any.
func (h *hashes) latest() consensus.Cursor {
	if len(h.order) == 0 {
		return consensus.Cursor{}
	}
	return h.order[len(h.order)-1]
}

// comparison is what a leader knows of the members' state hashes at its last snapshot.
type comparison struct {
	anchor  consensus.Cursor
	answers map[consensus.MemberID]memberHash
	// agreed is what a majority of the voters has, once decided is set.
	agreed  Digest
	decided bool
	// age counts the sweeps since it began; the next question is due at sweep due, pause after the last.
	age, due, pause int
}

// memberHash is a member's answer.
type memberHash struct {
	stateHash
	// none is set when the member has no snapshot at the marker and will have none.
	none bool
	// quarantined is set when the member knows that its state is wrong, since its plea of that age.
	quarantined bool
	pleaded     int
}

// majority returns the state hash that a majority of every half of the voters computed by itself.
func (c *comparison) majority(config consensus.Configuration) (Digest, bool) {
	for _, candidate := range c.answers {
		agrees := func(id consensus.MemberID) bool {
			a, ok := c.answers[id]
			return ok && !a.none && !a.copied && !a.quarantined && a.digest == candidate.digest
		}
		if mostOf(config.Voters, agrees) && (!config.Joint() || mostOf(config.Outgoing, agrees)) {
			return candidate.digest, true
		}
	}
	return Digest{}, false
}

func mostOf(voters []consensus.MemberID, yes func(consensus.MemberID) bool) bool {
	n := 0
	for _, id := range voters {
		if yes(id) {
			n++
		}
	}
	return n > len(voters)/2
}

// disputed reports whether two members have different hashes and nobody knows who is right.
func (c *comparison) disputed() bool {
	if c.decided {
		return false
	}
	seen := map[Digest]bool{}
	for _, a := range c.answers {
		if !a.none && !a.quarantined {
			seen[a.digest] = true
		}
	}
	return len(seen) > 1
}

// settled reports whether there is nothing to ask of a member, or to tell it.
func (c *comparison) settled(id consensus.MemberID) bool {
	a, answered := c.answers[id]
	return answered && (a.none || a.quarantined || !c.decided || a.digest == c.agreed)
}

// compareStates goes on with the comparison of the last snapshot. It is called at every sweep.
func (g *group) compareStates() {
	if g.core.Role() != consensus.Leader {
		g.comparison = nil
		return
	}
	g.disputed = "" // was about another leader
	anchor := g.hashes.latest()
	if anchor.Index == 0 {
		return
	}
	if g.comparison == nil || g.comparison.anchor != anchor {
		g.comparison = &comparison{
			anchor: anchor, pause: 1,
			answers: map[consensus.MemberID]memberHash{g.self: {stateHash: g.hashes.known[anchor]}},
		}
		g.judge()
	}
	c := g.comparison
	if c == nil {
		return // this member's own state is the wrong one
	}
	c.age++
	c.forgetRepaired()
	if c.age >= c.due {
		c.pause = min(2*c.pause, maxAskPause)
		c.due = c.age + c.pause
		g.askStates()
	}
}

// forgetRepaired forgets the answers of members that have ceased to plead: they have another state now.
func (c *comparison) forgetRepaired() {
	for id, a := range c.answers {
		if a.quarantined && c.age-a.pleaded > 3*pleaPause {
			delete(c.answers, id)
			c.due, c.pause = 0, 1
		}
	}
}

// askStates asks the members whose state hash is still open.
func (g *group) askStates() {
	for _, id := range g.core.Configuration().Members() {
		if !g.comparison.settled(id) {
			g.tellState(id)
		}
	}
}

// tellState tells a member what is known of the last snapshot, and asks for its state hash.
func (g *group) tellState(to consensus.MemberID) {
	c := g.comparison
	own, agreed := c.answers[g.self], c.agreed // copies: the transport reads the message later
	m := &consensus.StateDigest{Anchor: c.anchor, Digest: own.digest[:], Copied: own.copied, Ask: true}
	if c.decided {
		m.Agreed = agreed[:]
	}
	g.send([]consensus.Envelope{{From: g.self, To: to, Message: m}})
}

// judge decides the comparison if it can be decided, and acts on it.
func (g *group) judge() {
	c := g.comparison
	agreed, ok := c.majority(g.core.Configuration())
	if !ok {
		return
	}
	if !c.decided {
		c.due, c.pause = 0, 1 // the others hear it at the next sweep
	}
	c.decided, c.agreed = true, agreed
	if own := c.answers[g.self]; own.digest != agreed {
		g.quarantineSelf(c.anchor, own.digest, agreed)
	}
}

// takeStateDigest takes a leader's question, an answer to one, or the plea of a quarantined member.
func (g *group) takeStateDigest(from consensus.MemberID, m *consensus.StateDigest) {
	switch {
	case !g.core.Configuration().IsMember(from) || !wellFormed(m):
		return
	case m.Ask:
		g.answerState(from, m)
	case m.Quarantined:
		g.takePlea(from, m)
	case g.core.Role() == consensus.Leader && g.comparison != nil && m.Anchor == g.comparison.anchor:
		answer := memberHash{none: len(m.Digest) == 0, stateHash: stateHash{copied: m.Copied}}
		copy(answer.digest[:], m.Digest)
		if old, again := g.comparison.answers[from]; !again || old != answer {
			g.comparison.answers[from] = answer
			g.comparison.due, g.comparison.pause = 0, 1
		}
		g.judge()
	}
}

func wellFormed(m *consensus.StateDigest) bool {
	for _, digest := range [][]byte{m.Digest, m.Agreed} {
		if len(digest) != 0 && len(digest) != len(Digest{}) {
			return false
		}
	}
	return true
}

// answerState answers a leader's question, and obeys its verdict if there is one.
func (g *group) answerState(leader consensus.MemberID, m *consensus.StateDigest) {
	own, known := g.hashes.known[m.Anchor]
	if g.quarantine != nil {
		g.learnAgreed(leader, m)
		return
	}
	answer := &consensus.StateDigest{Anchor: m.Anchor}
	switch {
	case known:
		answer.Digest, answer.Copied = own.digest[:], own.copied
	case m.Anchor.Index >= g.hashes.latest().Index:
		return // not there yet: the leader asks again
	}
	g.send([]consensus.Envelope{{From: g.self, To: leader, Message: answer}})
	g.disputed = ""
	switch {
	case !known:
	case len(m.Agreed) > 0 && Digest(m.Agreed) != own.digest:
		g.quarantineSelf(m.Anchor, own.digest, Digest(m.Agreed))
	case len(m.Agreed) == 0 && len(m.Digest) > 0 && Digest(m.Digest) != own.digest:
		g.disputed = fmt.Sprintf("the state at %s differs from the leader's on host %s, and no majority says which is right: bring the other members up",
			m.Anchor, g.hostOf(leader))
		g.logger.Error("states differ", "group", g.ref.Name, "problem", g.disputed)
	}
}

// takePlea helps a quarantined member: it is told the agreed state hash, if that is at or after the
// position it names. If there is none soon, a new marker makes one.
func (g *group) takePlea(from consensus.MemberID, m *consensus.StateDigest) {
	c := g.comparison
	if g.core.Role() != consensus.Leader || c == nil {
		return
	}
	answer := c.answers[from]
	answer.quarantined, answer.pleaded = true, c.age
	c.answers[from] = answer
	if c.decided && c.anchor.Index >= m.Anchor.Index {
		g.tellState(from)
		return
	}
	if c.age < pleaPatience && c.anchor.Index >= m.Anchor.Index || g.sweeps-g.pleaSweep < pleaPatience {
		return
	}
	g.pleaSweep = g.sweeps
	if err := g.mark(); err != nil {
		g.logger.Debug("no snapshot marker for a quarantined member now", "group", g.ref.Name, "reason", err)
	}
}

// mayOffer reports whether the snapshot at anchor may be offered to members that lag: not while others say
// that it is wrong, and not before they had time to say so.
func (g *group) mayOffer(anchor consensus.Cursor) bool {
	c := g.comparison
	if c == nil || c.anchor != anchor {
		return false
	}
	return c.decided || (!c.disputed() && c.age >= comparePatience)
}

// trouble is what an operator should know of the states of the group's members, "" when all is well.
func (g *group) trouble() string {
	switch c := g.comparison; {
	case g.lacking != nil:
		return fmt.Sprintf("waits for module %s, which the log needs next: if no host holds it any more, upload it again", hexDigest(g.lacking.module))
	case g.quarantine != nil:
		return g.quarantine.String()
	case g.disputed != "":
		return g.disputed
	case c == nil:
		return ""
	case c.disputed():
		return fmt.Sprintf("the states at %s differ, and no majority says which is right (%s): bring the other members up", c.anchor, c.describe(g.hostOf))
	default:
		return c.wrongOnes(g.hostOf)
	}
}

// describe lists the answers that differ.
func (c *comparison) describe(hostOf func(consensus.MemberID) string) string {
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(c.answers)) {
		if a := c.answers[id]; !a.none {
			parts = append(parts, fmt.Sprintf("host %s: %x", hostOf(id), a.digest[:4]))
		}
	}
	return strings.Join(parts, ", ")
}

// wrongOnes names the members that are quarantined, or should be.
func (c *comparison) wrongOnes(hostOf func(consensus.MemberID) string) string {
	var names []string
	for _, id := range slices.Sorted(maps.Keys(c.answers)) {
		if a := c.answers[id]; a.quarantined || (c.decided && !a.none && a.digest != c.agreed) {
			names = append(names, hostOf(id))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("the state on %s was wrong: quarantined until it is repaired from the others", strings.Join(names, ", "))
}
