package wasmsm

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// The levels of the log import.
const (
	levelInfo  = 1
	levelWarn  = 2
	levelError = 3
)

// logText hands a line to the operator's log while the call's budget lasts.
func (m *Machine) logText(level int, text []byte) {
	text = text[:min(len(text), m.call.logLeft)]
	if len(text) == 0 {
		return
	}
	m.call.logLeft -= len(text)
	if m.log != nil {
		m.log(level, strings.ToValidUTF8(string(text), "\uFFFD"))
	}
}

// maxLineBytes is where a line without an end is cut.
const maxLineBytes = 4096

// lines collects a stream's bytes until a line is whole.
type lines struct{ partial []byte }

func (l *lines) reset() { l.partial = l.partial[:0] }

// write calls whole with each line that b completes, without the newline.
func (l *lines) write(b []byte, whole func(line []byte)) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		piece := b
		if end >= 0 {
			piece = b[:end]
		}
		piece = piece[:min(len(piece), maxLineBytes-len(l.partial))]
		l.partial = append(l.partial, piece...)
		b = b[len(piece):]
		if len(b) > 0 && b[0] == '\n' {
			b = b[1:]
			l.flush(whole)
		} else if len(l.partial) == maxLineBytes {
			l.flush(whole)
		}
	}
}

func (l *lines) flush(whole func(line []byte)) {
	whole(l.partial)
	l.reset()
}

func (m *Machine) writeStdout(b []byte) {
	m.call.stdout.write(b, m.stdoutLine)
}

func (m *Machine) writeStderr(b []byte) {
	m.call.stderr.write(b, m.stderrLine)
}

func (m *Machine) stdoutLine(line []byte) { m.logText(levelInfo, line) }

func (m *Machine) stderrLine(line []byte) {
	m.call.lastWords.add(line)
	m.logText(levelWarn, line)
}

// flushOutput ends lines that the guest left open.
func (m *Machine) flushOutput() {
	if len(m.call.stdout.partial) > 0 {
		m.call.stdout.flush(m.stdoutLine)
	}
	if len(m.call.stderr.partial) > 0 {
		m.call.stderr.flush(m.stderrLine)
	}
}

// maxLastWords bounds what is kept of standard error.
const maxLastWords = 4096

// lastWords keeps the end of standard error, from which the reason of a trap is read. From a line
// on that begins a report of a runtime's death it keeps the beginning instead, since the reason
// stands first and a long trace follows.
type lastWords struct {
	text   []byte
	pinned bool
}

// reportPrefixes begin the reports of Go's and Rust's runtimes.
var reportPrefixes = [][]byte{[]byte("panic: "), []byte("fatal error: "), []byte("thread '")}

func (w *lastWords) reset() { w.text, w.pinned = w.text[:0], false }

func (w *lastWords) add(line []byte) {
	if !w.pinned {
		for _, prefix := range reportPrefixes {
			if bytes.HasPrefix(line, prefix) {
				w.text, w.pinned = w.text[:0], true
			}
		}
	}
	w.text = append(append(w.text, line...), '\n')
	switch over := len(w.text) - maxLastWords; {
	case over <= 0:
	case w.pinned:
		w.text = w.text[:maxLastWords]
	default:
		w.text = w.text[:copy(w.text, w.text[over:])]
	}
}

// clip shortens text to a limit and makes it UTF-8, so that it can be stored and sent as a string.
func clip[T string | []byte](text T, limit int) string {
	s := string(text)
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
