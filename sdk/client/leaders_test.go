package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// When the leader goes away, the client finds the next one at once, by NATS's word that nobody listens.
func TestLeaderChange(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a", "b")
	c := dialTest(t, url)
	g := c.Group("g")
	if _, err := g.Execute(limited(t), []byte("1")); err != nil {
		t.Fatal(err)
	}
	hosts.stop("a")
	hosts.do(func() { hosts.leader = "b" })
	for _, command := range []string{"2", "3"} {
		if _, err := g.Execute(limited(t), []byte(command)); err != nil {
			t.Fatal(err)
		}
	}
	hosts.once("1", "2", "3")
	if got := fmt.Sprint(hosts.subjects[1:]); got != "[grout.v1.g.cmd grout.v1.g.cmd.b]" || g.Leader() != "b" {
		t.Errorf("after the change, sent to %s", got)
	}
	if s := c.Stats(); s.LeaderChanges != 1 || s.Retries != 1 {
		t.Errorf("%+v", s)
	}
}

// A leader that is there but silent is left for any other host after one attempt.
func TestSilentLeader(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a", "b")
	g := dialTest(t, url).Group("g")
	if _, err := g.Execute(limited(t), []byte("1")); err != nil {
		t.Fatal(err)
	}
	hosts.do(func() {
		hosts.leader = "b"
		hosts.fate = func(host string, m *natsgo.Msg) fate {
			if host == "a" {
				return loseRequest
			}
			return answer
		}
	})
	if r, err := g.Execute(limited(t), []byte("2")); err != nil || r.Leader != "b" {
		t.Fatalf("got %+v, %v", r, err)
	}
	hosts.once("1", "2")
}

// What a leader was sent that has died goes to another host as soon as the server says that it is gone.
func TestGoneLeader(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a", "b")
	c, err := Connect(Config{URL: url, Caller: "tester", AttemptTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	g := c.Group("g")
	if _, err := g.Execute(limited(t), []byte("1")); err != nil {
		t.Fatal(err)
	}
	received := make(chan struct{}, 10)
	hosts.do(func() {
		hosts.fate = func(host string, m *natsgo.Msg) fate {
			if host == "a" {
				received <- struct{}{}
				return loseRequest
			}
			return answer
		}
	})
	var answers sync.WaitGroup
	for _, command := range []string{"2", "3", "4"} {
		answers.Go(func() {
			if r, err := g.Execute(limited(t), []byte(command)); err != nil || r.Leader != "b" {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
	for range 3 {
		<-received
	}
	hosts.do(func() { hosts.leader = "b" })
	hosts.stop("a")
	answers.Wait()
	hosts.once("1", "2", "3", "4")
}

// A leader whose disk fails answers 500, perhaps after the command was chosen: another host tells its result.
func TestFailedLeader(t *testing.T) {
	url := runServer(t)
	hosts := newCluster(t, url, "a", "b")
	g := dialTest(t, url).Group("g")
	if _, err := g.Execute(limited(t), []byte("1")); err != nil {
		t.Fatal(err)
	}
	hosts.do(func() {
		hosts.leader = "b"
		hosts.fate = func(host string, m *natsgo.Msg) fate {
			if host == "a" {
				return broken
			}
			return answer
		}
	})
	if r, err := g.Execute(limited(t), []byte("2")); err != nil || r.Leader != "b" || !r.Duplicate {
		t.Fatalf("got %+v, %v", r, err)
	}
	hosts.once("1", "2")
	hosts.do(func() {
		hosts.fate = func(string, *natsgo.Msg) fate { return broken }
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := g.Execute(ctx, []byte("3"))
	if !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, &Error{Code: api.CodeInternal}) {
		t.Errorf("with every host failed: %v", err)
	}
}
