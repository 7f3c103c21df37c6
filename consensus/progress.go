package consensus

// progressState says how a leader feeds a peer.
type progressState uint8

const (
	// probing sends one message at a time until a previous position matches.
	probing progressState = iota
	// replicating streams, up to the in-flight window.
	replicating
	// syncing waits for the peer to install a snapshot.
	syncing
)

// progress is what a leader knows of a peer.
//
// Invariants:
//  1. match < next, and match never falls within a term (R3).
//  2. In replicating, inflight holds the last index of each unanswered AppendEntries, ascending,
//     at most Config.MaxInflightMessages of them.
type progress struct {
	state    progressState
	match    Index
	next     Index
	inflight []Index
	// probeSent is set while a probe is unanswered.
	probeSent bool
	// probeEnd is the last index in the latest probe. Streaming begins when the peer has received it: one that
	// answers without taking entries is busy.
	probeEnd Index
	// commitSent is the highest commit index that the peer was told.
	commitSent Index
	// round is the highest round that the peer answered.
	round uint64
	// active is set by any answer and cleared by check-quorum.
	active bool
	// silent counts ticks since the peer answered anything.
	silent int
	// stalled counts heartbeats sent while something was in flight of which nothing was heard (M9).
	stalled int
}

// acknowledge takes a verified index; it reports whether it was news.
func (p *progress) acknowledge(index Index) bool {
	if index <= p.match {
		return false
	}
	p.match = index
	p.next = max(p.next, index+1)
	p.stalled = 0
	n := 0
	for n < len(p.inflight) && p.inflight[n] <= index {
		n++
	}
	p.inflight = p.inflight[n:]
	return true
}

// probe goes back to one message at a time, from next on.
func (p *progress) probe(next Index) {
	p.state, p.next = probing, max(next, p.match+1)
	p.inflight, p.probeSent, p.probeEnd, p.stalled = p.inflight[:0], false, 0, 0
}

// stream goes over to sending ahead, from behind the probe that the peer has received on.
func (p *progress) stream() {
	p.state, p.probeSent, p.next = replicating, false, max(p.match, p.probeEnd)+1
	if p.probeEnd > p.match {
		p.inflight = append(p.inflight, p.probeEnd)
	}
}

// ready reports whether another AppendEntries may be sent.
func (p *progress) ready(window int) bool {
	switch p.state {
	case probing:
		return !p.probeSent
	case replicating:
		return len(p.inflight) < window
	}
	return false
}
