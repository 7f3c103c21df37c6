package nats

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// patience is how long a test waits for what has to happen.
const patience = 10 * time.Second

// testPayload is the max_payload of the servers in tests: small, so that limits are reached.
const testPayload = 64 << 10

func runServer(tb testing.TB, maxPayload int32) string {
	tb.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, MaxPayload: maxPayload})
	if err != nil {
		tb.Fatal(err)
	}
	s.Start()
	tb.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		tb.Fatal("the NATS server does not start")
	}
	return s.ClientURL()
}

func connect(tb testing.TB, url, name string) *Transport {
	tb.Helper()
	t, err := Connect(Config{Host: name, URL: url, Log: slog.New(slog.NewTextHandler(tb.Output(), nil))})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Error(err)
		}
	})
	return t
}

func dialPlain(tb testing.TB, url string) *natsgo.Conn {
	tb.Helper()
	conn, err := natsgo.Connect(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(conn.Close)
	return conn
}

func testKey(fill byte) (key [32]byte) {
	for i := range key {
		key[i] = fill
	}
	return key
}

var counter = host.GroupRef{Name: "counter", ID: 7, Key: testKey(1)}

// inbox collects what a receiver is given.
type inbox chan consensus.Envelope

func receive(tb testing.TB, t *Transport, group host.GroupRef) inbox {
	tb.Helper()
	in := make(inbox, 10000)
	stop, err := t.Receive(group, func(e consensus.Envelope) { in <- e })
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(stop)
	return in
}

func (in inbox) next(tb testing.TB) consensus.Envelope {
	tb.Helper()
	select {
	case e := <-in:
		return e
	case <-time.After(patience):
		tb.Fatal("no message arrived")
		return consensus.Envelope{}
	}
}

// eventually waits until a count that others change has its value.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatal("never happened: " + what)
		}
	}
}

func to(name string, m consensus.Message) []host.Addressed {
	return []host.Addressed{{Host: name, Envelope: consensus.Envelope{From: 1, To: 2, Message: m}}}
}

// fakeHost implements host.Requests, host.Admin, host.Membership, host.Upgrades, host.Bindings and host.Blobs with functions.
type fakeHost struct {
	execute  func(host.CommandRequest, func(host.Reply))
	query    func(host.QueryRequest, func(host.Reply))
	await    func(host.AwaitRequest, func(host.MemberStatus, error))
	upload   func(host.UploadPiece) (api.UploadReply, error)
	deploy   func(context.Context, api.DeployRequest) (api.GroupInfo, error)
	upgrade  func(api.UpgradeRequest) (api.UpgradeReply, error)
	limits   func(api.LimitsRequest) (api.LimitsReply, error)
	change   func(string, api.TransferRequest) error
	describe func(string) ([]api.GroupInfo, error)
	members  func(api.MembersRequest) (api.MembersReply, error)
	hosts    func(api.HostsRequest) (api.HostsReply, error)
	piece    func(host.BlobRequest) ([]byte, int64, error)
	sources  func(api.SourcesRequest) (api.SourcesReply, error)
	sink     func(api.SinkRequest) (api.SinkReply, error)
	name     string
	// inline answers in the caller's goroutine.
	inline bool
}

func (f *fakeHost) Execute(r host.CommandRequest, reply func(host.Reply)) {
	if f.inline {
		f.execute(r, reply)
		return
	}
	go f.execute(r, reply)
}

func (f *fakeHost) Query(r host.QueryRequest, reply func(host.Reply)) {
	if f.inline {
		f.query(r, reply)
		return
	}
	go f.query(r, reply)
}

func (f *fakeHost) Await(r host.AwaitRequest, reply func(host.MemberStatus, error)) {
	go f.await(r, reply)
}

func (f *fakeHost) Upload(_ context.Context, p host.UploadPiece) (api.UploadReply, error) {
	return f.upload(p)
}

func (f *fakeHost) Deploy(ctx context.Context, r api.DeployRequest) (api.GroupInfo, error) {
	return f.deploy(ctx, r)
}

func (f *fakeHost) Upgrade(_ context.Context, r api.UpgradeRequest) (api.UpgradeReply, error) {
	return f.upgrade(r)
}

func (f *fakeHost) Limits(_ context.Context, r api.LimitsRequest) (api.LimitsReply, error) {
	return f.limits(r)
}

func (f *fakeHost) Change(_ context.Context, verb string, r api.TransferRequest) error {
	return f.change(verb, r)
}

func (f *fakeHost) Describe(_ context.Context, name string) ([]api.GroupInfo, error) {
	return f.describe(name)
}

func (f *fakeHost) Members(_ context.Context, r api.MembersRequest) (api.MembersReply, error) {
	return f.members(r)
}

func (f *fakeHost) Sources(_ context.Context, r api.SourcesRequest) (api.SourcesReply, error) {
	return f.sources(r)
}

func (f *fakeHost) Sink(_ context.Context, r api.SinkRequest) (api.SinkReply, error) {
	return f.sink(r)
}

func (f *fakeHost) Hosts(_ context.Context, r api.HostsRequest) (api.HostsReply, error) {
	return f.hosts(r)
}

func (f *fakeHost) Status() api.HostStatus { return api.HostStatus{Host: f.name} }

func (f *fakeHost) Piece(r host.BlobRequest) ([]byte, int64, error) { return f.piece(r) }

func serve(tb testing.TB, t *Transport, f *fakeHost) {
	tb.Helper()
	f.name = t.config.Host
	if err := t.Serve(Services{Requests: f, Admin: f, Membership: f, Blobs: f, Upgrades: f, Bindings: f}); err != nil {
		tb.Fatal(err)
	}
}

// lockedLog is a list that several goroutines append to.
type lockedLog[T any] struct {
	mu    sync.Mutex
	items []T
}

func (l *lockedLog[T]) add(item T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, item)
}

func (l *lockedLog[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]T(nil), l.items...)
}
