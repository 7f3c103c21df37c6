package consensus

import (
	"encoding/binary"
	"hash/maphash"
	"maps"
	"slices"
)

// clone copies a situation so that what happens to one does not show in the other. Entries and messages are
// shared: nobody writes to them.
func (s *situation) clone() *situation {
	c := &cluster{
		nodes: make(map[MemberID]*node, len(s.nodes)), ids: s.ids, network: slices.Clone(s.network), cut: s.cut,
		commits: maps.Clone(s.commits), leaders: maps.Clone(s.leaders), histories: s.histories,
		promises: promises{votes: maps.Clone(s.votes), chosen: slices.Clip(s.chosen), chosenIn: slices.Clip(s.chosenIn)},
	}
	for id, n := range s.nodes {
		c.nodes[id] = n.clone()
	}
	return &situation{cluster: c, left: s.left, floors: maps.Clone(s.floors)}
}

func (n *node) clone() *node {
	out := *n
	out.core = n.core.clone()
	out.writes, out.offers = slices.Clone(n.writes), slices.Clone(n.offers)
	out.answered = map[uint64]Read{}
	return &out
}

// clone copies a core. It names every field that is changed in place; those that are only ever replaced
// are copied with the struct.
func (c *Core) clone() *Core {
	out := *c
	out.configs, out.votes = slices.Clip(c.configs), maps.Clone(c.votes)
	out.log.entries, out.log.writes = slices.Clip(c.log.entries), slices.Clone(c.log.writes)
	out.peerIDs, out.reads = slices.Clone(c.peerIDs), slices.Clone(c.reads)
	out.out.messages, out.out.held, out.out.reads = slices.Clone(c.out.messages), slices.Clone(c.out.held), slices.Clone(c.out.reads)
	if c.peers != nil {
		out.peers = make(map[MemberID]*progress, len(c.peers))
		for id, p := range c.peers {
			copied := *p
			copied.inflight = slices.Clone(p.inflight)
			out.peers[id] = &copied
		}
	}
	return &out
}

// fingerprint stands for a situation: two that differ have equal ones with a chance of one in 2^128.
type fingerprint [2]uint64

var fingerprintSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// fingerprint covers all that decides about the future, and what the invariants remember of the past.
func (s *situation) fingerprint() fingerprint {
	p := &printer{}
	b := s.left
	p.add(b.timeouts, b.proposals, b.crashes, b.doubles, b.heartbeats, b.reads, b.snapshots, b.changes, b.transfers)
	for _, id := range s.ids {
		p.node(s.nodes[id])
	}
	for _, term := range slices.Sorted(maps.Keys(s.leaders)) {
		p.add(int(term), int(s.leaders[term]))
	}
	p.add(-1, len(s.chosen))
	for i, term := range s.chosen {
		p.add(int(term), int(s.chosenIn[i]))
	}
	for _, id := range slices.Sorted(maps.Keys(s.floors)) {
		p.add(int(id), int(s.floors[id]))
	}
	return p.sum().plus(s.onTheWay())
}

// onTheWay adds up the messages in flight: their order does not matter.
func (s *situation) onTheWay() fingerprint {
	var total fingerprint
	for _, m := range s.network {
		p := &printer{}
		p.envelope(m)
		total = total.plus(p.sum())
	}
	for key, candidate := range s.votes {
		p := &printer{}
		p.add(-2, int(key.member), int(key.term), int(candidate))
		total = total.plus(p.sum())
	}
	return total
}

func (f fingerprint) plus(other fingerprint) fingerprint {
	return fingerprint{f[0] + other[0], f[1] + other[1]}
}

// printer writes numbers one after the other.
type printer struct{ data []byte }

func (p *printer) add(values ...int) {
	for _, v := range values {
		p.data = binary.AppendVarint(p.data, int64(v))
	}
}

func (p *printer) flag(values ...bool) {
	for _, v := range values {
		if v {
			p.add(1)
		} else {
			p.add(0)
		}
	}
}

func (p *printer) cursor(c Cursor) { p.add(int(c.Term), int(c.Index)) }

func (p *printer) sum() fingerprint {
	return fingerprint{maphash.Bytes(fingerprintSeeds[0], p.data), maphash.Bytes(fingerprintSeeds[1], p.data)}
}

func (p *printer) entries(entries []LogEntry) {
	p.add(len(entries))
	for _, e := range entries {
		p.cursor(e.Position())
		p.add(int(e.Kind), len(e.Payload))
		p.data = append(p.data, e.Payload...)
	}
}

func (p *printer) snapshot(meta *SnapshotMeta) {
	if meta == nil {
		p.add(-3)
		return
	}
	p.cursor(meta.Anchor)
	p.add(int(meta.ConfigurationIndex), len(meta.Manifest))
	p.data = append(p.data, meta.Manifest...)
}

func (p *printer) envelope(m Envelope) {
	p.add(int(m.From), int(m.To))
	switch m := m.Message.(type) {
	case *AppendEntries:
		p.add(1, int(m.Term), int(m.LeaderCommit), int(m.Round))
		p.cursor(m.PrevLogPosition)
		p.entries(m.Entries)
	case *AppendEntriesResponse:
		p.add(2, int(m.Term), int(m.Vote), int(m.LastLogIndex), int(m.Round))
		p.cursor(m.Hint)
	case *RequestVote:
		p.add(3, int(m.Term))
		p.cursor(m.LogPosition)
		p.flag(m.PreVote, m.Transfer)
	case *RequestVoteResponse:
		p.add(4, int(m.Term), int(m.Vote))
		p.flag(m.PreVote)
	case *TimeoutNow:
		p.add(5, int(m.Term))
	case *StateSyncOffer:
		p.add(6, int(m.Term), int(m.LeaderCommit), int(m.Round))
		p.snapshot(&m.Snapshot)
	}
}

func (p *printer) node(n *node) {
	p.add(int(n.id), int(n.applied), int(n.disk.HardState.Term), int(n.disk.HardState.VotedFor))
	p.add(int(n.state>>32), int(n.state&0xffffffff))
	p.snapshot(n.disk.Snapshot)
	p.entries(n.disk.Entries)
	p.add(len(n.writes))
	for _, w := range n.writes {
		p.add(int(w.Seq))
		if w.HardState != nil {
			p.add(int(w.HardState.Term), int(w.HardState.VotedFor))
		}
		p.snapshot(w.Install)
		p.entries(w.Entries)
	}
	for _, o := range n.offers {
		p.snapshot(&o.Snapshot)
	}
	p.core(n.core)
}

func (p *printer) core(c *Core) {
	p.add(int(c.role), int(c.hard.Term), int(c.hard.VotedFor), int(c.leader), int(c.verified), int(c.ackedIndex),
		int(c.ackedRound), int(c.leaderRound), int(c.round), int(c.transferee))
	l := &c.log
	p.cursor(l.base)
	p.entries(l.entries)
	p.add(int(l.commit), int(l.handed), int(l.stable), int(l.unwritten))
	for _, w := range l.writes {
		p.add(int(w.seq), int(w.stableTo))
	}
	for _, placed := range c.configs {
		p.add(-4, int(placed.index))
	}
	p.snapshot(c.snapshot)
	for _, id := range slices.Sorted(maps.Keys(c.votes)) {
		p.add(-5, int(id), int(c.votes[id]))
	}
	for _, id := range c.peerIDs {
		p.progress(id, c.peers[id])
	}
	for _, r := range c.reads {
		p.add(-6, int(r.id), int(r.index), int(r.round))
	}
	o := &c.out
	p.add(int(o.writeSeq), int(o.doneSeq), int(o.hardSeq), int(o.writtenHard.Term), int(o.writtenHard.VotedFor),
		int(o.durableHard.Term), int(o.durableHard.VotedFor))
	p.flag(o.restore, o.install != nil, o.offer != nil)
	for _, h := range o.held {
		p.add(-7, int(h.seq))
		p.envelope(h.envelope)
	}
}

func (p *printer) progress(id MemberID, g *progress) {
	p.add(-8, int(id), int(g.state), int(g.match), int(g.next), int(g.commitSent), int(g.round), g.stalled)
	p.flag(g.probeSent)
	for _, index := range g.inflight {
		p.add(int(index))
	}
}
