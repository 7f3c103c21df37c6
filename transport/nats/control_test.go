package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// adminHost answers every verb and notes what it was asked.
func adminHost(asked *lockedLog[string]) *fakeHost {
	return &fakeHost{
		upload: func(p host.UploadPiece) (api.UploadReply, error) {
			asked.add(fmt.Sprintf("upload %x %d/%d %s", p.Digest[:2], p.Offset, p.Size, p.Data))
			return api.UploadReply{Received: p.Offset + int64(len(p.Data)), Stored: true}, nil
		},
		upgrade: func(r api.UpgradeRequest) (api.UpgradeReply, error) {
			init := "none"
			if r.Init != nil {
				init = string(*r.Init)
			}
			asked.add(fmt.Sprintf("upgrade %s %s %d %s", r.Group, r.Module, r.Limits.MemoryBytes, init))
			return api.UpgradeReply{Group: r.Group, Index: 9}, nil
		},
		limits: func(r api.LimitsRequest) (api.LimitsReply, error) {
			asked.add(fmt.Sprintf("limits %s %d", r.Group, r.Limits.MemoryBytes))
			return api.LimitsReply{Group: r.Group, Index: 8}, nil
		},
		deploy: func(_ context.Context, r api.DeployRequest) (api.GroupInfo, error) {
			asked.add(fmt.Sprintf("deploy %+v", r))
			return api.GroupInfo{Group: r.Group, Leader: "a"}, nil
		},
		change: func(verb string, r api.TransferRequest) error {
			asked.add(fmt.Sprintf("%s %+v", verb, r))
			if r.Group == "gone" {
				return &host.Error{Code: api.CodeNotFound, Text: "no such group"}
			}
			return nil
		},
		describe: func(name string) ([]api.GroupInfo, error) {
			asked.add("describe " + name)
			switch name {
			case "gone":
				return nil, nil
			case "broken":
				return nil, errors.New("the disk\nis gone")
			}
			return []api.GroupInfo{{Group: "counter"}}, nil
		},
		members: func(r api.MembersRequest) (api.MembersReply, error) {
			asked.add(fmt.Sprintf("members %+v", r))
			return api.MembersReply{Group: r.Group, Settled: true}, nil
		},
		hosts: func(r api.HostsRequest) (api.HostsReply, error) {
			asked.add(fmt.Sprintf("hosts %+v", r))
			return api.HostsReply{Cluster: "c1"}, nil
		},
	}
}

// Every verb reaches the host as it was meant, and its answer is JSON.
func TestControlVerbs(t *testing.T) {
	var asked lockedLog[string]
	_, conn := serving(t, adminHost(&asked))
	digest := strings.Repeat("ab", 32)
	for _, c := range []struct {
		subject string
		header  natsgo.Header
		body    string
		asked   string
		reply   string
	}{
		{"upload", natsgo.Header{"Grout-Digest": {digest}, "Grout-Offset": {"2"}, "Grout-Size": {"5"}}, "xyz", "upload abab 2/5 xyz", `"received":5,"stored":true`},
		{"upload.a", natsgo.Header{"Grout-Digest": {digest}, "Grout-Offset": {"0"}, "Grout-Size": {"5"}}, "xyz", "upload abab 0/5 xyz", `"received":3`},
		{"upgrade", nil, `{"group":"g","module":"cd","limits":{"memory_bytes":5},"init":"eA=="}`, "upgrade g cd 5 x", `"index":9`},
		{"upgrade", nil, `{"group":"g","module":"cd","limits":{}}`, "upgrade g cd 0 none", `"index":9`},
		{"deploy", nil, `{"group":"g","module":"ab","replicas":3,"limits":{}}`, "deploy {Group:g Module:ab Replicas:3 Limits:{MemoryBytes:0 CommandBytes:0 OutputBytes:0 Fuel:0 QueryFuel:0 Events:0 EventBytes:0 LogBytes:0 ModuleBytes:0} Init:[] DemoteAfter: VoterFloor:0}", `"leader":"a"`},
		{"limits", nil, `{"group":"g","limits":{"memory_bytes":5}}`, "limits g 5", `"index":8`},
		{"limits.a", nil, `{"group":"g"}`, "limits g 0", `"limits":{}`},
		{"ls", nil, `{}`, "describe ", `"groups":[{"group":"counter"`},
		{"ls", nil, ``, "describe ", `"groups":[{"group":"counter"`},
		{"info.a", nil, `{"group":"counter"}`, "describe counter", `"group":"counter"`},
		{"rm", nil, `{"group":"g"}`, "rm {Group:g Host:}", `{}`},
		{"snapshot", nil, `{"group":"g"}`, "snapshot {Group:g Host:}", `{}`},
		{"transfer", nil, `{"group":"g","host":"b"}`, "transfer {Group:g Host:b}", `{}`},
		{"members", nil, `{"group":"catalog"}`, "members {Group:catalog Action: Host: With: Observer:false}", `"settled":true`},
		{"members.a", nil, `{"group":"g","action":"replace","host":"a","with":"d"}`, "members {Group:g Action:replace Host:a With:d Observer:false}", `"group":"g"`},
		{"hosts", nil, ``, "hosts {Action: Host:}", `"cluster":"c1"`},
		{"hosts", nil, `{"action":"admit","host":"d"}`, "hosts {Action:admit Host:d}", `"cluster":"c1"`},
		{"status", nil, ``, "", `"host":"a"`},
		{"status.a", nil, ``, "", `"host":"a"`},
	} {
		before := len(asked.all())
		m := request(t, conn, "grout.v1.ctl."+c.subject, c.header, c.body)
		if errorOf(m) != "" || !json.Valid(m.Data) || !strings.Contains(string(m.Data), c.reply) {
			t.Errorf("%s: %s, %s", c.subject, errorOf(m), m.Data)
		}
		if got := strings.Join(asked.all()[before:], ";"); got != c.asked {
			t.Errorf("%s asked %q, want %q", c.subject, got, c.asked)
		}
	}
}

// What is wrong with an administrative request is said, and it does not reach the host.
func TestControlErrors(t *testing.T) {
	var asked lockedLog[string]
	_, conn := serving(t, adminHost(&asked))
	digest := strings.Repeat("ab", 32)
	for _, c := range []struct {
		subject string
		header  natsgo.Header
		body    string
		want    string
		reaches bool
	}{
		{"upload", nil, "x", "400 header Grout-Offset:", false},
		{"upload", natsgo.Header{"Grout-Digest": {"ab"}, "Grout-Offset": {"0"}, "Grout-Size": {"5"}}, "x", "400 header Grout-Digest:", false},
		{"upload", natsgo.Header{"Grout-Digest": {digest + "ab"}, "Grout-Offset": {"0"}, "Grout-Size": {"5"}}, "x", "400 header Grout-Digest:", false},
		{"upload", natsgo.Header{"Grout-Digest": {digest}, "Grout-Offset": {"5"}, "Grout-Size": {"5"}}, "x", "400 a piece of 1 bytes at 5 is past the size of 5", false},
		{"upload", natsgo.Header{"Grout-Digest": {digest}, "Grout-Offset": {"9223372036854775807"}, "Grout-Size": {"9223372036854775807"}}, "x", "400 a piece", false},
		{"upload", natsgo.Header{"Grout-Digest": {digest}, "Grout-Offset": {"-1"}, "Grout-Size": {"5"}}, "x", "400 header Grout-Offset:", false},
		{"deploy", nil, `{"group":"g","modul":"ab"}`, `400 the body is not the JSON expected here: json: unknown field "modul"`, false},
		{"deploy", nil, `{"group":"a.b"}`, "400 group: bad name", false},
		{"deploy", nil, `{"group":"g"} x`, "400 the body goes on after its JSON", false},
		{"upgrade", nil, `{"group":"a.b"}`, "400 group: bad name", false},
		{"limits", nil, `{"group":"g","gas":3}`, "400 the body is not the JSON expected here", false},
		{"limits", nil, `{"group":"a.b"}`, "400 group: bad name", false},
		{"upgrade", nil, `{"group":"g","replicas":3}`, "400 the body is not the JSON expected here", false},
		{"deploy", nil, `{"group":5}`, "400 the body is not the JSON expected here", false},
		{"info", nil, ``, "400 group: bad name", false},
		{"info", nil, `{"group":"gone"}`, `404 there is no group "gone"`, true},
		{"info", nil, `{"group":"broken"}`, "500 the disk is gone", true},
		{"transfer", nil, `{"group":"g","host":""}`, "400 host: bad name", false},
		{"transfer", nil, `{"group":"*","host":"b"}`, "400 group: bad name", false},
		{"rm", nil, `{"group":"gone"}`, "404 no such group", true},
		{"rm", nil, `{"group":"g","host":"b"}`, "400 the body", false},
		{"members", nil, `{"group":"*"}`, "400 group: bad name", false},
		{"members", nil, `{"group":"g","voter":true}`, "400 the body", false},
		{"hosts", nil, `{"group":"g"}`, "400 the body", false},
	} {
		before := len(asked.all())
		if got := errorOf(request(t, conn, "grout.v1.ctl."+c.subject, c.header, c.body)); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s: got %q, want %q", c.subject, c.body, got, c.want)
		}
		if reached := len(asked.all()) > before; reached != c.reaches {
			t.Errorf("%s %s reached the host: %v", c.subject, c.body, reached)
		}
	}
}

// Slow administrative requests do not hold up others, only so many are worked on, and Close ends them.
func TestControlIsBounded(t *testing.T) {
	started := make(chan struct{}, 2*maxAdminRequests)
	tr, conn := serving(t, &fakeHost{
		deploy: func(ctx context.Context, _ api.DeployRequest) (api.GroupInfo, error) {
			started <- struct{}{}
			<-ctx.Done()
			return api.GroupInfo{}, ctx.Err()
		},
	})
	replies, err := conn.SubscribeSync("replies")
	if err != nil {
		t.Fatal(err)
	}
	for range maxAdminRequests {
		if err := conn.PublishRequest("grout.v1.ctl.deploy", "replies", []byte(`{"group":"g"}`)); err != nil {
			t.Fatal(err)
		}
	}
	for range maxAdminRequests {
		<-started
	}
	if got := errorOf(request(t, conn, "grout.v1.ctl.status", nil, "")); !strings.HasPrefix(got, "429 ") {
		t.Errorf("one more than is possible: %q", got)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	for range maxAdminRequests {
		m, err := replies.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if got := errorOf(m); !strings.HasPrefix(got, "500 context canceled") {
			t.Fatalf("got %q", got)
		}
	}
}
