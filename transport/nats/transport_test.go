package nats

import (
	"errors"
	"reflect"
	"sync/atomic"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
)

// Every message arrives at the host, group and member that it was sent to, and in the order of its lane.
func TestSendReceive(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	receive(t, a, counter)
	in := receive(t, b, counter)
	r := seeded(t)
	sent := messages(r, 1)
	var addressed []host.Addressed
	for _, m := range sent {
		addressed = append(addressed, to("b", m)...)
	}
	a.Send(counter, addressed)
	var perLane [lanes][]consensus.Message
	for range sent {
		e := in.next(t)
		if e.From != 1 || e.To != 2 {
			t.Fatalf("from %s to %s", e.From, e.To)
		}
		id := laneOf(e.Message)
		perLane[id] = append(perLane[id], e.Message)
	}
	var want [lanes][]consensus.Message
	for _, m := range sent {
		want[laneOf(m)] = append(want[laneOf(m)], m)
	}
	if !reflect.DeepEqual(perLane, want) {
		t.Fatalf("got %v, want %v", perLane, want)
	}
	bulk, votes := b.Stats().Bulk, b.Stats().Votes
	if bulk.MessagesReceived == 0 || votes.MessagesReceived == 0 || bulk.MessagesReceived+votes.MessagesReceived != uint64(len(sent)) {
		t.Errorf("bulk %+v, votes %+v", bulk, votes)
	}
}

// Votes, heartbeats and acknowledgements have a connection of their own: they arrive while the
// receiver of bulk traffic stands still.
func TestLanesAreSeparate(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	receive(t, a, counter)
	release, blocked := make(chan struct{}), make(chan struct{})
	votes := make(inbox, 10)
	var once atomic.Bool
	stop, err := b.Receive(counter, func(e consensus.Envelope) {
		if laneOf(e.Message) == voteLane {
			votes <- e
			return
		}
		if once.CompareAndSwap(false, true) {
			close(blocked)
		}
		<-release
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	defer close(release)
	a.Send(counter, to("b", benchmarkMessage(10, 1000)))
	<-blocked
	for range 100 {
		a.Send(counter, to("b", benchmarkMessage(10, 1000)))
	}
	a.Send(counter, to("b", &consensus.AppendEntries{Term: 8, Leader: 1}))
	if e := votes.next(t); e.Message.(*consensus.AppendEntries).Term != 8 {
		t.Fatalf("got %v", e)
	}
}

// Batches and entries that do not fit into one NATS message are divided, and arrive whole.
func TestOversizedBatchIsSplit(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	receive(t, a, counter)
	in := receive(t, b, counter)
	m := benchmarkMessage(300, 1000)
	a.Send(counter, append(to("b", m), to("b", &consensus.ForwardQuery{RequestID: 4, Query: make([]byte, 60000)})...))
	next := m.PrevLogPosition.Index + 1
	for next <= m.PrevLogPosition.Index+300 {
		part := in.next(t).Message.(*consensus.AppendEntries)
		if part.PrevLogPosition.Index != next-1 || len(part.Entries) == 0 {
			t.Fatalf("%s where entry %d was expected", part, next)
		}
		next += consensus.Index(len(part.Entries))
	}
	if q := in.next(t).Message.(*consensus.ForwardQuery); len(q.Query) != 60000 {
		t.Fatalf("got %s", q)
	}
	if s := a.Stats().Bulk; s.FramesSent < 5 || s.Oversize != 0 || s.PublishFailed != 0 {
		t.Errorf("%+v", s)
	}
}

// What no frame can carry is dropped and counted, and what follows still arrives.
func TestTooLargeIsDropped(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	receive(t, a, counter)
	in := receive(t, b, counter)
	a.Send(counter, append(to("b", benchmarkMessage(1, testPayload)), to("b", benchmarkMessage(1, 100))...))
	if m := in.next(t).Message.(*consensus.AppendEntries); len(m.Entries[0].Payload) != 100 {
		t.Fatalf("got %s", m)
	}
	if s := a.Stats().Bulk; s.Oversize != 1 {
		t.Errorf("%+v", s)
	}
	if limit := a.MaxMessageBytes(); limit < testPayload-1000 || limit >= testPayload {
		t.Errorf("MaxMessageBytes is %d", limit)
	}
}

// Doubled, altered, foreign and undecodable frames are dropped and counted; none reaches the group.
func TestBadFramesAreDropped(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	receive(t, a, counter)
	in := receive(t, b, counter)
	conn := dialPlain(t, url)
	tapped, err := conn.SubscribeSync("grout.v1.*.raft.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	a.Send(counter, to("b", benchmarkMessage(1, 10)))
	in.next(t)
	frame, err := tapped.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	subject := frame.Subject
	forge := func(subject string, data []byte) {
		if err := conn.Publish(subject, data); err != nil {
			t.Fatal(err)
		}
	}
	altered := append([]byte(nil), frame.Data...)
	altered[20]++
	forge(subject, frame.Data)
	forge(subject, altered)
	forge(subject, []byte("hello"))
	forge(raftSubject("counter", "b", "c", bulkLane), frame.Data)
	forge(raftSubject("other", "b", "a", bulkLane), frame.Data)
	body := append(writeBody(t, 7), 0xff)
	forge(subject, mustSealer(t, counter.Key, identity{1 << 63, 1}, subject).seal(nil, body))
	eventually(t, "six bad frames", func() bool {
		s := b.Stats().Bulk
		return s.Replayed == 1 && s.Forged == 2 && s.Malformed == 1 && s.Foreign == 1 && s.Undecodable == 1
	})
	if len(in) != 0 {
		t.Fatalf("%v was delivered", <-in)
	}
}

// A frame of a group's former life, or sealed under another key, does not reach its successor.
func TestFormerLifeIsForeign(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	former := counter
	former.ID = 6
	otherKey := counter
	otherKey.Key = testKey(9)
	in := receive(t, b, counter)
	for _, group := range []host.GroupRef{former, otherKey} {
		stop, err := a.Receive(group, func(consensus.Envelope) {})
		if err != nil {
			t.Fatal(err)
		}
		a.Send(group, to("b", benchmarkMessage(1, 10)))
		eventually(t, "the frame is sent", func() bool {
			return a.Stats().Bulk.FramesSent == a.Stats().Bulk.MessagesSent && a.Stats().Bulk.FramesSent > 0
		})
		stop()
	}
	eventually(t, "both are dropped", func() bool { s := b.Stats().Bulk; return s.Undecodable == 1 && s.Forged == 1 })
	receive(t, a, counter)
	a.Send(counter, to("b", benchmarkMessage(1, 10)))
	in.next(t)
}

// A receiver that left gets nothing more, and can come back; the peers notice no break.
func TestReceiveStop(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	in := receive(t, b, counter)
	for round := range 3 {
		stop, err := a.Receive(counter, func(consensus.Envelope) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Receive(counter, nil); !errors.Is(err, ErrTaken) {
			t.Fatalf("a second receiver: %v", err)
		}
		a.Send(counter, to("b", &consensus.TimeoutNow{Term: consensus.Term(round), Leader: 1}))
		if m := in.next(t).Message.(*consensus.TimeoutNow); m.Term != consensus.Term(round) {
			t.Fatalf("got %s in round %d", m, round)
		}
		stop()
		stop()
	}
	a.Send(counter, to("b", &consensus.TimeoutNow{Term: 9, Leader: 1}))
	if dropped := a.Stats().Votes.QueueDropped; dropped != 1 {
		t.Errorf("%d messages were dropped after stop", dropped)
	}
}

// Once stop has returned, nothing is delivered any more: not even a frame that was already on its way in.
func TestStopIsFinal(t *testing.T) {
	b := connect(t, runServer(t, testPayload), "b")
	delivered := 0
	m := newMember(b, counter, func(consensus.Envelope) { delivered++ })
	l := b.lanes[bulkLane]
	subject := raftSubject("counter", "b", "a", bulkLane)
	address, _ := parseRaftSubject(subject)
	seal := mustSealer(t, counter.Key, identity{5, 9}, subject)
	arrive := func() verdict {
		body := writeBody(t, 7, consensus.Envelope{From: 1, To: 2, Message: benchmarkMessage(1, 10)})
		return m.receive(l, address, &natsgo.Msg{Subject: subject, Data: seal.seal(nil, body)})
	}
	if v := arrive(); v != accepted || delivered != 1 {
		t.Fatalf("verdict %d, %d delivered", v, delivered)
	}
	m.stop()
	if v := arrive(); v != foreign || delivered != 1 {
		t.Errorf("after stop: verdict %d, %d delivered", v, delivered)
	}
}

// A full queue drops what comes last and never holds the caller up.
func TestQueueIsBounded(t *testing.T) {
	l := &lane{id: bulkLane, limit: minQueueBytes, queued: map[string]int{}, wake: make(chan struct{}, 1)}
	tr := &Transport{}
	tr.config.Host = "a"
	m := newMember(tr, counter, nil)
	size := messageBytes(benchmarkMessage(1, 500))
	for range 100 {
		l.push(m, append(to("b", benchmarkMessage(1, 500)), to("c", benchmarkMessage(1, 500))...))
	}
	if l.queued["b"] > l.limit || l.queued["b"] <= l.limit-size || l.queued["c"] != l.queued["b"] {
		t.Errorf("%v bytes are queued, the limit is %d", l.queued, l.limit)
	}
	kept := uint64(2 * (l.limit / size))
	if dropped := l.counters.queueDropped.Load(); dropped != 200-kept {
		t.Errorf("%d of 200 were dropped, %d are kept", dropped, kept)
	}
	for s, batch, bytes := l.take(); s != nil; s, batch, bytes = l.take() {
		l.finish(s, batch, bytes)
	}
	if len(l.queued) != 0 {
		t.Errorf("%v is still queued", l.queued)
	}
}

// A transport says what is wrong with its configuration or a group.
func TestErrors(t *testing.T) {
	for name, config := range map[string]Config{
		"no host":   {},
		"bad host":  {Host: "a.b"},
		"both":      {Host: "a", URL: "x", Context: "y"},
		"tiny":      {Host: "a", QueueBytes: 5},
		"backwards": {Host: "a", AdminTimeout: -1},
	} {
		if _, err := Connect(config); !errors.Is(err, ErrBadConfig) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Connect(Config{Host: "a", URL: "nats://127.0.0.1:1"}); !errors.Is(err, natsgo.ErrNoServers) {
		t.Errorf("no server: got %v", err)
	}
	tr := connect(t, runServer(t, testPayload), "a")
	if _, err := tr.Receive(host.GroupRef{Name: "a.b", Key: testKey(1)}, nil); !errors.Is(err, ErrBadName) {
		t.Errorf("bad group: got %v", err)
	}
	if _, err := tr.Receive(host.GroupRef{Name: "x"}, nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("no key: got %v", err)
	}
	if err := tr.AddGroup("x"); !errors.Is(err, ErrNotServing) {
		t.Errorf("not serving: got %v", err)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Receive(counter, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}

// An outage ends by itself, and frames flow again.
func TestReconnect(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	receive(t, a, counter)
	in := receive(t, b, counter)
	for _, l := range a.lanes {
		if err := l.conn.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the connections are back", func() bool { return a.Stats().Reconnects == 2 })
	a.Send(counter, to("b", benchmarkMessage(1, 10)))
	in.next(t)
}
