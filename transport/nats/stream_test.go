package nats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// streamWorld is a server with JetStream, a host's access to it, and an operator's.
type streamWorld struct {
	testing.TB
	streams *Streams
	js      jetstream.JetStream
}

func newStreamWorld(t *testing.T) *streamWorld {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, MaxPayload: testPayload, JetStream: true, StoreDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	streams, err := connect(t, s.ClientURL(), "a").Streams()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(dialPlain(t, s.ClientURL()))
	if err != nil {
		t.Fatal(err)
	}
	return &streamWorld{t, streams, js}
}

// stream makes a stream.
func (w *streamWorld) stream(config jetstream.StreamConfig) jetstream.Stream {
	w.Helper()
	s, err := w.js.CreateStream(w.Context(), config)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// put publishes one message to each subject.
func (w *streamWorld) put(subjects ...string) {
	w.Helper()
	for _, subject := range subjects {
		if _, err := w.js.Publish(w.Context(), subject, []byte(subject)); err != nil {
			w.Fatal(err)
		}
	}
}

// open pulls from a stream as it is now.
func (w *streamWorld) open(stream, filter string, after uint64) host.StreamPull {
	w.Helper()
	state, err := w.streams.Source(w.Context(), stream, filter)
	if err != nil {
		w.Fatal(err)
	}
	p, err := w.streams.Pull(w.Context(), host.PullRequest{Stream: stream, Filter: filter, BornNanos: state.BornNanos, After: after})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := p.Close(); err != nil {
			w.Error(err)
		}
	})
	return p
}

// read pulls n messages and returns them as "after>sequence", with "-missing" where there is any.
func (w *streamWorld) read(p host.StreamPull, n int) string {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	var out []string
	for len(out) < n {
		batch, err := p.Next(ctx, n-len(out), 1<<20)
		if err != nil {
			w.Fatalf("after %v: %v", out, err)
		}
		for _, m := range batch {
			text := fmt.Sprintf("%d>%d", m.After, m.Seq)
			if m.Missing > 0 {
				text += fmt.Sprintf("-%d", m.Missing)
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, " ")
}

// TestPullsSayWhatIsMissing shows that messages come in order from where a source stands, and that those are counted
// which the stream has lost: all of them without a filter, and those below its first with one.
func TestPullsSayWhatIsMissing(t *testing.T) {
	w := newStreamWorld(t)
	s := w.stream(jetstream.StreamConfig{Name: "S", Subjects: []string{"s.*"}})
	w.put("s.a", "s.b", "s.a", "s.b", "s.a", "s.b", "s.a", "s.b")
	for _, seq := range []uint64{5, 6} {
		if err := s.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		filter string
		after  uint64
		want   string
	}{
		{"", 0, "0>1 1>2 2>3 3>4 4>7-2 7>8"},
		{"", 4, "4>7-2 7>8"},
		{"s.a", 0, "0>1 1>3 3>7"},
		{"s.a", 3, "3>7"},
	} {
		if got := w.read(w.open("S", c.filter, c.after), strings.Count(c.want, ">")); got != c.want {
			t.Errorf("%q after %d: %s, want %s", c.filter, c.after, got, c.want)
		}
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSequence(7)); err != nil {
		t.Fatal(err)
	}
	if got := w.read(w.open("S", "s.a", 1), 1); got != "1>7-5" {
		t.Errorf("with a filter, after a purge: %s", got)
	}
	quiet := w.open("S", "", 8)
	if lag, err := quiet.Lag(t.Context()); err != nil || lag != 0 {
		t.Errorf("lag %d, %v", lag, err)
	}
	w.put("s.a", "s.a", "s.a")
	if got := w.read(quiet, 1); got != "8>9" {
		t.Errorf("%s", got)
	}
	if lag, err := quiet.Lag(t.Context()); err != nil || lag != 2 {
		t.Errorf("lag %d with two messages left, %v", lag, err)
	}
}

// TestPullKeepsItsBounds shows that a batch has no more messages and bytes than asked for, save one that is larger.
func TestPullKeepsItsBounds(t *testing.T) {
	w := newStreamWorld(t)
	w.stream(jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
	for _, size := range []int{10, 10, 10, 100, 10} {
		if _, err := w.js.Publish(t.Context(), "s", make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	p := w.open("S", "", 0)
	for total := 0; total < 5; {
		batch, err := p.Next(t.Context(), 2, 25)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, m := range batch {
			size += len(m.Data)
		}
		if len(batch) > 2 || size > 25 && len(batch) > 1 {
			t.Errorf("%d messages of %d bytes", len(batch), size)
		}
		if total += len(batch); batch[len(batch)-1].Seq != uint64(total) {
			t.Errorf("message %d ends the batch, want %d", batch[len(batch)-1].Seq, total)
		}
	}
}

// TestALostConsumerIsNoticed shows that a quiet pull whose consumer was deleted ends with an error, and one that is
// merely quiet ends with its context.
func TestALostConsumerIsNoticed(t *testing.T) {
	w := newStreamWorld(t)
	s := w.stream(jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
	p := w.open("S", "", 0)
	quiet, cancel := context.WithTimeout(t.Context(), 2*pullIdle+pullIdle/2)
	defer cancel()
	if _, err := p.Next(quiet, 1, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a quiet stream: %v", err)
	}
	if err := s.DeleteConsumer(t.Context(), p.(*pull).consumer.CachedInfo().Name); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := p.Next(ctx, 1, 1); err == nil || ctx.Err() != nil {
		t.Errorf("without its consumer: %v", err)
	}
}

// TestLostDeliveriesAreNoticed shows that messages which the server has sent, and which never arrive, end a pull, be
// they in the middle or at the end.
func TestLostDeliveriesAreNoticed(t *testing.T) {
	w := newStreamWorld(t)
	w.stream(jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
	w.put("s", "s", "s")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, then := range [][]string{nil, {"s"}} {
		p := w.open("S", "", 0)
		// Another reader of the same consumer takes what this one should get.
		thief := p.(*pull).consumer
		p.(*pull).messages.Stop()
		if batch, err := thief.FetchNoWait(2); err != nil {
			t.Fatal(err)
		} else if n := len(drained(batch)); n != 2 {
			t.Fatalf("%d messages were taken away", n)
		}
		if then == nil {
			if batch, err := thief.FetchNoWait(5); err != nil || len(drained(batch)) != 1 {
				t.Fatal(err)
			}
		}
		var err error
		if p.(*pull).messages, err = thief.Messages(jetstream.PullMaxMessages(pullWindow), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat)); err != nil {
			t.Fatal(err)
		}
		w.put(then...)
		if _, err := p.Next(ctx, 1, 1); !errors.Is(err, errLostDelivery) {
			t.Errorf("with %v behind it: %v", then, err)
		}
	}
}

func drained(batch jetstream.MessageBatch) (out []jetstream.Msg) {
	for m := range batch.Messages() {
		out = append(out, m)
	}
	return out
}

// TestAStreamMadeAnewIsAnother shows that a source does not go on in a stream that only has the name of its own.
func TestAStreamMadeAnewIsAnother(t *testing.T) {
	w := newStreamWorld(t)
	config := jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}
	w.stream(config)
	state, err := w.streams.Source(t.Context(), "S", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.js.DeleteStream(t.Context(), "S"); err != nil {
		t.Fatal(err)
	}
	w.stream(config)
	request := host.PullRequest{Stream: "S", BornNanos: state.BornNanos}
	if _, err := w.streams.Pull(t.Context(), request); err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("%v", err)
	}
	if left := w.consumers("S"); left != 0 {
		t.Errorf("%d consumers are left", left)
	}
}

func (w *streamWorld) consumers(stream string) int {
	w.Helper()
	s, err := w.js.Stream(w.Context(), stream)
	if err != nil {
		w.Fatal(err)
	}
	return s.CachedInfo().State.Consumers
}

// TestSubjectsMeet shows when two patterns have a subject in common.
func TestSubjectsMeet(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"a.b", "a.b"}: true, {"a.*", "a.b"}: true, {"a.*", "*.b"}: true, {">", "a.b"}: true, {"a.>", "a.b.c"}: true, {"a.*.c", "a.>"}: true,
		{"a.b", "a.c"}: false, {"a", "a.b"}: false, {"a.>", "a"}: false, {"a.*", "a.b.c"}: false, {"b.>", "a.>"}: false,
	} {
		if subjectsMeet(pair[0], pair[1]) != want || subjectsMeet(pair[1], pair[0]) != want {
			t.Errorf("%v meet: want %v", pair, want)
		}
	}
}

var bank = host.GroupRef{Name: "bank", ID: 7, Key: testKey(2)}

// sink makes the bank's stream and opens it.
func (w *streamWorld) sink() host.StreamSink {
	w.Helper()
	k, err := w.streams.Sink(w.Context(), "OUT", bank)
	if err != nil {
		w.Fatal(err)
	}
	return k
}

// events are those of indexes first to last, three of each.
func bankEvents(first, last int) (out []host.Emitted) {
	for i := first; i <= last; i++ {
		for o := range 3 {
			out = append(out, host.Emitted{Index: consensus.Index(i), Suffix: "moved", Payload: fmt.Appendf(nil, "%d/%d", i, o)})
		}
	}
	return out
}

// wantOut fails unless the stream has had exactly these events.
func (w *streamWorld) wantOut(events []host.Emitted) {
	w.Helper()
	s, err := w.js.Stream(w.Context(), "OUT")
	if err != nil {
		w.Fatal(err)
	}
	if state := s.CachedInfo().State; state.LastSeq != uint64(len(events)) {
		w.Fatalf("%d messages, want %d", state.LastSeq, len(events))
	}
	for i, e := range events {
		m, err := s.GetMsg(w.Context(), uint64(i)+1)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // purged
		}
		if err != nil {
			w.Fatal(err)
		}
		if !bytes.Equal(m.Data, e.Payload) || m.Header.Get(api.HeaderIndex) != fmt.Sprint(e.Index) {
			w.Errorf("message %d is %s of index %s, want %s", i+1, m.Data, m.Header.Get(api.HeaderIndex), e.Payload)
		}
	}
}

// outConfig is a stream that drops no duplicates by itself: what is once in it is so by its sequences alone.
var outConfig = jetstream.StreamConfig{Name: "OUT", Subjects: []string{"grout.v1.bank.evt.>"}, Duplicates: 100 * time.Millisecond}

// TestASinkWritesOnce shows that whatever a new leader writes again is in the stream once, long after JetStream has
// forgotten its duplicates, also where a leader died inside the events of one index, and that two leaders at once do not mix.
func TestASinkWritesOnce(t *testing.T) {
	w := newStreamWorld(t)
	w.stream(outConfig)
	old := w.sink()
	if err := old.Write(t.Context(), bankEvents(1, 300)); err != nil {
		t.Fatal(err)
	}
	// The ordinals are those of the whole index: a leader that died after one of the three.
	dead := old.(*sink)
	var due []placed
	for i, e := range bankEvents(301, 301)[:1] {
		msg, err := dead.message(&e, i)
		if err != nil {
			t.Fatal(err)
		}
		due = append(due, placed{msg, place{301, i}})
	}
	if _, err := dead.writeSome(t.Context(), due); err != nil {
		t.Fatal(err)
	}
	w.forgetDuplicates()
	next := w.sink()
	if err := next.Write(t.Context(), bankEvents(250, 310)); err != nil {
		t.Fatal(err)
	}
	w.wantOut(bankEvents(1, 310))
	w.forgetDuplicates()
	if err := old.Write(t.Context(), bankEvents(302, 310)); !errors.Is(err, errMovedOn) {
		t.Errorf("the old leader writes: %v", err)
	}
	w.wantOut(bankEvents(1, 310))
}

// forgetDuplicates waits until a stream with the same window takes an ID again that it is given now.
func (w *streamWorld) forgetDuplicates() {
	w.Helper()
	w.stream(jetstream.StreamConfig{Name: "CLOCK", Subjects: []string{"clock"}, Duplicates: outConfig.Duplicates})
	info, err := w.streams.info(w.Context(), "CLOCK")
	if err != nil {
		w.Fatal(err)
	}
	id, last := fmt.Sprint("after ", info.State.LastSeq), info.State.LastSeq+1
	for ack := (&jetstream.PubAck{}); ack.Sequence <= last; {
		if ack, err = w.js.Publish(w.Context(), "clock", nil, jetstream.WithMsgID(id)); err != nil {
			w.Fatal(err)
		}
	}
}

// TestASinkReadsItsEnd shows where a sink goes on: behind the last event of this life of the group, over messages of
// others, and with everything where the stream has none of its own.
func TestASinkReadsItsEnd(t *testing.T) {
	w := newStreamWorld(t)
	out := w.stream(outConfig)
	if err := w.sink().Write(t.Context(), bankEvents(1, 2)); err != nil {
		t.Fatal(err)
	}
	w.put("grout.v1.bank.evt.moved", "grout.v1.bank.evt.other")
	if got := w.sink().(*sink); got.last != (place{2, 2}) || got.end != 8 {
		t.Errorf("behind messages of others: %+v at %d", got.last, got.end)
	}
	later := bank
	later.ID++
	if k, err := w.streams.Sink(t.Context(), "OUT", later); err != nil || k.(*sink).last != (place{}) {
		t.Errorf("the next life of the group: %v", err)
	}
	if err := out.DeleteMsg(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	if got := w.sink().(*sink); got.last != (place{2, 2}) || got.end != 8 {
		t.Errorf("with its end removed: %+v at %d", got.last, got.end)
	}
	if err := out.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.sink().(*sink); got.last != (place{}) || got.end != 8 {
		t.Errorf("purged: %+v at %d", got.last, got.end)
	}
}

// TestASinkAfterAPurge shows that events which are written again after the stream has lost them, and which JetStream
// still takes for duplicates, hold nothing up.
func TestASinkAfterAPurge(t *testing.T) {
	w := newStreamWorld(t)
	config := outConfig
	config.Duplicates = time.Hour
	out := w.stream(config)
	if err := w.sink().Write(t.Context(), bankEvents(1, 2)); err != nil {
		t.Fatal(err)
	}
	if err := out.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.sink().Write(t.Context(), bankEvents(1, 4)); err != nil {
		t.Fatal(err)
	}
	w.wantOut(bankEvents(1, 4))
}

// TestASinkLeavesOutWhatCannotBe shows that an event that is too large for the stream, or without a subject, does not
// hold up the next.
func TestASinkLeavesOutWhatCannotBe(t *testing.T) {
	w := newStreamWorld(t)
	config := outConfig
	config.MaxMsgSize = 1000
	w.stream(config)
	events := bankEvents(1, 1)
	events[1].Payload = make([]byte, 1000)
	events = append(events, host.Emitted{Index: 2, Suffix: "not a suffix"}, host.Emitted{Index: 2, Suffix: "moved", Payload: []byte("2/1")})
	if err := w.sink().Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	w.wantOut([]host.Emitted{events[0], events[2], events[4]})
}

// TestEventIDs shows what is read as the ID of an event.
func TestEventIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"bank-7-12-0": true, "bank-7-12": false, "bank-7-12-0-1": false, "bank-x-12-0": false, "bank-7--1": false,
		"other-7-12-0": false, "": false, "bank-7-12-99999999999999999999": false, "bank-1-7-12-0": false,
	} {
		life, where, ok := parseEventID("bank", id)
		if ok != want || ok && (life != 7 || where != place{12, 0}) {
			t.Errorf("%q is %d %+v %v", id, life, where, ok)
		}
	}
}
