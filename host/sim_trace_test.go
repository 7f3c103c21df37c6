package host

import (
	"fmt"
	"strings"
)

// simTrace is the record of a run. Its sum covers every step; its lines are kept only in a replay.
type simTrace struct {
	sum  uint64
	on   bool
	all  bool
	rows []string
	w    *simWorld
}

func (t *simTrace) fold(x uint64) { t.sum = (t.sum ^ x) * 1099511628211 }

// event records what is about to happen.
func (t *simTrace) event(w *simWorld, e *simEvent) {
	t.w = w
	t.fold(uint64(e.at))
	t.fold(uint64(len(e.kind)) + uint64(e.kind[0])<<8)
	if l := e.life; l != nil {
		t.fold(uint64(l.node.index) + uint64(l.seen.commit)<<8 + uint64(l.seen.term)<<40)
	}
	if !t.on {
		return
	}
	who := "-"
	if e.life != nil {
		s := &e.life.seen
		who = fmt.Sprintf("%s %-13s t=%d c=%d", e.life.node.name, s.role, s.term, s.commit)
	}
	about := ""
	if e.about != nil {
		about = e.about.String()
	}
	t.add(fmt.Sprintf("%6d %9.3f %-28s %s %s", w.steps, float64(e.at)/float64(simTick), who, e.kind, about))
}

// note adds a line to the step under way. Callers on hot paths look at on first.
func (t *simTrace) note(format string, args ...any) {
	if t.on {
		t.add("                 | " + fmt.Sprintf(format, args...))
	}
}

// tail is how many lines a failure shows.
const simTail = 60

func (t *simTrace) add(row string) {
	t.rows = append(t.rows, row)
	if !t.all && len(t.rows) > 4*simTail {
		t.rows = append(t.rows[:0], t.rows[len(t.rows)-simTail:]...)
	}
}

func (t *simTrace) String() string {
	rows := t.rows
	if !t.all && len(rows) > simTail {
		rows = rows[len(rows)-simTail:]
	}
	return strings.Join(rows, "\n")
}
