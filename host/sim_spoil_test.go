package host

// spoiled reports whether a machine's state ever went wrong in this run: answers may be wrong then.
func (w *simWorld) spoiled() bool { return w.stats.faults[faultSpoil] > 0 }

// spoil changes a member's state without a word, as bad memory would, once in a run. The group must be able to
// tell who is right: of three voters at least one is wrong, and none has lost its disk.
func (w *simWorld) spoil(n *simNode) {
	l := n.life
	if l == nil || n.paused || len(w.truth.membership.Voters) < 3 || !w.truth.membership.IsVoter(n.id) || !w.operator.mayLose(n) || w.spoiled() {
		return
	}
	w.stats.count(faultSpoil)
	n.spoiled = true
	machine, ok := l.g.applier.replica.machine.(*simMachine)
	if !ok {
		return
	}
	machine.awake().cells[w.rng.IntN(12)] ^= 1 << w.rng.IntN(20)
}

// doubtful reports whether some member's state may be wrong.
func (w *simWorld) doubtful() bool { return w.spoiled() && w.stats.repaired == 0 }

// right reports whether a member's cells are those that the twin had at the same index.
func (w *simWorld) right(l *simLife) bool {
	machine, ok := l.g.applier.replica.machine.(*simMachine)
	if !w.spoiled() || !ok {
		return true
	}
	at := l.g.applier.replica.applied.Index
	for i, value := range machine.awake().cells {
		if w.truth.twin.valueAt(i, at) != value {
			return false
		}
	}
	return true
}

// checkState tests that a wrong state does not spread.
func (w *simWorld) checkState(l *simLife) {
	if !l.node.spoiled && !w.right(l) {
		w.fail("%s has caught a wrong state", l.node.name)
	}
}

// states are the members' state hashes, and who has them.
func (w *simWorld) states() (map[Digest][]string, error) {
	out := map[Digest][]string{}
	for _, l := range w.lives() {
		image, err := l.g.applier.replica.image()
		if err != nil {
			return nil, err
		}
		packed, err := pack([]any{image.header, image.sums(), image.state})
		if err != nil {
			return nil, err
		}
		out[digestOf(packed)] = append(out[digestOf(packed)], l.node.name)
	}
	return out, nil
}
