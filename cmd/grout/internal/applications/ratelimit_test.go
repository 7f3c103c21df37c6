package applications

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/examples/wasm/ratelimit/limiter"
	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
	"github.com/groutlabs/grout/sdk/client"
)

// sharedRule is that of the one bucket which all clients take from.
var sharedRule = limits.Rule{Class: "shared", Capacity: 50, Rate: 100}

// taken is an acknowledged decision, and its place in the log.
type taken struct {
	limits.Decision
	index  uint64
	tokens int64
	took   time.Duration
}

// takers are clients that take from one bucket until they are stopped.
type takers struct {
	c    *cluster
	t    *testing.T
	stop context.CancelFunc
	work sync.WaitGroup
	// tick has an element for each decision, as long as somebody takes them.
	tick chan struct{}

	mu   sync.Mutex
	done []taken
}

// TestRateLimitThroughKills shows that clients which take from one bucket, while the leader's host is killed several times and then all hosts at
// once, never get more than the rule gives: the decisions, in the order of the log, are those of one bucket that nobody else used.
func TestRateLimitThroughKills(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	c := start(t, ctx, "ratelimit")
	limited := limiter.New(c.group)
	must[limits.Rule](t)(limited.SetRule(ctx, sharedRule))
	all := startTakers(ctx, t, c, 8)
	const each = 400
	began := time.Now()
	all.await(ctx, 5*each)
	all.report(time.Since(began))
	for range 3 {
		dead := c.killLeader(t, ctx, `{"status":null}`)
		all.await(ctx, each)
		c.restart(t, dead)
		all.await(ctx, each)
	}
	c.killAll(t)
	all.await(ctx, each)
	all.stop()
	all.work.Wait()
	all.check(must[limits.State](t)(limited.Peek(ctx, limits.Bucket{Class: sharedRule.Class, Key: "key"})))
	middlewareThroughOutage(ctx, t, c, limited)
}

// startTakers starts clients with a connection and a session each.
func startTakers(ctx context.Context, t *testing.T, c *cluster, clients int) *takers {
	a := &takers{c: c, t: t, tick: make(chan struct{}, 1)}
	running, stop := context.WithCancel(ctx)
	a.stop = stop
	t.Cleanup(func() { stop(); a.work.Wait() })
	for i := range clients {
		group := c.connect(t).Typed(client.MessagePack)
		a.work.Go(func() {
			for n := i; running.Err() == nil; n++ {
				// One that is under way is waited for after the stop: its outcome has to be known.
				if err := a.take(ctx, group, int64(1+n%3)); err != nil {
					t.Error(err)
					return
				}
				select {
				case a.tick <- struct{}{}:
				case <-running.Done():
				}
			}
		})
	}
	return a
}

func (a *takers) take(ctx context.Context, group client.Typed, tokens int64) error {
	command, err := client.Encode(group, "take", limits.Take{Class: sharedRule.Class, Key: "key", Tokens: tokens})
	if err != nil {
		return err
	}
	start := time.Now()
	result, err := group.Group().Execute(ctx, command)
	if err != nil {
		return err
	}
	decision, err := client.Decode[limits.Decision](group, result.Output)
	a.mu.Lock()
	a.done = append(a.done, taken{decision, result.Index, tokens, time.Since(start)})
	a.mu.Unlock()
	return err
}

// await waits for so many more decisions.
func (a *takers) await(ctx context.Context, more int) {
	a.t.Helper()
	for range more {
		select {
		case <-a.tick:
		case <-ctx.Done():
			a.t.Fatal("the takers do not get on")
		}
	}
}

// report logs how fast decisions were.
func (a *takers) report(elapsed time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	took := make([]time.Duration, len(a.done))
	for i, d := range a.done {
		took[i] = d.took
	}
	slices.Sort(took)
	a.t.Logf("%.0f takes/s, p50 %v, p99 %v", float64(len(took))/elapsed.Seconds(), took[len(took)/2], took[len(took)*99/100])
}

// check replays all decisions in the order of the log on a bucket of its own, in billionths of a token, and compares what it holds in the end.
func (a *takers) check(end limits.State) {
	t := a.t
	t.Helper()
	slices.SortFunc(a.done, func(x, y taken) int { return cmp.Compare(x.index, y.index) })
	const token = int64(time.Second) // a nanosecond gives Rate billionths
	first, last := a.done[0], a.done[len(a.done)-1]
	level, at, granted, denied := sharedRule.Capacity*token, first.At, int64(0), 0
	fill := func(now int64) {
		level, at = min(level+(now-at)*sharedRule.Rate, sharedRule.Capacity*token), now
	}
	for i, d := range a.done {
		if i > 0 && (d.index == a.done[i-1].index || d.At < a.done[i-1].At) {
			t.Fatalf("decision %d at index %d, %d ns: the one before is at %d, %d ns", i, d.index, d.At, a.done[i-1].index, a.done[i-1].At)
		}
		fill(d.At)
		allowed := level >= d.tokens*token
		if allowed {
			level -= d.tokens * token
			granted += d.tokens
		} else {
			denied++
		}
		if d.Allowed != allowed || d.Left != level/token {
			t.Fatalf("the take of %d at index %d: %+v, the bucket holds %d billionths", d.tokens, d.index, d.Decision, level)
		}
	}
	if most := sharedRule.Capacity + sharedRule.Rate*(last.At-first.At)/token; granted > most {
		t.Errorf("%d tokens were granted, the rule gives %d", granted, most)
	}
	if fill(end.At); end.Left != level/token {
		t.Errorf("%d tokens are left, not %d", end.Left, level/token)
	}
	if granted <= sharedRule.Capacity || denied == 0 {
		t.Errorf("%d tokens were granted, and %d takes denied: the bucket was not used up and filled again", granted, denied)
	}
	t.Logf("%d decisions, %d tokens granted in %v, %d takes denied", len(a.done), granted, time.Duration(last.At-first.At), denied)
}

// middlewareThroughOutage shows a web server that limits by the group: what it answers while the group is there, is gone, and is there again.
func middlewareThroughOutage(ctx context.Context, t *testing.T, c *cluster, limited *limiter.Limiter) {
	t.Helper()
	must[limits.Rule](t)(limited.SetRule(ctx, limits.Rule{Class: "web", Capacity: 2, Rate: 1, PerSeconds: 3600}))
	const brief, long = 50 * time.Millisecond, within
	want := func(what string, failure limiter.Failure, deadline time.Duration, status int) {
		t.Helper()
		if got := visit(ctx, t, limited, failure, deadline); got != status {
			t.Errorf("%s: status %d, want %d", what, got, status)
		}
	}
	want("first", limiter.FailClosed, long, http.StatusNoContent)
	want("second", limiter.FailClosed, long, http.StatusNoContent)
	want("third", limiter.FailClosed, long, http.StatusTooManyRequests)
	c.each(t, c.Kill)
	want("closed, without hosts", limiter.FailClosed, brief, http.StatusServiceUnavailable)
	want("open, without hosts", limiter.FailOpen, brief, http.StatusNoContent)
	c.each(t, c.Start)
	want("with hosts again", limiter.FailOpen, long, http.StatusTooManyRequests)
}

// visit sends a request to a web server with a middleware, and returns the status of the answer.
func visit(ctx context.Context, t *testing.T, limited *limiter.Limiter, failure limiter.Failure, deadline time.Duration) int {
	t.Helper()
	middleware := must[*limiter.Middleware](t)(limiter.NewMiddleware(limiter.MiddlewareConfig{Limits: limited, Class: "web", OnFailure: failure, Deadline: deadline,
		Key: func(*http.Request) string { return "visitor" },
		OnError: func(_ *http.Request, err error) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("told %v", err)
			}
		}}))
	server := httptest.NewServer(middleware.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	defer server.Close()
	request := must[*http.Request](t)(http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil))
	response := must[*http.Response](t)(server.Client().Do(request))
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	return response.StatusCode
}
