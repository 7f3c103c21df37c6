package nats

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// serving starts a host with the group counter and returns a plain connection to its server.
func serving(t testing.TB, f *fakeHost) (*Transport, *natsgo.Conn) {
	t.Helper()
	url := runServer(t, testPayload)
	tr := connect(t, url, "a")
	serve(t, tr, f)
	if err := tr.AddGroup("counter"); err != nil {
		t.Fatal(err)
	}
	return tr, dialPlain(t, url)
}

func request(t testing.TB, conn *natsgo.Conn, subject string, header natsgo.Header, data string) *natsgo.Msg {
	t.Helper()
	reply, err := conn.RequestMsg(&natsgo.Msg{Subject: subject, Header: header, Data: []byte(data)}, patience)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	return reply
}

// errorOf formats a reply's error as "code text", "" when it has none.
func errorOf(m *natsgo.Msg) string {
	if m.Header.Get(micro.ErrorCodeHeader) == "" {
		return ""
	}
	return m.Header.Get(micro.ErrorCodeHeader) + " " + m.Header.Get(micro.ErrorHeader)
}

// Each end of a command has its own form on the wire, with the position where it ended.
func TestReplyMapping(t *testing.T) {
	position := host.Reply{Index: 5, Term: 2, Leader: "b"}
	with := func(change func(*host.Reply)) host.Reply {
		r := position
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		reply       host.Reply
		err, body   string
		index, code string
		duplicate   string
	}{
		"applied": {reply: with(func(r *host.Reply) { r.Outcome.Output = []byte("15") }), body: "15", index: "5"},
		"empty":   {reply: position, index: "5"},
		"duplicate": {reply: with(func(r *host.Reply) { r.Outcome.Output = []byte("15"); r.Duplicate = true }),
			body: "15", index: "5", duplicate: "true"},
		"refused": {reply: with(func(r *host.Reply) {
			r.Outcome = host.Outcome{Kind: host.Refused, Code: -7, Message: "not\r\nenough\x00 money"}
		}), err: "409 not  enough  money", body: "not\r\nenough\x00 money", index: "5", code: "-7"},
		"refused without a word": {reply: with(func(r *host.Reply) { r.Outcome = host.Outcome{Kind: host.Refused, Code: 3} }),
			err: "409 refused with code 3", index: "5", code: "3"},
		"trapped": {reply: with(func(r *host.Reply) { r.Outcome = host.Outcome{Kind: host.Trapped, Message: "out of fuel"} }),
			err: "422 out of fuel", body: "out of fuel", index: "5"},
		"too large": {reply: with(func(r *host.Reply) { r.Outcome.Output = make([]byte, testPayload) }), index: "5",
			err: fmt.Sprintf("413 the result of %d bytes is over the server's max_payload of %d; it was made at index 5, and asking again will not help", testPayload, testPayload)},
		"busy":    {reply: host.Reply{Err: &host.Error{Code: api.CodeBusy, Text: "full"}, Leader: "b"}, err: "429 full"},
		"no code": {reply: host.Reply{Err: &host.Error{}, Leader: "b"}, err: "500 no description"},
		"long": {reply: host.Reply{Err: &host.Error{Code: api.CodeInternal, Text: strings.Repeat("ä", 300)}, Leader: "b"},
			err: "500 " + strings.Repeat("ä", 254) + "..."},
	} {
		t.Run(name, func(t *testing.T) {
			_, conn := serving(t, &fakeHost{execute: func(_ host.CommandRequest, reply func(host.Reply)) { reply(c.reply) }})
			m := request(t, conn, "grout.v1.counter.cmd", nil, "5")
			got := []string{errorOf(m), string(m.Data), m.Header.Get("Grout-Index"), m.Header.Get("Grout-Machine-Code"),
				m.Header.Get("Grout-Duplicate"), m.Header.Get("Grout-Leader")}
			want := []string{c.err, c.body, c.index, c.code, c.duplicate, "b"}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if c.index != "" && m.Header.Get("Grout-Term") != "2" {
				t.Errorf("term %q", m.Header.Get("Grout-Term"))
			}
		})
	}
}

// Every code that a host can give arrives as it is.
func TestCodesPass(t *testing.T) {
	_, conn := serving(t, &fakeHost{execute: func(r host.CommandRequest, reply func(host.Reply)) {
		reply(host.Reply{Err: &host.Error{Code: api.Code(r.Payload), Text: "because"}})
	}})
	for _, code := range []api.Code{api.CodeBadRequest, api.CodeNotFound, api.CodeExists, api.CodeTooLarge, api.CodeBadModule,
		api.CodeSession, api.CodeBusy, api.CodeNoLeader, api.CodeUnknown, api.CodeInternal} {
		if got := errorOf(request(t, conn, "grout.v1.counter.cmd", nil, string(code))); got != string(code)+" because" {
			t.Errorf("%s arrives as %q", code, got)
		}
	}
}

// Headers of commands reach the host, or the client is told which of them is wrong and why.
func TestCommandHeaders(t *testing.T) {
	got := make(chan host.CommandRequest, 1)
	_, conn := serving(t, &fakeHost{execute: func(r host.CommandRequest, reply func(host.Reply)) {
		got <- r
		reply(host.Reply{})
	}})
	for _, c := range []struct {
		header natsgo.Header
		want   host.CommandRequest
	}{
		{nil, host.CommandRequest{}},
		{natsgo.Header{"Grout-Session": {"s"}, "Grout-Seq": {"3"}, "Grout-Acked": {"2"}, "Grout-Caller": {"me too"}},
			host.CommandRequest{Session: "s", Seq: 3, Acked: 2, Caller: "me too"}},
		{natsgo.Header{"Nats-Msg-Id": {"x"}, "Grout-Mode": {"execute"}, "Other": {"y"}}, host.CommandRequest{MsgID: "x"}},
		{natsgo.Header{"Grout-Mode": {"feed"}, "Grout-Session": {"s"}, "Grout-Seq": {"3"}, "Grout-Ordered": {"true"}},
			host.CommandRequest{Mode: host.ModeFeed, Session: "s", Seq: 3, Ordered: true}},
	} {
		if m := request(t, conn, "grout.v1.counter.cmd", c.header, "5"); errorOf(m) != "" {
			t.Errorf("%v: %s", c.header, errorOf(m))
			continue
		}
		c.want.Group, c.want.Payload = "counter", []byte("5")
		if r := <-got; fmt.Sprintf("%+v", r) != fmt.Sprintf("%+v", c.want) {
			t.Errorf("%v: got %+v", c.header, r)
		}
	}
	for want, header := range map[string]natsgo.Header{
		"400 header Grout-Seq: is missing beside Grout-Session":                                    {"Grout-Session": {"s"}},
		"400 header Grout-Session: is missing beside Grout-Seq":                                    {"Grout-Seq": {"1"}},
		"400 header Grout-Seq: sequences start at 1":                                               {"Grout-Session": {"s"}, "Grout-Seq": {"0"}},
		`400 header Grout-Seq: "x" is not a decimal number below 2^64`:                             {"Grout-Session": {"s"}, "Grout-Seq": {"x"}},
		`400 header Grout-Seq: "-1" is not a decimal number below 2^64`:                            {"Grout-Session": {"s"}, "Grout-Seq": {"-1"}},
		"400 header Grout-Acked: 3 has to be below the sequence 3":                                 {"Grout-Session": {"s"}, "Grout-Seq": {"3"}, "Grout-Acked": {"3"}},
		"400 header Nats-Msg-Id: excludes Grout-Session: use one or the other":                     {"Grout-Session": {"s"}, "Grout-Seq": {"3"}, "Nats-Msg-Id": {"m"}},
		`400 header Grout-Mode: "lead" is none of "execute" and "feed"`:                            {"Grout-Mode": {"lead"}},
		`400 header Grout-Ordered: "yes" is not "true", the only value that it can have`:           {"Grout-Ordered": {"yes"}},
		"400 header Grout-Batch: bad batch: 0 records, 1 to 1024 are possible":                     {"Grout-Batch": {"0"}},
		"400 header Grout-Batch: bad batch: the length of record 1 of 1 is missing at byte 0 of 1": {"Grout-Batch": {"1"}},
		"400 header Grout-Caller: has 257 bytes, 1 to 256 are allowed":                             {"Grout-Caller": {strings.Repeat("x", 257)}},
		"400 header Grout-Caller: byte 1 is not printable ASCII":                                   {"Grout-Caller": {"jörg"}},
		"400 header Grout-Session: given 2 times, at most once is allowed":                         {"Grout-Session": {"s", "t"}, "Grout-Seq": {"1"}},
		"400 header Grout-Session: has 0 bytes, 1 to 256 are allowed":                              {"Grout-Session": {""}, "Grout-Seq": {"1"}},
		`400 header Grout-Seq: "18446744073709551616" is not a decimal number below 2^64`:          {"Grout-Session": {"s"}, "Grout-Seq": {"18446744073709551616"}},
	} {
		if got := errorOf(request(t, conn, "grout.v1.counter.cmd", header, "5")); got != want {
			t.Errorf("%v:\ngot  %s\nwant %s", header, got, want)
		}
	}
	if len(got) != 0 {
		t.Errorf("a bad request reached the host: %+v", <-got)
	}
}

// The header of consistency reaches the host in all its forms.
func TestQueryHeaders(t *testing.T) {
	got := make(chan host.QueryRequest, 1)
	_, conn := serving(t, &fakeHost{query: func(r host.QueryRequest, reply func(host.Reply)) {
		got <- r
		reply(host.Reply{Index: 9})
	}})
	for value, want := range map[string]host.QueryRequest{
		"linearizable": {}, "stale": {Consistency: host.Stale},
		"at-least=0": {Consistency: host.AtLeast}, "at-least=77": {Consistency: host.AtLeast, AtLeastIndex: 77},
	} {
		m := request(t, conn, "grout.v1.counter.query", natsgo.Header{"Grout-Consistency": {value}}, "q")
		want.Group, want.Payload = "counter", []byte("q")
		if r := <-got; fmt.Sprintf("%+v", r) != fmt.Sprintf("%+v", want) || m.Header.Get("Grout-Index") != "9" {
			t.Errorf("%s: got %+v, answered %v", value, r, m.Header)
		}
	}
	for _, value := range []string{"at-least=", "at-least=x", "at-least=-1", "strong", "Stale"} {
		m := request(t, conn, "grout.v1.counter.query", natsgo.Header{"Grout-Consistency": {value}}, "q")
		if !strings.HasPrefix(errorOf(m), "400 header Grout-Consistency: ") {
			t.Errorf("%s: %s", value, errorOf(m))
		}
	}
}

// A command without a reply subject is carried out, and nothing is sent for it.
func TestFireAndForget(t *testing.T) {
	got := make(chan host.CommandRequest, 1)
	answered := make(chan struct{})
	tr, conn := serving(t, &fakeHost{execute: func(r host.CommandRequest, reply func(host.Reply)) {
		got <- r
		reply(host.Reply{})
		close(answered)
	}})
	if err := conn.Publish("grout.v1.counter.cmd", []byte("5")); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-got:
		if string(r.Payload) != "5" || r.Mode != host.ModeForget {
			t.Errorf("got %+v", r)
		}
	case <-time.After(patience):
		t.Fatal("the command did not arrive")
	}
	<-answered
	if s := tr.Stats(); s.Requests != 1 || s.RepliesDropped != 0 {
		t.Errorf("%+v", s)
	}
}

// The shared subjects reach one host, a host's own subject reaches that host, and a group that is
// removed is gone at once.
func TestEndpointsOfTwoHosts(t *testing.T) {
	url := runServer(t, testPayload)
	conn := dialPlain(t, url)
	var hosts []*Transport
	for _, name := range []string{"a", "b"} {
		tr := connect(t, url, name)
		answer := func(reply func(host.Reply)) { reply(host.Reply{Outcome: host.Outcome{Output: []byte(name)}}) }
		serve(t, tr, &fakeHost{execute: func(_ host.CommandRequest, reply func(host.Reply)) { answer(reply) },
			query: func(_ host.QueryRequest, reply func(host.Reply)) { answer(reply) }})
		if err := tr.AddGroup("counter"); err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, tr)
	}
	for subject, want := range map[string]string{"cmd.a": "a", "cmd.b": "b", "query.a": "a", "query.b": "b"} {
		if got := string(request(t, conn, "grout.v1.counter."+subject, nil, "").Data); got != want {
			t.Errorf("%s was answered by %s", subject, got)
		}
	}
	answers, err := conn.SubscribeSync("answers")
	if err != nil {
		t.Fatal(err)
	}
	const requests = 100
	for range requests {
		if err := conn.PublishRequest("grout.v1.counter.cmd", "answers", nil); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	for range requests {
		m, err := answers.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(m.Data)]++
	}
	if seen["a"]+seen["b"] != requests || hosts[0].Stats().Requests+hosts[1].Stats().Requests != requests+4 {
		t.Errorf("answers: %v", seen)
	}
	for _, tr := range hosts {
		if err := errors.Join(tr.RemoveGroup("counter"), tr.RemoveGroup("counter"), tr.clients.FlushTimeout(patience)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Request("grout.v1.counter.cmd", nil, patience); !errors.Is(err, natsgo.ErrNoResponders) {
		t.Errorf("after RemoveGroup: %v", err)
	}
}

// A host that withdraws leaves what any host may answer to the others, and still answers for itself.
func TestWithdraw(t *testing.T) {
	tr, conn := serving(t, &fakeHost{})
	for range 2 {
		if err := errors.Join(tr.Withdraw(), tr.clients.FlushTimeout(patience)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Request("grout.v1.ctl.ls", nil, patience); !errors.Is(err, natsgo.ErrNoResponders) {
		t.Errorf("the list: %v", err)
	}
	request(t, conn, "grout.v1.ctl.status", nil, "")
	request(t, conn, "grout.v1.ctl.status.a", nil, "")
}

// The services are visible to the stock tools: PING, INFO and STATS, with what became of the requests.
func TestMicroServices(t *testing.T) {
	replies := make(chan host.Reply, 3)
	_, conn := serving(t, &fakeHost{execute: func(_ host.CommandRequest, reply func(host.Reply)) { reply(<-replies) }})
	var ping micro.Ping
	if err := json.Unmarshal(request(t, conn, "$SRV.PING.grout-counter", nil, "").Data, &ping); err != nil || ping.Name != "grout-counter" || ping.Metadata["host"] != "a" {
		t.Errorf("ping: %+v, %v", ping, err)
	}
	replies <- host.Reply{}
	replies <- host.Reply{Outcome: host.Outcome{Kind: host.Refused, Message: "no"}, Duplicate: true}
	replies <- host.Reply{Err: &host.Error{Code: api.CodeBusy, Text: "full"}}
	for range 3 {
		request(t, conn, "grout.v1.counter.cmd", nil, "")
	}
	var info micro.Info
	if err := json.Unmarshal(request(t, conn, "$SRV.INFO.grout-counter", nil, "").Data, &info); err != nil {
		t.Fatal(err)
	}
	subjects := ""
	for _, e := range info.Endpoints {
		subjects += e.Name + "=" + e.Subject + "(" + e.QueueGroup + ") "
	}
	if want := "cmd=grout.v1.counter.cmd(q) query=grout.v1.counter.query(q) cmd-a=grout.v1.counter.cmd.a() query-a=grout.v1.counter.query.a() await=grout.v1.counter.await(q) await-a=grout.v1.counter.await.a() "; subjects != want {
		t.Errorf("info: %s", subjects)
	}
	var stats micro.Stats
	if err := json.Unmarshal(request(t, conn, "$SRV.STATS.grout-counter", nil, "").Data, &stats); err != nil {
		t.Fatal(err)
	}
	if got := string(stats.Endpoints[0].Data); stats.Endpoints[0].NumRequests != 3 || got != `{"applied":1,"duplicates":1,"failed":1,"fed":0,"forgotten":0,"refused":1,"trapped":0}` {
		t.Errorf("stats: %d requests, %s", stats.Endpoints[0].NumRequests, got)
	}
	if got := string(stats.Endpoints[1].Data); got != `{"applied":0,"duplicates":0,"failed":0,"fed":0,"forgotten":0,"refused":0,"trapped":0}` {
		t.Errorf("stats of the queries: %s", got)
	}
	if err := json.Unmarshal(request(t, conn, "$SRV.INFO.grout-ctl", nil, "").Data, &info); err != nil || len(info.Endpoints) != 28 {
		t.Errorf("info of grout-ctl: %d endpoints, %v", len(info.Endpoints), err)
	}
}

// A group is served once, under a name that clients can use.
func TestAddGroupErrors(t *testing.T) {
	tr, _ := serving(t, &fakeHost{})
	for name, want := range map[string]error{"counter": ErrTaken, "ctl": ErrBadName, "catalog": ErrBadName, "a.b": ErrBadName, "": ErrBadName} {
		if err := tr.AddGroup(name); !errors.Is(err, want) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if err := tr.Serve(Services{}); !errors.Is(err, ErrBadConfig) {
		t.Errorf("nothing to serve: %v", err)
	}
	f := &fakeHost{}
	if err := tr.Serve(Services{Requests: f, Admin: f, Membership: f, Blobs: f, Upgrades: f, Bindings: f}); !errors.Is(err, ErrTaken) {
		t.Errorf("served twice: %v", err)
	}
}

// Replies that find the queue full are dropped and counted, and their bytes come back.
func TestReplyQueueIsBounded(t *testing.T) {
	conn := dialPlain(t, runServer(t, testPayload))
	q := &replyQueue{conn: conn, log: nil, limit: 10 * replyBaseBytes, wake: make(chan struct{}, 1)}
	for range 15 {
		q.push(queuedReply{to: "x"})
	}
	q.push(queuedReply{to: ""})
	if len(q.queue) != 10 || q.dropped.Load() != 5 {
		t.Errorf("%d are queued, %d dropped", len(q.queue), q.dropped.Load())
	}
	q.drain(nil)
	if q.bytes != 0 {
		t.Errorf("%d bytes are still counted", q.bytes)
	}
}

// Events carry their index, and an ID that is the same when another host publishes them again.
func TestPublishEvents(t *testing.T) {
	url := runServer(t, testPayload)
	conn := dialPlain(t, url)
	events, err := conn.SubscribeSync("grout.v1.counter.evt.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	var runs [2][]string
	for i, name := range []string{"a", "b"} {
		tr := connect(t, url, name)
		receive(t, tr, counter)
		emitted := []host.Emitted{
			{Index: 5, Suffix: "sum.odd", Payload: []byte("x")}, {Index: 5, Suffix: "sum.odd", Payload: []byte("x")},
			// Neither of these can ever be published: they hold up nothing.
			{Index: 6, Suffix: "a.*"}, {Index: 6, Suffix: "a", Payload: make([]byte, testPayload+1)},
			{Index: 7, Suffix: "sum.odd", Payload: []byte("x")},
		}
		if err := tr.Publish(counter, emitted); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			m, err := events.NextMsg(patience)
			if err != nil {
				t.Fatal(err)
			}
			runs[i] = append(runs[i], m.Subject+" "+m.Header.Get("Grout-Index")+" "+m.Header.Get("Nats-Msg-Id")+" "+string(m.Data))
		}
	}
	want := []string{"grout.v1.counter.evt.sum.odd 5 counter-7-5-0 x", "grout.v1.counter.evt.sum.odd 5 counter-7-5-1 x", "grout.v1.counter.evt.sum.odd 7 counter-7-7-0 x"}
	if fmt.Sprint(runs[0]) != fmt.Sprint(want) || fmt.Sprint(runs[1]) != fmt.Sprint(want) {
		t.Errorf("got %q", runs)
	}
	tr := connect(t, url, "c")
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tr.Publish(counter, []host.Emitted{{Index: 8, Suffix: "a"}}); err == nil {
		t.Error("a closed connection publishes")
	}
}

// A hello reaches every host that listens, and none after its stop.
func TestHello(t *testing.T) {
	url := runServer(t, testPayload)
	a, b := connect(t, url, "a"), connect(t, url, "b")
	var heard lockedLog[string]
	var stops []func()
	for _, tr := range []*Transport{a, b} {
		stop, err := tr.SubscribeHello(func(data []byte) { heard.add(tr.config.Host + " " + string(data)) })
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
	}
	if err := a.PublishHello([]byte("hi")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both hear it", func() bool { return len(heard.all()) == 2 })
	stops[1]()
	if err := errors.Join(b.clients.FlushTimeout(patience), b.PublishHello([]byte("again"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other still hears", func() bool { return len(heard.all()) == 3 })
	if last := heard.all()[2]; last != "a again" {
		t.Errorf("got %q", last)
	}
}

// FuzzHeaders shows that no header makes a request that breaks the rules of sessions and queries.
func FuzzHeaders(f *testing.F) {
	f.Add("s", "1", "0", "", "me", "stale")
	f.Add("", "", "", "id", "", "at-least=18446744073709551615")
	f.Add("s\n", "00", "-", "\x00", "é", "at-least=")
	f.Fuzz(func(t *testing.T, session, seq, acked, id, caller, consistency string) {
		h := natsgo.Header{}
		for name, value := range map[string]string{api.HeaderSession: session, api.HeaderSeq: seq, api.HeaderAcked: acked,
			api.HeaderMsgID: id, api.HeaderCaller: caller, api.HeaderConsistency: consistency} {
			if value != "" {
				h[name] = []string{value}
			}
		}
		r, err := parseCommand("g", h, nil, true)
		if err == nil && ((r.Session == "") != (r.Seq == 0) || r.Session != "" && (r.MsgID != "" || r.Acked >= r.Seq)) {
			t.Fatalf("%+v was made of %q", r, h)
		}
		if err == nil && (r.Session != session || r.MsgID != id || r.Caller != caller) {
			t.Fatalf("%+v was made of %q", r, h)
		}
		if err != nil && (err.Code != api.CodeBadRequest || headerText(err.Text) == "") {
			t.Fatalf("%+v", err)
		}
		q, err := parseQuery("g", h, nil)
		if err == nil && q.Consistency == host.AtLeast && consistency == "" {
			t.Fatalf("%+v was made of %q", q, h)
		}
		if _, err := parseUpload(natsgo.Header{api.HeaderDigest: {session}, api.HeaderOffset: {seq}, api.HeaderSize: {acked}}, nil); err == nil {
			if n, _ := strconv.ParseUint(seq, 10, 63); len(session) != 64 || n > 1<<62 && acked == "" {
				t.Fatalf("an upload was made of %q %q %q", session, seq, acked)
			}
		}
	})
}

// FuzzHeaderText shows that any text becomes one bounded line.
func FuzzHeaderText(f *testing.F) {
	f.Add("line\r\nGrout-Index: 5")
	f.Add(strings.Repeat("ä", 400))
	f.Add("\xff\x00 ")
	f.Fuzz(func(t *testing.T, text string) {
		got := headerText(text)
		if got == "" || len(got) > maxDescriptionBytes || strings.ContainsAny(got, "\r\n\x00") || strings.TrimSpace(got) != got {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
