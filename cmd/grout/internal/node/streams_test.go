package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

// pipeline is a group between two streams: messages of in become commands, which emit what becomes the messages of out.
type pipeline struct {
	*cluster
	ctx   context.Context
	admin *client.Admin
	js    jetstream.JetStream
	// sent counts the messages of in.
	sent atomic.Int64
}

// streamServer starts a NATS server with JetStream. Its streams are in dir, and survive it.
func streamServer(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true, JetStream: true, StoreDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return s
}

func startPipeline(t *testing.T) *pipeline {
	server := streamServer(t, filepath.Join(t.TempDir(), "jetstream"), -1)
	return newPipeline(newCluster(t, host.DefaultTiming(), server, "a", "b", "c"))
}

// newPipeline makes the streams, and deploys the group on the hosts of a cluster.
func newPipeline(c *cluster) *pipeline {
	t := c.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	conn, err := natsgo.Connect(c.server.ClientURL(), natsgo.MaxReconnects(-1), natsgo.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"in": "orders.*", "out": api.Event("probe", ">")} {
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	client := c.client()
	c.deploy(client, "probe", "internal/probe")
	return &pipeline{cluster: c, ctx: ctx, admin: client.Admin(), js: js}
}

// bind makes in the group's source and out its sink.
func (p *pipeline) bind() {
	p.t.Helper()
	if _, err := p.admin.Sources(p.ctx, api.SourcesRequest{Group: "probe", Action: api.StreamAdd, Stream: "in"}); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.admin.Sink(p.ctx, api.SinkRequest{Group: "probe", Action: api.StreamAdd, Stream: "out"}); err != nil {
		p.t.Fatal(err)
	}
}

// send puts a message into the source, once, that has the machine emit its number.
func (p *pipeline) send() error {
	n := p.sent.Load()
	for {
		// A server that is restarted may answer never.
		ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
		_, err := p.js.Publish(ctx, "orders.new", fmt.Appendf(nil, "emit n %d", n), jetstream.WithMsgID(fmt.Sprint(n)))
		cancel()
		if err == nil {
			p.sent.Add(1)
			return nil
		}
		if p.ctx.Err() != nil {
			return err
		}
	}
}

// sendAllTheTime sends one message after the other until stop is called.
func (p *pipeline) sendAllTheTime() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
			}
			if err := p.send(); err != nil {
				p.t.Errorf("sending message %d: %v", p.sent.Load(), err)
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// source waits until the source has consumed a sequence of its stream, and returns what it looks like then.
func (p *pipeline) source(position uint64) api.SourceInfo {
	p.t.Helper()
	var last api.SourcesReply
	for {
		reply, err := p.admin.Sources(p.ctx, api.SourcesRequest{Group: "probe"})
		if err == nil && len(reply.Sources) == 1 && reply.Sources[0].Position >= position {
			return reply.Sources[0]
		}
		if err == nil {
			last = reply
		}
		if p.ctx.Err() != nil {
			p.t.Fatalf("the source does not get to %d: %+v, %v", position, last, err)
		}
	}
}

// wantOut reads the sink's stream until it holds n events, and fails unless they are 0 to n-1.
func (p *pipeline) wantOut(n int) {
	p.t.Helper()
	consumer, err := p.js.OrderedConsumer(p.ctx, "out", jetstream.OrderedConsumerConfig{})
	if err != nil {
		p.t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		p.t.Fatal(err)
	}
	defer messages.Stop()
	for i := range n {
		m, err := messages.Next(jetstream.NextContext(p.ctx))
		if err != nil {
			p.t.Fatalf("event %d: %v", i, err)
		}
		if string(m.Data()) != fmt.Sprint(i) {
			p.t.Fatalf("event %d of the sink is %q", i, m.Data())
		}
	}
	stream, err := p.js.Stream(p.ctx, "out")
	if err != nil {
		p.t.Fatal(err)
	}
	if last := stream.CachedInfo().State.LastSeq; last != uint64(n) {
		p.t.Fatalf("the sink's stream has %d events, want %d", last, n)
	}
}

func (p *pipeline) leader() string {
	p.t.Helper()
	for {
		info, err := p.admin.Info(p.ctx, "probe")
		if err == nil && info.Leader != "" {
			return info.Leader
		}
		if p.ctx.Err() != nil {
			p.t.Fatalf("no leader: %v", err)
		}
	}
}

// TestStreamToStream shows, with real hosts and a real machine, that each message of a source is one command and each
// event one message of the sink, in order, while leaders are stopped, consumers are deleted and the server is restarted.
func TestStreamToStream(t *testing.T) {
	p := startPipeline(t)
	stop := p.sendAllTheTime()
	p.bind()
	for _, fault := range []func(){
		func() { p.stop(p.leader()) },
		func() { p.deleteConsumers("in") },
		p.restartServer,
		func() {
			if err := transferTo(p.ctx, p.client(), "probe", p.names[0]); err != nil {
				t.Fatal(err)
			}
		},
	} {
		p.source(uint64(p.sent.Load()))
		fault()
		p.source(uint64(p.sent.Load()))
		p.startAll()
	}
	stop()
	sent := int(p.sent.Load())
	got := p.source(uint64(sent))
	if got.Applied != uint64(sent) || got.Refused+got.Trapped+got.Skipped+got.Missing != 0 {
		t.Errorf("the source counts %+v of %d", got, sent)
	}
	p.wantOut(sent)
}

func (p *pipeline) deleteConsumers(name string) {
	p.t.Helper()
	stream, err := p.js.Stream(p.ctx, name)
	if err != nil {
		p.t.Fatal(err)
	}
	names := stream.ConsumerNames(p.ctx)
	for consumer := range names.Name() {
		if err := stream.DeleteConsumer(p.ctx, consumer); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			p.t.Fatal(err)
		}
	}
	if err := names.Err(); err != nil {
		p.t.Fatal(err)
	}
}

// restartServer stops the server in an orderly way and starts it on the same port with the same streams.
func (p *pipeline) restartServer() {
	p.t.Helper()
	port, dir := p.server.Addr().String(), p.server.StoreDir()
	p.server.Shutdown()
	p.server.WaitForShutdown()
	var number int
	if _, err := fmt.Sscan(port[strings.LastIndex(port, ":")+1:], &number); err != nil {
		p.t.Fatal(err)
	}
	p.server = streamServer(p.t, filepath.Dir(dir), number)
	for {
		if _, err := p.js.AccountInfo(p.ctx); err == nil || p.ctx.Err() != nil {
			return
		}
	}
}
