package prepare

// localWeight is what a local costs at a branch, in units of what another branch costs there.
const localWeight = 20

// charge adds what compiling a function costs more for some more branches than those that were charged.
// The engine's compiler takes time with the square of a function's blocks, and with blocks times
// locals: measured with wazero 1.12.0, 0.1 us and 2 us for each pair, so that 44 KB of code can take half a minute. Code that compilers write stays far below
// the limit: a Go program of 14 MB, with net/http and go/types, costs a fifth of it.
func (w *walker) charge(b body, charged, more int64) {
	if w.err != nil {
		return
	}
	locals := int64(w.locals)
	cost := func(branches int64) int64 { return branches * (branches + localWeight*locals) }
	w.cost += cost(charged+more) - cost(charged)
	if w.cost > int64(w.limits.CompileCost) {
		w.failAt(b.start, "the module is too costly to compile: with this function's %d branches and %d locals the cost is %d, the limit is %d; split functions that branch this much",
			charged+more, locals, w.cost, w.limits.CompileCost)
	}
}
