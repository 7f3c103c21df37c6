package chaos

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/groutlabs/grout/cmd/grout/internal/procs"
)

// The exit codes of `grout serve` that this test expects (docs/CLI.md).
const (
	exitUnavailable = 6
	exitStoreFailed = 11
)

// restartPause is what a supervisor waits before it starts a process again.
const restartPause = 500 * time.Millisecond

// host is one `grout serve`, its disk, and the supervisor that starts it again when it could not reach NATS.
type host struct {
	name string
	disk disk
	log  string
	// command makes the command line anew, launch starts it where the host lives.
	command func() *exec.Cmd
	begin   func(*exec.Cmd) error
	// unexpected is told when the host ends by itself and should not have.
	unexpected func(error)

	// fault is held by whoever does something to the process or its disk.
	fault sync.Mutex
	// runs counts the starts; reads of one run follow each other.
	runs atomic.Int64
	// unreachable counts the starts that ended because NATS could not be reached.
	unreachable atomic.Int64

	mu      sync.Mutex
	running *procs.Process
	// wanted is set while the supervisor has to keep the host up.
	wanted bool
	// watching counts the goroutines that wait for a run to end.
	watching sync.WaitGroup
}

// up starts the host, and from then on keeps it up.
func (h *host) up() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted = true
	return h.start()
}

func (h *host) start() error {
	p, err := procs.Start(procs.Launch{Name: "host " + h.name, Log: h.log, Command: h.disk.wrap(h.command()), Begin: h.begin})
	if err != nil {
		return err
	}
	h.runs.Add(1)
	h.running = p
	h.watching.Go(func() { h.supervise(p) })
	return nil
}

// supervise starts the host again if it has ended because it could not reach NATS, and reports any other
// end that nobody asked for.
func (h *host) supervise(p *procs.Process) {
	code := p.ExitCode()
	if !h.keeps(p) {
		return
	}
	if code != exitUnavailable {
		h.unexpected(fmt.Errorf("host %s ended by itself with code %d:\n%s", h.name, code, p.Tail()))
		return
	}
	h.unreachable.Add(1)
	<-time.After(restartPause)
	if !h.keeps(p) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wanted && h.running == p {
		if err := h.start(); err != nil {
			h.unexpected(err)
		}
	}
}

// keeps reports whether p is a run that has to be kept up.
func (h *host) keeps(p *procs.Process) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.wanted && h.running == p
}

// process returns the present run, and leave ends the supervisor's care for it.
func (h *host) process() *procs.Process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}

func (h *host) leave() *procs.Process {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted = false
	return h.running
}

// kill ends the host with SIGKILL.
func (h *host) kill() error { return h.leave().Kill() }

// stopPatience is how long an orderly end may take, with NATS cut off too.
const stopPatience = 30 * time.Second

// youngAge is how long a process may take to begin to listen for signals.
const youngAge = 2 * time.Second

// stop ends the host with SIGTERM. A run that found no NATS is as good.
func (h *host) stop() error {
	p := h.leave()
	age := p.Age()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.Ended():
	case <-time.After(stopPatience):
		_ = p.Signal(syscall.SIGQUIT) // for the stacks of its goroutines, in the log
		<-p.Ended()
		return fmt.Errorf("host %s had not ended %s after SIGTERM:\n%s", h.name, stopPatience, p.Tail())
	}
	young := age < youngAge && p.EndedBy() == syscall.SIGTERM
	if code := p.ExitCode(); code != 0 && code != exitUnavailable && !young {
		return fmt.Errorf("host %s ended with code %d after SIGTERM:\n%s", h.name, code, p.Tail())
	}
	return nil
}

// failsToStore waits until the host has ended because its disk takes nothing any more, and for that
// reason. It returns false when the host has not noticed in time.
func (h *host) failsToStore(p *procs.Process, patience time.Duration, why string) (bool, error) {
	select {
	case <-p.Ended():
	case <-time.After(patience):
		return false, nil
	}
	if code := p.ExitCode(); code == exitUnavailable {
		return false, nil
	} else if code != exitStoreFailed {
		return false, fmt.Errorf("host %s ended with code %d when it could not store, want %d:\n%s", h.name, code, exitStoreFailed, p.Tail())
	}
	want := fmt.Sprintf("host %s: the store in %s failed: %s: ", h.name, h.disk.folder(), why)
	if tail := p.Tail(); !strings.Contains(tail, want) || !strings.Contains(tail, "start again") {
		return false, fmt.Errorf("host %s does not say %q and what to do:\n%s", h.name, want, tail)
	}
	return true, nil
}

// vainPatience is how long a host may take to find out that it cannot start.
const vainPatience = 15 * time.Second

// startsInVain starts the host on a disk that takes nothing. It returns false when the host did not come
// as far as to notice.
func (h *host) startsInVain(why string) (bool, error) {
	h.mu.Lock()
	err := h.start()
	p := h.running
	h.mu.Unlock()
	if err != nil {
		return false, err
	}
	noticed, err := h.failsToStore(p, vainPatience, why)
	return noticed, errors.Join(err, p.Kill())
}
