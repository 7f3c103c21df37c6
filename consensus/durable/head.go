package durable

import (
	"encoding/binary"
	"fmt"

	"github.com/groutlabs/grout/consensus"
)

// head is the record that every write of a group replaces: the hard state, and where its log begins
// and ends. It makes a loss at either end of the log visible.
//
// Invariants, checked by valid():
//  1. first is at least 1, and at most last.Index+1 (equal when there are no entries).
//  2. With a snapshot, first is at most the index after its anchor and last is at or after it.
//  3. Without a snapshot, first is 1.
type head struct {
	hard  consensus.HardState
	first consensus.Index
	// last is the position of the last entry; without entries, the position before first.
	last consensus.Cursor
	// anchored is set once there is a snapshot; anchor is its position.
	anchored bool
	anchor   consensus.Cursor
}

func emptyHead() head { return head{first: 1} }

func (h head) valid() error {
	switch {
	case h.first == 0 || h.first > h.last.Index+1:
		return fmt.Errorf("%w: log from %d to %d", errBadRecord, h.first, h.last.Index)
	case h.anchored && (h.first > h.anchor.Index+1 || h.last.Index < h.anchor.Index):
		return fmt.Errorf("%w: snapshot at %d beside a log from %d to %d", errBadRecord, h.anchor.Index, h.first, h.last.Index)
	case !h.anchored && (h.first != 1 || h.anchor != consensus.Cursor{}):
		return fmt.Errorf("%w: log begins at %d without a snapshot", errBadRecord, h.first)
	}
	return nil
}

const headBytes = 8*7 + 1

// encodeHead lays the head out as
//
//	term 8 | vote 8 | first 8 | last term 8 | last index 8 | anchored 1 | anchor term 8 | anchor index 8
func encodeHead(key []byte, h head) []byte {
	body := make([]byte, 0, headBytes)
	for _, n := range []uint64{
		uint64(h.hard.Term), uint64(h.hard.VotedFor), uint64(h.first), uint64(h.last.Term), uint64(h.last.Index),
	} {
		body = binary.BigEndian.AppendUint64(body, n)
	}
	anchored := byte(0)
	if h.anchored {
		anchored = 1
	}
	body = append(body, anchored)
	body = binary.BigEndian.AppendUint64(body, uint64(h.anchor.Term))
	body = binary.BigEndian.AppendUint64(body, uint64(h.anchor.Index))
	return seal(key, body)
}

// decodeHead reads what encodeHead wrote.
func decodeHead(key, value []byte) (head, error) {
	body, err := unseal(key, value)
	if err != nil {
		return head{}, err
	}
	if len(key) != groupKeyBytes || key[0] != kindHead || len(body) != headBytes || body[40] > 1 {
		return head{}, fmt.Errorf("%w: not the head of a log", errBadRecord)
	}
	h := head{
		hard: consensus.HardState{
			Term:     consensus.Term(binary.BigEndian.Uint64(body)),
			VotedFor: consensus.MemberID(binary.BigEndian.Uint64(body[8:])),
		},
		first:    consensus.Index(binary.BigEndian.Uint64(body[16:])),
		last:     decodeCursor(body[24:]),
		anchored: body[40] == 1,
		anchor:   decodeCursor(body[41:]),
	}
	return h, h.valid()
}

func decodeCursor(data []byte) consensus.Cursor {
	return consensus.Cursor{
		Term:  consensus.Term(binary.BigEndian.Uint64(data)),
		Index: consensus.Index(binary.BigEndian.Uint64(data[8:])),
	}
}

// encodeSnapshot lays the snapshot's description out as
//
//	anchor term 8 | anchor index 8 | configuration index 8 | length 4 | configuration | manifest
func encodeSnapshot(key []byte, meta consensus.SnapshotMeta) []byte {
	configuration := consensus.EncodeConfiguration(meta.Configuration)
	body := binary.BigEndian.AppendUint64(nil, uint64(meta.Anchor.Term))
	body = binary.BigEndian.AppendUint64(body, uint64(meta.Anchor.Index))
	body = binary.BigEndian.AppendUint64(body, uint64(meta.ConfigurationIndex))
	body = binary.BigEndian.AppendUint32(body, uint32(len(configuration)))
	body = append(body, configuration...)
	return seal(key, append(body, meta.Manifest...))
}

// decodeSnapshot reads what encodeSnapshot wrote. The result shares nothing with value.
func decodeSnapshot(key, value []byte) (consensus.SnapshotMeta, error) {
	body, err := unseal(key, value)
	if err != nil {
		return consensus.SnapshotMeta{}, err
	}
	const fixed = 8 + 8 + 8 + 4
	if len(key) != groupKeyBytes || key[0] != kindSnapshot || len(body) < fixed {
		return consensus.SnapshotMeta{}, fmt.Errorf("%w: not a snapshot", errBadRecord)
	}
	size := uint64(binary.BigEndian.Uint32(body[24:]))
	if size > uint64(len(body)-fixed) {
		return consensus.SnapshotMeta{}, fmt.Errorf("%w: configuration of %d bytes is cut short", errBadRecord, size)
	}
	configuration, err := consensus.DecodeConfiguration(body[fixed : fixed+size])
	if err != nil {
		return consensus.SnapshotMeta{}, fmt.Errorf("%w: %w", errBadRecord, err)
	}
	meta := consensus.SnapshotMeta{
		Anchor:             decodeCursor(body),
		Configuration:      configuration,
		ConfigurationIndex: consensus.Index(binary.BigEndian.Uint64(body[16:])),
	}
	if manifest := body[fixed+size:]; len(manifest) > 0 {
		meta.Manifest = append([]byte(nil), manifest...)
	}
	return meta, nil
}
