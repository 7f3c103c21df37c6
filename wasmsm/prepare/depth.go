package prepare

// StackGlobal is the name under which the room that is left for calls is exported: a mutable i64 that
// the host sets before a call, in slots of 8 bytes. It is no part of a machine's state.
const StackGlobal = "grout:stack"

// What a call takes of the stack, in slots of 8 bytes.
const (
	// frameSlots is what each call takes beside what its function needs.
	frameSlots = 16
	// leafSlots is up to which size a function that calls none but host functions takes nothing: only one
	// such frame is on the stack at a time.
	leafSlots = 256
	// valuesPerSlot is how many values that a function computes are counted as one that has to be kept in
	// memory.
	valuesPerSlot = 8
)

// stackMeter is the pass that bounds the depth of calls by the frames' sizes. A function takes its frame off the
// room that is left where it begins and gives it back where it returns; meter looks whether any is left.
// The body becomes a block, so that every return passes the function's end.
type stackMeter struct {
	m     *parsed
	check *checker
	edits *edits
	// slots is the present function's size, 0 when it is not counted.
	slots    int64
	function int
}

func (s *stackMeter) enter(index int, _ body) {
	found := &s.check.survey
	s.function = index
	s.slots = int64(frameSlots + len(s.check.locals) + found.height + found.values/valuesPerSlot)
	if found.calls == 0 && s.slots <= leafSlots {
		s.slots = 0
	}
}

// begin takes the frame. The caller puts the check after it, and then open.
func (s *stackMeter) begin(text []byte) []byte { return s.add(text, opI64Sub) }

// open begins the block that is the function's body.
func (s *stackMeter) open(text []byte) []byte {
	if s.slots == 0 {
		return text
	}
	return append(append(text, opBlock), s.m.resultBlock(s.function)...)
}

func (s *stackMeter) add(text []byte, op byte) []byte {
	if s.slots == 0 {
		return text
	}
	global := s.m.stackGlobal()
	text = appendU32(append(text, opGlobalGet), global)
	text = appendS64(append(text, opI64Const), s.slots)
	return appendU32(append(text, op, opGlobalSet), global)
}

func (s *stackMeter) instruction(in *instruction) {
	switch {
	case s.slots == 0:
	case in.op == opReturn:
		s.edits.replace(in.span, appendU32([]byte{opBr}, uint32(in.depth))...)
	case in.op == opEnd && in.depth == 0:
		s.edits.insert(in.start, s.add([]byte{opEnd}, opI64Add)...)
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
	return appendS64(nil, int64(added))
}
