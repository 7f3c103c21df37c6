package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// Records are a few named records of a host. Store has them.
type Records interface {
	// Meta returns a record, nil when there is none. SetMeta is durable on return.
	Meta(key string) ([]byte, error)
	SetMeta(key string, value []byte) error
}

// memberNote is what a member notes durably beside its log.
type memberNote struct {
	// Quarantined is set while the member's state is known to be wrong.
	Quarantined bool `codec:"q"`
	// Anchor is where that was found, Own the state hash there, Agreed that of the others.
	Anchor consensus.Cursor `codec:"a"`
	Own    Digest           `codec:"o"`
	Agreed Digest           `codec:"g"`
	// Copied is the manifest of the last snapshot that came from another member.
	Copied Digest `codec:"c"`
}

func noteKey(id GroupID) string { return fmt.Sprintf("member-%016x", uint64(id)) }

// readNote reads the note of a group's member here, empty when there is none.
func readNote(records Records, id GroupID) (memberNote, error) {
	var note memberNote
	packed, err := records.Meta(noteKey(id))
	if err == nil && len(packed) > 0 {
		err = unpack(packed, &note)
	}
	if err != nil {
		return memberNote{}, fmt.Errorf("host: the note of group %d: %w", id, err)
	}
	return note, nil
}

func writeNote(records Records, id GroupID, note memberNote) error {
	packed, err := pack(note)
	if err == nil {
		err = records.SetMeta(noteKey(id), packed)
	}
	if err != nil {
		return fmt.Errorf("host: noting that of group %d: %w", id, err)
	}
	return nil
}

// quarantine is a member's state while its machine is known to be wrong. Its core stands still: it takes
// no message of the protocol, and none leaves, as if the process were paused. So it gives no vote, neither
// for a leader nor for entries. Its log is right, and stays.
//
// The member pleads for an agreed state hash, fetches that snapshot from the others, and goes on from it:
// by its own log, when that reaches over the anchor, or by installing the snapshot.
type quarantine struct {
	// anchor and own are where the divergence was found, and the wrong state hash there.
	anchor consensus.Cursor
	own    Digest
	// target and agreed are a snapshot that a majority agrees on; none while target is zero.
	target consensus.Cursor
	agreed Digest
	// from is who told them.
	from consensus.MemberID
	// fetched is set once the whole snapshot is here.
	fetched *consensus.SnapshotMeta
	// installing is set while the log is being replaced by the snapshot.
	installing bool
	// pleaded is the sweep of the last plea.
	pleaded int
}

// String says what an operator should know.
func (q *quarantine) String() string {
	return fmt.Sprintf("quarantined: the state at %s (%x) differs from what a majority has; it is being repaired from the other members", q.anchor, q.own[:4])
}

// pleaPause is how many sweeps pass between two pleas.
const pleaPause = 3

// quarantineSelf takes this member out of everything until its state is repaired. From the return on
// nothing leaves that could count as a vote; that holds across restarts once the note is written.
func (g *group) quarantineSelf(anchor consensus.Cursor, own, agreed Digest) {
	g.logger.Error("the state of this member is wrong", "group", g.ref.Name, "host", g.hostOf(g.self), "anchor", anchor,
		"state", hexDigest(own), "agreed", hexDigest(agreed))
	g.isolateSelf(&quarantine{anchor: anchor, own: own, target: anchor, agreed: agreed})
	err := writeNote(g.records, g.ref.ID, memberNote{Quarantined: true, Anchor: anchor, Own: own, Agreed: agreed})
	if err != nil {
		g.inbox.fail(err)
	}
}

// isolateSelf stops the member's part in the group.
func (g *group) isolateSelf(q *quarantine) {
	g.core.Resign()
	g.unsettled()
	g.quarantine, g.comparison, g.disputed = q, nil, ""
	fault := quarantineFault(g.ref.Name, g.hostOf(g.self))
	g.refusing.Store(fault)
	g.applier.halt()
	if g.fetch.cancel != nil {
		g.fetch.cancel() // its end is awaited before another begins
	}
	g.waiters.drain(fault)
	g.forgotten.leave(g.waiting)
	g.waiting, g.asking, g.reads = nil, nil, map[uint64][]pendingQuery{}
	clear(g.forwards.sent)
	g.publishStatus("")
}

func quarantineFault(group, host string) *Error {
	return fault(api.CodeNoLeader, "the member of group %s on host %s is being repaired: ask another host", group, host)
}

// refuseRequests answers what clients asked before they could know of the quarantine.
func (g *group) refuseRequests() {
	refusal := Reply{Err: g.refusing.Load()}
	for _, c := range g.waiting {
		g.waiters.finish(c.request, refusal)
	}
	for _, q := range g.asking {
		g.waiters.finish(q.request, refusal)
	}
	g.forgotten.leave(g.waiting)
	g.waiting, g.asking = nil, nil
}

// learnAgreed learns of a snapshot that a majority agrees on.
func (g *group) learnAgreed(from consensus.MemberID, m *consensus.StateDigest) {
	q := g.quarantine
	if len(m.Agreed) == 0 || m.Anchor.Index < q.target.Index || m.Anchor.Index < g.hashes.latest().Index || q.fetched != nil {
		return
	}
	q.target, q.agreed, q.from = m.Anchor, Digest(m.Agreed), from
}

// repair goes on with the repair of this member's state. It is called at every sweep.
func (g *group) repair() {
	q := g.quarantine
	if g.sweeps-q.pleaded >= pleaPause {
		g.plead()
	}
	switch {
	case g.saving != nil || g.fetch.cancel != nil || q.installing || g.applier.restoring():
		return
	case q.fetched != nil:
		g.adoptAgreed()
	case q.target.Index > 0 && q.target.Index >= g.hashes.latest().Index:
		g.fetchAgreed()
	}
}

// plead asks all members, since the leader is unknown, for an agreed state hash.
func (g *group) plead() {
	g.quarantine.pleaded = g.sweeps
	for _, id := range g.core.Configuration().Members() {
		if id != g.self {
			g.send([]consensus.Envelope{{From: g.self, To: id, Message: &consensus.StateDigest{Anchor: g.hashes.latest(), Quarantined: true}}})
		}
	}
}

// fetchAgreed fetches what is missing here of the agreed snapshot.
func (g *group) fetchAgreed() {
	q := g.quarantine
	target, digest := q.target, q.agreed
	g.logger.Info("fetching an agreed snapshot", "group", g.ref.Name, "anchor", target)
	g.beginFetch(digest, q.from, func(meta consensus.SnapshotMeta, err error) {
		g.endFetch()
		if err == nil && meta.Anchor != target {
			err = fmt.Errorf("%w manifest: its anchor is %s, agreed was %s", ErrCorrupt, meta.Anchor, target)
		}
		if err != nil {
			g.abandon(err)
			return
		}
		q.fetched = &meta
		g.repair()
	})
}

// abandon gives up a snapshot that cannot be had or read: the next plea yields another.
func (g *group) abandon(err error) {
	q := g.quarantine
	q.target, q.fetched = consensus.Cursor{}, nil
	if !errors.Is(err, context.Canceled) {
		g.logger.Warn("the agreed snapshot could not be fetched, another is asked for", "group", g.ref.Name, "error", err)
	}
}

// adoptAgreed goes on from the fetched snapshot.
func (g *group) adoptAgreed() {
	q := g.quarantine
	meta := *q.fetched
	switch {
	case meta.Anchor.Index < g.hashes.latest().Index:
		q.target, q.fetched = consensus.Cursor{}, nil // a newer one of this member's own was still being saved
	case meta.Anchor.Index <= g.handed:
		if err := g.restoreInPlace(meta); err != nil {
			g.inbox.fail(err)
		}
	default:
		// When the log already holds the anchor, this only moves the commit index there, and the next
		// sweep finds it handed out.
		installed, err := g.core.Install(meta)
		if err != nil {
			g.inbox.fail(err)
		}
		if q.installing = installed; installed {
			g.replaceSnapshot(meta)
		}
	}
}

// restoreInPlace puts the agreed state in place of the wrong one and applies the log from there again.
// The order makes a crash at any point harmless: while the note stands, the member starts quarantined; once it
// is gone, the snapshot is the agreed one.
func (g *group) restoreInPlace(meta consensus.SnapshotMeta) error {
	image, err := g.installedImage(&meta)
	if err != nil {
		g.abandon(err)
		return nil
	}
	if err := g.log.SaveSnapshot(meta); err != nil {
		return fmt.Errorf("host: saving the agreed snapshot at %s: %w", meta.Anchor, err)
	}
	g.core.SnapshotTaken(meta, 0)
	g.replaceSnapshot(meta)
	if err := g.release(meta); err != nil {
		return err
	}
	g.applier.add(work{restore: &image})
	if again := g.core.Entries(meta.Anchor.Index+1, g.handed); len(again) > 0 {
		g.applier.add(work{entries: again})
	}
	return nil
}

// replaceSnapshot makes a snapshot that came from others the member's own.
func (g *group) replaceSnapshot(meta consensus.SnapshotMeta) {
	digest := Digest(meta.Manifest)
	g.hashes.replaced(meta.Anchor, digest)
	g.fetch.current = Digest{} // the chunks of a wrong state are of no use to anyone
	g.adoptSnapshot(meta.Anchor.Index, digest)
}

// release ends the quarantine: the agreed snapshot is durably this member's own.
func (g *group) release(meta consensus.SnapshotMeta) error {
	if err := writeNote(g.records, g.ref.ID, memberNote{Copied: Digest(meta.Manifest)}); err != nil {
		return err
	}
	g.quarantine = nil
	g.refusing.Store(nil)
	g.applier.resume()
	g.logger.Info("the state is repaired", "group", g.ref.Name, "anchor", meta.Anchor)
	g.publishStatus("")
	return nil
}

// quarantine is where a member that restarts was.
func (n *memberNote) quarantine() *quarantine {
	return &quarantine{anchor: n.Anchor, own: n.Own, target: n.Anchor, agreed: n.Agreed}
}

// withhold returns what leaves in place of a message. An offer that may not be made yet becomes a
// heartbeat: to a member that lags, the offers are the leader's only sign of life, and without one it
// would stand for election for ever.
func (g *group) withhold(m consensus.Message) consensus.Message {
	offer, ok := m.(*consensus.StateSyncOffer)
	if !ok || g.mayOffer(offer.Snapshot.Anchor) {
		return m
	}
	return &consensus.AppendEntries{
		Term: offer.Term, Leader: offer.Leader, PrevLogPosition: offer.Snapshot.Anchor,
		LeaderCommit: offer.LeaderCommit, Round: offer.Round,
	}
}

// standsStill reports whether a message is not to pass, in or out, because the member is quarantined.
func (g *group) standsStill(m consensus.Message) bool {
	_, protocol := m.MessageTerm()
	return protocol && g.quarantine != nil
}
