package collections

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// machine stands for a map on a host: it tells its status, and the test emits.
type machine struct {
	t      *testing.T
	conn   *natsgo.Conn
	status atomic.Pointer[protocol.Status]
}

func newMachine(t *testing.T, status protocol.Status) (*machine, *Map[string, string]) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	m := &machine{t: t}
	m.status.Store(&status)
	if m.conn, err = natsgo.Connect(s.ClientURL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.conn.Close)
	if _, err = m.conn.Subscribe(api.Query("g", ""), m.answer); err == nil {
		err = m.conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Connect(client.Config{URL: s.ClientURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	out, err := NewMap(c.Group("g"), MapConfig[string, string]{Value: Ordered[string]()})
	if err != nil {
		t.Fatal(err)
	}
	return m, out
}

func (m *machine) answer(query *natsgo.Msg) {
	if err := query.Respond(m.status.Load().Append(nil)); err != nil {
		m.t.Error(err)
	}
}

// emit publishes the event of a command that put keys, each to its own name.
func (m *machine) emit(index, previous uint64, keys ...string) {
	m.t.Helper()
	payload := protocol.AppendNumber(nil, previous)
	for _, key := range keys {
		payload = protocol.AppendWrite(payload, &protocol.Write{Kind: protocol.Put, Key: []byte(key), Value: []byte(key)})
	}
	m.publish(index, payload)
}

func (m *machine) publish(index uint64, payload []byte) {
	m.t.Helper()
	err := m.conn.PublishMsg(&natsgo.Msg{Subject: api.Event("g", protocol.EventSuffix), Data: payload, Header: natsgo.Header{api.HeaderIndex: {strconv.FormatUint(index, 10)}}})
	if err == nil {
		err = m.conn.Flush()
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// TestWatchSaysWhatItMissed shows that events which come again, or are of before the watch, are passed over, and that a gap is told before what follows.
func TestWatchSaysWhatItMissed(t *testing.T) {
	m, watched := newMachine(t, protocol.Status{Last: 5})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	w, err := watched.Watch(ctx, From("b"))
	if err != nil {
		t.Fatal(err)
	}
	if w.Index() != 5 {
		t.Errorf("the watch begins behind %d", w.Index())
	}
	m.emit(5, 4, "before")
	m.emit(7, 5, "a", "b", "c")
	m.emit(7, 5, "b", "c")
	m.emit(8, 7, "a")
	m.emit(11, 9, "d")
	m.publish(12, []byte{11, 1, 200})
	m.emit(13, 12, "e")
	want := func(key string, index uint64) {
		t.Helper()
		if c, err := w.Next(ctx); err != nil || c.Key != key || c.Value != key || c.Index != index || c.Kind != Put {
			t.Errorf("%+v, %v, want %s at %d", c, err, key, index)
		}
	}
	want("b", 7)
	want("c", 7)
	var missed *MissedError
	if _, err := w.Next(ctx); !errors.As(err, &missed) || *missed != (MissedError{After: 8, Last: 9}) {
		t.Errorf("the gap is %v", err)
	}
	want("d", 11)
	if _, err := w.Next(ctx); !errors.Is(err, client.ErrBadReply) {
		t.Errorf("an event that is none gives %v", err)
	}
	want("e", 13)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// TestWatchMissesTheLast shows that the loss of the last event is found without a later one.
func TestWatchMissesTheLast(t *testing.T) {
	m, watched := newMachine(t, protocol.Status{Last: 5})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	w, err := watched.Watch(ctx, All[string]())
	if err != nil {
		t.Fatal(err)
	}
	w.feed.wait = 5 * time.Millisecond
	m.status.Store(&protocol.Status{Last: 6})
	var missed *MissedError
	if _, err := w.Next(ctx); !errors.As(err, &missed) || *missed != (MissedError{After: 5, Last: 6}) {
		t.Errorf("the loss is %v", err)
	}
	m.emit(6, 5, "late")
	m.emit(7, 6, "next")
	m.status.Store(&protocol.Status{Last: 7})
	if c, err := w.Next(ctx); err != nil || c.Key != "next" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestWatchOfQuiet shows that a collection without events is not watched.
func TestWatchOfQuiet(t *testing.T) {
	_, watched := newMachine(t, protocol.Status{Quiet: true})
	if _, err := watched.Watch(t.Context(), All[string]()); !errors.Is(err, ErrQuiet) {
		t.Error(err)
	}
	if _, err := watched.Watch(t.Context(), To("")); !errors.Is(err, client.ErrBadConfig) {
		t.Error(err)
	}
}
