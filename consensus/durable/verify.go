package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/wal"
)

// verify proves, without changing a file, that every batch up to the acknowledged one is still in
// the folder, and returns the number of the last batch there. fresh is set when the library has no
// database yet.
func verify(c Config, acknowledged uint64) (last uint64, fresh bool, err error) {
	dir := c.fs.PathJoin(c.Dir, libraryDir)
	if err := makeDir(c.fs, dir); err != nil {
		return 0, false, err
	}
	exists, err := libraryExists(c.fs, dir)
	if err != nil {
		return 0, false, err
	}
	flushed := uint64(0)
	if exists {
		if flushed, err = flushedBatch(c, dir); err != nil {
			return 0, false, err
		}
	}
	runs, err := scanLogs(c, dir)
	if err != nil {
		return 0, false, err
	}
	if last, err = cover(c.Dir, flushed, acknowledged, runs); err != nil {
		return 0, false, err
	}
	return last, !exists, checkTail(c, last, runs)
}

// checkTail looks behind the end of the newest log for proof that it once was longer.
func checkTail(c Config, last uint64, runs []logRun) error {
	if len(runs) == 0 {
		return nil
	}
	tail := runs[len(runs)-1]
	if tail.file == "" {
		return nil
	}
	proved, err := proof{log: tail.log, offset: tail.end, last: last}.search(c.fs, tail.file)
	if err == nil && proved {
		err = lost(c.Dir, tail, last, "a later record shows that another one was synced")
	}
	return err
}

// flushedBatch returns the number of the last batch in the tables alone.
func flushedBatch(c Config, dir string) (number uint64, err error) {
	c.fs = withoutLogs{c.fs}
	var fatal error
	options := readOptions(c, func(err error) { fatal = err })
	options.ReadOnly = true
	db, err := pebble.Open(dir, options)
	if err != nil {
		return 0, corruption(c.Dir, err)
	}
	defer func() { err = errors.Join(err, fatal, db.Close()) }()
	return readBatchNumber(c.Dir, db)
}

func readBatchNumber(dir string, db *pebble.DB) (uint64, error) {
	value, closer, err := db.Get(batchKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, corruption(dir, err)
	}
	number, err := decodeBatchNumber(batchKey, value)
	if err != nil {
		err = &CorruptionError{Dir: dir, Reason: "the batch number cannot be read", Err: err}
	}
	return number, errors.Join(err, closer.Close())
}

// logRun is an unbroken run of batches in one write-ahead log.
type logRun struct {
	first, last uint64
	file        string
	// log is the number of the log, as its records carry it.
	log uint32
	// end is the offset after the last batch.
	end int64
}

// scanLogs reads every write-ahead log up to where it ends, in whatever way. Logs whose batches are all
// in tables may be damaged, cut or recycled; cover decides which of them matter.
func scanLogs(c Config, dir string) ([]logRun, error) {
	logs, err := wal.Scan(wal.Dir{FS: c.fs, Dirname: dir})
	if err != nil {
		return nil, err
	}
	var runs []logRun
	for _, log := range logs {
		if runs, err = scanLog(c.Dir, log, runs); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

func scanLog(dir string, log wal.LogicalLog, runs []logRun) (_ []logRun, err error) {
	reader := log.OpenForRead()
	defer func() { err = errors.Join(err, reader.Close()) }()
	runs = append(runs, logRun{log: uint32(log.Num)})
	for {
		content, offset, err := reader.NextRecord()
		run := &runs[len(runs)-1]
		if offset.PhysicalFile != "" {
			run.file, run.end = offset.PhysicalFile, offset.Physical
		}
		if err != nil {
			return runs, scanEnd(err)
		}
		data, err := io.ReadAll(content)
		if err != nil {
			return nil, err
		}
		number, err := batchNumber(data)
		if err != nil {
			reason := "a batch without a number"
			return nil, &CorruptionError{Dir: dir, File: run.file, Offset: run.end, Reason: reason, Err: err}
		}
		if run.first != 0 && number == run.last+1 {
			run.last = number
		} else if run.first == 0 {
			run.first, run.last = number, number
		} else {
			runs = append(runs, logRun{first: number, last: number, file: run.file, log: run.log, end: run.end})
		}
	}
}

// scanEnd returns nil for every way in which the content of a log can end, and the error for
// everything else, such as a file that cannot be read.
func scanEnd(err error) error {
	if errors.Is(err, io.EOF) || isTorn(err) || pebble.IsCorruptionError(err) {
		return nil
	}
	return fmt.Errorf("durable: read a write-ahead log: %w", err)
}

// batchStart is how a batch begins whose first record is its number: the kind of the record, and key and value
// with their lengths. (The library's own reader of batches trusts lengths and can panic.)
var batchStart = []byte{byte(pebble.InternalKeyKindSet), 1, kindBatch, batchValueBytes}

// batchNumber returns the number that Store.write put first into a batch.
func batchNumber(data []byte) (uint64, error) {
	if len(data) < batchrepr.HeaderLen+len(batchStart)+batchValueBytes {
		return 0, fmt.Errorf("%w: %d bytes are no batch", errBadRecord, len(data))
	}
	first := data[batchrepr.HeaderLen:]
	if !bytes.HasPrefix(first, batchStart) {
		return 0, fmt.Errorf("%w: the batch does not begin with its number", errBadRecord)
	}
	return decodeBatchNumber(batchKey, first[len(batchStart):][:batchValueBytes])
}

// cover returns the last batch of an unbroken run that begins in the tables (which hold everything up
// to flushed) and goes on through the logs. It fails when the run has a gap or ends before acknowledged.
func cover(dir string, flushed, acknowledged uint64, runs []logRun) (uint64, error) {
	last := flushed
	var before logRun
	for _, run := range runs {
		if before.file == "" {
			before.file = run.file
		}
		if run.first > last+1 {
			return 0, lost(dir, before, last, fmt.Sprintf("batch %d follows", run.first))
		}
		last = max(last, run.last)
		if run.file != "" {
			before = run
		}
	}
	if last < acknowledged {
		return 0, lost(dir, before, last, fmt.Sprintf("batch %d was acknowledged", acknowledged))
	}
	return last, nil
}

func lost(dir string, before logRun, last uint64, evidence string) error {
	return &CorruptionError{
		Dir: dir, File: before.file, Offset: before.end,
		Reason: fmt.Sprintf("batch %d is the last that can be read, but %s", last, evidence),
	}
}

func isTorn(err error) bool {
	return errors.Is(err, record.ErrUnexpectedEOF) || errors.Is(err, record.ErrInvalidChunk) ||
		errors.Is(err, record.ErrZeroedChunk)
}
