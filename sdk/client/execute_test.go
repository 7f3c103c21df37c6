package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// A result says what the machine answered and where it was applied; the second command goes straight to the leader.
func TestExecute(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a", "b")
	g := dialTest(t, url).Group("g")
	for i, command := range []string{"one", "two"} {
		r, err := g.Execute(limited(t), []byte(command))
		if err != nil || string(r.Output) != command || r.Index != uint64(i+1) || r.Term != 3 || r.Leader != "a" || r.Duplicate {
			t.Fatalf("got %+v, %v", r, err)
		}
	}
	if got := fmt.Sprint(hosts.subjects); got != "[grout.v1.g.cmd grout.v1.g.cmd.a]" || g.Leader() != "a" {
		t.Errorf("sent to %s", got)
	}
	hosts.once("one", "two")
}

// The machine's refusals and traps are errors of their own types, and count as answers.
func TestRefusedAndTrapped(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	hosts.respond = func(command string) (string, natsgo.Header) {
		switch command {
		case "refuse":
			return "not\nenough", natsgo.Header{errorCodeHeader: {"409"}, errorHeader: {"not enough"}, api.HeaderMachineCode: {"-7"}}
		case "trap":
			return "", natsgo.Header{errorCodeHeader: {"422"}, errorHeader: {"out of fuel"}}
		}
		return "", nil
	}
	c := dialTest(t, url)
	_, err := c.Group("g").Execute(limited(t), []byte("refuse"))
	var refused *RefusedError
	if !errors.As(err, &refused) || *refused != (RefusedError{Code: -7, Message: "not\nenough", Index: 1, Term: 3}) {
		t.Errorf("got %+v", err)
	}
	_, err = c.Group("g").Execute(limited(t), []byte("trap"))
	var trapped *TrappedError
	if !errors.As(err, &trapped) || *trapped != (TrappedError{Reason: "out of fuel", Index: 2, Term: 3}) {
		t.Errorf("got %+v", err)
	}
	hosts.once("refuse", "trap")
	if s := c.Stats(); s.Sent != 2 || s.Retries != 0 || s.Sessions != 1 {
		t.Errorf("%+v", s)
	}
}

// Codes that trying again cannot help end a command, with what is known of its outcome.
func TestFinalCodes(t *testing.T) {
	for _, code := range []api.Code{api.CodeBadRequest, api.CodeNotFound, api.CodeTooLarge, api.CodeExists, "418"} {
		url := runServer(t)
		newCluster(t, url, "a").respond = func(string) (string, natsgo.Header) {
			return "", natsgo.Header{errorCodeHeader: {string(code)}, errorHeader: {"because"}}
		}
		_, err := dialTest(t, url).Group("g").Execute(limited(t), []byte("x"))
		var e *Error
		if !errors.As(err, &e) || e.Code != code || e.Text != "because" || !errors.Is(err, &Error{Code: code}) {
			t.Errorf("%s: got %v", code, err)
		}
		if errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("%s: the outcome is said to be unknown", code)
		}
	}
}

// Whatever goes wrong on the way, a command is tried again under one sequence and applied once.
func TestRetries(t *testing.T) {
	for _, c := range []struct {
		name      string
		fate      fate
		duplicate bool
	}{{"request lost", loseRequest, false}, {"reply lost", loseReply, true}, {"doubled", doubleRequest, true},
		{"busy", busy, false}, {"no leader", noLeader, false}, {"unknown", unknown, true}, {"host failed", broken, true}} {
		t.Run(c.name, func(t *testing.T) {
			url := runServer(t)
			hosts := newCluster(t, url, "a", "b")
			tries := 0
			hosts.fate = func(string, *natsgo.Msg) fate {
				if tries++; tries <= 3 {
					return c.fate
				}
				return answer
			}
			cl := dialTest(t, url)
			r, err := cl.Group("g").Execute(limited(t), []byte("x"))
			if err != nil || r.Duplicate != c.duplicate {
				t.Fatalf("got %+v, %v", r, err)
			}
			hosts.once("x")
			if s := cl.Stats(); c.fate != doubleRequest && s.Retries != 3 || (s.Duplicates == 1) != c.duplicate {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A command waits for a group that is not there yet; without one the error says so.
func TestNoHosts(t *testing.T) {
	url := runServer(t)
	c := dialTest(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Group("g").Execute(ctx, []byte("x"))
	if !errors.Is(err, ErrNoHosts) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := c.Group("g").Execute(limited(t), []byte("y"))
		done <- err
	}()
	before := c.Stats().Retries
	eventually(t, "some attempts fail", func() bool { return c.Stats().Retries > before+2 })
	hosts := newCluster(t, url, "a")
	if err := <-done; err != nil {
		t.Error(err)
	}
	hosts.once("y")
}

// Commands of many goroutines share a session: the first opens it before the others are sent, and
// every one is applied once.
func TestConcurrentExecute(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a", "b")
	r := seeded(t)
	hosts.fate = func(string, *natsgo.Msg) fate {
		if r.IntN(4) == 0 {
			return fate(r.IntN(int(fates)))
		}
		return answer
	}
	c := dialTest(t, url)
	var wait sync.WaitGroup
	var commands []string
	for i := range 200 {
		command := fmt.Sprint("c", i)
		commands = append(commands, command)
		wait.Go(func() {
			if r, err := c.Group("g").Execute(limited(t), []byte(command)); err != nil || string(r.Output) != command {
				t.Errorf("%s: got %+v, %v", command, r, err)
			}
		})
	}
	wait.Wait()
	hosts.once(commands...)
	if s := c.Stats(); s.Sessions != 1 {
		t.Errorf("%+v", s)
	}
}

// A pipeline never sends a sequence outside the hosts' window, even while one command is stuck.
func TestPipelineKeepsTheWindow(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	stuck := 0
	hosts.fate = func(_ string, m *natsgo.Msg) fate {
		if string(m.Data) == "c4" && stuck < 5 {
			stuck++
			return loseRequest
		}
		return answer
	}
	p, err := dialTest(t, url).Group("g").Pipeline(limited(t), PipelineConfig{Window: windowSequences})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range 3 * windowSequences {
		names = append(names, fmt.Sprint("c", i))
	}
	go func() {
		defer p.Close()
		for _, name := range names {
			if _, err := p.Submit(t.Context(), []byte(name)); err != nil {
				t.Error(err)
			}
		}
	}()
	i := 0
	for r := range p.Results(limited(t)) {
		if r.Err != nil || string(r.Result.Output) != names[i] {
			t.Fatalf("command %d: %+v", i, r)
		}
		i++
	}
	hosts.once(names...)
	if !slices.Equal(hosts.log, names) {
		t.Error("they were not applied in their order")
	}
}

// A session that the hosts have forgotten is replaced without the caller's notice when nothing was
// in doubt, and the outcome is called unknown when something was.
func TestSessionForgotten(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	c := dialTest(t, url)
	g := c.Group("g")
	forget := func() { hosts.do(func() { hosts.sessions = map[string]*hostSession{} }) }
	if _, err := g.Execute(limited(t), []byte("1")); err != nil {
		t.Fatal(err)
	}
	forget()
	results, err := g.ExecuteMany(limited(t), [][]byte{[]byte("2"), []byte("3"), []byte("4")})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	hosts.once("1", "2", "3", "4")
	lost := false
	hosts.do(func() {
		hosts.fate = func(string, *natsgo.Msg) fate {
			if !lost {
				lost = true
				return loseReply
			}
			hosts.sessions = map[string]*hostSession{}
			return answer
		}
	})
	_, err = g.Execute(limited(t), []byte("5"))
	if !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, &Error{Code: api.CodeSession}) {
		t.Errorf("got %v", err)
	}
	hosts.once("1", "2", "3", "4", "5")
}

// The end of a caller's context ends its command, says whether the outcome is known, and leaves the
// session usable for others, even if the command was the one that should have opened it.
func TestCancel(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	arrived := make(chan struct{}, 100)
	hosts.fate = func(_ string, m *natsgo.Msg) fate {
		if strings.HasPrefix(string(m.Data), "lost") {
			arrived <- struct{}{}
			return loseRequest
		}
		return answer
	}
	c := dialTest(t, url)
	g := c.Group("g")
	for _, command := range []string{"lost first", "lost later"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		first, second := make(chan error), make(chan error)
		go func() {
			_, err := g.Execute(ctx, []byte(command))
			first <- err
		}()
		<-arrived
		go func() {
			_, err := g.Execute(limited(t), []byte("after "+command))
			second <- err
		}()
		reason := errors.New("enough")
		cancel(reason)
		if err := <-first; !errors.Is(err, reason) || !errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("%s: got %v", command, err)
		}
		if err := <-second; err != nil {
			t.Errorf("after %s: %v", command, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Execute(ended, []byte("never")); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("got %v", err)
	}
	hosts.once("after lost first", "after lost later")
	if s := c.Stats(); s.Sessions != 2 {
		t.Errorf("%+v", s)
	}
}

// Commands that cannot be sent fail at once and hold nothing up.
func TestTooLarge(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	g := dialTest(t, url).Group("g")
	for range 2 {
		_, err := g.Execute(limited(t), make([]byte, 64<<10))
		if !errors.Is(err, &Error{Code: api.CodeTooLarge}) || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("got %v", err)
		}
		if _, err := g.Execute(limited(t), []byte(fmt.Sprint(len(hosts.log)))); err != nil {
			t.Error(err)
		}
	}
	hosts.once("0", "1")
	if _, err := g.Query(t.Context(), make([]byte, 64<<10), QueryOptions{}); !errors.Is(err, &Error{Code: api.CodeTooLarge}) {
		t.Errorf("got %v", err)
	}
}

// Close ends what is under way, and nothing can be sent after it.
func TestClose(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	arrived := make(chan struct{}, 100)
	hosts.fate = func(string, *natsgo.Msg) fate {
		arrived <- struct{}{}
		return loseRequest
	}
	conn := plain(t, url)
	c, err := Connect(Config{Conn: conn, Caller: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	g := c.Group("g")
	done := make(chan error)
	go func() {
		_, err := g.Execute(limited(t), []byte("x"))
		done <- err
	}()
	<-arrived
	c.Close()
	if err := <-done; !errors.Is(err, ErrClosed) || !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("got %v", err)
	}
	for _, g := range []*Group{g, c.Group("g"), c.Group("other")} {
		if _, err := g.Execute(limited(t), []byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	if conn.IsClosed() {
		t.Error("the caller's connection was closed")
	}
	owned := dialTest(t, url)
	owned.conn.Close()
	if _, err := owned.Group("g").Execute(limited(t), []byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := owned.Group("g").Query(t.Context(), []byte("x"), QueryOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// After a reconnect, what was under way is sent again without waiting for its time.
func TestReconnect(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a")
	arrived := make(chan struct{}, 100)
	hosts.fate = func(string, *natsgo.Msg) fate {
		arrived <- struct{}{}
		if len(arrived) == 1 {
			return loseRequest
		}
		return answer
	}
	c, err := Connect(Config{URL: url, Caller: "tester", AttemptTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	done := make(chan error)
	go func() {
		_, err := c.Group("g").Execute(limited(t), []byte("x"))
		done <- err
	}()
	eventually(t, "the first attempt arrives", func() bool { return len(arrived) == 1 })
	if err := c.conn.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	hosts.once("x")
}

// A configuration that cannot work is refused with the reason.
func TestConfig(t *testing.T) {
	for name, config := range map[string]Config{
		"two ways":     {Conn: &natsgo.Conn{}, URL: "x"},
		"context, url": {Context: "x", URL: "y"},
		"caller":       {Caller: "a\nb"},
		"long caller":  {Caller: strings.Repeat("x", 257)},
		"backoff":      {MinBackoff: 5, MaxBackoff: 4},
		"negative":     {AttemptTimeout: -1},
	} {
		if _, err := Connect(config); !errors.Is(err, ErrBadConfig) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Connect(Config{URL: "nats://127.0.0.1:1"}); !errors.Is(err, ErrNoServers) {
		t.Errorf("got %v", err)
	}
	url := runServer(t)
	for _, name := range []string{"", "a.b", "*"} {
		if _, err := dialTest(t, url).Group(name).Execute(limited(t), nil); !errors.Is(err, ErrBadName) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
