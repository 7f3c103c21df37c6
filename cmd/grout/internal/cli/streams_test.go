package cli

import (
	"context"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/groutlabs/grout/sdk/api"
)

// streamsAt makes streams at a server.
func streamsAt(t *testing.T, url string, configs ...jetstream.StreamConfig) jetstream.JetStream {
	t.Helper()
	conn, err := natsgo.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range configs {
		if _, err := js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	return js
}

// TestSourceVerb shows a source from its making to its end: what it counts, how it is shown, and each error.
func TestSourceVerb(t *testing.T) {
	url := cluster(t)
	js := streamsAt(t, url,
		jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"cli.orders.>"}},
		jetstream.StreamConfig{Name: "WORK", Subjects: []string{"cli.work"}, Retention: jetstream.WorkQueuePolicy})
	for _, text := range []string{"one", "two"} {
		if _, err := js.Publish(t.Context(), "cli.orders.eu", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	grout(t, url, "source", "ls", "machine").want(t, Done).prints(t, "no sources")
	for name, c := range map[string]struct {
		args []string
		exit Exit
		text string
	}{
		"no action":    {[]string{"source", "machine"}, Usage, "add, ls and rm"},
		"no stream":    {[]string{"source", "add", "machine"}, Usage, "--stream"},
		"rm, no name":  {[]string{"source", "rm", "machine"}, Usage, "argument"},
		"flag of add":  {[]string{"source", "ls", "machine", "--new"}, Usage, "is for add"},
		"both starts":  {[]string{"source", "add", "machine", "--stream", "ORDERS", "--new", "--start", "1"}, Usage, "exclude"},
		"bad name":     {[]string{"source", "add", "machine", "--stream", "ORDERS", "--name", "a.b"}, Usage, "--name"},
		"no group":     {[]string{"source", "add", "nobody", "--stream", "ORDERS"}, NotFound, "nobody"},
		"no such":      {[]string{"source", "add", "machine", "--stream", "NONE"}, NotFound, `no JetStream stream "NONE"`},
		"work queue":   {[]string{"source", "add", "machine", "--stream", "WORK"}, Refused, "retention"},
		"not of it":    {[]string{"source", "add", "machine", "--stream", "ORDERS", "--subject", "cli.work"}, Refused, "subjects are [cli.orders.>]"},
		"bad subject":  {[]string{"source", "add", "machine", "--stream", "ORDERS", "--subject", "cli..>"}, Refused, "cli..>"},
		"past its end": {[]string{"source", "add", "machine", "--stream", "ORDERS", "--start", "4"}, Usage, "ends at sequence 2"},
		"rm of none":   {[]string{"source", "rm", "machine", "ORDERS"}, NotFound, "no source"},
	} {
		t.Run(name, func(t *testing.T) { grout(t, url, c.args...).want(t, c.exit, c.text) })
	}
	grout(t, url, "source", "add", "machine", "--stream", "ORDERS", "--subject", "cli.orders.*", "--start", "2").want(t, Done).prints(t, "ORDERS", "cli.orders.*")
	grout(t, url, "source", "add", "machine", "--stream", "ORDERS").want(t, Exists, "source ORDERS already")
	got := awaitSource(t, url, 2)
	if got.Applied+got.Refused+got.Trapped != 1 || got.Missing != 0 || got.Stream != "ORDERS" || got.Subject != "cli.orders.*" || got.Problem != "" || got.Lag != 0 {
		t.Errorf("%+v", got)
	}
	grout(t, url, "source", "rm", "machine", "ORDERS").want(t, Done).prints(t, "no sources")
}

// awaitSource waits until the one source of all groups has read so far.
func awaitSource(t *testing.T, url string, position uint64) api.SourceInfo {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		r := grout(t, url, "source", "ls", "--json").want(t, Done)
		for _, g := range decode[map[string][]api.SourcesReply](t, r.out)["groups"] {
			if len(g.Sources) == 1 && g.Sources[0].Position == position {
				return g.Sources[0]
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("no source gets to %d: %s", position, r.out)
		}
	}
}

// TestSinkVerb shows a sink from its making to its end, and each error.
func TestSinkVerb(t *testing.T) {
	url := cluster(t)
	subject := api.Event("machine", ">")
	streamsAt(t, url,
		jetstream.StreamConfig{Name: "MIXED", Subjects: []string{"cli.mixed", "cli.more"}},
		jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{subject}})
	grout(t, url, "sink", "ls").want(t, Done).prints(t, "no sinks")
	grout(t, url, "sink", "rm", "machine").want(t, NotFound, "go to no stream")
	grout(t, url, "sink", "add", "machine", "--stream", "NONE").want(t, NotFound, `no JetStream stream "NONE"`)
	grout(t, url, "sink", "add", "machine", "--stream", "MIXED").want(t, Refused, "cli.mixed", subject)
	grout(t, url, "sink", "add", "machine", "--stream", "EVENTS").want(t, Done).prints(t, "EVENTS")
	grout(t, url, "sink", "add", "machine", "--stream", "MIXED").want(t, Refused, "cli.mixed")
	reply := decode[map[string][]api.SinkReply](t, grout(t, url, "sink", "ls", "machine", "--json").want(t, Done).out)["groups"]
	if len(reply) != 1 || reply[0].Stream != "EVENTS" || reply[0].Problem != "" {
		t.Errorf("%+v", reply)
	}
	grout(t, url, "sink", "rm", "machine").want(t, Done).prints(t, "no sinks")
}

// TestStreamsNeedJetStream shows what a server without JetStream is answered with.
func TestStreamsNeedJetStream(t *testing.T) {
	bare := bareServer(t)
	s := launched(t, "serve", "--name", "a", "--peers", "a", "--data", t.TempDir(), "--nats-url", bare)
	defer s.stop()
	module := writeFile(t, "machine.wasm", testMachine())
	grout(t, bare, "deploy", "machine", module).want(t, Done)
	grout(t, bare, "source", "add", "machine", "--stream", "ORDERS").want(t, Refused, "no JetStream")
	grout(t, bare, "sink", "add", "machine", "--stream", "ORDERS").want(t, Refused, "no JetStream")
}
