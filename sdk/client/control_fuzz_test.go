package client

import (
	"errors"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// FuzzControlReply shows that no answer to an administrative request makes the client panic, and that each is
// a reply, a host's error or ErrBadReply.
func FuzzControlReply(f *testing.F) {
	f.Add([]byte(`{"host":"a","groups":[{"group":"g","applied":3}]}`), "", "")
	f.Add([]byte(`{"groups":[{"group":"g","members":[{"host":"a"}],"created":"2026-01-02T03:04:05Z"}]}`), "", "")
	f.Add([]byte(`{"received":5,"stored":true}`), "", "")
	f.Add([]byte(nil), "429", "")
	f.Add([]byte(nil), "", "503")
	f.Fuzz(func(t *testing.T, data []byte, code, status string) {
		msg := &natsgo.Msg{Data: data, Header: natsgo.Header{errorCodeHeader: {code}, statusHeader: {status}}}
		for _, reply := range []any{&api.HostStatus{}, &api.ListReply{}, &api.GroupInfo{}, &api.UploadReply{}, &api.Empty{}} {
			err := decodeReply(msg, reply)
			var e *Error
			switch {
			case err == nil && code != "":
				t.Fatalf("code %q is taken for a reply", code)
			case err != nil && !errors.Is(err, ErrBadReply) && !errors.Is(err, ErrNoHosts) && (!errors.As(err, &e) || e.Code != api.Code(code)):
				t.Fatal(err)
			}
		}
	})
}
