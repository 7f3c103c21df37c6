package durable

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// gatherBytes bounds one batch, unless a single write is larger.
const gatherBytes = 2 << 20

// run is the writer: it takes what all groups have queued, makes it durable with one sync, and tells
// the callers, in order.
func (s *Store) run() {
	for {
		taken := s.queue.take()
		if len(taken) == 0 {
			break
		}
		for rest := taken; len(rest) > 0; {
			n := gather(rest)
			err := s.commit(rest[:n])
			if !s.report(rest[:n], rest[n:], err) {
				return
			}
			rest = rest[n:]
		}
		s.queue.finished(taken)
	}
	if s.failure() == nil {
		s.stop()
	}
}

// bury is the undertaker: once the store has failed it tells the callers, since the writer may be stuck
// in the library, which waits for a table to be written that never will be.
func (s *Store) bury() {
	select {
	case <-s.stopped:
		return
	case <-s.ended:
	}
	err := s.failure()
	s.reporting.Lock()
	s.announce(s.queue.bury(), err)
	s.reporting.Unlock()
	go s.abandon()
	for {
		taken := s.queue.takeBuried()
		if len(taken) == 0 {
			break
		}
		s.announce(taken, err)
	}
	s.stop()
}

// report tells the callers of a batch how it ended. It returns false when the undertaker does.
func (s *Store) report(batch, rest []request, err error) bool {
	s.reporting.Lock()
	defer s.reporting.Unlock()
	if !s.queue.told(rest) {
		return false
	}
	bytes := int64(0)
	for i := range batch {
		bytes += batch[i].bytes
	}
	s.queue.free(bytes)
	for i := range batch {
		outcome := err
		if batch[i].err != nil {
			outcome = batch[i].err
		}
		if batch[i].done != nil {
			batch[i].done(outcome)
		}
	}
	return true
}

// announce tells the callers that the store has failed. It leaves alone what the writer may still touch.
func (s *Store) announce(requests []request, err error) {
	for i := range requests {
		s.queue.free(requests[i].bytes)
		if requests[i].done != nil {
			requests[i].done(err)
		}
	}
}

// gather returns how many of the requests, at least one, go into the next batch.
func gather(requests []request) int {
	bytes := int64(0)
	for i, r := range requests {
		bytes += r.bytes
		if i > 0 && bytes > gatherBytes {
			return i
		}
	}
	return len(requests)
}

// commit writes a batch, unless the store has failed, and makes the first error its failure.
func (s *Store) commit(batch []request) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	if err := s.failure(); err != nil {
		return err
	}
	if err := s.write(batch); err != nil {
		s.fail(err)
	}
	return s.failure()
}

// write makes the requests durable, in one batch. What a request did wrong is left in its err; an
// error of write concerns them all.
func (s *Store) write(requests []request) error {
	tx := &transaction{batch: s.db.NewBatch()}
	number := s.batches.Load() + 1
	if err := tx.batch.Set(batchKey, encodeBatchNumber(number), nil); err != nil {
		return err
	}
	for i := range requests {
		requests[i].err = s.stage(tx, &requests[i])
	}
	if tx.staged == 0 {
		return tx.batch.Close()
	}
	if err := s.apply(tx.batch); err != nil {
		return err
	}
	if err := s.mark.set(number); err != nil {
		return fmt.Errorf("write the watermark: %w", err)
	}
	s.batches.Store(number)
	s.writes.Add(tx.staged)
	return tx.batch.Close()
}

// stage puts one request into the batch, or returns why it cannot be.
func (s *Store) stage(tx *transaction, r *request) error {
	err := r.err
	switch {
	case r.group != nil:
		err = r.group.stage(tx, r)
	case err == nil:
		err = r.other(tx)
	}
	if err == nil {
		tx.staged++
	}
	return err
}

// apply writes and syncs a batch. The library panics on some failed writes and logs others as fatal;
// all of them stop the store.
func (s *Store) apply(batch *pebble.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the library gave up: %v", p)
		}
	}()
	if err := s.db.Apply(batch, pebble.Sync); err != nil {
		return err
	}
	return s.failure()
}

// transaction is the batch that the writer is filling.
type transaction struct {
	batch  *pebble.Batch
	staged uint64
}

// wait queues a change and waits until it is durable.
func (s *Store) wait(group *GroupLog, bytes int, other func(tx *transaction) error) error {
	done := make(chan error, 1)
	r := request{group: group, other: other, bytes: int64(bytes), done: func(err error) { done <- err }}
	if !s.queue.add(r) {
		return s.refusal()
	}
	return <-done
}

// refusal is the answer to what comes after Close.
func (s *Store) refusal() error {
	return errors.Join(ErrClosed, s.failure())
}
