package chaos

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	// keysAtATime are in use; each makes way for a new one after perKey operations, or openPerKey of
	// unknown outcome, so that the history of every key is short enough to be checked.
	keysAtATime = 8
	perKey      = 60
	openPerKey  = 6
)

// board hands out keys and gathers the history of each.
type board struct {
	mu      sync.Mutex
	rounds  [keysAtATime]int
	history map[string][]porcupine.Operation
	begun   map[string]int
	open    map[string]int
	// values are what was last read of each key in use.
	values map[string]string
	next   int
}

func newBoard() *board {
	return &board{history: map[string][]porcupine.Operation{}, begun: map[string]int{}, open: map[string]int{}, values: map[string]string{}}
}

// pick chooses a key in use, and a value that was never written.
func (b *board) pick(rng *rand.Rand) (key, value, last string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	slot := rng.IntN(keysAtATime)
	key = fmt.Sprintf("k%d.%d", slot, b.rounds[slot])
	if b.begun[key]++; b.begun[key] >= perKey || b.open[key] >= openPerKey {
		b.rounds[slot]++
	}
	b.next++
	return key, fmt.Sprintf("v%d", b.next), b.values[key]
}

func (b *board) record(o porcupine.Operation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in, out := o.Input.(operation), o.Output.(outcome)
	if out.unknown {
		b.open[in.key]++
	}
	if in.verb == verbGet && out.found {
		b.values[in.key] = out.value
	}
	b.history[in.key] = append(b.history[in.key], o)
}

// choose makes up an operation on a key.
func (b *board) choose(rng *rand.Rand) operation {
	key, value, last := b.pick(rng)
	o := operation{verb: verbGet, key: key}
	switch rng.IntN(4) {
	case 0:
		o.verb, o.value = verbPut, value
	case 1:
		o.verb, o.value, o.old = verbCAS, value, last
		if last == "" {
			o.verb, o.old = verbPut, ""
		}
	}
	return o
}

// useKeys works on a key through the client library.
func (w *workload) useKeys(_ context.Context, id int, rng *rand.Rand) {
	w.onKey(id, w.board.choose(rng), "library", w.throughLibrary)
}

// useKeysByHand works on a key with single requests to any host.
func (w *workload) useKeysByHand(_ context.Context, id int, rng *rand.Rand) {
	to := w.someHost(rng)
	w.onKey(id, w.board.choose(rng), "by hand", func(o operation) (string, string, uint64) {
		subject := api.Query(groupKV, to)
		if o.verb != verbGet {
			subject = api.Command(groupKV, to)
		}
		a := w.request(subject, o.request(), nil)
		return a.outcome, a.output, a.index
	})
}

func (w *workload) throughLibrary(o operation) (string, string, uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	group := w.client.Group(groupKV)
	var result client.Result
	var err error
	if o.verb == verbGet {
		result, err = group.Query(ctx, []byte(o.request()), client.QueryOptions{})
	} else {
		result, err = group.Execute(ctx, []byte(o.request()))
	}
	return w.outcomeOf(o.verb+" "+o.key, err), string(result.Output), result.Index
}

// onKey carries out an operation and records what it says about the history. One after which nothing
// happened is not in it: should it have happened, nobody wrote the value that others read.
func (w *workload) onKey(id int, o operation, how string, do func(operation) (string, string, uint64)) {
	floor := w.seen[groupKV].floor()
	called := w.now()
	came, output, index := do(o)
	returned := w.now()
	w.stats.operation(o.verb+" "+how, came, returned-called)
	out := outcome{}
	switch {
	case came == nothing, came == unknown && o.verb == verbGet:
		return
	case came == unknown:
		out.unknown, returned = true, time.Duration(math.MaxInt64)
	case o.verb == verbGet && came == done:
		out.found, out.value = true, output
	case o.verb == verbGet: // no such key
	default:
		out.done = came == done
	}
	if index > 0 {
		w.ordered(groupKV, o.verb+" "+o.key, floor, index, o.verb != verbGet)
		if o.verb != verbGet {
			w.seen[groupKV].answered(index)
		}
	}
	w.board.record(porcupine.Operation{ClientId: id, Input: o, Call: int64(called), Output: out, Return: int64(returned)})
}
