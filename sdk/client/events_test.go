package client

import (
	"context"
	"errors"
	"fmt"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// emit publishes an event as a host does.
func emit(t *testing.T, conn *natsgo.Conn, suffix, payload, index string) {
	t.Helper()
	err := conn.PublishMsg(&natsgo.Msg{Subject: api.Event("g", suffix), Data: []byte(payload),
		Header: natsgo.Header{api.HeaderIndex: {index}, api.HeaderMsgID: {"g-1-" + index + "-0"}}})
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Events come in order, with what the host says of them, to each that asked for their suffix.
func TestEvents(t *testing.T) {
	url := runServer(t)
	g := dialTest(t, url).Group("g")
	all, err := g.Events(">")
	if err != nil {
		t.Fatal(err)
	}
	some, err := g.Events("a.*")
	if err != nil {
		t.Fatal(err)
	}
	conn := plain(t, url)
	emit(t, conn, "b", "one", "4")
	emit(t, conn, "a.c", "two", "7")
	for i, want := range []Event{{"b", []byte("one"), 4, "g-1-4-0"}, {"a.c", []byte("two"), 7, "g-1-7-0"}} {
		if got, err := all.Next(limited(t)); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("event %d is %v, %v", i, got, err)
		}
	}
	if got, err := some.Next(limited(t)); err != nil || got.Suffix != "a.c" {
		t.Errorf("the event under a.* is %v, %v", got, err)
	}
	emit(t, conn, "b", "", "x")
	if got, err := all.Next(limited(t)); !errors.Is(err, ErrBadReply) {
		t.Errorf("an event of index x is %v, %v", got, err)
	}
}

// What is not taken in time is dropped, and that is said once.
func TestEventsMissed(t *testing.T) {
	url := runServer(t)
	g := dialTest(t, url).Group("g")
	events, err := g.Events("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := events.subscription.SetPendingLimits(2, -1); err != nil {
		t.Fatal(err)
	}
	conn := plain(t, url)
	for i := range 5 {
		emit(t, conn, "a", "", fmt.Sprint(i+1))
	}
	eventually(t, "three events are dropped", func() bool { n, err := events.subscription.Dropped(); return err == nil && n == 3 })
	if _, err := events.Next(limited(t)); !errors.Is(err, ErrMissedEvents) {
		t.Errorf("after three were dropped: %v", err)
	}
	for want := range uint64(2) {
		if got, err := events.Next(limited(t)); err != nil || got.Index != want+1 {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// Events end with themselves, their group's client, or the context.
func TestEventsEnd(t *testing.T) {
	url := runServer(t)
	borrowed, err := Connect(Config{Conn: plain(t, url)})
	if err != nil {
		t.Fatal(err)
	}
	g := borrowed.Group("g")
	one, err := g.Events("a")
	if err != nil {
		t.Fatal(err)
	}
	two, err := g.Events("a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	if _, err := one.Next(ctx); !errors.Is(err, reason) {
		t.Errorf("after ctx's end: %v", err)
	}
	if err := one.Close(); err != nil {
		t.Error(err)
	}
	if _, err := one.Next(limited(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	borrowed.Close()
	if _, err := two.Next(limited(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("after the client's Close: %v", err)
	}
	if err := two.Close(); err != nil {
		t.Error(err)
	}
	if _, err := g.Events("a"); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed client: %v", err)
	}
	if _, err := dialTest(t, url).Group("g").Events("a b"); !errors.Is(err, ErrBadName) {
		t.Errorf("of a bad suffix: %v", err)
	}
}
