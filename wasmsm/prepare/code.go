package prepare

// codeWriter writes the code section again. It is the last of the passes: when a function ends, the
// others have collected their edits.
type codeWriter struct {
	m       *parsed
	passes  []pass
	nan     *canonicalizer
	edits   edits
	scratch scratch
	// out is the section's content, nil when there is none.
	out  []byte
	body []byte
}

func newCodeWriter(m *parsed, check *checker) *codeWriter {
	w := &codeWriter{m: m, scratch: scratch{m: m}}
	if m.sections[sectionCode] != nil {
		w.out = appendU32(nil, uint32(len(m.bodies)))
	}
	depth := &stackMeter{m: m, check: check, edits: &w.edits, scratch: &w.scratch, counted: make([]bool, len(m.imports))}
	fuel := &meter{edits: &w.edits, scratch: &w.scratch, fuel: m.fuelGlobal(), stack: depth}
	depth.fuel = fuel
	w.nan = &canonicalizer{check: check, edits: &w.edits, scratch: &w.scratch}
	w.passes = []pass{
		&w.scratch,
		w.nan,
		depth,
		fuel,
		w,
	}
	return w
}

func (w *codeWriter) enter(int, body) {}

func (w *codeWriter) instruction(*instruction) {}

func (w *codeWriter) leave(b body) {
	w.body = appendU32(w.body[:0], uint32(b.groups+len(w.scratch.types)))
	w.body = append(w.body, w.m.data[b.declared:b.code]...)
	for _, t := range w.scratch.types {
		w.body = append(w.body, 1, byte(t))
	}
	w.body = w.edits.apply(w.body, w.m.data, span{b.code, b.end})
	w.out = appendU32(w.out, uint32(len(w.body)))
	w.out = append(w.out, w.body...)
}

// scratch hands out locals beyond the function's own. It is the first of the passes.
type scratch struct {
	m     *parsed
	first uint32
	types []valueType
	// shared has, for each type, the index of the shared local in types and 1.
	shared [256]int
}

// use returns the local of a type that all may use. What is in it is used up before the function's own
// code goes on.
func (s *scratch) use(t valueType) uint32 {
	if s.shared[t] == 0 {
		s.add(t)
		s.shared[t] = len(s.types)
	}
	return s.first + uint32(s.shared[t]) - 1
}

// add returns a local for the caller alone.
func (s *scratch) add(t valueType) uint32 {
	s.types = append(s.types, t)
	return s.first + uint32(len(s.types)) - 1
}

func (s *scratch) enter(index int, b body) {
	s.first, s.types, s.shared = uint32(s.m.params(index)+b.locals), s.types[:0], [256]int{}
}

func (s *scratch) instruction(*instruction) {}

func (s *scratch) leave(body) {}
