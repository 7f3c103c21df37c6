package cli

import (
	"fmt"
	"time"

	urfave "github.com/urfave/cli/v2"
)

const (
	flagProgress = "progress"
	// progressInterval is the pause between two signs of progress.
	progressInterval = 500 * time.Millisecond
)

func progressFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: flagProgress, Usage: "show progress even where standard error is no terminal"}
}

// progress shows on standard error how far a long work is: one line that changes on a terminal, a
// line each time elsewhere, nothing unless it was asked for. It is used by one goroutine at a time.
type progress struct {
	console  *console
	terminal bool
	wanted   bool
	shown    bool
}

func (c *call) progress() *progress {
	terminal := c.console.terminal(c.console.err)
	return &progress{console: c.console, terminal: terminal, wanted: terminal || c.cli.Bool(flagProgress)}
}

// show replaces the line.
func (p *progress) show(format string, args ...any) {
	if !p.wanted {
		return
	}
	text := fmt.Sprintf(format, args...)
	if !p.terminal {
		fmt.Fprintln(p.console.err, text)
		return
	}
	p.shown = true
	fmt.Fprintf(p.console.err, "\r\x1b[K%s", text)
}

// end takes the line away.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.console.err, "\r\x1b[K")
		p.shown = false
	}
}

// every calls show at intervals, from another goroutine, until the function returned is called,
// which waits for the last call.
func (p *progress) every(show func()) (stop func()) {
	if !p.wanted {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				show()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		p.end()
	}
}
