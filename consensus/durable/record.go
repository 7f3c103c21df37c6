package durable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/groutlabs/grout/consensus"
)

// The first byte of a key says what the record is. Numbers in keys are big-endian, so that the entries
// of a group follow each other by index.
//
//	'q'                      number of the last batch
//	'm' | name               a host-level record
//	'h' | group 8            head of a group's log
//	's' | group 8            snapshot of a group
//	'e' | group 8 | index 8  one entry
//
// Every value is
//
//	+-----------+------+-----------------------------------+
//	| version 1 | body | CRC-32C of key, version, body: 4  |
//	+-----------+------+-----------------------------------+
const (
	kindBatch    = 'q'
	kindMeta     = 'm'
	kindHead     = 'h'
	kindSnapshot = 's'
	kindEntry    = 'e'

	recordVersion  = 1
	recordOverhead = 1 + 4
	entryHeader    = 1 + 8 + 8
	groupKeyBytes  = 1 + 8
	entryKeyBytes  = 1 + 8 + 8

	batchValueBytes = recordOverhead + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errBadRecord is the reason inside a CorruptionError.
var errBadRecord = errors.New("bad record")

var batchKey = []byte{kindBatch}

func metaKey(name string) []byte { return append([]byte{kindMeta}, name...) }

func groupKey(kind byte, group uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, group)
}

func entryKey(group uint64, index consensus.Index) []byte {
	return putEntryKey(make([]byte, entryKeyBytes), group, index)
}

func putEntryKey(key []byte, group uint64, index consensus.Index) []byte {
	key[0] = kindEntry
	binary.BigEndian.PutUint64(key[1:], group)
	binary.BigEndian.PutUint64(key[9:], uint64(index))
	return key
}

// checksum covers a key and a value without its last four bytes.
func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// seal returns the value that stores body under key.
func seal(key, body []byte) []byte {
	value := make([]byte, 1, recordOverhead+len(body))
	value[0] = recordVersion
	value = append(value, body...)
	return binary.LittleEndian.AppendUint32(value, checksum(key, value))
}

// unseal returns the body of what seal wrote under key; it aliases value.
func unseal(key, value []byte) ([]byte, error) {
	if len(value) < recordOverhead {
		return nil, fmt.Errorf("%w: %d bytes are too few", errBadRecord, len(value))
	}
	end := len(value) - 4
	if want, got := binary.LittleEndian.Uint32(value[end:]), checksum(key, value[:end]); want != got {
		return nil, fmt.Errorf("%w: checksum is %08x, the bytes make %08x", errBadRecord, want, got)
	}
	if value[0] != recordVersion {
		return nil, fmt.Errorf("%w: version %d is unknown", errBadRecord, value[0])
	}
	return value[1:end], nil
}

func encodeBatchNumber(number uint64) []byte {
	return seal(batchKey, binary.BigEndian.AppendUint64(nil, number))
}

func decodeBatchNumber(key, value []byte) (uint64, error) {
	body, err := unseal(key, value)
	if err != nil {
		return 0, err
	}
	if len(key) != 1 || key[0] != kindBatch || len(body) != 8 {
		return 0, fmt.Errorf("%w: not a batch number", errBadRecord)
	}
	return binary.BigEndian.Uint64(body), nil
}

func entryValueBytes(e consensus.LogEntry) int {
	return recordOverhead + entryHeader + len(e.Payload)
}

// putEntry fills value, of entryValueBytes(e) bytes, with
//
//	version 1 | kind 1 | term 8 | term of the entry before 8 | payload | CRC 4
func putEntry(key, value []byte, e consensus.LogEntry, before consensus.Term) {
	value[0] = recordVersion
	value[1] = byte(e.Kind)
	binary.BigEndian.PutUint64(value[2:], uint64(e.Term))
	binary.BigEndian.PutUint64(value[10:], uint64(before))
	end := 1 + entryHeader + copy(value[1+entryHeader:], e.Payload)
	binary.LittleEndian.PutUint32(value[end:], checksum(key, value[:end]))
}

// decodeEntry reads what putEntry wrote. The payload aliases value.
func decodeEntry(key, value []byte) (e consensus.LogEntry, before consensus.Term, err error) {
	body, err := unseal(key, value)
	if err != nil {
		return e, 0, err
	}
	if len(key) != entryKeyBytes || key[0] != kindEntry || len(body) < entryHeader {
		return e, 0, fmt.Errorf("%w: not an entry", errBadRecord)
	}
	e = consensus.LogEntry{
		Term:    consensus.Term(binary.BigEndian.Uint64(body[1:])),
		Index:   consensus.Index(binary.BigEndian.Uint64(key[9:])),
		Kind:    consensus.EntryKind(body[0]),
		Payload: body[entryHeader:],
	}
	return e, consensus.Term(binary.BigEndian.Uint64(body[9:])), nil
}
