package nats

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

const (
	// maxDescriptionBytes bounds the header that describes an error. The whole text of a machine
	// travels as the body.
	maxDescriptionBytes = 512
	// replyBaseBytes is what a queued reply costs beside its output.
	replyBaseBytes = 512
)

// headerText makes text fit for one header: one line, bounded, not empty.
func headerText(text string) string {
	text = strings.ToValidUTF8(text, "?")
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text))
	if text == "" {
		return "no description"
	}
	if len(text) <= maxDescriptionBytes {
		return text
	}
	end := maxDescriptionBytes - len("...")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

// errorMsg is an error in the form of NATS micro services.
func errorMsg(to string, e *host.Error) *natsgo.Msg {
	code := e.Code
	if code == "" {
		code = api.CodeInternal
	}
	msg := natsgo.NewMsg(to)
	msg.Header[micro.ErrorHeader] = []string{headerText(e.Text)}
	msg.Header[micro.ErrorCodeHeader] = []string{string(code)}
	return msg
}

// hostError returns err as the client shall see it.
func hostError(err error) *host.Error {
	var e *host.Error
	if errors.As(err, &e) {
		return e
	}
	return &host.Error{Code: api.CodeInternal, Text: err.Error()}
}

// replyMsg maps the answer to a command or query to a message of at most limit bytes, if it is to a batch.
func replyMsg(to string, r *host.Reply, limit int64) *natsgo.Msg {
	var msg *natsgo.Msg
	switch {
	case r.Batch != nil:
		msg = natsgo.NewMsg(to)
		msg.Data = batchBody(r.Batch, int(limit)-batchHeaderBytes)
	case r.Last > 0:
		msg = natsgo.NewMsg(to)
		msg.Header[api.HeaderMode] = []string{modeFeed}
	case r.Err != nil:
		msg = errorMsg(to, r.Err)
	case r.Outcome.Kind == host.Refused:
		text := r.Outcome.Message
		if text == "" {
			text = "refused with code " + strconv.Itoa(int(r.Outcome.Code))
		}
		msg = errorMsg(to, &host.Error{Code: api.CodeRefused, Text: text})
		msg.Header[api.HeaderMachineCode] = []string{strconv.Itoa(int(r.Outcome.Code))}
		msg.Data = []byte(r.Outcome.Message)
	case r.Outcome.Kind == host.Trapped:
		msg = errorMsg(to, &host.Error{Code: api.CodeTrapped, Text: r.Outcome.Message})
		msg.Data = []byte(r.Outcome.Message)
	default:
		msg = natsgo.NewMsg(to)
		msg.Data = r.Outcome.Output
	}
	addPosition(msg, r)
	return msg
}

// addPosition adds where the answer comes from. All values share one allocation: this runs for every
// reply.
func addPosition(msg *natsgo.Msg, r *host.Reply) {
	values := make([]string, 0, 6)
	set := func(name, value string) {
		values = append(values, value)
		msg.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	if n := max(len(r.Batch), int(r.Last)-int(r.Index)+1); r.Batch != nil || r.Last > r.Index {
		set(api.HeaderBatch, strconv.Itoa(n))
	}
	if r.Batch == nil && (r.Err == nil || r.Index != 0) {
		set(api.HeaderIndex, strconv.FormatUint(uint64(r.Index), 10))
		set(api.HeaderTerm, strconv.FormatUint(uint64(r.Term), 10))
	}
	if r.Err == nil && r.Outcome.Fuel > 0 {
		set(api.HeaderFuel, strconv.FormatUint(r.Outcome.Fuel, 10))
	}
	if r.Leader != "" {
		set(api.HeaderLeader, r.Leader)
	}
	if r.Duplicate {
		set(api.HeaderDuplicate, "true")
	}
}

// replyQueue lets the host's goroutines answer without waiting for the network.
type replyQueue struct {
	conn    *natsgo.Conn
	log     *slog.Logger
	limit   int
	dropped atomic.Uint64

	mu    sync.Mutex
	queue []queuedReply
	bytes int

	wake chan struct{}
	quit chan struct{}
	done chan struct{}
}

// queuedReply is a reply to a command or query, or a finished message.
type queuedReply struct {
	to       string
	reply    host.Reply
	finished *natsgo.Msg
}

// cost is what a queued reply counts for.
func (r *queuedReply) cost() int {
	if r.finished != nil {
		return replyBaseBytes + len(r.finished.Data)
	}
	size := replyBaseBytes + outcomeBytes(&r.reply)
	for i := range r.reply.Batch {
		size += replyBaseBytes + outcomeBytes(&r.reply.Batch[i])
	}
	return size
}

func outcomeBytes(r *host.Reply) int { return len(r.Outcome.Output) + len(r.Outcome.Message) }

// message is what to publish.
func (r *queuedReply) message(limit int64) *natsgo.Msg {
	if r.finished != nil {
		return r.finished
	}
	return replyMsg(r.to, &r.reply, limit)
}

// oversize replaces an answer that the server would not carry.
func (r *queuedReply) oversize(limit int64) *natsgo.Msg {
	bytes := r.cost() - replyBaseBytes
	text := fmt.Sprintf("the result of %d bytes is over the server's max_payload of %d", bytes, limit)
	if r.reply.Index != 0 {
		text += fmt.Sprintf("; it was made at index %d, and asking again will not help", r.reply.Index)
	}
	short := r.reply
	short.Err, short.Outcome = &host.Error{Code: api.CodeTooLarge, Text: text}, host.Outcome{}
	short.Batch = nil
	return replyMsg(r.to, &short, limit)
}

func newReplyQueue(conn *natsgo.Conn, log *slog.Logger, limit int) *replyQueue {
	q := &replyQueue{conn: conn, log: log, limit: limit, wake: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{})}
	go q.run()
	return q
}

// push queues a reply, or drops it when the queue is full or nobody waits for it.
func (q *replyQueue) push(r queuedReply) {
	if r.to == "" {
		return
	}
	q.mu.Lock()
	if q.bytes+r.cost() > q.limit {
		q.mu.Unlock()
		q.dropped.Add(1)
		return
	}
	q.bytes += r.cost()
	q.queue = append(q.queue, r)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *replyQueue) run() {
	defer close(q.done)
	var spare []queuedReply
	for {
		select {
		case <-q.quit:
			q.drain(spare)
			return
		case <-q.wake:
			spare = q.drain(spare)
		}
	}
}

// drain publishes everything that is queued and returns a buffer to use again.
func (q *replyQueue) drain(spare []queuedReply) []queuedReply {
	q.mu.Lock()
	batch := q.queue
	q.queue = spare[:0]
	q.mu.Unlock()
	sent := 0
	for i := range batch {
		q.publish(&batch[i])
		sent += batch[i].cost()
	}
	q.mu.Lock()
	q.bytes -= sent
	q.mu.Unlock()
	clear(batch)
	if cap(batch) > maxSpareMessages {
		return nil
	}
	return batch
}

func (q *replyQueue) publish(r *queuedReply) {
	err := q.conn.PublishMsg(r.message(q.conn.MaxPayload()))
	if errors.Is(err, natsgo.ErrMaxPayload) {
		err = q.conn.PublishMsg(r.oversize(q.conn.MaxPayload()))
	}
	if err != nil {
		q.dropped.Add(1)
		q.log.Debug("reply dropped", "error", err)
	}
}

// stop sends what is queued and ends the goroutine.
func (q *replyQueue) stop() {
	close(q.quit)
	<-q.done
}
