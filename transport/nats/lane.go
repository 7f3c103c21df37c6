package nats

import (
	"log/slog"
	"sync"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// maxFrameBytes is the size that frames are filled up to, even where the server would take more:
// larger ones only delay what comes after them.
const maxFrameBytes = 1 << 20

// maxSpareMessages bounds the buffer that a sender keeps between two batches.
const maxSpareMessages = 1024

// lane is one of the two ways to other hosts: a connection, and a goroutine that encodes, seals and
// publishes what was queued. Queueing never waits for the network.
type lane struct {
	id    laneID
	conn  *natsgo.Conn
	log   *slog.Logger
	limit int

	counters laneCounters

	mu sync.Mutex
	// ready are the senders with something queued.
	ready []*sender
	// queued are the bytes that wait for each host.
	queued map[string]int

	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	// writer and frame belong to the goroutine.
	writer *bodyWriter
	frame  []byte
	// reader belongs to the subscription's goroutine.
	reader *bodyReader
}

// sender is the outgoing half of one group's member towards one host on one lane.
type sender struct {
	group   host.GroupID
	host    string
	subject string
	sealer  *sealer
	// The rest is guarded by the lane's mutex. spare is the queue's other buffer, nil while a batch
	// is under way.
	queue []consensus.Envelope
	bytes int
	spare []consensus.Envelope
}

func newLane(id laneID, conn *natsgo.Conn, log *slog.Logger, limit int) *lane {
	l := &lane{id: id, conn: conn, log: log, limit: limit, queued: map[string]int{},
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		writer: newBodyWriter(), reader: newBodyReader()}
	go l.run()
	return l
}

// laneOf says which lane a message takes. All acknowledgements take the vote lane: they are small,
// and a leader that waits for them waits with every command.
func laneOf(m consensus.Message) laneID {
	switch m := m.(type) {
	case *consensus.AppendEntries:
		if len(m.Entries) == 0 {
			return voteLane
		}
		return bulkLane
	case *consensus.AppendEntriesResponse, *consensus.RequestVote, *consensus.RequestVoteResponse, *consensus.TimeoutNow, *consensus.Pulse:
		return voteLane
	}
	return bulkLane
}

// push queues those messages that belong on this lane. The rest of what does not fit is dropped.
func (l *lane) push(m *member, messages []host.Addressed) {
	woken := false
	l.mu.Lock()
	for i := range messages {
		if laneOf(messages[i].Envelope.Message) != l.id {
			continue
		}
		s := m.sender(l.id, messages[i].Host)
		size := messageBytes(messages[i].Envelope.Message)
		if s == nil || l.queued[s.host]+size > l.limit {
			l.counters.queueDropped.Add(1)
			continue
		}
		if len(s.queue) == 0 {
			l.ready = append(l.ready, s)
		}
		s.queue = append(s.queue, messages[i].Envelope)
		s.bytes += size
		l.queued[s.host] += size
		woken = true
	}
	l.mu.Unlock()
	if woken {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// run sends until stop. The client library flushes when its writer falls idle, so that a turn costs
// one system call and not one for each frame.
func (l *lane) run() {
	defer close(l.done)
	for {
		select {
		case <-l.quit:
			return
		case <-l.wake:
		}
		for s, batch, bytes := l.take(); s != nil; s, batch, bytes = l.take() {
			l.send(s, batch)
			l.finish(s, batch, bytes)
		}
	}
}

// take returns the sender that has waited longest, and what it has queued.
func (l *lane) take() (*sender, []consensus.Envelope, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ready) == 0 {
		return nil, nil, 0
	}
	s := l.ready[0]
	l.ready[0] = nil
	l.ready = l.ready[1:]
	if len(l.ready) == 0 {
		l.ready = nil
	}
	batch, bytes := s.queue, s.bytes
	s.queue, s.bytes = s.spare[:0], 0
	s.spare = nil
	return s, batch, bytes
}

// finish gives the batch's bytes and buffer back.
func (l *lane) finish(s *sender, batch []consensus.Envelope, bytes int) {
	clear(batch)
	if cap(batch) > maxSpareMessages {
		batch = nil
	}
	l.mu.Lock()
	s.spare = batch[:0]
	if l.queued[s.host] -= bytes; l.queued[s.host] <= 0 {
		delete(l.queued, s.host)
	}
	l.mu.Unlock()
}

// stop ends the goroutine. What is still queued is dropped.
func (l *lane) stop() {
	close(l.quit)
	<-l.done
}

// bodyLimit is how many bytes of messages a frame may carry.
func (l *lane) bodyLimit() int {
	return min(int(l.conn.MaxPayload()), maxFrameBytes) - frameOverhead - bodyBaseBytes
}

// send packs a batch into as few frames as the limit allows. Only a message that cannot be divided
// gets a frame over the limit, if the server takes it.
func (l *lane) send(s *sender, batch []consensus.Envelope) {
	limit := l.bodyLimit()
	p := packer{lane: l, sender: s, limit: limit}
	for _, e := range batch {
		size := messageBytes(e.Message)
		m, divisible := e.Message.(*consensus.AppendEntries)
		if size <= limit || !divisible || len(m.Entries) < 2 {
			p.add(e, size)
			continue
		}
		for _, part := range splitAppend(m, limit) {
			p.add(consensus.Envelope{From: e.From, To: e.To, Message: part}, appendBytes(part.Entries))
		}
	}
	p.flush()
}

// packer fills frames.
type packer struct {
	lane   *lane
	sender *sender
	limit  int
	used   int
	count  int
}

func (p *packer) add(e consensus.Envelope, size int) {
	kind, m, err := toWire(e)
	if err != nil {
		p.lane.refuse(p.sender, err)
		return
	}
	if p.used+size > p.limit {
		p.flush()
	}
	if p.count == 0 {
		err = p.lane.writer.start(p.sender.group)
	}
	if err == nil {
		err = p.lane.writer.add(kind, m)
	}
	if err != nil {
		p.lane.refuse(p.sender, err)
		p.used, p.count = 0, 0
		return
	}
	p.used += size
	p.count++
}

// flush publishes the frame under way.
func (p *packer) flush() {
	if p.count == 0 {
		return
	}
	p.lane.publish(p.sender, p.lane.writer.body, p.count)
	p.used, p.count = 0, 0
}

func (l *lane) publish(s *sender, body []byte, messages int) {
	l.frame = s.sealer.seal(l.frame, body)
	if int64(len(l.frame)) > l.conn.MaxPayload() {
		l.counters.oversize.Add(uint64(messages))
		l.log.Error("a message is larger than the server's max_payload and was dropped; lower the limits of commands or raise max_payload",
			"subject", s.subject, "bytes", len(l.frame), "max_payload", l.conn.MaxPayload())
		return
	}
	if err := l.conn.Publish(s.subject, l.frame); err != nil {
		// Expected while the connection is down: nothing is kept for later, Raft sends it again.
		l.counters.publishFailed.Add(uint64(messages))
		l.log.Debug("frame dropped", "subject", s.subject, "error", err)
		return
	}
	l.counters.framesSent.Add(1)
	l.counters.messagesSent.Add(uint64(messages))
	l.counters.bytesSent.Add(uint64(len(l.frame)))
}

func (l *lane) refuse(s *sender, err error) {
	l.counters.queueDropped.Add(1)
	l.log.Error("a message cannot be encoded and was dropped", "subject", s.subject, "error", err)
}

// usable reports whether name can be a token of a subject.
func usable(name string) bool { return api.CheckName(name) == nil }
