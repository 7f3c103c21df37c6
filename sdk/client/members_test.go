package client

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// led serves the status of two hosts, of which leader, called with mu held, names the one that leads the group g.
func led(t *testing.T, conn *natsgo.Conn, mu *sync.Mutex, leader func() string) {
	t.Helper()
	for _, name := range []string{"a", "b"} {
		control(t, conn, api.VerbStatus, "", func(*natsgo.Msg) (any, api.Code) {
			mu.Lock()
			defer mu.Unlock()
			brief := api.GroupBrief{Group: "g", Role: "follower", Term: 3}
			if leader() == name {
				brief.Role = "leader"
			}
			return api.HostStatus{Host: name, Hosts: []string{"a", "b"}, Groups: []api.GroupBrief{{Group: "other", Role: "leader", Term: 9}, brief}}, ""
		})
	}
}

// TestChangeMembers shows that a change goes to the leader's host, is asked for once, also when leadership moves, and is
// waited for; and that the end of the wait tells what it waits for.
func TestChangeMembers(t *testing.T) {
	url := runServer(t)
	conn := plain(t, url)
	var mu sync.Mutex
	leader := "a"
	led(t, conn, &mu, func() string { return leader })
	var actions []string
	looks := 0
	answer := func(m *natsgo.Msg) (any, api.Code) {
		mu.Lock()
		defer mu.Unlock()
		var r api.MembersRequest
		if err := json.Unmarshal(m.Data, &r); err != nil {
			t.Error(err)
		}
		if !strings.HasSuffix(m.Subject, "."+leader) {
			return nil, api.CodeNoLeader
		}
		if looks++; looks == 1 {
			leader = "b"
			return nil, api.CodeNoLeader
		}
		if r.Action != "" {
			actions = append(actions, r.Action+" "+r.Host)
		}
		return api.MembersReply{Group: r.Group, Settled: looks > 5, Waiting: "the rest"}, ""
	}
	control(t, conn, api.VerbMembers, "a", answer)
	control(t, conn, api.VerbMembers, "b", answer)
	a := dialTest(t, url).Admin()
	seen := 0
	reply, err := a.ChangeMembers(t.Context(), api.MembersRequest{Group: "g", Action: api.MembersAdd, Host: "c"}, func(api.MembersReply) { seen++ })
	if err != nil || !reply.Settled || len(actions) != 1 || actions[0] != "add c" || seen != looks-1 {
		t.Errorf("%+v, %v after %v, seen %d of %d", reply, err, actions, seen, looks)
	}
	mu.Lock()
	looks = -1000
	mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	reply, err = a.ChangeMembers(ctx, api.MembersRequest{Group: "g", Action: api.MembersRemove, Host: "c"}, nil)
	if !errors.Is(err, context.DeadlineExceeded) || reply.Settled || reply.Waiting != "the rest" {
		t.Errorf("%+v, %v", reply, err)
	}
	if reply, err := a.Members(t.Context(), "g"); err != nil || reply.Group != "g" {
		t.Errorf("%+v, %v", reply, err)
	}
}

// TestHosts shows that each verb about hosts says what it is about, and that a refusal is not repeated.
func TestHosts(t *testing.T) {
	url := runServer(t)
	conn := plain(t, url)
	var asked []string
	control(t, conn, api.VerbHosts, "", func(m *natsgo.Msg) (any, api.Code) {
		asked = append(asked, string(m.Data))
		if strings.Contains(string(m.Data), api.HostsRemove) {
			return nil, api.CodeRefused
		}
		return api.HostsReply{Cluster: "c1"}, ""
	})
	a := dialTest(t, url).Admin()
	all, err := a.Hosts(t.Context())
	admitted, err2 := a.AdmitHost(t.Context(), "d")
	_, refused := a.RemoveHost(t.Context(), "e")
	if errors.Join(err, err2) != nil || all.Cluster != "c1" || admitted.Cluster != "c1" || !errors.Is(refused, &Error{Code: api.CodeRefused}) {
		t.Errorf("%+v, %+v, %v, %v, %v", all, admitted, err, err2, refused)
	}
	if want := `{}|{"action":"admit","host":"d"}|{"action":"remove","host":"e"}`; strings.Join(asked, "|") != want {
		t.Errorf("asked %v", asked)
	}
}

// TestDeployAwaitsALeader shows that a deployment through a host that cannot see the group's leader ends when there is
// one, and that a wait in vain says that the group was made.
func TestDeployAwaitsALeader(t *testing.T) {
	url := runServer(t)
	conn := plain(t, url)
	var mu sync.Mutex
	looks := 0
	control(t, conn, api.VerbDeploy, "", func(*natsgo.Msg) (any, api.Code) { return api.GroupInfo{Group: "g"}, "" })
	led(t, conn, &mu, func() string {
		if looks++; looks < 4 {
			return ""
		}
		return "b"
	})
	a := dialTest(t, url).Admin()
	if info, err := a.Deploy(t.Context(), api.DeployRequest{Group: "g"}); err != nil || info.Leader != "b" {
		t.Errorf("%+v, %v", info, err)
	}
	mu.Lock()
	looks = -1000
	mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if info, err := a.Deploy(ctx, api.DeployRequest{Group: "g"}); !errors.Is(err, ErrUnknownOutcome) || info.Group != "g" {
		t.Errorf("%+v, %v", info, err)
	}
}
