package nats

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

// talkingHost answers with what it was asked, so that a test sees what arrived.
func talkingHost() *fakeHost {
	var index consensus.Index
	return &fakeHost{inline: true,
		execute: func(r host.CommandRequest, reply func(host.Reply)) {
			index++
			out := host.Reply{Index: index, Term: 2, Leader: "a", Outcome: host.Outcome{Output: fmt.Appendf(nil, "%s %d %d %s", r.Payload, r.Seq, r.Acked, r.Caller)}}
			switch string(r.Payload) {
			case "refuse":
				out.Outcome = host.Outcome{Kind: host.Refused, Code: 4, Message: "no\nmoney"}
			case "trap":
				out.Outcome = host.Outcome{Kind: host.Trapped, Message: "out of fuel"}
			case "fail":
				out = host.Reply{Err: &host.Error{Code: api.CodeNotFound, Text: "no such group"}}
			}
			reply(out)
		},
		query: func(r host.QueryRequest, reply func(host.Reply)) {
			reply(host.Reply{Index: r.AtLeastIndex, Outcome: host.Outcome{Output: fmt.Appendf(nil, "%s %d", r.Payload, r.Consistency)}})
		},
	}
}

// clientOf starts a host and a client of the SDK.
func clientOf(t *testing.T, f *fakeHost) *client.Client {
	t.Helper()
	url := runServer(t, testPayload)
	tr := connect(t, url, "a")
	serve(t, tr, f)
	if err := tr.AddGroup("counter"); err != nil {
		t.Fatal(err)
	}
	c, err := client.Connect(client.Config{URL: url, Caller: "me"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// The client of the SDK and the endpoints of a host understand each other: every outcome and every
// level of consistency arrives as it was meant.
func TestClientRequests(t *testing.T) {
	g := clientOf(t, talkingHost()).Group("counter")
	if r, err := g.Execute(t.Context(), []byte("x")); err != nil || string(r.Output) != "x 1 0 me" || r.Index != 1 || r.Term != 2 || r.Leader != "a" {
		t.Errorf("got %+v, %v", r, err)
	}
	var refused *client.RefusedError
	if _, err := g.Execute(t.Context(), []byte("refuse")); !errors.As(err, &refused) || *refused != (client.RefusedError{Code: 4, Message: "no\nmoney", Index: 2, Term: 2}) {
		t.Errorf("got %v", err)
	}
	var trapped *client.TrappedError
	if _, err := g.Execute(t.Context(), []byte("trap")); !errors.As(err, &trapped) || trapped.Reason != "out of fuel" {
		t.Errorf("got %v", err)
	}
	if _, err := g.Execute(t.Context(), []byte("fail")); !errors.Is(err, &client.Error{Code: api.CodeNotFound}) {
		t.Errorf("got %v", err)
	}
	for _, o := range []client.QueryOptions{{}, {Consistency: client.Stale}, {Consistency: client.AtLeast, AtLeast: 9}} {
		r, err := g.Query(t.Context(), []byte("q"), o)
		if err != nil || string(r.Output) != fmt.Sprintf("q %d", o.Consistency) || r.Index != o.AtLeast {
			t.Errorf("%+v: got %+v, %v", o, r, err)
		}
	}
}

// A pipeline's commands reach a host in the order of Submit.
func TestClientPipeline(t *testing.T) {
	p, err := clientOf(t, talkingHost()).Group("counter").Pipeline(t.Context(), client.PipelineConfig{Window: 10})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer p.Close()
		for range 100 {
			if _, err := p.Submit(t.Context(), []byte("p")); err != nil {
				t.Error(err)
			}
		}
	}()
	results := 0
	for r := range p.Results(t.Context()) {
		if results++; r.Err != nil || r.Result.Index != uint64(results) {
			t.Fatalf("result %d is %+v", results, r)
		}
	}
	if results != 100 {
		t.Errorf("%d results", results)
	}
}

// An upload arrives in pieces and whole, and a host tells its status.
func TestClientAdmin(t *testing.T) {
	module := bytes.Repeat([]byte("m"), 3*testPayload)
	var stored []byte
	f := talkingHost()
	f.upload = func(p host.UploadPiece) (api.UploadReply, error) {
		if p.Offset != int64(len(stored)) || p.Digest != sha256.Sum256(module) {
			return api.UploadReply{}, &host.Error{Code: api.CodeBadRequest, Text: "out of order"}
		}
		stored = append(stored, p.Data...)
		return api.UploadReply{Received: int64(len(stored)), Stored: int64(len(stored)) == p.Size}, nil
	}
	c := clientOf(t, f)
	if _, err := c.Admin().Upload(t.Context(), module, nil); err != nil || !bytes.Equal(stored, module) {
		t.Errorf("%d bytes were stored, %v", len(stored), err)
	}
	if all, err := c.Admin().Status(t.Context()); err != nil || len(all) != 1 || all[0].Host != "a" {
		t.Errorf("got %+v, %v", all, err)
	}
}
