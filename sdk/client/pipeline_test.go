package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// Through losses, doubles, refusals of busy hosts and changes of leader, every command of a pipeline
// is applied exactly once and in the order of Submit, and so come the results.
func TestPipelineWithLosses(t *testing.T) {
	url := runServer(t)
	names := []string{"a", "b", "c"}
	hosts := newCluster(t, url, names...)
	r := seeded(t)
	requests := 0
	hosts.fate = func(host string, _ *natsgo.Msg) fate {
		if requests++; requests%400 == 0 {
			hosts.leader = names[r.IntN(len(names))]
		}
		if host != hosts.leader && r.IntN(3) == 0 {
			return noLeader
		}
		if r.IntN(50) == 0 {
			return fate(r.IntN(int(fates)))
		}
		return answer
	}
	c := dialTest(t, url)
	p, err := c.Group("g").Pipeline(t.Context(), PipelineConfig{Window: 300})
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for i := range 4000 {
		commands = append(commands, fmt.Sprint("c", i))
	}
	go func() {
		defer p.Close()
		for i, command := range commands {
			if n, err := p.Submit(t.Context(), []byte(command)); err != nil || n != uint64(i+1) {
				t.Errorf("command %d got number %d, %v", i, n, err)
			}
		}
	}()
	i := 0
	for r := range p.Results(limited(t)) {
		if r.Err != nil || string(r.Result.Output) != commands[i] {
			t.Fatalf("result %d is %+v", i, r)
		}
		i++
	}
	hosts.once(commands...)
	if !slices.Equal(hosts.log, commands) || hosts.tooEarly == 0 {
		t.Errorf("they were not applied in their order; %d came too early", hosts.tooEarly)
	}
	t.Logf("%d came too early, %+v", hosts.tooEarly, c.Stats())
	if s := c.Stats(); s.Retries == 0 || s.LeaderChanges == 0 || s.Duplicates == 0 || s.Sessions != 1 {
		t.Errorf("%+v", s)
	}
}

// Without losses the machine applies a pipeline's commands in the order of Submit.
func TestPipelineOrder(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a", "b", "c")
	p, err := dialTest(t, url).Group("g").Pipeline(t.Context(), PipelineConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if _, err := p.Submit(t.Context(), []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	p.Close()
	if _, err := p.Submit(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	i := 0
	for r := range p.Results(limited(t)) {
		if i++; r.Err != nil || r.Result.Index != uint64(i) {
			t.Fatalf("result %d is %+v", i, r)
		}
	}
	if i != 200 || len(hosts.log) != 200 {
		t.Errorf("%d results of %d commands", i, len(hosts.log))
	}
	if _, err := p.Next(limited(t)); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// A full window holds Submit up until a result is taken, and the end of its context lets it go.
func TestPipelineWindow(t *testing.T) {
	url := runServer(t)
	newCluster(t, url, "a")
	p, err := dialTest(t, url).Group("g").Pipeline(t.Context(), PipelineConfig{Window: 2})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := p.Submit(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.Submit(ctx, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("into a full window: %v", err)
	}
	if r, err := p.Next(limited(t)); err != nil || r.Err != nil {
		t.Fatalf("got %+v, %v", r, err)
	}
	if n, err := p.Submit(t.Context(), []byte("x")); err != nil || n != 3 {
		t.Errorf("got number %d, %v", n, err)
	}
	p.Close()
	taken := 0
	for range p.Results(limited(t)) {
		taken++
	}
	if taken != 2 {
		t.Errorf("%d results were left", taken)
	}
	if _, err := p.group.Pipeline(t.Context(), PipelineConfig{Window: windowSequences + 1}); !errors.Is(err, ErrBadConfig) {
		t.Errorf("too large a window: %v", err)
	}
}

// When the pipeline's context ends, or the client is closed, everything under way ends with its
// reason, and the results end too.
func TestPipelineEnds(t *testing.T) {
	for _, closing := range []bool{false, true} {
		url := runServer(t)
		hosts := newCluster(t, url, "a")
		arrived := make(chan struct{}, 100)
		hosts.fate = func(_ string, m *natsgo.Msg) fate {
			if string(m.Data) == "first" {
				return answer
			}
			arrived <- struct{}{}
			return loseRequest
		}
		c := dialTest(t, url)
		ctx, cancel := context.WithCancelCause(t.Context())
		p, err := c.Group("g").Pipeline(ctx, PipelineConfig{})
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"first", "second", "third"} {
			if _, err := p.Submit(t.Context(), []byte(command)); err != nil {
				t.Fatal(err)
			}
		}
		<-arrived
		<-arrived
		reason := errors.New("enough")
		if closing {
			c.Close()
			reason = ErrClosed
		} else {
			cancel(reason)
		}
		if r, err := p.Next(limited(t)); err != nil || r.Err != nil {
			t.Errorf("got %+v, %v", r, err)
		}
		for range 2 {
			r, err := p.Next(limited(t))
			if err != nil || !errors.Is(r.Err, reason) || !errors.Is(r.Err, ErrUnknownOutcome) {
				t.Errorf("got %+v, %v", r, err)
			}
		}
		if _, err := p.Next(limited(t)); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
		if _, err := p.Submit(t.Context(), []byte("x")); err == nil {
			t.Error("a command was taken after the end")
		}
		cancel(nil)
	}
}
