package embedded

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func start(t *testing.T, config Config) *Server {
	t.Helper()
	s, err := Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func connect(t *testing.T, url string) *natsgo.Conn {
	t.Helper()
	conn, err := natsgo.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// TestStartServesLoopback shows that a started server takes connections at its URL, on the loopback
// interface, and none after Close.
func TestStartServesLoopback(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.URL(), "nats://127.0.0.1:") {
		t.Fatalf("the server is at %s, not on the loopback interface", s.URL())
	}
	conn := connect(t, s.URL())
	if conn.MaxPayload() != maxPayloadBytes {
		t.Fatalf("max_payload is %d, want %d", conn.MaxPayload(), maxPayloadBytes)
	}
	if s.ClusterURL() != "" {
		t.Fatalf("a server without a cluster listens for one at %s", s.ClusterURL())
	}
	conn.Close()
	s.Close()
	if _, err := natsgo.Connect(s.URL()); !errors.Is(err, natsgo.ErrNoServers) {
		t.Fatalf("after Close: %v, want %v", err, natsgo.ErrNoServers)
	}
}

// TestPortInUseIsSaidAtOnce shows that a taken port is an error that names it, not a wait.
func TestPortInUseIsSaidAtOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	begun := time.Now()
	_, err = Start(Config{Listen: taken.Addr().String()})
	if !errors.Is(err, ErrListen) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Fatalf("error %v, want %v with the address %s", err, ErrListen, taken.Addr())
	}
	if took := time.Since(begun); took > startPatience/2 {
		t.Fatalf("it took %s to say so", took)
	}
}

// TestRoutesJoinServers shows that a message published at one server arrives at another that it has
// a route to.
func TestRoutesJoinServers(t *testing.T) {
	first := start(t, Config{ClusterListen: "127.0.0.1:0"})
	second := start(t, Config{ClusterListen: "127.0.0.1:0", Routes: []string{first.ClusterURL()}})
	answers := connect(t, first.URL())
	if _, err := answers.Subscribe("question", func(msg *natsgo.Msg) {
		if err := msg.Respond([]byte("answer")); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := answers.Flush(); err != nil {
		t.Fatal(err)
	}
	asks := connect(t, second.URL())
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-ticker.C {
		msg, err := asks.Request("question", nil, time.Second)
		if err == nil && string(msg.Data) == "answer" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer over the route: %v", err)
		}
	}
}

// TestBadConfigIsNamed shows what each impossible Config is refused with.
func TestBadConfigIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		text   string
	}{
		"no port":          {Config{Listen: "127.0.0.1"}, "host:port"},
		"port too high":    {Config{Listen: "127.0.0.1:70000"}, "70000"},
		"port not number":  {Config{Listen: "127.0.0.1:nats"}, "nats"},
		"routes alone":     {Config{Routes: []string{"nats://127.0.0.1:6222"}}, "ClusterListen"},
		"route not a URL":  {Config{ClusterListen: "127.0.0.1:0", Routes: []string{"127.0.0.1"}}, `"127.0.0.1"`},
		"streams routed":   {Config{StreamDir: "streams", ClusterListen: "127.0.0.1:0"}, "StreamDir"},
		"bad cluster port": {Config{ClusterListen: "127.0.0.1:x"}, "ClusterListen"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Start(c.config)
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, ErrBadConfig) || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("error %v, want %v with %q", err, ErrBadConfig, c.text)
			}
		})
	}
}

// TestStreamsSurviveTheServer shows that a server with a folder has JetStream, that no other takes the folder meanwhile,
// and that the next one has the streams.
func TestStreamsSurviveTheServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "streams")
	for run := range 2 {
		s, err := Start(Config{StreamDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if other, err := Start(Config{StreamDir: dir}); !errors.Is(err, ErrLocked) {
			if other != nil {
				other.Close()
			}
			t.Errorf("a second server on the folder: %v", err)
		}
		conn, err := natsgo.Connect(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(conn)
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "kept", Subjects: []string{"kept"}})
		} else {
			_, err = js.Stream(t.Context(), "kept")
		}
		if err != nil {
			t.Errorf("run %d: %v", run, err)
		}
		conn.Close()
		s.Close()
	}
}
