package procs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Process is one run of a program. It is killed when the process that started it ends, however that ends
// (on Linux; elsewhere it stays).
type Process struct {
	name    string
	command *exec.Cmd
	log     string
	// from is where this run begins in the log.
	from    int64
	started time.Time
	// ended is closed when the process has ended.
	ended chan struct{}
}

// Launch says what to run and where its output goes.
type Launch struct {
	// Name is for errors, Log the file that gets what the process prints, behind what is there.
	Name, Log string
	Command   *exec.Cmd
	// Begin starts the command; nil means Command.Start. The thread on which it does so must outlive the process.
	Begin func(*exec.Cmd) error
}

// Start runs a process and returns at once.
func Start(l Launch) (*Process, error) {
	log, err := os.OpenFile(l.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", l.Name, err)
	}
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", l.Name, errors.Join(err, log.Close()))
	}
	// Through a pipe: the log is ours, and no limit or full disk of the process's concerns it.
	output := struct{ io.Writer }{log}
	l.Command.Stdout, l.Command.Stderr = output, output
	dieWithParent(l.Command)
	begin := l.Begin
	if begin == nil {
		begin = (*exec.Cmd).Start
	}
	if err = begin(l.Command); err != nil {
		return nil, fmt.Errorf("starting %s: %w", l.Name, errors.Join(err, log.Close()))
	}
	p := &Process{name: l.Name, command: l.Command, log: l.Log, from: from, started: time.Now(), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // how it ended is in the process state
		_ = log.Close()      // everything is in it already
	}()
	return p, nil
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// ExitCode is the code with which the process ended, -1 if a signal ended it. It waits for the end.
func (p *Process) ExitCode() int {
	<-p.ended
	return p.command.ProcessState.ExitCode()
}

// Age is how long ago the process was started.
func (p *Process) Age() time.Duration { return time.Since(p.started) }

// EndedBy is the signal that ended the process, -1 if none did. It waits for the end.
func (p *Process) EndedBy() syscall.Signal {
	<-p.ended
	if status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus); ok {
		return status.Signal()
	}
	return -1
}

// Signal sends a signal. One that comes too late is no error.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %s to %s: %w", s, p.name, err)
	}
	return nil
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() error {
	err := p.Signal(syscall.SIGKILL)
	if err == nil {
		<-p.ended
	}
	return err
}

// Stop ends the process with SIGTERM and waits until it is gone. One that had ended by itself, or ends with
// another code than 0, is an error.
func (p *Process) Stop() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s had ended by itself with code %d: %s", p.name, p.ExitCode(), p.Tail())
	default:
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if code := p.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with code %d after SIGTERM: %s", p.name, code, p.Tail())
	}
	return nil
}

// tailBytes is how much of a log Tail returns.
const tailBytes = 8 << 10

// Tail returns the end of what this run of the process printed.
func (p *Process) Tail() string { return tail(p.log, p.from) }

// Tail returns the end of a file, or why it cannot be read.
func Tail(path string) string { return tail(path, 0) }

func tail(path string, from int64) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close()).Error()
	}
	text := make([]byte, min(info.Size()-from, tailBytes))
	_, err = file.ReadAt(text, info.Size()-int64(len(text)))
	if err = errors.Join(err, file.Close()); err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	return string(text)
}
