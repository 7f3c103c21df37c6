package prepare

// label takes a branch's target. Labels count open blocks outwards, the function last.
func (w *walker) label(label uint32) {
	if w.err == nil && int64(label) > int64(len(w.ifs)) {
		w.failAt(w.current.start, "a branch to label %d, %d are open", label, len(w.ifs)+1)
		return
	}
	w.labels = append(w.current.labels, label)
	w.current.labels = w.labels
}

// inRange refuses indices that the module does not have. Preparation adds globals and locals after
// the module's own: an index beyond those must not come to mean one of these.
func (w *walker) inRange() {
	in := &w.current
	switch in.op {
	case opLocalGet, opLocalSet, opLocalTee:
		w.below("local", in.index, w.locals)
	case opGlobalGet, opGlobalSet:
		w.below("global", in.index, len(w.m.globals))
	case opCall:
		w.below("function", in.index, len(w.m.imports)+len(w.m.functions))
	case opCallIndirect:
		w.below("type", in.index, len(w.m.types))
		w.below("table", in.index2, w.m.tables)
	}
}

func (w *walker) below(what string, index uint32, n int) {
	if w.err == nil && int64(index) >= int64(n) {
		w.failAt(w.current.start, "%s %d is used, there are %d", what, index, n)
	}
}
