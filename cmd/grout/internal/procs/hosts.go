package procs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Hosts are `grout serve` processes, one for each name, so that killing one is what it is anywhere.
type Hosts struct {
	// Binary is the CLI, Dir holds a data folder for each host, URL is the NATS server's.
	Binary, Dir, URL string
	Names            []string
	mu               sync.Mutex
	running          map[string]*process
}

// process is one run of a host.
type process struct {
	command *exec.Cmd
	output  lockedBuffer
	// ended is closed when the process has ended.
	ended chan struct{}
}

// Start runs a host and returns at once: it is ready when the cluster answers.
func (h *Hosts) Start(name string) error {
	p := &process{ended: make(chan struct{})}
	p.command = exec.Command(h.Binary, "serve", "--name", name, "--peers", strings.Join(h.Names, ","),
		"--data", filepath.Join(h.Dir, name), "--nats-url", h.URL, "--log-level", "warn")
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	if err := p.command.Start(); err != nil {
		return fmt.Errorf("starting host %s: %w", name, err)
	}
	go func() {
		defer close(p.ended)
		// How it ended is in the process state: a kill is what we want here.
		_ = p.command.Wait()
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running == nil {
		h.running = map[string]*process{}
	}
	h.running[name] = p
	return nil
}

// Kill ends a host with SIGKILL and waits until it is gone.
func (h *Hosts) Kill(name string) error {
	h.mu.Lock()
	p := h.running[name]
	delete(h.running, name)
	h.mu.Unlock()
	if p == nil {
		return fmt.Errorf("host %q does not run", name)
	}
	if err := p.command.Process.Kill(); err != nil {
		return fmt.Errorf("killing host %s: %w", name, err)
	}
	<-p.ended
	return nil
}

// Stop ends every host in an orderly way. One that had ended by itself is an error.
func (h *Hosts) Stop() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for name, p := range h.running {
		select {
		case <-p.ended:
			errs = append(errs, fmt.Errorf("host %s had ended by itself: %s", name, p.output.String()))
			continue
		default:
		}
		if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
			errs = append(errs, fmt.Errorf("stopping host %s: %w", name, err))
		}
		<-p.ended
	}
	return errors.Join(errs...)
}

// CLI runs a verb of the CLI against the hosts' server and returns what it prints.
func (h *Hosts) CLI(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, h.Binary, append([]string{"--server", h.URL, "--timeout", "60s"}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("grout %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// lockedBuffer keeps the end of what a process prints.
type lockedBuffer struct {
	mu   sync.Mutex
	data []byte
}

const keptOutput = 64 << 10

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data = append(b.data, p...)
	if n := len(b.data) - keptOutput; n > 0 {
		b.data = b.data[n:]
	}
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.data)
}

// Build compiles a command of this module, or of one that it depends on, into dir.
func Build(ctx context.Context, dir, name, importPath string) (string, error) {
	binary := filepath.Join(dir, name)
	command := exec.CommandContext(ctx, "go", "build", "-o", binary, importPath)
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("building %s: %w (run this in the repository)", importPath, err)
	}
	return binary, nil
}

// The import paths that Build is for.
const (
	Grout      = "github.com/groutlabs/grout/cmd/grout"
	NATSServer = "github.com/nats-io/nats-server/v2"
)
