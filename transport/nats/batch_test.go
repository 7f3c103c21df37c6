package nats

import (
	"bytes"
	"fmt"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// A batch reaches the host as its commands, and each of its answers comes back in its place with its own
// end and position.
func TestBatchMapping(t *testing.T) {
	got := make(chan host.CommandRequest, 1)
	answers := []host.Reply{
		{Outcome: host.Outcome{Output: []byte("15")}, Index: 5, Term: 2},
		{Outcome: host.Outcome{Kind: host.Refused, Code: -7, Message: "no"}, Index: 6, Term: 2, Duplicate: true},
		{Outcome: host.Outcome{Kind: host.Trapped, Message: "out of fuel"}, Index: 7, Term: 2},
		{Err: &host.Error{Code: api.CodeNoLeader, Text: "lost"}},
	}
	_, conn := serving(t, &fakeHost{execute: func(r host.CommandRequest, reply func(host.Reply)) {
		got <- r
		reply(host.Reply{Batch: answers, Leader: "b"})
	}})
	var body []byte
	for _, command := range []string{"5", "", "a\x00b", "6"} {
		body = api.AppendCommand(body, []byte(command))
	}
	m := request(t, conn, "grout.v1.counter.cmd", natsgo.Header{"Grout-Batch": {"4"}, "Grout-Session": {"s"}, "Grout-Seq": {"9"}}, string(body))
	if r := <-got; fmt.Sprintf("%q", r.Batch) != `["5" "" "a\x00b" "6"]` || r.Payload != nil || r.Seq != 9 {
		t.Errorf("the host got %+v", r)
	}
	if errorOf(m) != "" || m.Header.Get("Grout-Batch") != "4" || m.Header.Get("Grout-Index") != "" || m.Header.Get("Grout-Leader") != "b" {
		t.Errorf("the reply has %v", m.Header)
	}
	results, err := api.ParseResults(m.Data, 4)
	want := "[{0 false  0 5 2 15} {1 true  -7 6 2 no} {2 false  0 7 2 out of fuel} {3 false 503 0 0 0 lost}]"
	if err != nil || readable(results) != want {
		t.Errorf("got  %s, %v\nwant %s", readable(results), err, want)
	}
}

func readable(results []api.BatchResult) string {
	var out []string
	for _, r := range results {
		out = append(out, fmt.Sprintf("{%d %v %s %d %d %d %s}", r.Status, r.Duplicate, r.Code, r.MachineCode, r.Index, r.Term, r.Body))
	}
	return fmt.Sprint(out)
}

// A reply to a batch is never over the server's limit: what does not fit says so in its own place, with the
// position at which it was applied.
func TestLargeBatchResults(t *testing.T) {
	answers := make([]host.Reply, 300)
	for i := range answers {
		answers[i] = host.Reply{Index: 1, Term: 1, Outcome: host.Outcome{Output: bytes.Repeat([]byte{byte(i)}, 10*i)}}
	}
	_, conn := serving(t, &fakeHost{execute: func(_ host.CommandRequest, reply func(host.Reply)) {
		reply(host.Reply{Batch: answers, Leader: "b"})
	}})
	m := request(t, conn, "grout.v1.counter.cmd", nil, "")
	results, err := api.ParseResults(m.Data, uint64(len(answers)))
	if err != nil {
		t.Fatalf("%v (%s)", err, errorOf(m))
	}
	whole, large := 0, 0
	for i, r := range results {
		switch {
		case r.Status == api.BatchApplied && bytes.Equal(r.Body, answers[i].Outcome.Output) && r.Index == 1:
			whole += len(r.Body)
		case r.Status == api.BatchFailed && r.Code == api.CodeTooLarge && r.Index == 1:
			large++
		default:
			t.Fatalf("result %d is %+v", i, r)
		}
	}
	if large == 0 || whole < testPayload/2 || results[0].Status != api.BatchApplied {
		t.Errorf("%d results did not fit, %d bytes did", large, whole)
	}
}

// A command that was fed is answered with its position alone, several of them with their number.
func TestFedMapping(t *testing.T) {
	replies := make(chan host.Reply, 1)
	_, conn := serving(t, &fakeHost{execute: func(_ host.CommandRequest, reply func(host.Reply)) { reply(<-replies) }})
	for last, batch := range map[consensus.Index]string{5: "", 7: "3"} {
		replies <- host.Reply{Index: 5, Last: last, Term: 2, Leader: "b"}
		m := request(t, conn, "grout.v1.counter.cmd", natsgo.Header{"Grout-Mode": {"feed"}}, "5")
		h := m.Header
		if errorOf(m) != "" || len(m.Data) != 0 || h.Get("Grout-Mode") != "feed" || h.Get("Grout-Index") != "5" || h.Get("Grout-Term") != "2" ||
			h.Get("Grout-Batch") != batch || h.Get("Grout-Leader") != "b" {
			t.Errorf("up to %d: %v %q", last, h, m.Data)
		}
	}
}
