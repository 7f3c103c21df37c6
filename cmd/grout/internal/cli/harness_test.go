package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/embedded"
)

// asGrout makes the test binary behave as the grout binary, for tests that need a second process.
const asGrout = "GROUT_TEST_AS_GROUT"

func TestMain(m *testing.M) {
	if os.Getenv(asGrout) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	// The environment of whoever runs the tests must not choose the server or the data folder.
	for _, name := range []string{"NATS_URL", "NATS_CONTEXT", "NATS_CREDS"} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	scratch, err := os.MkdirTemp("", "grout-cli-test-")
	if err != nil {
		panic(err)
	}
	if err := os.Setenv("XDG_CONFIG_HOME", scratch); err != nil {
		panic(err)
	}
	code := m.Run()
	if shared != nil {
		code = max(code, shared.stopAll())
	}
	if err := os.RemoveAll(scratch); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// server is a dev or serve verb running in this process.
type server struct {
	url    string
	cancel context.CancelFunc
	exit   chan int
	errors *lockedBuffer
}

// lockedBuffer collects a stream that several goroutines write to.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// launch runs a verb that goes on until it is stopped, and returns when it is ready.
func launch(args ...string) (*server, error) {
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	s := &server{cancel: cancel, exit: make(chan int, 1), errors: &lockedBuffer{}}
	go func() {
		s.exit <- Run(ctx, args, strings.NewReader(""), in, s.errors)
		if err := in.Close(); err != nil {
			panic(err)
		}
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "NATS"); ok {
			s.url = strings.TrimSpace(url)
		}
		if lines.Text() == "ready" {
			return s, nil
		}
	}
	cancel()
	return nil, fmt.Errorf("%v ended with %d before it was ready: %s", args, <-s.exit, s.errors)
}

// stop ends the verb and returns its exit code.
func (s *server) stop() int {
	s.cancel()
	return <-s.exit
}

func launched(t *testing.T, args ...string) *server {
	t.Helper()
	s, err := launch(args...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sharedCluster is three hosts for all tests that do no more than use them.
type sharedCluster struct {
	*server
	dir string
}

var (
	shared     *sharedCluster
	shareOnce  sync.Once
	errSharing error
)

func (s *sharedCluster) stopAll() int {
	code := s.stop()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the shared cluster ended with %d: %s\n", code, s.errors)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		panic(err)
	}
	return code
}

// cluster returns the URL of the shared cluster, on which the group "machine" is a testMachine.
func cluster(t *testing.T) string {
	t.Helper()
	shareOnce.Do(func() {
		dir, err := os.MkdirTemp("", "grout-cli-cluster-")
		if err != nil {
			errSharing = err
			return
		}
		s, err := launch("dev", "--port", "0", "--data", filepath.Join(dir, "data"))
		if err != nil {
			errSharing = err
			return
		}
		shared = &sharedCluster{server: s, dir: dir}
		module := filepath.Join(dir, "machine.wasm")
		if errSharing = os.WriteFile(module, testMachine(), 0o600); errSharing != nil {
			return
		}
		if r := grout(t, s.url, "deploy", "machine", module); r.exit != Done {
			errSharing = fmt.Errorf("deploying the machine: exit %d: %s", r.exit, r.err)
		}
	})
	if errSharing != nil {
		t.Fatal(errSharing)
	}
	return shared.url
}

// outcome is how a command line ended.
type outcome struct {
	exit     Exit
	out, err string
}

// grout runs a command line against a server ("" for the one that the arguments name).
func grout(t *testing.T, url string, args ...string) outcome {
	t.Helper()
	return groutWith(t, url, "", args...)
}

// groutWith runs a command line with a standard input.
func groutWith(t *testing.T, url, stdin string, args ...string) outcome {
	t.Helper()
	if url != "" {
		args = append([]string{"--server", url}, args...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	code := Run(ctx, args, strings.NewReader(stdin), &out, &errs)
	return outcome{Exit(code), out.String(), errs.String()}
}

// want fails unless a command line ended so, and its errors hold every text.
func (r outcome) want(t *testing.T, exit Exit, texts ...string) outcome {
	t.Helper()
	if r.exit != exit {
		t.Fatalf("exit %d, want %d\nstdout: %s\nstderr: %s", r.exit, exit, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.err, text) {
			t.Fatalf("standard error does not hold %q:\n%s", text, r.err)
		}
	}
	return r
}

// prints fails unless standard output holds every text.
func (r outcome) prints(t *testing.T, texts ...string) outcome {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.out, text) {
			t.Fatalf("standard output does not hold %q:\n%s", text, r.out)
		}
	}
	return r
}

// decode reads JSON that has no field which value does not know.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// errorOf reads the error of a command line with --json.
func errorOf(t *testing.T, r outcome) errorJSON {
	t.Helper()
	return decode[map[string]errorJSON](t, r.err)["error"]
}

// bareServer is a NATS server without any host.
func bareServer(t *testing.T) string {
	t.Helper()
	s, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.URL()
}

// process runs a command line in a process of its own.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self, args...)
	command.Env = append(os.Environ(), asGrout+"=1")
	return command
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
