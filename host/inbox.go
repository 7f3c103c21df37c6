package host

import (
	"sync"
	"time"

	"github.com/groutlabs/grout/consensus"
)

// maxInboxBytes bounds the messages that wait for a group's loop. Commands and queries are bounded by
// the waiters that stand behind them.
const maxInboxBytes = 64 << 20

// pendingCommand is an encoded command on its way into the log.
type pendingCommand struct {
	request uint64
	encoded []byte
	// joined means that it is proposed together with the one before it: they are of one batch.
	joined bool
	// forgotten means that nobody waits for it. It is dropped at its deadline, unless it is on its way.
	forgotten bool
	deadline  time.Time
	// once means that its session or message id has it applied once, however often it is proposed.
	once bool
}

// pendingQuery is a query on its way to the machine.
type pendingQuery struct {
	request uint64
	payload []byte
	caller  string
	level   Consistency
	// index is what must have been applied before the query runs.
	index    consensus.Index
	deadline time.Time
}

// batch is what arrived for the loop since its last turn.
type batch struct {
	messages []consensus.Envelope
	commands []pendingCommand
	queries  []pendingQuery
	// persisted is the last write that became durable.
	persisted uint64
	// failure stops the member.
	failure error
	calls   []func()
	bytes   int
}

// inbox collects what other goroutines want of a group's loop. All of a turn is taken at once.
type inbox struct {
	// wake has room for one token: a full channel means that the loop will look anyway.
	wake chan struct{}
	mu   sync.Mutex
	next batch
	// spare is the emptied batch of the last turn, for reuse.
	spare batch
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

func (i *inbox) ring() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// take returns everything that arrived. It is valid until the next call.
func (i *inbox) take() *batch {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.spare.forget()
	i.next, i.spare = batch{
		messages: i.spare.messages[:0], commands: i.spare.commands[:0],
		queries: i.spare.queries[:0], calls: i.spare.calls[:0],
	}, i.next
	return &i.spare
}

// forget drops what the emptied slices still hold on to.
func (b *batch) forget() {
	clear(b.messages)
	clear(b.commands)
	clear(b.queries)
	clear(b.calls)
}

// message adds one from another member, or drops it when there are too many.
func (i *inbox) message(m consensus.Envelope) {
	i.mu.Lock()
	if size := messageBytes(m.Message); i.next.bytes+size <= maxInboxBytes {
		i.next.messages = append(i.next.messages, m)
		i.next.bytes += size
	}
	i.mu.Unlock()
	i.ring()
}

// messageBytes is what a message counts against the bound: its payloads and a share of its frame.
func messageBytes(m consensus.Message) int {
	size := 256
	switch m := m.(type) {
	case *consensus.AppendEntries:
		for _, e := range m.Entries {
			size += len(e.Payload) + 64
		}
	case *consensus.ForwardCommand:
		for _, c := range m.Commands {
			size += len(c) + 64
		}
	case *consensus.ForwardQuery:
		size += len(m.Query)
	case *consensus.QueryResponse:
		size += len(m.Result)
	}
	return size
}

// command adds those of one request.
func (i *inbox) command(c ...pendingCommand) {
	i.mu.Lock()
	i.next.commands = append(i.next.commands, c...)
	i.mu.Unlock()
	i.ring()
}

// query adds one from a client.
func (i *inbox) query(q pendingQuery) {
	i.mu.Lock()
	i.next.queries = append(i.next.queries, q)
	i.mu.Unlock()
	i.ring()
}

// written reports the end of a write.
func (i *inbox) written(seq uint64, err error) {
	i.mu.Lock()
	switch {
	case err == nil:
		i.next.persisted = max(i.next.persisted, seq)
	case i.next.failure == nil:
		i.next.failure = err
	}
	i.mu.Unlock()
	i.ring()
}

// fail stops the member.
func (i *inbox) fail(err error) { i.written(0, err) }

// call runs do on the loop. Only the member's own goroutines and administrative requests, which are
// bounded, use it.
func (i *inbox) call(do func()) {
	i.mu.Lock()
	i.next.calls = append(i.next.calls, do)
	i.mu.Unlock()
	i.ring()
}
