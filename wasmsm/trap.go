package wasmsm

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero/sys"
)

// exitTrap is the trap of proc_exit: its reason is what the guest wrote before.
type exitTrap struct{ code uint32 }

func (t *exitTrap) Error() string { return fmt.Sprintf("exited with code %d", t.code) }

// trapped makes an outcome of an error of the engine, or says that it is the host's failure.
func (m *Machine) trapped(err error) (Outcome, error) {
	var (
		own     *trap
		exit    *exitTrap
		goError runtime.Error
		closed  *sys.ExitError
		reason  string
	)
	switch {
	case errors.As(err, &own):
		reason = own.reason
	case errors.Is(err, errNoFuel):
	case errors.As(err, &exit):
		reason = deathReason(exit.Error(), string(m.call.lastWords.text))
	case errors.As(err, &goError):
		return Outcome{}, fmt.Errorf("wasmsm: a host function failed: %w", err)
	case errors.As(err, &closed):
		return Outcome{}, fmt.Errorf("%w: the instance was closed while in use", ErrClosed)
	case !strings.HasPrefix(err.Error(), wasmErrorPrefix) && err.Error() != stackOverflow:
		return Outcome{}, fmt.Errorf("wasmsm: the engine failed: %w", err)
	default:
		bare, function := engineReason(err.Error())
		if m.call.trappedIn = function; function != "" {
			bare += " in " + function
		}
		reason = deathReason(bare, string(m.call.lastWords.text))
		for line := range strings.Lines(err.Error()) {
			m.logText(levelError, []byte(strings.TrimRight(line, "\n")))
		}
	}
	m.lookUp()
	return Outcome{Kind: Trapped, Message: clip(reason, maxMessageBytes)}, nil
}

// The engine's traps are of a type that it keeps to itself, so they are known by their text.
const (
	wasmErrorPrefix = "wasm error: "
	stackOverflow   = "stack overflow"
	traceHeading    = "\nwasm stack trace:\n\t"
)

// frame is a line of the engine's stack trace: .name(parameters) results.
var frame = regexp.MustCompile(`^\.(.+?)\([a-z0-9,]*\)(?: [a-z0-9]+| \([a-z0-9,]*\))?$`)

// engineReason shortens the engine's error to its text and the function that trapped. The rest of
// the stack is for the log alone.
func engineReason(text string) (reason, function string) {
	reason, trace, _ := strings.Cut(strings.TrimPrefix(text, wasmErrorPrefix), traceHeading)
	first, _, _ := strings.Cut(trace, "\n")
	if parts := frame.FindStringSubmatch(first); parts != nil {
		return reason, parts[1]
	}
	return reason, ""
}

// deathReason replaces the bare reason by the report of the guest's language runtime, if it wrote
// one, and else adds the last line of standard error.
func deathReason(bare, stderr string) string {
	if reason, ok := goReport(stderr); ok {
		return reason
	}
	if reason, ok := rustReport(stderr); ok {
		return reason
	}
	last := strings.TrimRight(stderr, "\n")
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = last[i+1:]
	}
	if last = strings.TrimSpace(last); last == "" {
		return bare
	}
	return bare + ": " + last
}

// goReport reads the report of Go's runtime: the reason up to an empty line, then traces, each with
// a heading and for each function a line followed by one with its position. The place is the first
// of a goroutine outside the runtime.
func goReport(stderr string) (string, bool) {
	if !strings.HasPrefix(stderr, "panic: ") && !strings.HasPrefix(stderr, "fatal error: ") {
		return "", false
	}
	head, traces, _ := strings.Cut(strings.TrimRight(stderr, "\n"), "\n\n")
	if _, trace, ok := strings.Cut("\n\n"+traces, "\n\ngoroutine "); ok {
		if place := firstPlace(strings.Split(trace, "\n")); place != "" {
			return head + " (" + place + ")", true
		}
	}
	return head, true
}

// firstPlace skips a trace's heading and the runtime's own functions.
func firstPlace(lines []string) string {
	for i := 1; i+1 < len(lines); i += 2 {
		if !strings.HasPrefix(lines[i], "panic(") && !strings.HasPrefix(lines[i], "runtime.") {
			return goPlace(lines[i+1])
		}
	}
	return ""
}

// goPlace cuts "\t/home/me/main.go:42 +0x1f" down to "main.go:42".
func goPlace(line string) string {
	file, ok := strings.CutPrefix(line, "\t")
	if !ok {
		return ""
	}
	file, _, _ = strings.Cut(file, " ")
	return path.Base(file)
}

// rustReport reads the report of Rust's standard library: the place, then the reason.
func rustReport(stderr string) (string, bool) {
	head, rest, ok := strings.Cut(stderr, "\n")
	_, place, panicked := strings.Cut(head, " panicked at ")
	if !ok || !panicked || !strings.HasPrefix(head, "thread '") {
		return "", false
	}
	reason, _, _ := strings.Cut(rest, "\n")
	return "panic: " + reason + " (" + path.Base(strings.TrimSuffix(place, ":")) + ")", true
}
