package nats

import (
	"fmt"

	"github.com/groutlabs/grout/consensus"
)

// The types of message in a frame. They are sent: never renumber them.
const (
	typeAppendEntries         = 1
	typeAppendEntriesResponse = 2
	typeRequestVote           = 3
	typeRequestVoteResponse   = 4
	typeTimeoutNow            = 5
	typeStateSyncOffer        = 6
	typeForwardCommand        = 7
	typeCommandAck            = 8
	typeForwardQuery          = 9
	typeQueryResponse         = 10
	typeStateDigest           = 11
	typePulse                 = 12
)

// The structs below are the messages as they are sent: arrays, in the order of the fields. A leader
// or candidate is always the sender of its message, so From stands for it.

// wireAppend holds its entries by column, so that an entry costs its payload and a few bytes. Their
// indexes follow from PrevIndex.
type wireAppend struct {
	From, To  uint64
	Term      uint64
	PrevTerm  uint64
	PrevIndex uint64
	Commit    uint64
	Round     uint64
	// Runs are pairs of a term and how many entries in a row have it.
	Runs     []uint64
	Kinds    []byte
	Payloads [][]byte
	Quiet    bool
}

type wireAppendResponse struct {
	From, To            uint64
	Term                uint64
	Vote                uint8
	Last                uint64
	HintTerm, HintIndex uint64
	Round               uint64
}

type wireVote struct {
	From, To          uint64
	Term              uint64
	LogTerm, LogIndex uint64
	PreVote, Transfer bool
}

type wireVoteResponse struct {
	From, To uint64
	Term     uint64
	Vote     uint8
	PreVote  bool
}

type wireTimeoutNow struct {
	From, To uint64
	Term     uint64
}

type wireOffer struct {
	From, To                uint64
	Term                    uint64
	Commit                  uint64
	AnchorTerm, AnchorIndex uint64
	// Configuration is in the encoding of consensus.EncodeConfiguration.
	Configuration      []byte
	ConfigurationIndex uint64
	Manifest           []byte
	Round              uint64
}

type wireForwardCommand struct {
	From, To  uint64
	RequestID uint64
	Term      uint64
	Commands  [][]byte
}

type wireCommandAck struct {
	From, To    uint64
	RequestID   uint64
	Term        uint64
	First, Last uint64
	Refused     uint8
}

type wireForwardQuery struct {
	From, To  uint64
	RequestID uint64
	Query     []byte
}

type wireQueryResponse struct {
	From, To  uint64
	RequestID uint64
	Result    []byte
	Position  uint64
	Refused   uint8
}

type wireStateDigest struct {
	From, To                uint64
	AnchorTerm, AnchorIndex uint64
	// Digest and Agreed have 32 bytes each, or none.
	Digest, Agreed           []byte
	Ask, Copied, Quarantined bool
}

type wirePulse struct {
	From, To uint64
	Epoch    uint64
}

// wireMessage is one of the structs above.
type wireMessage interface {
	// envelope checks the fields against each other and returns what the core understands.
	envelope() (consensus.Envelope, error)
}

// fieldCount is the number of elements of a type's array; 0 for an unknown type. A decoder compares
// it, because the codec takes a shorter array for one with zeros at its end.
var fieldCount = [typePulse + 1]byte{
	typeAppendEntries:         11,
	typeAppendEntriesResponse: 8,
	typeRequestVote:           7,
	typeRequestVoteResponse:   5,
	typeTimeoutNow:            3,
	typeStateSyncOffer:        10,
	typeForwardCommand:        5,
	typeCommandAck:            7,
	typeForwardQuery:          4,
	typeQueryResponse:         6,
	typeStateDigest:           9,
	typePulse:                 3,
}

// newWireMessage returns an empty message of the type, nil when it is unknown.
func newWireMessage(kind uint8) wireMessage {
	switch kind {
	case typeAppendEntries:
		return &wireAppend{}
	case typeAppendEntriesResponse:
		return &wireAppendResponse{}
	case typeRequestVote:
		return &wireVote{}
	case typeRequestVoteResponse:
		return &wireVoteResponse{}
	case typeTimeoutNow:
		return &wireTimeoutNow{}
	case typeStateSyncOffer:
		return &wireOffer{}
	case typeForwardCommand:
		return &wireForwardCommand{}
	case typeCommandAck:
		return &wireCommandAck{}
	case typeForwardQuery:
		return &wireForwardQuery{}
	case typeQueryResponse:
		return &wireQueryResponse{}
	case typeStateDigest:
		return &wireStateDigest{}
	case typePulse:
		return &wirePulse{}
	}
	return nil
}

// toWire returns the message as it is sent, and its type.
func toWire(e consensus.Envelope) (uint8, wireMessage, error) {
	from, to := uint64(e.From), uint64(e.To)
	switch m := e.Message.(type) {
	case *consensus.AppendEntries:
		w, err := appendToWire(e, m)
		return typeAppendEntries, w, err
	case *consensus.AppendEntriesResponse:
		return typeAppendEntriesResponse, &wireAppendResponse{From: from, To: to, Term: uint64(m.Term),
			Vote: uint8(m.Vote), Last: uint64(m.LastLogIndex), HintTerm: uint64(m.Hint.Term),
			HintIndex: uint64(m.Hint.Index), Round: m.Round}, nil
	case *consensus.RequestVote:
		return typeRequestVote, &wireVote{From: from, To: to, Term: uint64(m.Term),
			LogTerm: uint64(m.LogPosition.Term), LogIndex: uint64(m.LogPosition.Index),
			PreVote: m.PreVote, Transfer: m.Transfer}, sameMember(e, m.Candidate)
	case *consensus.RequestVoteResponse:
		return typeRequestVoteResponse, &wireVoteResponse{From: from, To: to, Term: uint64(m.Term),
			Vote: uint8(m.Vote), PreVote: m.PreVote}, nil
	case *consensus.TimeoutNow:
		return typeTimeoutNow, &wireTimeoutNow{From: from, To: to, Term: uint64(m.Term)}, sameMember(e, m.Leader)
	case *consensus.StateSyncOffer:
		return typeStateSyncOffer, offerToWire(e, m), sameMember(e, m.Leader)
	case *consensus.ForwardCommand:
		return typeForwardCommand, &wireForwardCommand{From: from, To: to, RequestID: m.RequestID, Term: uint64(m.Term), Commands: m.Commands}, nil
	case *consensus.CommandAck:
		return typeCommandAck, &wireCommandAck{From: from, To: to, RequestID: m.RequestID, Term: uint64(m.Term),
			First: uint64(m.First), Last: uint64(m.Last), Refused: uint8(m.Refused)}, nil
	case *consensus.ForwardQuery:
		return typeForwardQuery, &wireForwardQuery{From: from, To: to, RequestID: m.RequestID, Query: m.Query}, nil
	case *consensus.QueryResponse:
		return typeQueryResponse, &wireQueryResponse{From: from, To: to, RequestID: m.RequestID, Result: m.Result,
			Position: uint64(m.Position), Refused: uint8(m.Refused)}, nil
	case *consensus.StateDigest:
		return typeStateDigest, &wireStateDigest{From: from, To: to, AnchorTerm: uint64(m.Anchor.Term),
			AnchorIndex: uint64(m.Anchor.Index), Digest: m.Digest, Agreed: m.Agreed, Ask: m.Ask, Copied: m.Copied,
			Quarantined: m.Quarantined}, nil
	case *consensus.Pulse:
		return typePulse, &wirePulse{From: from, To: to, Epoch: m.Epoch}, nil
	}
	return 0, nil, fmt.Errorf("%w: no encoding for %T", ErrBadMessage, e.Message)
}

func sameMember(e consensus.Envelope, claimed consensus.MemberID) error {
	if claimed != e.From {
		return fmt.Errorf("%w: %s from member %s speaks for member %s", ErrBadMessage, e.Message, e.From, claimed)
	}
	return nil
}

func appendToWire(e consensus.Envelope, m *consensus.AppendEntries) (*wireAppend, error) {
	w := &wireAppend{From: uint64(e.From), To: uint64(e.To), Term: uint64(m.Term),
		PrevTerm: uint64(m.PrevLogPosition.Term), PrevIndex: uint64(m.PrevLogPosition.Index),
		Commit: uint64(m.LeaderCommit), Round: m.Round, Quiet: m.Quiet}
	if len(m.Entries) > 0 {
		w.Kinds = make([]byte, len(m.Entries))
		w.Payloads = make([][]byte, len(m.Entries))
	}
	for i, entry := range m.Entries {
		if entry.Index != m.PrevLogPosition.Index+1+consensus.Index(i) {
			return nil, fmt.Errorf("%w: %s: entry %d has index %d", ErrBadMessage, m, i, entry.Index)
		}
		if last := len(w.Runs) - 2; last >= 0 && w.Runs[last] == uint64(entry.Term) {
			w.Runs[last+1]++
		} else {
			w.Runs = append(w.Runs, uint64(entry.Term), 1)
		}
		w.Kinds[i], w.Payloads[i] = byte(entry.Kind), entry.Payload
	}
	return w, sameMember(e, m.Leader)
}

func offerToWire(e consensus.Envelope, m *consensus.StateSyncOffer) *wireOffer {
	s := &m.Snapshot
	return &wireOffer{From: uint64(e.From), To: uint64(e.To), Term: uint64(m.Term), Commit: uint64(m.LeaderCommit),
		AnchorTerm: uint64(s.Anchor.Term), AnchorIndex: uint64(s.Anchor.Index),
		Configuration:      consensus.EncodeConfiguration(s.Configuration),
		ConfigurationIndex: uint64(s.ConfigurationIndex), Manifest: s.Manifest, Round: m.Round}
}
