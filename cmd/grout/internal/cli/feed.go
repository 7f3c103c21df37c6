package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/client"
)

// The flags of feed.
const (
	flagWindow    = "window"
	flagDelimiter = "delimiter"
	flagStop      = "stop-on-error"
	flagPrint     = "print"
)

const (
	maxWindow       = 1024
	feedBufferBytes = 64 << 10
)

// feed is one run of the verb. The reader's goroutine submits, the verb's own takes the results.
type feed struct {
	call      *call
	pipeline  *client.Pipeline
	cancel    context.CancelCauseFunc
	delimiter byte
	out       *bufio.Writer
	summary   *feedSummary
	// stamps are the times at which the commands were sent, in their order.
	stamps chan time.Time
	// ended holds why the reader has ended, nil at the end of the input.
	ended chan error

	sent, taken atomic.Int64
	// moved is when the last result was taken, or a command was sent while none was under way, in
	// nanoseconds since begun.
	moved atomic.Int64
	begun time.Time
}

// feedVerb sends a file of commands.
func feedVerb(c *call) (err error) {
	group, window := c.arg(0), c.cli.Int(flagWindow)
	if window < 1 || window > maxWindow {
		return usage("feed: --window is %d, use 1 to %d", window, maxWindow)
	}
	delimiter, err := parseDelimiter(c.cli.String(flagDelimiter))
	if err != nil {
		return err
	}
	input, closeInput, err := c.openInput(c.arg(1))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeInput()) }()
	l, err := c.connect()
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	if err := c.findGroup(ctx, l, group); err != nil {
		return err
	}
	pipeline, err := l.client.Group(group).Pipeline(ctx, client.PipelineConfig{Window: window})
	if err != nil {
		return l.failed(err, group)
	}
	f := &feed{
		call: c, pipeline: pipeline, cancel: cancel, delimiter: delimiter, out: bufio.NewWriter(c.console.out),
		summary: newFeedSummary(group), stamps: make(chan time.Time, window+1), ended: make(chan error, 1), begun: time.Now(),
	}
	go f.read(ctx, bufio.NewReaderSize(input, feedBufferBytes))
	if err := f.collect(); err != nil {
		return err
	}
	f.summary.finish(time.Since(f.begun), l.client.Stats())
	if err := f.summary.print(c); err != nil {
		return err
	}
	return f.verdict(l)
}

// openInput opens the file, or standard input for "-".
func (c *call) openInput(name string) (io.Reader, func() error, error) {
	if name == "-" {
		return c.console.in, func() error { return nil }, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, usage("%s: %s", c.verb, err)
	}
	return file, file.Close, nil
}

// parseDelimiter reads one byte, written as it is or with a backslash.
func parseDelimiter(text string) (byte, error) {
	if text == `\0` {
		return 0, nil
	}
	if len(text) == 1 {
		return text[0], nil
	}
	plain, err := strconv.Unquote(`"` + text + `"`)
	if err != nil || len(plain) != 1 {
		return 0, usage(`--delimiter %q is not one byte; \n, \t, \0 and \xFF are understood`, text)
	}
	return plain[0], nil
}

// read submits the input's commands until its end, or until the pipeline takes no more.
func (f *feed) read(ctx context.Context, input *bufio.Reader) {
	f.ended <- f.submitAll(ctx, input)
	f.pipeline.Close()
}

func (f *feed) submitAll(ctx context.Context, input *bufio.Reader) error {
	for number := 1; ; number++ {
		command, err := readCommand(input, f.delimiter)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			f := asFailure(err)
			f.text = fmt.Sprintf("command %d: %s", number, f.text)
			return f
		}
		if _, err := f.pipeline.Submit(ctx, command); err != nil {
			return nil // the results say why
		}
		now := time.Now()
		if f.sent.Add(1)-f.taken.Load() == 1 {
			f.moved.Store(int64(now.Sub(f.begun)))
		}
		f.stamps <- now
	}
}

// readCommand returns what stands before the next delimiter, in memory of its own. The last command
// need not be delimited.
func readCommand(input *bufio.Reader, delimiter byte) ([]byte, error) {
	var command []byte
	for {
		piece, err := input.ReadSlice(delimiter)
		command = append(command, piece...)
		if len(command) > host.MaxCommandBytes+1 {
			return nil, usage("it has more than %d bytes, the most that a command may have: is --delimiter right?", host.MaxCommandBytes)
		}
		switch {
		case err == nil:
			return command[:len(command)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(command) > 0:
			return command, nil
		default:
			return nil, err
		}
	}
}

// collect takes all results.
func (f *feed) collect() error {
	stop := f.watch()
	defer stop()
	line := f.call.progress()
	endProgress := line.every(func() {
		taken := f.taken.Load()
		line.show("%d commands done, %.0f/s", taken, float64(taken)/time.Since(f.begun).Seconds())
	})
	defer endProgress()
	for {
		// The pipeline ends every command when its own context does: this wait needs no other.
		result, err := f.pipeline.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return f.flush()
		}
		if err != nil {
			return err
		}
		latency := time.Since(<-f.stamps)
		taken := f.taken.Add(1)
		f.moved.Store(int64(time.Since(f.begun)))
		if problem := f.summary.add(taken, result, latency); problem && f.stops(result.Err) {
			f.pipeline.Close()
		}
		if err := f.print(result, taken); err != nil {
			return err
		}
	}
}

// watch ends the pipeline when commands are under way and none has had a result for --timeout.
func (f *feed) watch() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		timer := time.NewTimer(f.call.timeout)
		defer timer.Stop()
		for {
			select {
			case <-quit:
				return
			case <-timer.C:
			}
			left := f.call.timeout
			if f.sent.Load() > f.taken.Load() {
				left -= time.Since(f.begun) - time.Duration(f.moved.Load())
			}
			if left <= 0 {
				f.cancel(timeoutError{f.call.timeout})
				return
			}
			timer.Reset(left)
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// stops reports whether nothing more is to be sent after a command that was not applied.
func (f *feed) stops(err error) bool {
	return f.call.cli.Bool(flagStop) || !settled(err)
}

// print prints an answer, if that was asked for; nothing but the delimiter where there is none.
func (f *feed) print(r client.BatchResult, taken int64) error {
	if !f.call.cli.Bool(flagPrint) {
		return nil
	}
	if r.Err == nil {
		// A failed write stays in the writer, and the next call returns it.
		_, _ = f.out.Write(r.Result.Output)
	}
	if err := f.out.WriteByte(f.delimiter); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	if taken == f.sent.Load() {
		return f.flush()
	}
	return nil
}

func (f *feed) flush() error {
	if err := f.out.Flush(); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// verdict is the worst that happened.
func (f *feed) verdict(l *link) error {
	select {
	case err := <-f.ended:
		if err != nil {
			return err
		}
	default: // the reader still waits for input that nobody will send
	}
	if f.summary.worst == nil && interrupted(f.call.ctx) {
		return &failure{exit: Interrupted, text: "interrupted: the summary counts what was sent until then"}
	}
	if f.summary.worst == nil {
		return nil
	}
	failed := l.explain(f.summary.worst, f.summary.Group)
	failed.text = fmt.Sprintf("command %d: %s", f.summary.worstNumber, failed.text)
	return failed
}
