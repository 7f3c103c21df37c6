package prepare

import "github.com/groutlabs/grout/wasmsm/internal/leb128"

// StackGlobal is the name under which the room that is left for calls is exported: a mutable i64 that
// the host sets before a call, in slots of 8 bytes. It is no part of a machine's state.
const StackGlobal = "grout:stack"

// StackSlots is the room for all frames that the host gives a call: 40 MiB, and at most 55,000 calls. The compiler's
// stack has 50 MB, the interpreter's frames fit into the host's own stack, so that this limit ends a recursion on
// both.
const StackSlots = 5 << 20

// What a call takes of the stack, in slots of 8 bytes. The engine gives each value that it cannot keep in a
// register a slot of its own for the whole function, so that all values are counted. Measured with wazero
// 1.12.0, of the 2,138 functions of a Go program with maps and JSON none takes more than 0.29 of this, and
// half take less than a fifteenth; TestDepthEndsFirst has code that was written to take much.
const (
	// frameSlots is what each call takes beside what its function needs. It is so much because the engine's
	// interpreter takes 4.4 KB of the host's own stack for a call of whatever function.
	frameSlots = 96
	// leafSlots is up to which size a function that calls none but host functions takes nothing: only one
	// such frame is on the stack at a time.
	leafSlots = 256
)

// stackMeter is the pass that bounds the depth of calls by the frames' sizes. A function takes its frame off the
// room that its caller left in the global, meter looks whether any is left, and before each call the function leaves
// its own rest there. So nothing is given back, and no call waits for what those before it did.
// The body becomes a block, so that every return passes the function's end.
type stackMeter struct {
	m     *parsed
	check *checker
	edits *edits
	fuel  *meter
	// room is the local that has what was left after the frame was taken.
	room    uint32
	scratch *scratch
	// slots is the present function's size, 0 when it is not counted.
	slots    int64
	function int
	// counted has, for each function so far, imports included, whether it is counted.
	counted []bool
	// wrapped is set when the body becomes a block. held is a function whose fuel is kept in a local.
	wrapped, held bool
}

func (s *stackMeter) enter(index int, _ body) {
	found := &s.check.survey
	s.function = index
	s.slots = int64(frameSlots + len(s.check.locals) + found.height + found.values)
	if found.calls == 0 && s.slots <= leafSlots {
		s.slots = 0
	}
	s.counted = append(s.counted, s.slots > 0)
	s.held = found.loops > 0
	s.wrapped = s.slots > 0 || s.held
	if s.slots > 0 {
		s.room = s.scratch.add(typeI64)
	}
}

// counts is whether a function is known to be counted, and so to look at both counters when it begins.
func (s *stackMeter) counts(function uint32) bool {
	return int(function) < len(s.counted) && s.counted[function]
}

// begin takes the frame. The caller puts the check after it, and then open.
func (s *stackMeter) begin(text []byte) []byte {
	if s.wrapped {
		text = append(text, opBlock, blockEmpty)
	}
	if s.slots == 0 {
		return text
	}
	text = appendU32(append(text, opGlobalGet), s.m.stackGlobal())
	text = leb128.AppendSigned(append(text, opI64Const), s.slots)
	return appendU32(append(text, opI64Sub, opLocalSet), s.room)
}

// leaveRoom puts into the global what is left.
func (s *stackMeter) leaveRoom() []byte {
	if s.slots == 0 {
		return nil
	}
	text := appendU32([]byte{opLocalGet}, s.room)
	return appendU32(append(text, opGlobalSet), s.m.stackGlobal())
}

// open begins the block that is the function's body.
func (s *stackMeter) open(text []byte) []byte {
	if !s.wrapped {
		return text
	}
	return append(append(text, opBlock), s.m.resultBlock(s.function)...)
}

func (s *stackMeter) instruction(in *instruction) {
	switch {
	case !s.wrapped:
	case in.op == opCall && int(in.index) >= len(s.m.imports) || in.op == opCallIndirect:
		s.edits.insert(in.start, s.leaveRoom()...)
	case in.op == opReturn:
		s.edits.replace(in.span, appendU32([]byte{opBr}, uint32(in.depth))...)
	case in.op == opEnd && in.depth == 0:
		s.edits.insert(in.start, opEnd)
		s.fuel.finish(in.start)
		text := append([]byte{opReturn, opEnd}, s.leaveRoom()...) // the host looks which of the two is below zero
		s.edits.insert(in.start, append(s.fuel.release(text), opUnreachable)...)
	}
}

func (s *stackMeter) leave(body) {}

// resultBlock is the type of a block without parameters that has a function's results. Where no short form
// is there it is one that is added to the module's types.
func (m *parsed) resultBlock(function int) []byte {
	index := m.typeIndexOf(function)
	results := m.results[index]
	switch {
	case len(results) == 1:
		return []byte{blockEmpty}
	case len(results) == 2:
		return []byte{results[1]}
	}
	added, ok := m.addedTypes[string(results)]
	if !ok {
		added = len(m.types) + len(m.addedTypes)
		m.addedTypes[string(results)] = added
		m.addedBytes = append(append(m.addedBytes, 0x60, 0), results...)
	}
	return leb128.AppendSigned(nil, int64(added))
}
