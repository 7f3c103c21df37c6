package api

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxBatch bounds the commands of one batch: what a session keeps results for.
const MaxBatch = 1024

// ErrBadBatch marks a body that is not what its encoder writes.
var ErrBadBatch = errors.New("bad batch")

// AppendCommand appends one command to the body of a batch:
//
//	4 bytes  length of the command in bytes, big-endian
//	n bytes  the command
//
// The body of a batch is its commands, one after the other, and nothing else; HeaderBatch says how many.
func AppendCommand(body, command []byte) []byte {
	return append(binary.BigEndian.AppendUint32(body, uint32(len(command))), command...)
}

// ParseBatch reads the body of a batch of count commands. They share memory with body.
//
// # Errors
//
// ErrBadBatch, naming the command and the byte.
func ParseBatch(body []byte, count uint64) ([][]byte, error) {
	return parseRecords(body, count, 0)
}

// parseRecords reads count records, each its length and as many bytes, at least least.
func parseRecords(body []byte, count uint64, least int) ([][]byte, error) {
	if count == 0 || count > MaxBatch {
		return nil, fmt.Errorf("%w: %d records, 1 to %d are possible", ErrBadBatch, count, MaxBatch)
	}
	records, at := make([][]byte, 0, count), 0
	for uint64(len(records)) < count {
		if len(body)-at < 4 {
			return nil, fmt.Errorf("%w: the length of record %d of %d is missing at byte %d of %d", ErrBadBatch, len(records)+1, count, at, len(body))
		}
		size := binary.BigEndian.Uint32(body[at:])
		at += 4
		if uint64(size) > uint64(len(body)-at) || int(size) < least {
			return nil, fmt.Errorf("%w: record %d of %d has %d bytes at byte %d of %d, at least %d are expected",
				ErrBadBatch, len(records)+1, count, size, at, len(body), least)
		}
		end := at + int(size)
		records = append(records, body[at:end:end])
		at = end
	}
	if at != len(body) {
		return nil, fmt.Errorf("%w: %d bytes after the last of %d records", ErrBadBatch, len(body)-at, count)
	}
	return records, nil
}

// BatchStatus says how one command of a batch ended.
type BatchStatus byte

// The ends of a command. Their numbers are sent: never renumber them.
const (
	// BatchApplied: the body is the machine's answer.
	BatchApplied BatchStatus = 0
	// BatchRefused: the body is the machine's text; nothing changed.
	BatchRefused BatchStatus = 1
	// BatchTrapped: the body says why; nothing changed.
	BatchTrapped BatchStatus = 2
	// BatchFailed: there is no outcome; the body is the error's text.
	BatchFailed BatchStatus = 3
)

// BatchResult is the end of one command of a batch.
type BatchResult struct {
	Status    BatchStatus
	Duplicate bool
	// Code is the error's when BatchFailed, three digits; MachineCode the machine's when BatchRefused.
	Code        Code
	MachineCode int32
	// Index and Term are those of the entry, 0 when there is none.
	Index, Term uint64
	// Fuel is the work that the command took, 0 when there is no outcome.
	Fuel uint64
	// Body is the answer or the text.
	Body []byte
}

const (
	resultHead     = 1 + 1 + 4 + 8 + 8 + 8
	flagDuplicate  = 1
	resultOverhead = 4 + resultHead
)

// Size is the number of bytes that AppendResult appends.
func (r *BatchResult) Size() int { return resultOverhead + len(r.Body) }

// AppendResult appends one result to the body of a batch's reply:
//
//	4 bytes  length of what follows in bytes, big-endian, at least 30
//	1 byte   status: 0 applied, 1 refused by the machine, 2 trapped, 3 failed
//	1 byte   flags: 1 the command had been applied before
//	4 bytes  big-endian: the machine's code when refused, the error's code when failed, else 0
//	8 bytes  big-endian: the entry's index, 0 when unknown
//	8 bytes  big-endian: the entry's term
//	8 bytes  big-endian: the fuel that the command used
//	n bytes  the answer, or a text
func AppendResult(body []byte, r BatchResult) []byte {
	body = binary.BigEndian.AppendUint32(body, uint32(resultHead+len(r.Body)))
	flags := byte(0)
	if r.Duplicate {
		flags = flagDuplicate
	}
	body = append(body, byte(r.Status), flags)
	code := uint32(r.MachineCode)
	if r.Status == BatchFailed {
		code = codeNumber(r.Code)
	}
	body = binary.BigEndian.AppendUint32(body, code)
	body = binary.BigEndian.AppendUint64(body, r.Index)
	body = binary.BigEndian.AppendUint64(body, r.Term)
	body = binary.BigEndian.AppendUint64(body, r.Fuel)
	return append(body, r.Body...)
}

// codeNumber is a code as a number; one that is none becomes CodeInternal.
func codeNumber(c Code) uint32 {
	n := uint32(0)
	for _, digit := range []byte(c) {
		n = n*10 + uint32(digit-'0')
	}
	if !validCode(n) {
		return codeNumber(CodeInternal)
	}
	return n
}

func validCode(n uint32) bool { return n >= 100 && n <= 999 }

// ParseResults reads the body of a reply to a batch of count commands. The results share memory with body.
//
// # Errors
//
// ErrBadBatch, naming the result.
func ParseResults(body []byte, count uint64) ([]BatchResult, error) {
	records, err := parseRecords(body, count, resultHead)
	if err != nil {
		return nil, err
	}
	results := make([]BatchResult, len(records))
	for i, record := range records {
		r := BatchResult{
			Status: BatchStatus(record[0]), Duplicate: record[1] == flagDuplicate,
			Index: binary.BigEndian.Uint64(record[6:]), Term: binary.BigEndian.Uint64(record[14:]),
			Fuel: binary.BigEndian.Uint64(record[22:]), Body: record[resultHead:],
		}
		code := binary.BigEndian.Uint32(record[2:])
		switch {
		case record[1]&^flagDuplicate == 0 && r.Status == BatchFailed && validCode(code):
			r.Code = Code(fmt.Sprint(code))
		case record[1]&^flagDuplicate == 0 && r.Status == BatchRefused:
			r.MachineCode = int32(code)
		case record[1]&^flagDuplicate != 0 || r.Status > BatchTrapped || code != 0:
			return nil, fmt.Errorf("%w: result %d has the status %d, flags %#x and code %d", ErrBadBatch, i+1, record[0], record[1], code)
		}
		results[i] = r
	}
	return results, nil
}
