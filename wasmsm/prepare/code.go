package prepare

// codeWriter writes the code section again. It is the last of the passes: when a function ends, the
// others have collected their edits.
type codeWriter struct {
	m       *parsed
	passes  []pass
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
	depth := &stackMeter{m: m, check: check, edits: &w.edits}
	w.passes = []pass{
		&w.scratch,
		&canonicalizer{check: check, edits: &w.edits, scratch: &w.scratch},
		depth,
		&meter{edits: &w.edits, scratch: &w.scratch, fuel: m.fuelGlobal(), stack: depth},
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

// scratch hands out locals beyond the function's own, one for each type. What is in one is used up
// before the function's own code goes on. It is the first of the passes.
type scratch struct {
	m     *parsed
	first uint32
	types []valueType
}

// use returns the index of the local of a type.
func (s *scratch) use(t valueType) uint32 {
	for i, have := range s.types {
		if have == t {
			return s.first + uint32(i)
		}
	}
	s.types = append(s.types, t)
	return s.first + uint32(len(s.types)) - 1
}

func (s *scratch) enter(index int, b body) {
	s.first, s.types = uint32(s.m.params(index)+b.locals), s.types[:0]
}

func (s *scratch) instruction(*instruction) {}

func (s *scratch) leave(body) {}
