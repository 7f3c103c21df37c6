package main

import (
	"errors"
	"os"
	"sync"
)

// sharedLog is the floor of a durable log: a file of fixed size that is overwritten in a circle, and
// one sync for everything that was appended while the one before was under way.
type sharedLog struct {
	file *os.File
	mu   sync.Mutex
	cond *sync.Cond
	// buffer is what the next sync takes; generation counts the syncs begun, done those ended.
	buffer           []byte
	offset           int64
	generation, done uint64
	err              error
	closed           bool
	ended            chan struct{}
}

const sharedLogBytes = 64 << 20

func newSharedLog(path string) (*sharedLog, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	block := make([]byte, 1<<20)
	for range sharedLogBytes / len(block) {
		if _, err := file.Write(block); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	if err := file.Sync(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &sharedLog{file: file, ended: make(chan struct{})}
	l.cond = sync.NewCond(&l.mu)
	go l.run()
	return l, nil
}

// append returns when data is on the disk.
func (l *sharedLog) append(data []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buffer = append(l.buffer, data...)
	mine := l.generation + 1
	l.cond.Broadcast()
	for l.done < mine && l.err == nil {
		l.cond.Wait()
	}
	return l.err
}

func (l *sharedLog) run() {
	defer close(l.ended)
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.buffer) == 0 && !l.closed {
			l.cond.Wait()
		}
		if l.closed {
			return
		}
		data := l.buffer
		l.buffer = nil
		l.generation++
		if l.offset+int64(len(data)) > sharedLogBytes {
			l.offset = 0
		}
		at := l.offset
		l.offset += int64(len(data))
		l.mu.Unlock()
		_, err := l.file.WriteAt(data, at)
		if err == nil {
			err = syncData(l.file)
		}
		l.mu.Lock()
		l.done, l.err = l.generation, err
		l.cond.Broadcast()
	}
}

func (l *sharedLog) close() error {
	l.mu.Lock()
	l.closed = true
	l.cond.Broadcast()
	l.mu.Unlock()
	<-l.ended
	return errors.Join(l.file.Close(), os.Remove(l.file.Name()))
}
