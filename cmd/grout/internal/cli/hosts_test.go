package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDevKeepsItsData shows that a machine's state survives a stop of everything, that the folder
// keeps its number of hosts, and that --ready-file names the server.
func TestDevKeepsItsData(t *testing.T) {
	data, ready := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "ready")
	args := []string{"dev", "--port", "0", "--data", data, "--ready-file", ready}
	s := launched(t, append(args, "--hosts", "1")...)
	url, err := os.ReadFile(ready)
	if err != nil || strings.TrimSpace(string(url)) != s.url {
		t.Errorf("the ready file holds %q %v, want %s", url, err, s.url)
	}
	grout(t, s.url, "deploy", "kept", writeFile(t, "m.wasm", testMachine())).want(t, Done)
	grout(t, s.url, "exec", "kept", "still here").want(t, Done)
	grout(t, "", "dev", "--port", "0", "--data", data).want(t, InUse, "jetstream", data, "in use by another process")
	if code := s.stop(); code != 0 {
		t.Fatalf("exit %d: %s", code, s.errors)
	}
	grout(t, "", append(args, "--hosts", "3")...).want(t, Usage, "belongs to 1 hosts, not 3", "--data")
	s = launched(t, args...)
	if r := grout(t, s.url, "query", "kept").want(t, Done); r.out != "still here" {
		t.Errorf("after the restart the state is %q", r.out)
	}
	if code := s.stop(); code != 0 {
		t.Fatalf("exit %d: %s", code, s.errors)
	}
}

// TestDevEndsWhenOneHostFails shows that a host which cannot start ends the others too, although they
// would wait for it.
func TestDevEndsWhenOneHostFails(t *testing.T) {
	data := t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "n2"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "n2", "log"), []byte("not a folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	grout(t, "", "dev", "--port", "0", "--hosts", "2", "--data", data).want(t, Failed, "host n2", filepath.Join(data, "n2", "log"))
}

// TestDevPortInUse shows that a taken port is named, and what to do.
func TestDevPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	grout(t, "", "dev", "--port", port, "--data", "").want(t, InUse, port, "--port")
}

// TestServeInAProcess shows one host of its own: a second process on its folder is refused, SIGTERM
// ends it cleanly, and then its folder and its state can be served again.
func TestServeInAProcess(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	args := []string{"serve", "--name", "solo", "--data", data, "--embedded-nats", "--listen", "127.0.0.1:0"}
	first := process(t, append(args, "--json", "--log-format", "json")...)
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs := &lockedBuffer{}
	first.Stderr = errs
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Process.Kill() }() // it has ended by then, unless the test failed
	var ready readyJSON
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&ready); err != nil || !ready.Ready {
		t.Fatalf("ready %+v %v: %s", ready, err, errs)
	}
	grout(t, ready.URL, "deploy", "mine", writeFile(t, "m.wasm", testMachine())).want(t, Done).prints(t, "solo")
	grout(t, ready.URL, "exec", "mine", "first").want(t, Done)
	grout(t, "", args...).want(t, InUse, "host solo", data, "in use by another process", "--data")
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Fatalf("after SIGTERM: %v: %s", err, errs)
	}
	for line := range strings.Lines(errs.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is no JSON: %s", line)
		}
	}
	second := launched(t, args...)
	if r := grout(t, second.url, "query", "mine").want(t, Done); r.out != "first" {
		t.Errorf("the state is %q after the restart", r.out)
	}
	if code := second.stop(); code != 0 {
		t.Errorf("exit %d: %s", code, second.errors)
	}
}

// TestServeStopsWhileItConnects shows that a host which is told to stop before it has reached NATS ends
// cleanly.
func TestServeStopsWhileItConnects(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { // takes a connection, and says nothing
		conn, err := mute.Accept()
		stop()
		<-t.Context().Done()
		if err := errors.Join(err, conn.Close()); err != nil {
			panic(err)
		}
	}()
	var out, errs bytes.Buffer
	args := []string{"serve", "--name", "solo", "--data", t.TempDir(), "--nats-url", "nats://" + mute.Addr().String()}
	if code := Run(ctx, args, strings.NewReader(""), &out, &errs); code != 0 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	if err := mute.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestServeFormsAClusterOverRoutes shows two hosts with embedded servers of their own that find each
// other over a route, and what a data folder of another host is refused with.
func TestServeFormsAClusterOverRoutes(t *testing.T) {
	dir := t.TempDir()
	port := freePort(t)
	result := make(chan *server, 1)
	go func() {
		s, err := launch("serve", "--name", "a", "--peers", "a,b", "--data", filepath.Join(dir, "a"), "--embedded-nats",
			"--listen", "127.0.0.1:0", "--cluster-listen", port)
		if err != nil {
			t.Error(err)
		}
		result <- s
	}()
	b, err := launch("serve", "--name", "b", "--peers", "a,b", "--data", filepath.Join(dir, "b"), "--embedded-nats",
		"--listen", "127.0.0.1:0", "--cluster-listen", "127.0.0.1:0", "--routes", "nats://"+port)
	a := <-result
	if err != nil || a == nil {
		t.Fatal(err)
	}
	grout(t, b.url, "deploy", "both", writeFile(t, "m.wasm", testMachine())).want(t, Done)
	for _, url := range []string{a.url, b.url} {
		if s := decode[statusJSON](t, grout(t, url, "status", "--json").want(t, Done).out); len(s.Hosts) != 2 || len(s.Silent) != 0 {
			t.Errorf("%s: %+v, want two hosts", url, s)
		}
	}
	for _, s := range []*server{a, b} {
		if code := s.stop(); code != 0 {
			t.Errorf("exit %d: %s", code, s.errors)
		}
	}
	grout(t, "", "serve", "--name", "c", "--data", filepath.Join(dir, "a"), "--embedded-nats", "--listen", "127.0.0.1:0").
		want(t, Usage, "host c", "a b")
}

// freePort returns an address that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	return l.Addr().String()
}
