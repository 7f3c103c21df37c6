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
)

// Hosts are `grout serve` processes, one for each name, so that killing one is what it is anywhere.
type Hosts struct {
	// Binary is the CLI, Dir holds a data folder and a log for each host, URL is the NATS server's.
	Binary, Dir, URL string
	Names            []string
	mu               sync.Mutex
	running          map[string]*Process
}

// ServeCommand is the command line of a host.
func ServeCommand(binary, name string, peers []string, data, url string) *exec.Cmd {
	return exec.Command(binary, "serve", "--name", name, "--peers", strings.Join(peers, ","),
		"--data", data, "--nats-url", url, "--log-level", "warn")
}

// Start runs a host and returns at once: it is ready when the cluster answers.
func (h *Hosts) Start(name string) error {
	p, err := Start(Launch{
		Name: "host " + name, Log: filepath.Join(h.Dir, name+".log"),
		Command: ServeCommand(h.Binary, name, h.Names, filepath.Join(h.Dir, name), h.URL),
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running == nil {
		h.running = map[string]*Process{}
	}
	h.running[name] = p
	return nil
}

// Pid is the number of a host's process, 0 if it does not run.
func (h *Hosts) Pid(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.running[name]; p != nil {
		return p.Pid()
	}
	return 0
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
	return p.Kill()
}

// Stop ends every host in an orderly way. One that had ended by itself is an error.
func (h *Hosts) Stop() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for name, p := range h.running {
		errs = append(errs, p.Stop())
		delete(h.running, name)
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
