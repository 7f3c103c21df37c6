package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

// The counter is three counters in one number, so that its end tells how often each kind of addition was
// applied: under a session, with a message ID, and without anything (fire and forget).
const (
	digitBits = 20
	bySession = 0
	byID      = 1
	byNothing = 2
)

var digitNames = [3]string{"under a session", "with a message ID", "fire and forget"}

func digit(total uint64, of int) int { return int(total >> (of * digitBits) & (1<<digitBits - 1)) }

func addition(of int) string { return strconv.FormatUint(1<<(of*digitBits), 10) }

// tally is what the clients know of the counter.
type tally struct {
	// acked and open count additions of each kind; one fire and forget is open.
	acked, open [3]atomic.Int64
	nextID      atomic.Int64

	mu sync.Mutex
	// views are the counter's values at the indexes that anybody saw.
	views []view
}

// view is the counter's value at an index: after the command there, or as a query saw it.
type view struct {
	index, total uint64
	command      bool
}

// saw notes an answer of the counter.
func (w *workload) saw(what, output string, index uint64, command bool) {
	total, err := strconv.ParseUint(output, 10, 64)
	if err != nil || (index == 0 && (command || total != 0)) {
		w.fail(fmt.Errorf("%s: the counter answers %q at index %d", what, output, index))
		return
	}
	w.tally.mu.Lock()
	defer w.tally.mu.Unlock()
	w.tally.views = append(w.tally.views, view{index, total, command})
}

// added notes the end of an addition.
func (w *workload) added(of int, came, output string, floor, index uint64) {
	switch came {
	case done:
		w.tally.acked[of].Add(1)
		w.ordered(groupCounter, "an addition "+digitNames[of], floor, index, true)
		w.seen[groupCounter].answered(index)
		w.saw("an addition "+digitNames[of], output, index, true)
	case unknown:
		w.tally.open[of].Add(1)
	case refused:
		w.fail(fmt.Errorf("an addition %s was refused by the machine: %s", digitNames[of], output))
	}
}

// addInSession adds through the client library, which uses sessions.
func (w *workload) addInSession(context.Context, int, *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	floor, began := w.seen[groupCounter].floor(), w.now()
	result, err := w.client.Group(groupCounter).Execute(ctx, []byte(addition(bySession)))
	came := w.outcomeOf("adding", err)
	w.stats.operation("add "+digitNames[bySession], came, w.now()-began)
	w.added(bySession, came, string(result.Output), floor, result.Index)
}

// addWithMessageID sends one addition by hand, under one message ID, to one host after the other until
// somebody answers.
func (w *workload) addWithMessageID(ctx context.Context, _ int, rng *rand.Rand) {
	header := natsgo.Header{api.HeaderMsgID: {fmt.Sprintf("addition-%d", w.tally.nextID.Add(1))}}
	floor, began := w.seen[groupCounter].floor(), w.now()
	came := nothing
	var a answer
	for {
		a = w.request(api.Command(groupCounter, w.someHost(rng)), addition(byID), header)
		if a.outcome == done || a.outcome == refused {
			came = a.outcome
			break
		}
		if a.outcome == unknown {
			came = unknown // whatever later attempts say
		}
		if w.now()-began > patience || !pause(ctx, 20*time.Millisecond) {
			break
		}
	}
	w.stats.operation("add "+digitNames[byID], came, w.now()-began)
	w.added(byID, came, a.output, floor, a.index)
}

// addAndForget publishes an addition and does not ask what became of it.
func (w *workload) addAndForget(context.Context, int, *rand.Rand) {
	if err := w.raw.Publish(api.Command(groupCounter, ""), []byte(addition(byNothing))); err != nil {
		w.stats.operation("add "+digitNames[byNothing], nothing, 0)
		return
	}
	w.tally.open[byNothing].Add(1)
	w.stats.operation("add "+digitNames[byNothing], unknown, 0)
}

// read asks one host for the counter and checks what the kind of query promises.
func (w *workload) read(_ context.Context, id int, rng *rand.Rand) {
	h := w.hosts[rng.IntN(len(w.hosts))]
	floor := w.seen[groupCounter].floor()
	options, what := client.QueryOptions{Host: h.name}, "linearizable read"
	switch rng.IntN(3) {
	case 0:
		options.Consistency, what = client.Stale, "stale read"
	case 1:
		options.Consistency, options.AtLeast, what = client.AtLeast, floor, "at-least read"
	}
	ctx, cancel := context.WithTimeout(context.Background(), attempt)
	defer cancel()
	run, began := h.runs.Load(), w.now()
	result, err := w.client.Group(groupCounter).Query(ctx, nil, options)
	came := w.outcomeOf(what, err)
	w.stats.operation(what, came, w.now()-began)
	if came != done {
		return
	}
	if options.Consistency != client.Stale {
		w.ordered(groupCounter, what, floor, result.Index, false)
	}
	w.saw(what, string(result.Output), result.Index, false)
	if options.Consistency == client.Linearizable {
		return // the leader ran it
	}
	if err := w.stats.monotone(id, h.name, run, h.runs.Load(), result.Index); err != nil {
		w.fail(fmt.Errorf("%s: %w", what, err))
	}
}

// check shows that the counter's value is one function of the index, the same on every member, that no
// acknowledged addition is missing, and that none was applied twice.
func (a *tally) check(total uint64) error {
	var errs []error
	for of, name := range digitNames {
		applied, acked, open := digit(total, of), int(a.acked[of].Load()), int(a.open[of].Load())
		if applied < acked || applied > acked+open {
			errs = append(errs, fmt.Errorf("%d additions %s were applied, %d acknowledged and %d left open", applied, name, acked, open))
		}
	}
	slices.SortFunc(a.views, func(x, y view) int {
		return cmp.Or(cmp.Compare(x.index, y.index), cmp.Compare(x.total, y.total))
	})
	for i := 1; i < len(a.views); i++ {
		before, now := a.views[i-1], a.views[i]
		switch {
		case before.index == now.index && before.total != now.total:
			errs = append(errs, fmt.Errorf("at index %d the counter was both %d and %d", now.index, before.total, now.total))
		case before.index == now.index && before.command && now.command:
			errs = append(errs, fmt.Errorf("two additions were answered with index %d", now.index))
		case now.total < before.total, now.command && now.index > before.index && now.total == before.total:
			errs = append(errs, fmt.Errorf("the counter went from %d at index %d to %d at index %d", before.total, before.index, now.total, now.index))
		}
	}
	return errors.Join(errs...)
}
