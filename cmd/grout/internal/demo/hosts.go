package main

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

// hosts are `grout serve` processes, one for each host, so that killing one is what it is anywhere.
type hosts struct {
	binary, dir, url string
	names            []string
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

// start runs a host. It is ready when the cluster answers, which is asked elsewhere.
func (h *hosts) start(name string) error {
	p := &process{ended: make(chan struct{})}
	p.command = exec.Command(h.binary, "serve", "--name", name, "--peers", strings.Join(h.names, ","),
		"--data", filepath.Join(h.dir, name), "--nats-url", h.url, "--log-level", "warn")
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
	h.running[name] = p
	return nil
}

// kill ends a host with SIGKILL and waits until it is gone.
func (h *hosts) kill(name string) error {
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

// stop ends every host in an orderly way.
func (h *hosts) stop() error {
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

// cli runs a verb of the CLI against the demo's server.
func (h *hosts) cli(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, h.binary, append([]string{"--server", h.url, "--timeout", "60s"}, args...)...)
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

// buildBinary compiles the CLI as a user would.
func buildBinary(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "grout")
	command := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/grout")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("building grout: %w (run this in the repository's folder)", err)
	}
	return binary, nil
}
