package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// queries serves a group's queries with f, at the shared subject and at host a's.
func queries(tb testing.TB, conn *natsgo.Conn, f func(m *natsgo.Msg) *natsgo.Msg) {
	tb.Helper()
	handle := func(m *natsgo.Msg) {
		reply := f(m)
		if reply == nil {
			return
		}
		reply.Subject = m.Reply
		if err := conn.PublishMsg(reply); err != nil {
			tb.Error(err)
		}
	}
	_, err := conn.Subscribe(api.Query("g", ""), handle)
	_, err2 := conn.Subscribe(api.Query("g", "a"), handle)
	if err := errors.Join(err, err2, conn.FlushTimeout(patience)); err != nil {
		tb.Fatal(err)
	}
}

// A query carries its consistency and comes back with the index that it ran at. Linearizable ones go
// to the leader once it is known, others to any host, or to the one that was named.
func TestQuery(t *testing.T) {
	url := runServer(t)
	var asked []string
	queries(t, plain(t, url), func(m *natsgo.Msg) *natsgo.Msg {
		asked = append(asked, m.Subject+" "+m.Header.Get(api.HeaderConsistency)+" "+m.Header.Get(api.HeaderCaller)+" "+string(m.Data))
		return &natsgo.Msg{Data: []byte("15"), Header: natsgo.Header{api.HeaderIndex: {"7"}, api.HeaderTerm: {"2"}, api.HeaderLeader: {"a"}}}
	})
	g := dialTest(t, url).Group("g")
	for _, o := range []QueryOptions{{}, {}, {Consistency: Stale}, {Consistency: AtLeast, AtLeast: 5}, {Consistency: Stale, Host: "a"}} {
		r, err := g.Query(limited(t), []byte("q"), o)
		if err != nil || string(r.Output) != "15" || r.Index != 7 || r.Term != 2 || r.Leader != "a" {
			t.Errorf("%+v: got %+v, %v", o, r, err)
		}
	}
	want := []string{"grout.v1.g.query  tester q", "grout.v1.g.query.a  tester q", "grout.v1.g.query stale tester q",
		"grout.v1.g.query at-least=5 tester q", "grout.v1.g.query.a stale tester q"}
	if fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("asked %q", asked)
	}
}

// Queries are tried again until they are answered; what trying again cannot help ends them.
func TestQueryRetries(t *testing.T) {
	url := runServer(t)
	tries := 0
	replies := []*natsgo.Msg{failure(api.CodeNoLeader), failure(api.CodeBusy), nil, failure(api.CodeUnknown), {}, failure(api.CodeNotFound),
		{Header: natsgo.Header{errorCodeHeader: {"409"}, errorHeader: {"no"}, api.HeaderMachineCode: {"4"}}},
		{Header: natsgo.Header{api.HeaderIndex: {"x"}}}}
	queries(t, plain(t, url), func(*natsgo.Msg) *natsgo.Msg {
		tries++
		return replies[tries-1]
	})
	c := dialTest(t, url)
	g := c.Group("g")
	if _, err := g.Query(limited(t), nil, QueryOptions{}); err != nil || tries != 5 {
		t.Errorf("%v after %d tries", err, tries)
	}
	if _, err := g.Query(limited(t), nil, QueryOptions{}); !errors.Is(err, &Error{Code: api.CodeNotFound}) {
		t.Errorf("got %v", err)
	}
	_, err := g.Query(limited(t), nil, QueryOptions{})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != 4 {
		t.Errorf("got %v", err)
	}
	if _, err := g.Query(limited(t), nil, QueryOptions{}); !errors.Is(err, ErrBadReply) {
		t.Errorf("got %v", err)
	}
	if s := c.Stats(); s.Sent != 8 || s.Retries != 4 {
		t.Errorf("%+v", s)
	}
}

// A query without an answer ends with its context, and says what the last attempt met.
func TestQueryEnds(t *testing.T) {
	url := runServer(t)
	g := dialTest(t, url).Group("g")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	// The end may also come in the middle of an attempt.
	if _, err := g.Query(ctx, nil, QueryOptions{Host: "gone"}); !errors.Is(err, ErrNoHosts) && !errors.Is(err, ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	queries(t, plain(t, url), func(*natsgo.Msg) *natsgo.Msg { return nil })
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := g.Query(ctx, nil, QueryOptions{}); !errors.Is(err, ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	for _, o := range []QueryOptions{{AtLeast: 5}, {Consistency: 9}} {
		if _, err := g.Query(limited(t), nil, o); !errors.Is(err, ErrBadConfig) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
	if _, err := g.Query(limited(t), nil, QueryOptions{Host: "a.b"}); !errors.Is(err, ErrBadName) {
		t.Errorf("got %v", err)
	}
}

// FuzzReply shows that no reply makes the client panic, and that a result is one without an error code.
func FuzzReply(f *testing.F) {
	f.Add("", "", "5", "2", "", "true", "a", "", []byte("15"))
	f.Add("409", "no", "5", "2", "-7", "", "", "", []byte(nil))
	f.Add("", "", "", "", "", "", "", "503", []byte(nil))
	f.Add("422", "trap", "x", "", "", "", "a.b", "", []byte("fuel"))
	f.Fuzz(func(t *testing.T, code, text, index, term, machine, duplicate, leader, status string, data []byte) {
		h := natsgo.Header{errorCodeHeader: {code}, errorHeader: {text}, api.HeaderIndex: {index}, api.HeaderTerm: {term},
			api.HeaderMachineCode: {machine}, api.HeaderDuplicate: {duplicate}, api.HeaderLeader: {leader}, statusHeader: {status}}
		r, err := parseReply(&natsgo.Msg{Header: h, Data: data})
		if err == nil && code != "" || err != nil && err.Error() == "" {
			t.Fatalf("code %q gave %+v, %v", code, r, err)
		}
		rt := &route{counters: &counters{}}
		rt.learn(r.Leader)
		if leader := rt.target(); leader != "" && api.CheckName(leader) != nil {
			t.Fatalf("requests would be sent to %q", leader)
		}
	})
}

// FuzzToken shows that a reply's token is read as it was written, and nothing else is.
func FuzzToken(f *testing.F) {
	f.Add("1.1")
	f.Add("zz.12")
	f.Add(".")
	f.Fuzz(func(t *testing.T, token string) {
		id, attempt, ok := parseToken(token)
		if !ok {
			return
		}
		if again, n, ok := parseToken(formatToken(id, attempt)); !ok || again != id || n != attempt {
			t.Fatalf("%q became %d.%d", token, id, attempt)
		}
	})
}
