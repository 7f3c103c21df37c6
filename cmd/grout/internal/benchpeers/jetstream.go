package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// jetStream is a cluster of three NATS servers with a key-value bucket of three replicas, which sync every write. Clients are
// connected to the bucket's leader, and so are reads.
type jetStream struct {
	servers []*server.Server
	conns   []*nats.Conn
	buckets []jetstream.KeyValue
}

// startServer runs a NATS server on a free port of loopback.
func startServer(o *server.Options) (*server.Server, error) {
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		return nil, fmt.Errorf("a NATS server does not start")
	}
	return s, nil
}

// freePorts finds ports that nobody listens to now.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func startJetStream(ctx context.Context, dir string) (system, error) {
	s := &jetStream{}
	if err := s.start(ctx, dir); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *jetStream) start(ctx context.Context, dir string) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	var routes []*url.URL
	for _, port := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	for i, port := range ports {
		one, err := startServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), JetStream: true, StoreDir: filepath.Join(dir, fmt.Sprint(i)), SyncAlways: true,
			Cluster: server.ClusterOpts{Name: "peers", Host: "127.0.0.1", Port: port}, Routes: routes,
		})
		if err != nil {
			return err
		}
		s.servers = append(s.servers, one)
	}
	leader, err := s.createBucket(ctx)
	if err != nil {
		return err
	}
	for range connections {
		bucket, err := s.connect(ctx, leader)
		if err != nil {
			return err
		}
		s.buckets = append(s.buckets, bucket)
	}
	return nil
}

// createBucket makes the bucket's stream, of which reads are not answered by followers, and returns its leader.
func (s *jetStream) createBucket(ctx context.Context) (*server.Server, error) {
	conn, err := nats.Connect(s.servers[0].ClientURL())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	for {
		leader, err := createStream(ctx, js)
		for _, one := range s.servers {
			if err == nil && one.Name() == leader {
				return one, nil
			}
		}
		// The cluster elects its own leader first, says so by no event that a client sees, and answers nothing until then.
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// createStream makes the stream once, if the cluster answers, and returns the name of its leader.
func createStream(ctx context.Context, js jetstream.JetStream) (leader string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: "KV_" + kv, Subjects: []string{"$KV." + kv + ".>"}, MaxMsgsPerSubject: 1, Replicas: 3, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true,
	})
	if err != nil {
		return "", err
	}
	info, err := stream.Info(ctx)
	if err != nil || info.Cluster == nil {
		return "", err
	}
	return info.Cluster.Leader, nil
}

func (s *jetStream) connect(ctx context.Context, to *server.Server) (jetstream.KeyValue, error) {
	conn, err := nats.Connect(to.ClientURL())
	if err != nil {
		return nil, err
	}
	s.conns = append(s.conns, conn)
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	return js.KeyValue(ctx, kv)
}

func (s *jetStream) write(worker int, key, value string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	_, err := s.buckets[worker%connections].Put(ctx, key, []byte(value))
	return err
}

func (s *jetStream) read(worker int, key string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	entry, err := s.buckets[worker%connections].Get(ctx, key)
	if err != nil {
		return "", err
	}
	return string(entry.Value()), nil
}

func (s *jetStream) close() error {
	for _, c := range s.conns {
		c.Close()
	}
	for _, one := range s.servers {
		one.Shutdown()
		one.WaitForShutdown()
	}
	return nil
}
