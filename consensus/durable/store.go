package durable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Store holds the logs of all groups of one host in one folder. Its methods may be called from any
// goroutine.
type Store struct {
	config  Config
	db      *pebble.DB
	files   *libraryFS
	mark    *watermark
	release func() error
	queue   queue
	// batches is the number of the last batch; only the writer changes it.
	batches atomic.Uint64
	writes  atomic.Uint64
	// failed is set once, by whoever first sees that the store cannot go on; ended is closed then.
	failed atomic.Pointer[error]
	ended  chan struct{}
	// closing is closed before the library is closed after a failure; applying is held by the writer while it
	// writes; access by whoever reads, and exclusively by whoever sets gone and closes the library.
	closing chan struct{}
	// opened is set once the library is open; unwritable is closed, by giveUp, when it cannot open because a write failed.
	opened     atomic.Bool
	unwritable chan struct{}
	giveUp     func()
	applying   sync.Mutex
	access     sync.RWMutex
	gone       bool
	// reporting is held by whoever calls done functions, the writer or the undertaker.
	reporting sync.Mutex
	// stopped is closed, by stop, when nobody calls done functions any more.
	stopped chan struct{}
	stop    func()
	// started is the number of the last batch of earlier runs.
	started uint64

	mu     sync.Mutex
	groups map[uint64]*GroupLog
}

// Stats counts what a Store did since it was opened.
type Stats struct {
	// Batches is the number of syncs of the device that carried writes.
	Batches uint64
	// Writes is the number of writes in them, of all groups.
	Writes uint64
	// QueuedBytes is what was appended and is not durable yet, and MostQueuedBytes its highest value.
	QueuedBytes, MostQueuedBytes int64
	// DiskBytes is what the log takes on disk, write-ahead logs included.
	DiskBytes uint64
}

// Open opens the folder, creating it when it is missing, and proves that everything acknowledged is still there.
//
// # Errors
//
// ErrBadConfig; ErrLocked when the folder is in use; *CorruptionError when something acknowledged is damaged or
// missing, in which case no file of the log was changed; ErrFailed when a write failed, after which the folder stays
// locked until the process ends.
func Open(config Config) (*Store, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	if err := makeDir(config.fs, config.Dir); err != nil {
		return nil, fmt.Errorf("durable: create %s: %w", config.Dir, err)
	}
	release, err := lockFolder(config.fs, config.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{config: config, release: release, groups: map[uint64]*GroupLog{}}
	s.ended, s.stopped, s.closing = make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.stop = sync.OnceFunc(func() { close(s.stopped) })
	s.unwritable = make(chan struct{})
	s.giveUp = sync.OnceFunc(func() { close(s.unwritable) })
	s.queue.init(config.MaxQueuedBytes)
	if err := s.open(); err != nil {
		err = fmt.Errorf("durable: open %s: %w", config.Dir, err)
		if s.failure() != nil {
			return nil, err // The library may still be at work in the folder: keep it locked.
		}
		return nil, errors.Join(err, release())
	}
	go s.run()
	go s.bury()
	return s, nil
}

func (s *Store) open() error {
	mark, acknowledged, err := s.openMark()
	if err != nil {
		return err
	}
	s.mark = mark
	last, fresh, err := verify(s.config, acknowledged)
	if err != nil {
		return errors.Join(err, mark.close())
	}
	if s.db, err = s.openLibrary(fresh); err != nil {
		return errors.Join(err, mark.close())
	}
	s.opened.Store(true)
	err = s.confirm(last)
	switch {
	case s.failure() != nil:
		go s.abandon()
		return s.failure()
	case err != nil:
		return errors.Join(err, mark.close(), s.closeLibrary())
	}
	return nil
}

// openMark opens the watermark, or creates it in a folder without any data.
func (s *Store) openMark() (*watermark, uint64, error) {
	fs, dir := s.config.fs, s.config.Dir
	if _, err := fs.Stat(fs.PathJoin(dir, watermarkName)); err != nil {
		names, listErr := fs.List(fs.PathJoin(dir, libraryDir))
		if listErr == nil && len(names) > 0 {
			reason := "the file is missing beside a log"
			return nil, 0, &CorruptionError{Dir: dir, File: watermarkName, Reason: reason, Err: err}
		}
		if err := createWatermark(fs, dir); err != nil {
			return nil, 0, err
		}
	}
	return openWatermark(fs, dir)
}

// confirm checks that the library replayed what verify saw, and moves the watermark up to it.
func (s *Store) confirm(last uint64) error {
	number, err := readBatchNumber(s.config.Dir, s.db)
	if err != nil {
		return err
	}
	if number != last {
		return &CorruptionError{Dir: s.config.Dir, Reason: fmt.Sprintf("batch %d was found, but %d replayed", last, number)}
	}
	if err := s.failure(); err != nil {
		return err
	}
	s.started = number
	s.batches.Store(number)
	return errors.Join(s.mark.set(number), s.mark.sync())
}

// fail stops the store for good. The first reason is kept.
func (s *Store) fail(err error) {
	wrapped := fmt.Errorf("%w in %s: %w", ErrFailed, s.config.Dir, err)
	if s.failed.CompareAndSwap(nil, &wrapped) {
		close(s.ended)
	}
}

// failure returns why the store stopped, nil while it works.
func (s *Store) failure() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Failed is closed when the store has stopped for good; Failure says why.
func (s *Store) Failed() <-chan struct{} { return s.ended }

// Failure returns why the store stopped, an error that is ErrFailed, and nil while it works.
func (s *Store) Failure() error { return s.failure() }

// Group returns the log of one group. It exists as soon as something is written to it. Every call with
// one id returns the same log, until it is removed.
func (s *Store) Group(id uint64) *GroupLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[id]
	if g == nil {
		g = &GroupLog{store: s, id: id}
		s.groups[id] = g
	}
	return g
}

// Groups lists, in ascending order, the groups that have stored anything.
func (s *Store) Groups() (ids []uint64, err error) {
	err = s.read(func(db *pebble.DB) error {
		ids, err = s.readGroups(db)
		return err
	})
	return ids, err
}

func (s *Store) readGroups(db *pebble.DB) (ids []uint64, err error) {
	iter, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{kindHead}, UpperBound: []byte{kindHead + 1}})
	if err != nil {
		return nil, corruption(s.config.Dir, err)
	}
	defer func() { err = corruption(s.config.Dir, errors.Join(err, iter.Close())) }()
	for iter.First(); iter.Valid(); iter.Next() {
		if _, err := decodeHead(iter.Key(), iter.Value()); err != nil {
			return nil, &CorruptionError{Dir: s.config.Dir, Reason: "the head of a group's log cannot be read", Err: err}
		}
		ids = append(ids, binary.BigEndian.Uint64(iter.Key()[1:]))
	}
	return ids, iter.Error()
}

// Meta returns the host-level record of that name, and whether there is one. The value is the caller's.
func (s *Store) Meta(name string) (value []byte, found bool, err error) {
	err = s.read(func(db *pebble.DB) error {
		value, found, err = s.readMeta(db, name)
		return err
	})
	return value, found, err
}

func (s *Store) readMeta(db *pebble.DB, name string) (value []byte, found bool, err error) {
	key := metaKey(name)
	stored, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, corruption(s.config.Dir, err)
	}
	body, err := unseal(key, stored)
	if err != nil {
		err = &CorruptionError{Dir: s.config.Dir, Reason: fmt.Sprintf("host record %q cannot be read", name), Err: err}
		return nil, false, errors.Join(err, closer.Close())
	}
	return append([]byte{}, body...), true, closer.Close()
}

// SetMeta stores a host-level record, durable on return. It must not be called from a done function.
func (s *Store) SetMeta(name string, value []byte) error {
	return s.wait(nil, len(value), func(tx *transaction) error {
		key := metaKey(name)
		return tx.batch.Set(key, seal(key, value), nil)
	})
}

// Stats returns the counters. DiskBytes is 0 when the store has failed.
func (s *Store) Stats() Stats {
	stats := Stats{Batches: s.batches.Load() - s.started, Writes: s.writes.Load()}
	stats.QueuedBytes, stats.MostQueuedBytes = s.queue.load()
	s.access.RLock()
	defer s.access.RUnlock()
	if !s.gone {
		stats.DiskBytes = s.db.Metrics().DiskSpaceUsage()
	}
	return stats
}

// Close carries out what is queued, and frees the folder. Nothing may be called after it, and it may not
// be called from a done function. A store that has failed returns why, and keeps the folder locked until
// the process ends: the library may still be at work in it.
func (s *Store) Close() error {
	if !s.queue.close() {
		return ErrClosed
	}
	<-s.stopped
	if err := s.failure(); err != nil {
		return err
	}
	err := s.closeLibrary()
	if err == nil {
		err = s.failure()
	}
	return errors.Join(err, s.mark.sync(), s.mark.close(), s.release())
}
