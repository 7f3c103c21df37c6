package durable

import (
	"sync"

	"github.com/groutlabs/grout/consensus"
)

// request is one thing to write: a group's write, or a change made by other.
type request struct {
	group *GroupLog
	write consensus.Write
	// other is nil for a write.
	other func(tx *transaction) error
	bytes int64
	done  func(error)
	// err is why this request alone fails.
	err error
}

// queue hands requests to the writer in order. Its bytes are bounded, its waits are on one side only: adding
// never blocks.
type queue struct {
	mu       sync.Mutex
	ready    sync.Cond
	requests []request
	spare    []request
	bytes    int64
	most     int64
	limit    int64
	closed   bool
	// untold are the requests that the writer took and has not told of yet.
	untold []request
	// buried is set when the undertaker has taken over from the writer.
	buried bool
}

func (q *queue) init(limit int64) {
	q.ready.L = &q.mu
	q.limit = limit
}

// add queues r. A request over the limit is queued with an error instead of its content, so that done is
// still called in order. It returns false after close.
func (q *queue) add(r request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if q.bytes+r.bytes > q.limit {
		r.err, r.bytes, r.write, r.other = ErrQueueFull, 0, consensus.Write{}, nil
	}
	q.bytes += r.bytes
	q.most = max(q.most, q.bytes)
	q.requests = append(q.requests, r)
	if len(q.requests) == 1 {
		q.ready.Broadcast()
	}
	return true
}

// take waits for requests and returns all there are, or none when the writer shall end.
func (q *queue) take() []request {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.requests) == 0 && !q.closed && !q.buried {
		q.ready.Wait()
	}
	if q.buried {
		return nil
	}
	q.untold = q.requests
	q.requests, q.spare = q.spare[:0], nil
	return q.untold
}

// told says that all but the rest of what was taken has been told of, or is about to be. It returns false when
// that is the undertaker's task.
func (q *queue) told(rest []request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.buried {
		q.untold = rest
	}
	return !q.buried
}

// bury ends the writer's part, and returns what it has taken and not told of.
func (q *queue) bury() []request {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.buried = true
	q.ready.Broadcast()
	return q.untold
}

// takeBuried waits, after bury, for requests and returns all there are, or none after close.
func (q *queue) takeBuried() []request {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.requests) == 0 && !q.closed {
		q.ready.Wait()
	}
	taken := q.requests
	q.requests = nil
	return taken
}

// finished returns a slice from take, whose requests are all done.
func (q *queue) finished(taken []request) {
	clear(taken)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = taken[:0]
}

func (q *queue) free(bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
}

func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	was := q.closed
	q.closed = true
	q.ready.Broadcast()
	return !was
}

func (q *queue) load() (bytes, most int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes, q.most
}
