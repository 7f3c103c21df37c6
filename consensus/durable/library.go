package durable

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// libraryDir is the library's own folder inside Config.Dir.
	libraryDir = "log"
	// reclaimDelay is how long forgotten entries may stay in the table in memory before it is
	// written out, so that their space on disk can be freed.
	reclaimDelay = 10 * time.Second
)

// libraryOptions are those of the writing store. s.fail is told of everything that the library
// reports instead of returning.
func (s *Store) libraryOptions() *pebble.Options {
	c := s.config
	options := readOptions(c, s.fail)
	// 110 percent is what the library itself reserves for a log.
	s.files = s.libraryFS(c.MemTableBytes / 10 * 11)
	options.FS = s.files
	options.MemTableSize = uint64(c.MemTableBytes)
	options.MemTableStopWritesThreshold = 4
	options.FlushDelayDeleteRange = c.reclaim
	// Entries arrive in order and leave in order, so the first level may grow: merging it early
	// would only copy what is about to be forgotten.
	options.L0CompactionThreshold = 8
	options.L0StopWritesThreshold = 64
	options.LBaseMaxBytes = 64 << 20
	return options
}

// libraryFS returns the file system for the library, with so many zeros in each new log.
func (s *Store) libraryFS(bytes int) *libraryFS {
	return &libraryFS{
		FS: s.config.fs, bytes: bytes,
		fail: s.fail, stopped: s.stopWriting, opened: s.opened.Load, giveUp: s.giveUp, closing: s.closing,
	}
}

// readOptions are those of a look at the tables that changes nothing.
func readOptions(c Config, fail func(error)) *pebble.Options {
	events := pebble.TeeEventListener(pebble.EventListener{BackgroundError: fail}, c.events)
	return &pebble.Options{
		FS:                 c.fs,
		CacheSize:          c.CacheBytes,
		FormatMajorVersion: pebble.FormatTableFormatV6,
		Logger:             libraryLogger{fail: fail},
		EventListener:      &events,
		MaxOpenFiles:       256,
	}
}

// libraryLogger turns the library's fatal errors, after which it would end the process, into the failure of
// the store. Everything else that it logs is either reported by BackgroundError too or of no
// interest.
type libraryLogger struct {
	fail func(error)
}

// Infof implements pebble.Logger.
func (libraryLogger) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (libraryLogger) Errorf(string, ...any) {}

// Fatalf implements pebble.Logger. It returns, and so does the library's call, as if all were well:
// Store.failure has to be asked after every write.
func (l libraryLogger) Fatalf(format string, args ...any) {
	fatal := &fatalError{text: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			fatal.cause = err
		}
	}
	l.fail(fatal)
}

// fatalError is a fatal error of the library. The text has its cause, which the library formats without wrapping it.
type fatalError struct {
	text  string
	cause error
}

func (e *fatalError) Error() string { return e.text }

func (e *fatalError) Unwrap() error { return e.cause }

// corruption describes an error that the library called corruption, and returns any other unchanged.
func corruption(dir string, err error) error {
	var known *CorruptionError
	if err == nil || errors.As(err, &known) || !pebble.IsCorruptionError(err) {
		return err
	}
	described := &CorruptionError{Dir: dir, Reason: "the library refuses to read it", Err: err}
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		described.File = info.Path
	}
	return described
}

// openLibrary opens the library's folder for writing, or gives up when a write fails: the library waits in libraryFS then.
func (s *Store) openLibrary(fresh bool) (*pebble.DB, error) {
	type opened struct {
		db  *pebble.DB
		err error
	}
	result := make(chan opened, 1)
	options := s.libraryOptions()
	go func() {
		db, err := s.tryOpen(fresh, options)
		result <- opened{db, err}
	}()
	select {
	case r := <-result:
		if r.err != nil {
			r.err = errors.Join(corruption(s.config.Dir, r.err), s.files.close())
		}
		return r.db, r.err
	case <-s.unwritable:
		return nil, s.failure()
	}
}

// tryOpen opens the library's folder, a new one twice: the library names synced offsets in its write-ahead log, by which
// it tells damage from a torn tail, only from the second time on.
func (s *Store) tryOpen(fresh bool, options *pebble.Options) (*pebble.DB, error) {
	dir := s.config.fs.PathJoin(s.config.Dir, libraryDir)
	if fresh {
		first := readOptions(s.config, s.fail)
		first.FS = s.libraryFS(0)
		db, err := pebble.Open(dir, first)
		if err != nil {
			return nil, err
		}
		if err := db.Close(); err != nil {
			return nil, err
		}
	}
	return pebble.Open(dir, options)
}

// stopWriting returns why the library may not write. While it opens it may, until a write fails: it does not survive to
// fail at that with a compaction under way.
func (s *Store) stopWriting() error {
	if !s.opened.Load() {
		select {
		case <-s.unwritable:
		default:
			return nil
		}
	}
	return s.failure()
}

// read calls use with the library, unless it was closed after a failure.
func (s *Store) read(use func(db *pebble.DB) error) error {
	s.access.RLock()
	defer s.access.RUnlock()
	if s.gone {
		return s.failure()
	}
	return use(s.db)
}

// closeLibrary closes the library and its file system.
func (s *Store) closeLibrary() error {
	return errors.Join(s.db.Close(), s.files.close())
}

// abandon closes the library after a failure, so that it does not go on trying. That writes nothing, see libraryFS.
// It waits for the writer, and so for ever when the writer is stuck in the library.
func (s *Store) abandon() {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.access.Lock()
	defer s.access.Unlock()
	s.gone = true
	close(s.closing)
	if err := s.closeLibrary(); err != nil {
		return // It could not write its last words; why the store failed has been told.
	}
}

// libraryExists reports whether the library has a database in its folder.
func libraryExists(fs vfs.FS, dir string) (bool, error) {
	description, err := pebble.Peek(dir, fs)
	if err != nil {
		return false, err
	}
	return description.Exists, nil
}
