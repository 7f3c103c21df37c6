package nats

import (
	"errors"
	"net"
	"testing"
)

// A server that goes away before the connection stands is no server, as one that is not there at all.
func TestConnectWithoutServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = conn.Close()
		}
		ended <- errors.Join(err, l.Close())
	}()
	for _, what := range []string{"one that hangs up", "none at all"} {
		if _, err := Connect(Config{Host: "a", URL: "nats://" + l.Addr().String()}); !errors.Is(err, ErrNoServer) {
			t.Errorf("%s: %v", what, err)
		}
		if what == "one that hangs up" {
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		}
	}
}
