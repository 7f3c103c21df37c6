package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	// patience is how long a client tries one operation before it counts it as unknown.
	patience = 8 * time.Second
	// attempt is how long a client without a library waits for its one answer.
	attempt = 2 * time.Second
	// pace is the least time between the beginnings of two operations of one client.
	pace = 8 * time.Millisecond
)

// The outcomes of an operation.
const (
	done    = "done"
	refused = "refused" // by the machine
	nothing = "nothing happened"
	unknown = "unknown"
)

// workload is what the clients do and what they were told.
type workload struct {
	*cluster
	began time.Time
	board *board
	tally *tally
	seen  map[string]*timeline
	stats *stats

	clients sync.WaitGroup
}

func newWorkload(c *cluster) *workload {
	return &workload{
		cluster: c, began: time.Now(), board: newBoard(), tally: &tally{},
		seen: map[string]*timeline{groupKV: {}, groupCounter: {}}, stats: newStats(),
	}
}

// start begins all clients. They end with ctx, and wait returns then.
func (w *workload) start(ctx context.Context, seed uint64) {
	for i, c := range []struct {
		work   func(context.Context, int, *rand.Rand)
		number int
	}{
		{w.useKeys, 5}, {w.useKeysByHand, 3}, {w.addInSession, 2}, {w.addWithMessageID, 2}, {w.addAndForget, 1}, {w.read, 2},
	} {
		for j := range c.number {
			id := 10*i + j
			rng := rand.New(rand.NewPCG(seed, uint64(100+id)))
			w.clients.Go(func() {
				tick := time.NewTicker(pace)
				defer tick.Stop()
				for {
					select {
					case <-ctx.Done():
						return
					case <-tick.C:
						c.work(ctx, id, rng)
					}
				}
			})
		}
	}
}

func (w *workload) wait() { w.clients.Wait() }

func (w *workload) now() time.Duration { return time.Since(w.began) }

// outcomeOf says what an error leaves open, and reports anything that no fault explains.
func (w *workload) outcomeOf(what string, err error) string {
	var machine *client.RefusedError
	var said *client.Error
	switch {
	case err == nil:
		return done
	case errors.As(err, &machine):
		return refused
	case errors.Is(err, client.ErrUnknownOutcome):
		return unknown
	case errors.As(err, &said):
		return w.outcomeOfCode(what, said.Code, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, client.ErrNoHosts), errors.Is(err, client.ErrNoServers),
		errors.Is(err, natsgo.ErrConnectionReconnecting), errors.Is(err, natsgo.ErrReconnectBufExceeded), errors.Is(err, natsgo.ErrDisconnected):
		return nothing // the client says so by not saying "unknown"
	}
	w.fail(fmt.Errorf("%s: %w", what, err))
	return unknown
}

// outcomeOfCode is what docs/SUBJECTS.md promises for a code.
func (w *workload) outcomeOfCode(what string, code api.Code, err error) string {
	switch code {
	case api.CodeBusy, api.CodeNoLeader, api.CodeNotFound:
		return nothing
	case api.CodeUnknown, api.CodeInternal:
		return unknown
	}
	w.fail(fmt.Errorf("%s: %w", what, err))
	return unknown
}

// answer is what a request without a library came to.
type answer struct {
	outcome string
	output  string
	index   uint64
	leader  string
}

// request sends one request by hand, as any NATS client can, and waits once.
func (w *workload) request(subject string, payload string, header natsgo.Header) answer {
	ctx, cancel := context.WithTimeout(context.Background(), attempt)
	defer cancel()
	reply, err := w.raw.RequestMsgWithContext(ctx, &natsgo.Msg{Subject: subject, Data: []byte(payload), Header: header})
	switch {
	case errors.Is(err, natsgo.ErrNoResponders), errors.Is(err, natsgo.ErrReconnectBufExceeded):
		return answer{outcome: nothing} // nobody was there to take it, or it was not sent
	case err != nil:
		return answer{outcome: unknown} // it may have been sent all the same
	}
	a := answer{outcome: done, output: string(reply.Data), leader: reply.Header.Get(api.HeaderLeader)}
	if value := reply.Header.Get(api.HeaderIndex); value != "" {
		if a.index, err = strconv.ParseUint(value, 10, 64); err != nil {
			w.fail(fmt.Errorf("%s: the index is %q", subject, value))
		}
	}
	switch code := api.Code(reply.Header.Get("Nats-Service-Error-Code")); code {
	case "":
	case api.CodeRefused:
		a.outcome = refused
	default:
		a.outcome = w.outcomeOfCode(subject, code, &client.Error{Code: code, Text: reply.Header.Get("Nats-Service-Error")})
	}
	return a
}

// someHost is a host, or "" for any, by the client's own choice.
func (w *workload) someHost(rng *rand.Rand) string {
	if i := rng.IntN(len(w.hosts) + 1); i > 0 {
		return w.hosts[i-1].name
	}
	return ""
}

// timeline checks the order of what was answered: whatever was answered before an operation began is
// before that operation.
type timeline struct {
	// acked is the highest index of a command that was answered.
	acked atomic.Uint64
}

func (l *timeline) floor() uint64 { return l.acked.Load() }

// answered notes a command's index. fresh is false when the command may have been applied before floor was read.
func (l *timeline) answered(index uint64) {
	for {
		known := l.acked.Load()
		if index <= known || l.acked.CompareAndSwap(known, index) {
			return
		}
	}
}

// ordered reports an operation that was put before one that had been answered when it began. A command
// has to be behind it; a query has to see it.
func (w *workload) ordered(group, what string, floor, index uint64, command bool) {
	if index < floor || (command && index == floor) {
		w.fail(fmt.Errorf("%s of group %s at index %d, although index %d had been answered before it began", what, group, index, floor))
	}
}
