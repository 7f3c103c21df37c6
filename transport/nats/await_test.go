package nats

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// A wait reaches the host as it was sent, and each of its ends has its own form: an outcome with what the
// member knows, or an error.
func TestAwait(t *testing.T) {
	type given struct {
		request host.AwaitRequest
		end     error
	}
	got := make(chan given, 1)
	var end error
	_, conn := serving(t, &fakeHost{await: func(r host.AwaitRequest, reply func(host.MemberStatus, error)) {
		got <- given{r, end}
		reply(host.MemberStatus{Group: "counter", Host: "a", Leader: "b", Role: consensus.Leader, Term: 3, Online: true,
			Log: cursor(3, 9), Commit: cursor(3, 8), Applied: cursor(2, 7), Snapshot: 5}, end)
	}})
	body := `{"until":"applied","index":7,"term":2,"host":"b","timeout_ms":1500}`
	for want, cause := range map[string]error{
		"reached":   nil,
		"timeout":   host.ErrTimeout,
		"lost":      host.ErrLost,
		"forgotten": fmt.Errorf("%w: really", host.ErrForgotten),
		"429 this member has as many waits as it takes: try again, or another host": host.ErrBusy,
		"503 this member has stopped: ask another host":                             fmt.Errorf("%w: broken", host.ErrStopped),
		"404 no": &host.Error{Code: api.CodeNotFound, Text: "no"},
		"500 ?":  errors.New("?"),
	} {
		end = cause
		subject := "grout.v1.counter.await"
		if cause == nil {
			subject += ".a"
		}
		m := request(t, conn, subject, nil, body)
		if r := (<-got).request; r != (host.AwaitRequest{Group: "counter", Until: "applied", Host: "b", Cursor: cursor(2, 7), Timeout: 1500 * time.Millisecond}) {
			t.Errorf("the host got %+v", r)
		}
		if errorOf(m) != "" {
			if errorOf(m) != want {
				t.Errorf("got %s, expected %s", errorOf(m), want)
			}
			continue
		}
		var reply api.AwaitReply
		if err := json.Unmarshal(m.Data, &reply); err != nil {
			t.Fatal(err)
		}
		if reply != (api.AwaitReply{Outcome: api.AwaitOutcome(want), Member: api.MemberState{Group: "counter", Host: "a", Role: "leader", Leader: "b",
			Term: 3, Online: true, Log: api.Position{Index: 9, Term: 3}, Commit: api.Position{Index: 8, Term: 3},
			Applied: api.Position{Index: 7, Term: 2}, Snapshot: 5}}) {
			t.Errorf("%s: %s", want, m.Data)
		}
	}
	for data, want := range map[string]string{
		`{"until":"applied","index":-1}`:           "400 the body is not the JSON expected here: json: cannot unmarshal number -1 into Go struct field AwaitRequest.index of type uint64",
		`{"until":"leader","timeout_ms":-1}`:       "400 timeout_ms is -1, it has to be 0 to a day",
		`{"until":"leader","timeout_ms":86400001}`: "400 timeout_ms is 86400001, it has to be 0 to a day",
	} {
		if got := errorOf(request(t, conn, "grout.v1.counter.await", nil, data)); got != want {
			t.Errorf("%s: %s", data, got)
		}
	}
}

// FuzzAwait shows that no body makes the decoder panic, and that what is wrong with one is the client's.
func FuzzAwait(f *testing.F) {
	f.Add([]byte(`{"until":"applied","index":7,"term":2,"host":"b","timeout_ms":1500}`))
	f.Add([]byte(`{"until":"leader","timeout_ms":-1}`))
	f.Add([]byte(`{"unti`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		request, err := parseAwait("g", data)
		if err != nil && hostError(err).Code != api.CodeBadRequest {
			t.Fatal(err)
		}
		if err == nil && (request.Group != "g" || request.Timeout <= 0 || request.Timeout > 24*time.Hour) {
			t.Fatalf("%+v", request)
		}
	})
}
