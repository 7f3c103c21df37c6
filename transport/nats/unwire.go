package nats

import (
	"fmt"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
)

// ends makes the envelope of a message that has arrived.
func ends(from, to uint64, m consensus.Message) (consensus.Envelope, error) {
	e := consensus.Envelope{From: consensus.MemberID(from), To: consensus.MemberID(to), Message: m}
	if from == 0 || to == 0 {
		return e, fmt.Errorf("%w: %s from member %s to %s: neither can be zero", ErrBadFrame, m, e.From, e.To)
	}
	return e, nil
}

func cursor(term, index uint64) consensus.Cursor {
	return consensus.Cursor{Term: consensus.Term(term), Index: consensus.Index(index)}
}

func checkVote(v uint8) error {
	if v > uint8(consensus.Abstained) {
		return fmt.Errorf("%w: %s is no vote", ErrBadFrame, consensus.Vote(v))
	}
	return nil
}

func checkRefusal(r uint8) error {
	if r > uint8(consensus.RefusedBusy) {
		return fmt.Errorf("%w: %d is no refusal", ErrBadFrame, r)
	}
	return nil
}

func (w *wireAppend) envelope() (consensus.Envelope, error) {
	entries, err := w.entries()
	if err != nil {
		return consensus.Envelope{}, err
	}
	return ends(w.From, w.To, &consensus.AppendEntries{Term: consensus.Term(w.Term), Leader: consensus.MemberID(w.From),
		PrevLogPosition: cursor(w.PrevTerm, w.PrevIndex), Entries: entries,
		LeaderCommit: consensus.Index(w.Commit), Round: w.Round, Quiet: w.Quiet})
}

// entries puts the columns together again.
func (w *wireAppend) entries() ([]consensus.LogEntry, error) {
	n := uint64(len(w.Kinds))
	if n != uint64(len(w.Payloads)) || len(w.Runs)%2 != 0 {
		return nil, fmt.Errorf("%w: %d kinds, %d payloads and %d halves of term runs do not make entries",
			ErrBadFrame, n, len(w.Payloads), len(w.Runs))
	}
	if w.PrevIndex+n < n {
		return nil, fmt.Errorf("%w: %d entries after index %d are past the last index", ErrBadFrame, n, w.PrevIndex)
	}
	if n == 0 {
		w.Runs = nil
		return nil, nil
	}
	entries := make([]consensus.LogEntry, 0, n)
	for run := 0; run < len(w.Runs); run += 2 {
		term, count := w.Runs[run], w.Runs[run+1]
		if count == 0 || count > n-uint64(len(entries)) {
			return nil, fmt.Errorf("%w: a run of %d entries where %d are left", ErrBadFrame, count, n-uint64(len(entries)))
		}
		for range count {
			i := len(entries)
			entries = append(entries, consensus.LogEntry{Term: consensus.Term(term), Kind: consensus.EntryKind(w.Kinds[i]),
				Index: consensus.Index(w.PrevIndex + 1 + uint64(i)), Payload: w.Payloads[i]})
		}
	}
	if uint64(len(entries)) != n {
		return nil, fmt.Errorf("%w: the term runs cover %d of %d entries", ErrBadFrame, len(entries), n)
	}
	return entries, nil
}

func (w *wireAppendResponse) envelope() (consensus.Envelope, error) {
	if err := checkVote(w.Vote); err != nil {
		return consensus.Envelope{}, err
	}
	return ends(w.From, w.To, &consensus.AppendEntriesResponse{Term: consensus.Term(w.Term), Vote: consensus.Vote(w.Vote),
		LastLogIndex: consensus.Index(w.Last), Hint: cursor(w.HintTerm, w.HintIndex), Round: w.Round})
}

func (w *wireVote) envelope() (consensus.Envelope, error) {
	return ends(w.From, w.To, &consensus.RequestVote{Term: consensus.Term(w.Term), Candidate: consensus.MemberID(w.From),
		LogPosition: cursor(w.LogTerm, w.LogIndex), PreVote: w.PreVote, Transfer: w.Transfer})
}

func (w *wireVoteResponse) envelope() (consensus.Envelope, error) {
	if err := checkVote(w.Vote); err != nil {
		return consensus.Envelope{}, err
	}
	return ends(w.From, w.To, &consensus.RequestVoteResponse{Term: consensus.Term(w.Term),
		Vote: consensus.Vote(w.Vote), PreVote: w.PreVote})
}

func (w *wireTimeoutNow) envelope() (consensus.Envelope, error) {
	return ends(w.From, w.To, &consensus.TimeoutNow{Term: consensus.Term(w.Term), Leader: consensus.MemberID(w.From)})
}

func (w *wireOffer) envelope() (consensus.Envelope, error) {
	configuration, err := consensus.DecodeConfiguration(w.Configuration)
	if err != nil {
		return consensus.Envelope{}, fmt.Errorf("%w: snapshot offer: %w", ErrBadFrame, err)
	}
	return ends(w.From, w.To, &consensus.StateSyncOffer{Term: consensus.Term(w.Term), Leader: consensus.MemberID(w.From),
		LeaderCommit: consensus.Index(w.Commit), Round: w.Round,
		Snapshot: consensus.SnapshotMeta{Anchor: cursor(w.AnchorTerm, w.AnchorIndex), Configuration: configuration,
			ConfigurationIndex: consensus.Index(w.ConfigurationIndex), Manifest: w.Manifest}})
}

func (w *wireForwardCommand) envelope() (consensus.Envelope, error) {
	return ends(w.From, w.To, &consensus.ForwardCommand{RequestID: w.RequestID, Term: consensus.Term(w.Term), Commands: w.Commands})
}

func (w *wireCommandAck) envelope() (consensus.Envelope, error) {
	if err := checkRefusal(w.Refused); err != nil {
		return consensus.Envelope{}, err
	}
	return ends(w.From, w.To, &consensus.CommandAck{RequestID: w.RequestID, Term: consensus.Term(w.Term),
		First: consensus.Index(w.First), Last: consensus.Index(w.Last), Refused: consensus.Refusal(w.Refused)})
}

func (w *wireForwardQuery) envelope() (consensus.Envelope, error) {
	return ends(w.From, w.To, &consensus.ForwardQuery{RequestID: w.RequestID, Query: w.Query})
}

func (w *wireQueryResponse) envelope() (consensus.Envelope, error) {
	if err := checkRefusal(w.Refused); err != nil {
		return consensus.Envelope{}, err
	}
	return ends(w.From, w.To, &consensus.QueryResponse{RequestID: w.RequestID, Result: w.Result,
		Position: consensus.Index(w.Position), Refused: consensus.Refusal(w.Refused)})
}

func (w *wireStateDigest) envelope() (consensus.Envelope, error) {
	for _, digest := range [][]byte{w.Digest, w.Agreed} {
		if len(digest) != 0 && len(digest) != len(host.Digest{}) {
			return consensus.Envelope{}, fmt.Errorf("%w: a state hash of %d bytes", ErrBadFrame, len(digest))
		}
	}
	return ends(w.From, w.To, &consensus.StateDigest{Anchor: cursor(w.AnchorTerm, w.AnchorIndex), Digest: w.Digest,
		Agreed: w.Agreed, Ask: w.Ask, Copied: w.Copied, Quarantined: w.Quarantined})
}

func (w *wirePulse) envelope() (consensus.Envelope, error) {
	return ends(w.From, w.To, &consensus.Pulse{Epoch: w.Epoch})
}
