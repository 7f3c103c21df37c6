package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// Feeding yields positions, one or many in a row, and tries again what certainly was not appended.
func TestFeed(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a", "b")
	refused := 0
	hosts.fate = func(string, *natsgo.Msg) fate {
		if refused++; refused <= 6 {
			return []fate{busy, noLeader}[refused%2]
		}
		return answer
	}
	g := dialTest(t, url).Group("g")
	if at, err := g.Feed(limited(t), []byte("1")); err != nil || at != (Position{1, 3}) || at.String() != "3/1" {
		t.Errorf("%v, %v", at, err)
	}
	if at, err := g.FeedMany(limited(t), many("2", "3", "4")); err != nil || fmt.Sprint(at) != "[3/2 3/3 3/4]" {
		t.Errorf("%v, %v", at, err)
	}
	if at, err := g.FeedMany(limited(t), many("5")); err != nil || fmt.Sprint(at) != "[3/5]" {
		t.Errorf("%v, %v", at, err)
	}
	hosts.once("1", "2", "3", "4", "5")
	if _, err := g.FeedMany(t.Context(), nil); !errors.Is(err, ErrBadBatch) {
		t.Error(err)
	}
}

// What may have been appended is not fed again: its outcome is unknown.
func TestFeedInDoubt(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	g := dialTest(t, url).Group("g")
	for i, what := range []fate{loseReply, unknown, loseRequest} {
		hosts.do(func() { hosts.fate = func(string, *natsgo.Msg) fate { return what } })
		if at, err := g.Feed(limited(t), fmt.Append(nil, i)); !errors.Is(err, ErrUnknownOutcome) || at != (Position{}) {
			t.Errorf("fate %d: %v, %v", what, at, err)
		}
	}
	hosts.once("0", "1")
	hosts.stop("a")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// The end may also come in the middle of an attempt, of which nobody knows then.
	if _, err := g.Feed(ctx, []byte("x")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnknownOutcome) == errors.Is(err, ErrNoHosts) {
		t.Errorf("without hosts: %v", err)
	}
	if _, err := g.Feed(limited(t), make([]byte, 100<<10)); !errors.Is(err, &Error{Code: api.CodeTooLarge}) {
		t.Errorf("too large: %v", err)
	}
}

// awaits answers waits.
func awaits(t *testing.T, conn *natsgo.Conn, f func(subject string, r api.AwaitRequest) *natsgo.Msg) {
	t.Helper()
	handle := func(m *natsgo.Msg) {
		var r api.AwaitRequest
		if err := json.Unmarshal(m.Data, &r); err != nil {
			t.Error(err)
		}
		out := f(m.Subject, r)
		if out == nil {
			return
		}
		if err := conn.PublishMsg(&natsgo.Msg{Subject: m.Reply, Data: out.Data, Header: out.Header}); err != nil {
			t.Error(err)
		}
	}
	for _, host := range []string{"", "b"} {
		if _, err := conn.Subscribe(api.Await("g", host), handle); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
}

func awaited(outcome api.AwaitOutcome) *natsgo.Msg {
	data, _ := json.Marshal(api.AwaitReply{Outcome: outcome, Member: api.MemberState{Host: "b", Leader: "c", Term: 4}})
	return &natsgo.Msg{Data: data}
}

// Every wait asks for what its name says, again after a timeout or a refusal that may pass, and ends
// with what the member said.
func TestAwait(t *testing.T) {
	url := runServer(t)
	g := dialTest(t, url).Group("g")
	var asked []string
	replies := []*natsgo.Msg{awaited(api.AwaitTimeout), failure(api.CodeNoLeader), failure(api.CodeBusy)}
	awaits(t, plain(t, url), func(subject string, r api.AwaitRequest) *natsgo.Msg {
		asked = append(asked, fmt.Sprintf("%s %s %q %d/%d", subject, r.Until, r.Host, r.Term, r.Index))
		if r.TimeoutMillis < 1 || r.TimeoutMillis > awaitPiece.Milliseconds() {
			t.Errorf("a timeout of %d ms", r.TimeoutMillis)
		}
		if len(replies) > 0 {
			next := replies[0]
			replies = replies[1:]
			return next
		}
		return awaited(api.AwaitReached)
	})
	ctx, at := limited(t), Position{7, 3}
	for i, wait := range []func() (api.MemberState, error){
		func() (api.MemberState, error) { return g.AwaitApplied(ctx, at) },
		func() (api.MemberState, error) { return g.AwaitCommit(ctx, at) },
		func() (api.MemberState, error) { return g.AwaitLog(ctx, "b", at) },
		func() (api.MemberState, error) { return g.AwaitLeader(ctx) },
		func() (api.MemberState, error) {
			return g.AwaitLeaderChange(ctx, api.MemberState{Host: "b", Leader: "a", Term: 2})
		},
		func() (api.MemberState, error) { return g.AwaitLeaderIs(ctx, "c") },
		func() (api.MemberState, error) { return g.AwaitOnline(ctx, "b") },
		func() (api.MemberState, error) { return g.AwaitOffline(ctx, "b") },
	} {
		if state, err := wait(); err != nil || state.Leader != "c" || state.Term != 4 {
			t.Errorf("wait %d: %+v, %v", i, state, err)
		}
	}
	want := []string{
		`grout.v1.g.await applied "" 3/7`, `grout.v1.g.await applied "" 3/7`, `grout.v1.g.await applied "" 3/7`, `grout.v1.g.await applied "" 3/7`,
		`grout.v1.g.await commit "" 3/7`, `grout.v1.g.await.b log "" 3/7`, `grout.v1.g.await leader "" 0/0`,
		`grout.v1.g.await.b leader-change "a" 2/0`, `grout.v1.g.await leader-is "c" 0/0`, `grout.v1.g.await.b online "" 0/0`,
		`grout.v1.g.await.b offline "" 0/0`,
	}
	if fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", asked, want)
	}
}

// A wait that proves its command lost says so, and so do the other ends.
func TestAwaitEnds(t *testing.T) {
	url := runServer(t)
	g := dialTest(t, url).Group("g")
	var reply atomic.Pointer[natsgo.Msg]
	awaits(t, plain(t, url), func(string, api.AwaitRequest) *natsgo.Msg { return reply.Load() })
	for name, c := range map[string]struct {
		reply *natsgo.Msg
		want  error
	}{
		"lost":      {awaited(api.AwaitLost), ErrLost},
		"forgotten": {awaited(api.AwaitForgotten), ErrForgotten},
		"strange":   {awaited("?"), ErrBadReply},
		"refused":   {failure(api.CodeBadRequest), &Error{Code: api.CodeBadRequest}},
	} {
		reply.Store(c.reply)
		if _, err := g.AwaitApplied(limited(t), Position{7, 3}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, silent := range []*natsgo.Msg{awaited(api.AwaitTimeout), nil} {
		reply.Store(silent)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		if _, err := g.AwaitLeader(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%v", err)
		}
		cancel()
	}
	if _, err := g.AwaitOnline(t.Context(), "?"); !errors.Is(err, ErrBadName) {
		t.Error(err)
	}
}

// A wait for another leader that the leader's own host took, and does not answer any more, goes on with the
// others; what is older than the leader that is to go is not taken for its successor.
func TestAwaitLeaderChangeElsewhere(t *testing.T) {
	url := runServer(t)
	g := dialTest(t, url).Group("g")
	terms := []uint64{3, 4, 5}
	awaits(t, plain(t, url), func(subject string, _ api.AwaitRequest) *natsgo.Msg {
		if subject != api.Await("g", "") || len(terms) == 0 {
			t.Errorf("asked at %s, %d answers are left", subject, len(terms))
			return nil
		}
		data, _ := json.Marshal(api.AwaitReply{Outcome: api.AwaitReached, Member: api.MemberState{Host: "b", Leader: "c", Term: terms[0]}})
		terms = terms[1:]
		return &natsgo.Msg{Data: data}
	})
	state, err := g.AwaitLeaderChange(limited(t), api.MemberState{Host: "a", Leader: "a", Term: 5})
	if err != nil || state.Leader != "c" || state.Term != 5 || len(terms) > 0 {
		t.Errorf("%+v, %v", state, err)
	}
}
