package wasmsm

// groutFunctions implement the imports of docs/ABI.md.
var groutFunctions = map[string]hostFunction{
	"input_read":   inputRead,
	"output_write": outputWrite,
	"error_write":  errorWrite,
	"ctx_index":    func(m *Machine, stack []uint64) { stack[0] = m.call.entry.Index },
	"ctx_term":     func(m *Machine, stack []uint64) { stack[0] = m.call.entry.Term },
	"ctx_time":     func(m *Machine, stack []uint64) { stack[0] = uint64(m.call.entry.TimeNanos) },
	"ctx_caller":   ctxCaller,
	"random":       random,
	"log":          logLine,
	"emit":         emit,
	"abort":        abort,
}

func inputRead(m *Machine, stack []uint64) {
	dst, offset, size := stack[0], uint64(uint32(stack[1])), uint64(uint32(stack[2]))
	input := m.call.input
	if offset >= uint64(len(input)) {
		input = nil
	} else {
		input = input[offset:]
	}
	size = min(size, uint64(len(input)))
	stack[0] = uint64(copy(m.slice("input_read", dst, size), input))
}

func outputWrite(m *Machine, stack []uint64) {
	b := m.slice("output_write", stack[0], stack[1])
	if limit := m.outputLimit(); len(m.call.output)+len(b) > limit {
		trapf("output_write: the output has more than %d bytes", limit)
	}
	m.call.output = append(m.call.output, b...)
}

func errorWrite(m *Machine, stack []uint64) {
	b := m.slice("error_write", stack[0], stack[1])
	room := maxMessageBytes - len(m.call.message)
	m.call.message = append(m.call.message, b[:min(room, len(b))]...)
}

func ctxCaller(m *Machine, stack []uint64) {
	caller := m.call.entry.Caller
	size := min(uint64(uint32(stack[1])), uint64(len(caller)))
	copy(m.slice("ctx_caller", stack[0], size), caller)
	stack[0] = uint64(len(caller))
}

func random(m *Machine, stack []uint64) {
	m.fillRandom(m.slice("random", stack[0], stack[1]))
}

func logLine(m *Machine, stack []uint64) {
	text := m.slice("log", stack[1], stack[2])
	m.logText(int(min(uint32(stack[0]), levelError)), text)
}

func emit(m *Machine, stack []uint64) {
	suffix := m.slice("emit", stack[0], stack[1])
	payload := m.slice("emit", stack[2], stack[3])
	c := &m.call
	switch {
	case c.kind == callQuery:
		trapf("emit: a query cannot emit events")
	case c.kind != callApply:
		trapf("emit: events can be emitted by commands only")
	case !validSuffix(suffix):
		trapf("emit: %q is no suffix of a subject: use 1 to %d letters, digits and other visible characters but '*' and '>', in tokens divided by dots",
			clip(suffix, 64), maxSuffixBytes)
	case len(c.events) == m.limits.Events:
		trapf("emit: more than %d events", m.limits.Events)
	case c.eventBytes+len(suffix)+len(payload) > m.limits.EventBytes:
		trapf("emit: the events have more than %d bytes", m.limits.EventBytes)
	}
	c.eventBytes += len(suffix) + len(payload)
	c.events = append(c.events, Event{Suffix: string(suffix), Payload: append([]byte(nil), payload...)})
}

// maxSuffixBytes bounds an event's suffix, which becomes the end of a subject.
const maxSuffixBytes = 128

// validSuffix keeps what would be a wildcard, an empty token or a second protocol line off subjects.
func validSuffix(suffix []byte) bool {
	if len(suffix) == 0 || len(suffix) > maxSuffixBytes {
		return false
	}
	previous := byte('.')
	for _, b := range suffix {
		if b <= ' ' || b > '~' || b == '*' || b == '>' || (b == '.' && previous == '.') {
			return false
		}
		previous = b
	}
	return previous != '.'
}

func abort(m *Machine, stack []uint64) {
	trapf("aborted: %s", clip(m.slice("abort", stack[0], stack[1]), maxMessageBytes))
}
