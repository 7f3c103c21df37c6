package limiter

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
)

// takerFunc stands for a group.
type takerFunc func(context.Context, limits.Take) (limits.Decision, error)

func (f takerFunc) Take(ctx context.Context, take limits.Take) (limits.Decision, error) {
	return f(ctx, take)
}

// served is what a middleware makes of a request, and whether the handler saw it.
func served(t *testing.T, config MiddlewareConfig, r *http.Request) (*httptest.ResponseRecorder, bool) {
	t.Helper()
	m, err := NewMiddleware(config)
	if err != nil {
		t.Fatal(err)
	}
	w, passed := httptest.NewRecorder(), false
	m.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })).ServeHTTP(w, r)
	return w, passed
}

func request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "192.0.2.7:5000"
	return r
}

// TestDecisions shows what an allowed and a denied request are answered, and what the machine is asked.
func TestDecisions(t *testing.T) {
	var asked limits.Take
	decision := limits.Decision{Allowed: true, State: limits.State{Left: 4, Capacity: 5, ResetAfter: 1, Fill: 2_500_000_000}}
	config := MiddlewareConfig{Class: "api", Limits: takerFunc(func(_ context.Context, take limits.Take) (limits.Decision, error) {
		asked = take
		return decision, nil
	})}
	w, passed := served(t, config, request())
	if !passed || w.Code != http.StatusOK || asked != (limits.Take{Class: "api", Key: "192.0.2.7", Tokens: 1}) {
		t.Errorf("passed %v with %d, asked %+v", passed, w.Code, asked)
	}
	for header, want := range map[string]string{"RateLimit-Policy": `"api";q=5;w=3`, "RateLimit": `"api";r=4;t=1`, "Retry-After": ""} {
		if got := w.Header().Get(header); got != want {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
	decision = limits.Decision{RetryAfter: 1_000_000_001, State: limits.State{Left: -3, Capacity: 5, ResetAfter: 4_000_000_000, Fill: 2_500_000_000}}
	config.Key = func(*http.Request) string { return "ana" }
	config.Tokens = func(*http.Request) int64 { return 3 }
	w, passed = served(t, config, request())
	if passed || w.Code != http.StatusTooManyRequests || asked != (limits.Take{Class: "api", Key: "ana", Tokens: 3}) {
		t.Errorf("passed %v with %d, asked %+v", passed, w.Code, asked)
	}
	for header, want := range map[string]string{"RateLimit": `"api";r=0;t=4`, "Retry-After": "2"} {
		if got := w.Header().Get(header); got != want {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
}

// TestFailures shows both choices for what cannot be decided: no answer before the deadline, an error, and no room.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		take takerFunc
		want error
	}{
		"deadline": {func(ctx context.Context, _ limits.Take) (limits.Decision, error) {
			<-ctx.Done()
			return limits.Decision{}, ctx.Err()
		}, context.DeadlineExceeded},
		"error":   {func(context.Context, limits.Take) (limits.Decision, error) { return limits.Decision{}, broken }, broken},
		"no room": {func(context.Context, limits.Take) (limits.Decision, error) { return limits.Decision{NoRoom: true}, nil }, ErrNoRoom},
	} {
		var told error
		config := MiddlewareConfig{Class: "api", Limits: c.take, Deadline: time.Millisecond, OnError: func(_ *http.Request, err error) { told = err }}
		w, passed := served(t, config, request())
		if passed || w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || !errors.Is(told, c.want) {
			t.Errorf("%s, closed: passed %v with %d, told %v", name, passed, w.Code, told)
		}
		config.OnFailure, told = FailOpen, nil
		if w, passed = served(t, config, request()); !passed || w.Code != http.StatusOK || !errors.Is(told, c.want) {
			t.Errorf("%s, open: passed %v with %d, told %v", name, passed, w.Code, told)
		}
	}
}

// TestGoneClient shows that a request whose client has left is neither served nor told of, whatever the choice.
func TestGoneClient(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	config := MiddlewareConfig{Class: "api", OnFailure: FailOpen, OnError: func(*http.Request, error) { t.Error("told") },
		Limits: takerFunc(func(ctx context.Context, _ limits.Take) (limits.Decision, error) { return limits.Decision{}, ctx.Err() })}
	if _, passed := served(t, config, request().WithContext(ctx)); passed {
		t.Error("served")
	}
}

// TestBadConfig shows what is refused before any request.
func TestBadConfig(t *testing.T) {
	taker := takerFunc(nil)
	for _, config := range []MiddlewareConfig{{}, {Limits: taker}, {Limits: taker, Class: "a", Deadline: -1}, {Limits: taker, Class: "a", OnFailure: 2}} {
		if _, err := NewMiddleware(config); !errors.Is(err, ErrBadConfig) {
			t.Errorf("%+v: %v", config, err)
		}
	}
}
