package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// control serves a control subject with f, which returns a value for JSON or an error.
func control(tb testing.TB, conn *natsgo.Conn, verb, host string, f func(m *natsgo.Msg) (any, api.Code)) {
	tb.Helper()
	_, err := conn.Subscribe(api.Control(verb, host), func(m *natsgo.Msg) {
		value, code := f(m)
		reply := failure(code)
		if code == "" {
			data, err := json.Marshal(value)
			if err != nil {
				tb.Error(err)
			}
			reply = &natsgo.Msg{Data: data}
		}
		reply.Subject = m.Reply
		if err := conn.PublishMsg(reply); err != nil {
			tb.Error(err)
		}
	})
	if err := errors.Join(err, conn.FlushTimeout(patience)); err != nil {
		tb.Fatal(err)
	}
}

// A module goes to one host in pieces, continues where the host says, and is named by its digest.
func TestUpload(t *testing.T) {
	url := runServer(t)
	conn := plain(t, url)
	module := bytes.Repeat([]byte("module"), 30000)
	var got []byte
	control(t, conn, api.VerbStatus, "", func(*natsgo.Msg) (any, api.Code) { return api.HostStatus{Host: "b"}, "" })
	pieces := 0
	control(t, conn, api.VerbUpload, "b", func(m *natsgo.Msg) (any, api.Code) {
		if pieces++; pieces == 2 {
			return nil, api.CodeBusy
		}
		offset, err := strconv.Atoi(m.Header.Get(api.HeaderOffset))
		if err != nil || offset != len(got) || m.Header.Get(api.HeaderSize) != strconv.Itoa(len(module)) {
			t.Errorf("piece at %q of %q, %d bytes are here", m.Header.Get(api.HeaderOffset), m.Header.Get(api.HeaderSize), len(got))
			return nil, api.CodeBadRequest
		}
		keep := m.Data
		if pieces == 1 {
			// As if the host had lost the end of the piece.
			keep = keep[:100]
		}
		got = append(got, keep...)
		return api.UploadReply{Received: int64(len(got)), Stored: len(got) == len(module)}, ""
	})
	var progress []int64
	digest, err := dialTest(t, url).Admin().Upload(t.Context(), module, func(stored, size int64) {
		progress = append(progress, stored)
		if size != int64(len(module)) {
			t.Errorf("the size is %d", size)
		}
	})
	if err != nil || len(digest) != 64 || !bytes.Equal(got, module) {
		t.Fatalf("%q, %v, %d bytes", digest, err, len(got))
	}
	if len(progress) != pieces-1 || progress[0] != 100 || progress[len(progress)-1] != int64(len(module)) {
		t.Errorf("progress %v in %d pieces", progress, pieces)
	}
}

// A host that makes no progress does not keep an upload running for ever.
func TestUploadWithoutProgress(t *testing.T) {
	url := runServer(t)
	conn := plain(t, url)
	control(t, conn, api.VerbStatus, "", func(*natsgo.Msg) (any, api.Code) { return api.HostStatus{Host: "b"}, "" })
	control(t, conn, api.VerbUpload, "b", func(*natsgo.Msg) (any, api.Code) { return api.UploadReply{}, "" })
	if _, err := dialTest(t, url).Admin().Upload(t.Context(), []byte("module"), nil); !errors.Is(err, ErrBadReply) {
		t.Errorf("got %v", err)
	}
}

// Every verb sends its request and returns its reply; only what had no effect is tried again.
func TestAdminVerbs(t *testing.T) {
	url := runServer(t)
	conn := plain(t, url)
	var asked []string
	busy := true
	for verb, reply := range map[string]any{api.VerbDeploy: api.GroupInfo{Group: "g", Leader: "a"}, api.VerbInfo: api.GroupInfo{Group: "g"},
		api.VerbList: api.ListReply{Groups: []api.GroupInfo{{Group: "g"}}}, api.VerbRemove: api.Empty{}, api.VerbTransfer: api.Empty{}, api.VerbSnapshot: api.Empty{}, api.VerbUpgrade: api.UpgradeReply{Index: 7}} {
		control(t, conn, verb, "", func(m *natsgo.Msg) (any, api.Code) {
			if busy = !busy; !busy {
				return nil, api.CodeNoLeader
			}
			asked = append(asked, verb+" "+string(m.Data))
			return reply, ""
		})
	}
	a := dialTest(t, url).Admin()
	deployed, err := a.Deploy(t.Context(), api.DeployRequest{Group: "g", Module: "ab"})
	upgraded, err4 := a.Upgrade(t.Context(), api.UpgradeRequest{Group: "g", Module: "cd"})
	info, err2 := a.Info(t.Context(), "g")
	list, err3 := a.List(t.Context())
	err = errors.Join(err, err2, err3, err4, a.Remove(t.Context(), "g"), a.Transfer(t.Context(), "g", "b"), a.Snapshot(t.Context(), "g"))
	if err != nil || deployed.Group != "g" || info.Group != "g" || len(list) != 1 || upgraded.Index != 7 {
		t.Errorf("%v, %v, %v, %v", deployed, info, list, err)
	}
	want := []string{`deploy {"group":"g","module":"ab","limits":{}}`, `upgrade {"group":"g","module":"cd","limits":{}}`, `info {"group":"g"}`, `ls {}`, `rm {"group":"g"}`, `transfer {"group":"g","host":"b"}`, `snapshot {"group":"g"}`}
	if fmt.Sprintf("%q", asked) != fmt.Sprintf("%q", want) {
		t.Errorf("asked %q", asked)
	}
}

// An administrative request that fails is not repeated, and one without hosts ends with its context.
func TestAdminErrors(t *testing.T) {
	url := runServer(t)
	conn := plain(t, url)
	tries := 0
	control(t, conn, api.VerbDeploy, "", func(*natsgo.Msg) (any, api.Code) {
		tries++
		return nil, api.CodeExists
	})
	a := dialTest(t, url).Admin()
	if _, err := a.Deploy(t.Context(), api.DeployRequest{}); !errors.Is(err, &Error{Code: api.CodeExists}) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	// The end may also come in the middle of an attempt.
	if _, err := a.List(ctx); !errors.Is(err, ErrNoHosts) && !errors.Is(err, ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := a.Status(t.Context()); !errors.Is(err, ErrNoHosts) {
		t.Errorf("got %v", err)
	}
}

// Status collects the answers of all hosts, in the order of their names.
func TestStatus(t *testing.T) {
	url := runServer(t)
	conn := plain(t, url)
	for _, name := range []string{"c", "a", "b"} {
		control(t, conn, api.VerbStatus, "", func(*natsgo.Msg) (any, api.Code) { return api.HostStatus{Host: name}, "" })
	}
	got, err := dialTest(t, url).Admin().Status(t.Context())
	if err != nil || len(got) != 3 || got[0].Host != "a" || got[1].Host != "b" || got[2].Host != "c" {
		t.Errorf("%+v, %v", got, err)
	}
	newest, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dialTest(t, url).Admin().Status(newest); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
