package host

import (
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// simHistory is what clients saw of the cells that are set and compared, for a judge that knows nothing of
// the log: porcupine.
type simHistory struct {
	w   *simWorld
	ops map[int][]porcupine.Operation
	// open are the commands without an answer: they may take effect at any later time.
	open map[*simOp]bool
}

// simCall is the input of an operation: a command's words, or none for a read.
type simCall struct{ words string }

var simRegister = porcupine.Model{
	Init: func() any { return "0" },
	Step: func(state, input, output any) (bool, any) {
		words := strings.Fields(input.(simCall).words)
		answer, known := output.(string)
		switch {
		case len(words) == 0:
			return answer == state.(string), state
		case words[0] == "put":
			return !known || answer == words[2], words[2]
		case state.(string) == words[2]:
			return !known || answer == "1", words[3]
		}
		return !known || answer == "0", state
	},
}

func (h *simHistory) init(w *simWorld) {
	h.w, h.ops, h.open = w, map[int][]porcupine.Operation{}, map[*simOp]bool{}
}

func (h *simHistory) on(op *simOp) bool { return h.w.profile.porcupine && op.cell >= 8 }

func (h *simHistory) add(op *simOp, words string, output any, end int) {
	h.ops[op.cell] = append(h.ops[op.cell], porcupine.Operation{
		Input: simCall{words}, Output: output, Call: int64(op.began), Return: int64(end),
	})
}

func (h *simHistory) read(op *simOp, output []byte) {
	if h.on(op) {
		h.add(op, "", string(output), h.w.steps)
	}
}

func (h *simHistory) wrote(op *simOp, outcome *Outcome) {
	if h.on(op) && outcome.Kind == Applied {
		h.add(op, string(op.command.Payload), string(outcome.Output), h.w.steps)
	}
}

// judge asks porcupine. Commands that were sent and never answered may have happened until the end.
func (h *simHistory) judge() {
	if !h.w.profile.porcupine {
		return
	}
	for a := range h.w.clients.unanswered() {
		if h.on(a.op) {
			h.add(a.op, string(a.op.command.Payload), nil, 1<<40)
		}
	}
	for cell, ops := range h.ops {
		h.w.stats.porcupine += len(ops)
		if result := porcupine.CheckOperationsTimeout(simRegister, ops, 5*time.Second); result == porcupine.Illegal {
			h.w.fail("the history of cell %s is not linearizable: %+v", strconv.Itoa(cell), ops)
		}
	}
}
