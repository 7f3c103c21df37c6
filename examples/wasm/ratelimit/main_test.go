package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/examples/wasm/ratelimit/limits"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/sdktest"
	"github.com/groutlabs/grout/sdk/typed"
)

func newMachine() sdk.Machine { return newLimiter() }

// request is a request of that name, in JSON.
func request(t testing.TB, name string, payload any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{name: payload})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parse reads a reply.
func parse[T any](t testing.TB, reply string) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(reply), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestRequests shows every request of the README with its reply, in order. Entries are a second apart.
func TestRequests(t *testing.T) {
	h := sdktest.New(t, newMachine())
	h.Time, h.Step = time.Unix(0, 0), time.Second
	for _, step := range []struct{ command, want string }{
		{`{"rule": {"class": "api", "capacity": 5, "rate": 2, "per_seconds": 10}}`, `{"class":"api","capacity":5,"rate":2,"per_seconds":10}`},
		{`{"take": {"class": "api", "key": "ana"}}`,
			`{"allowed":true,"retry_after_ns":0,"left":4,"capacity":5,"reset_after_ns":5000000000,"fill_ns":25000000000,"at":2000000000}`},
		{`{"take": {"class": "api", "key": "ana", "tokens": 5}}`,
			`{"allowed":false,"retry_after_ns":4000000000,"left":4,"capacity":5,"reset_after_ns":4000000000,"fill_ns":25000000000,"at":3000000000}`},
		{`{"penalize": {"class": "api", "key": "ana", "tokens": 5}}`,
			`{"left":-1,"capacity":5,"reset_after_ns":28000000000,"fill_ns":25000000000,"at":4000000000}`},
		{`{"reset": {"class": "api", "key": "ana"}}`, `{"left":5,"capacity":5,"reset_after_ns":0,"fill_ns":25000000000,"at":5000000000}`},
		{`{"batch": {"takes": [{"class": "api", "key": "ana"}, {"class": "api", "key": "bob", "tokens": 5}]}}`,
			`{"allowed":true,"decisions":[` +
				`{"allowed":true,"retry_after_ns":0,"left":4,"capacity":5,"reset_after_ns":5000000000,"fill_ns":25000000000,"at":6000000000},` +
				`{"allowed":true,"retry_after_ns":0,"left":0,"capacity":5,"reset_after_ns":25000000000,"fill_ns":25000000000,"at":6000000000}]}`},
	} {
		if got := h.MustApply(step.command); got != step.want {
			t.Errorf("%s gives\n%s, want\n%s", step.command, got, step.want)
		}
	}
	for query, want := range map[string]string{
		`{"peek": {"class": "api", "key": "bob"}}`: `{"left":0,"capacity":5,"reset_after_ns":25000000000,"fill_ns":25000000000,"at":6000000000}`,
		`{"rules": null}`:                          `{"rules":[{"class":"api","capacity":5,"rate":2,"per_seconds":10}]}`,
		`{"status": null}`:                         `{"classes":1,"buckets":2,"bytes":156,"at":6000000000}`,
	} {
		if got := h.MustQuery(query); got != want {
			t.Errorf("%s gives\n%s, want\n%s", query, got, want)
		}
	}
}

// TestBatches shows that a batch takes all or nothing, or each for itself.
func TestBatches(t *testing.T) {
	h := sdktest.New(t, newMachine())
	h.Step = 0
	h.MustApply(`{"rule":{"class":"a","capacity":3,"rate":1}}`)
	left := func(key string) int64 {
		return parse[limits.State](t, h.MustQuery(`{"peek":{"class":"a","key":"`+key+`"}}`)).Left
	}
	h.MustApply(`{"take":{"class":"a","key":"y","tokens":3}}`)
	batch := `{"batch":{"takes":[{"class":"a","key":"x"},{"class":"a","key":"y"},{"class":"a","key":"z"}]`
	got := parse[limits.Decisions](t, h.MustApply(batch+`}}`))
	if got.Allowed || !got.Decisions[0].Allowed || got.Decisions[1].Allowed || left("x") != 3 || left("z") != 3 {
		t.Errorf("all or nothing: %+v, x has %d", got, left("x"))
	}
	got = parse[limits.Decisions](t, h.MustApply(batch+`,"each":true}}`))
	if got.Allowed || !got.Decisions[2].Allowed || got.Decisions[1].Allowed || left("x") != 2 || left("y") != 0 || left("z") != 2 {
		t.Errorf("each: %+v, x has %d", got, left("x"))
	}
}

// TestRefusals shows every refusal, and that none changes anything.
func TestRefusals(t *testing.T) {
	m := newLimiter()
	h := sdktest.New(t, m)
	h.MustApply(`{"rule":{"class":"a","capacity":3,"rate":1}}`)
	long := strings.Repeat("x", 300)
	for command, want := range map[string]struct {
		code  int32
		words string
	}{
		`{"rule":{"class":"","capacity":1,"rate":1}}`:                                      {limits.CodeBadRule, "1 to 64 bytes, not 0"},
		`{"rule":{"class":"a b","capacity":1,"rate":1}}`:                                   {limits.CodeBadRule, "only letters"},
		`{"rule":{"class":"a","capacity":0,"rate":1}}`:                                     {limits.CodeBadRule, "capacity: 1 to 1000000000 tokens, not 0"},
		`{"rule":{"class":"a","capacity":1,"rate":1000000001}}`:                            {limits.CodeBadRule, "rate: 1 to"},
		`{"rule":{"class":"a","capacity":1,"rate":1,"per_seconds":-1}}`:                    {limits.CodeBadRule, "per_seconds: 1 to"},
		`{"rule":{"class":"a","capacity":1000000000,"rate":1,"per_seconds":60}}`:           {limits.CodeBadRule, "366 days"},
		`{"take":{"class":"b","key":"k"}}`:                                                 {limits.CodeNoClass, "no rule of the class \"b\""},
		`{"take":{"class":"a","key":""}}`:                                                  {limits.CodeBadKey, "1 to 256 bytes, not 0"},
		`{"take":{"class":"a","key":"` + long + `"}}`:                                      {limits.CodeBadKey, "not 300"},
		`{"take":{"class":"a","key":"k","tokens":4}}`:                                      {limits.CodeBadTokens, "1 to 3, the capacity of the class, not 4"},
		`{"penalize":{"class":"a","key":"k","tokens":-1}}`:                                 {limits.CodeBadTokens, "not -1"},
		`{"reset":{"class":"b","key":"k"}}`:                                                {limits.CodeNoClass, ""},
		`{"batch":{"takes":[]}}`:                                                           {limits.CodeBadBatch, "1 to 64, not 0"},
		`{"batch":{"takes":[{"class":"a","key":"k"},{"class":"a","key":"k"}]}}`:            {limits.CodeBadBatch, "takes[1]: the bucket \"k\""},
		`{"batch":{"takes":[{"class":"a","key":"k"},{"class":"b","key":"k"}]}}`:            {limits.CodeNoClass, "takes[1]: "},
		`{"batch":{"takes":[` + strings.Repeat(`{"class":"a","key":"k"},`, 64) + `null]}}`: {typed.CodeBadPayload, ""},
		`{"forget":{"class":"b"}}`:                                                         {limits.CodeNoClass, ""},
		`{"toke":{}}`:                                                                      {typed.CodeUnknownName, "batch, forget, penalize"},
	} {
		h.WantRefused(command, want.code, want.words)
	}
	h.WantQueryRefused(`{"peek":{"class":"b","key":"k"}}`, limits.CodeNoClass, "set one")
	h.MustApply(`{"take":{"class":"a","key":"k"}}`)
	h.WantRefused(`{"forget":{"class":"a"}}`, limits.CodeInUse, "1 buckets of the class \"a\" are not swept yet")
	m.maxBytes = cost("a\x00k")
	h.WantRefused(`{"penalize":{"class":"a","key":"l"}}`, limits.CodeFull, "no room")
	for i := range limits.MaxClasses - 1 {
		h.MustApply(fmt.Sprintf(`{"rule":{"class":"c%d","capacity":1,"rate":1}}`, i))
	}
	h.WantRefused(`{"rule":{"class":"more","capacity":1,"rate":1}}`, limits.CodeBadRule, "1000 classes already")
}

// TestRoom shows that a full machine denies new buckets, serves those that it has, and has room again as soon as one is full.
func TestRoom(t *testing.T) {
	m := newLimiter()
	m.maxBytes = 2 * cost("a\x00k")
	h := sdktest.New(t, m)
	take := func(key string) limits.Decision {
		t.Helper()
		return parse[limits.Decision](t, h.MustApply(request(t, "take", limits.Take{Class: "a", Key: key})))
	}
	h.MustApply(`{"rule":{"class":"a","capacity":10,"rate":1}}`)
	if !take("x").Allowed || !take("y").Allowed {
		t.Fatal("there is room for two")
	}
	got := take("z")
	if got.Allowed || !got.NoRoom || got.RetryAfter != (998*time.Millisecond).Nanoseconds() {
		t.Errorf("no room: %+v", got)
	}
	if !take("x").Allowed {
		t.Error("a bucket that is there is denied")
	}
	h.Time = h.Time.Add(999 * time.Millisecond) // y is full, x is not
	if !take("z").Allowed || m.buckets.Len() != 2 {
		t.Errorf("there is room again, with %d buckets", m.buckets.Len())
	}
	batch := parse[limits.Decisions](t, h.MustApply(`{"batch":{"takes":[{"class":"a","key":"x"},{"class":"a","key":"w"}]}}`))
	if batch.Allowed || !batch.Decisions[0].Allowed || !batch.Decisions[1].NoRoom {
		t.Errorf("no room in a batch: %+v", batch)
	}
}

// TestSweep shows that full buckets leave, a bounded number with each command, and their class can be forgotten then.
func TestSweep(t *testing.T) {
	m := newLimiter()
	h := sdktest.New(t, m)
	h.MustApply(`{"rule":{"class":"a","capacity":10,"rate":10}}`)
	for i := range 100 {
		h.MustApply(request(t, "take", limits.Take{Class: "a", Key: fmt.Sprint(i)}))
	}
	h.MustApply(`{"rule":{"class":"a","capacity":10,"rate":1}}`) // slower: nothing is full when it was due
	h.Time = h.Time.Add(time.Hour)
	for before := m.buckets.Len(); before > 0; before = m.buckets.Len() {
		h.MustApply(`{"rule":{"class":"a","capacity":10,"rate":1}}`)
		if now := m.buckets.Len(); now != max(before-sweepEach, 0) {
			t.Fatalf("a command swept %d buckets of %d, not %d", before-now, before, sweepEach)
		}
	}
	if m.due.Len() != 0 {
		t.Errorf("%d buckets are due, and none is there", m.due.Len())
	}
	h.MustApply(`{"forget":{"class":"a"}}`)
}

// TestForgottenRules shows that a bucket which was not used while more rules came and went than are remembered has at most what they gave: the
// smallest capacity, and what has come under the rules that are remembered.
func TestForgottenRules(t *testing.T) {
	h := sdktest.New(t, newMachine())
	h.Step = time.Second
	h.MustApply(`{"rule":{"class":"a","capacity":1000,"rate":1}}`)
	h.MustApply(`{"take":{"class":"a","key":"k","tokens":500}}`)
	h.MustApply(`{"rule":{"class":"a","capacity":100,"rate":1}}`)
	for i := range 3 * limits.MaxVersions {
		h.MustApply(request(t, "rule", limits.Rule{Class: "a", Capacity: int64(1000 + i), Rate: 1}))
	}
	if got := parse[limits.State](t, h.MustQuery(`{"peek":{"class":"a","key":"k"}}`)); got.Left != 100+limits.MaxVersions-1 {
		t.Errorf("%+v", got)
	}
}

// model is what buckets should hold, in rational numbers and without any of the machine's short cuts.
type model struct {
	rules   map[string]limits.Rule
	buckets map[limits.Bucket]*level
}

type level struct {
	tokens *big.Rat
	at     time.Time
}

func newModel() *model { return &model{map[string]limits.Rule{}, map[limits.Bucket]*level{}} }

func whole(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func floor(r *big.Rat) int64 { return new(big.Int).Div(r.Num(), r.Denom()).Int64() }

// rate is how many tokens come back in a nanosecond.
func (m *model) rate(class string) *big.Rat {
	r := m.rules[class]
	return new(big.Rat).SetFrac64(r.Rate, max(r.PerSeconds, 1)*int64(time.Second))
}

// at is the level of a bucket at a time.
func (m *model) at(b limits.Bucket, now time.Time) *level {
	capacity := whole(m.rules[b.Class].Capacity)
	l := m.buckets[b]
	if l == nil {
		l = &level{capacity, now}
		m.buckets[b] = l
	}
	gained := new(big.Rat).Mul(m.rate(b.Class), whole(int64(now.Sub(l.at))))
	l.tokens, l.at = gained.Add(gained, l.tokens), now
	if l.tokens.Cmp(capacity) > 0 {
		l.tokens = capacity
	}
	return l
}

// rule changes a rule, for every bucket at once.
func (m *model) rule(r limits.Rule, now time.Time) {
	before := m.rules[r.Class]
	for name := range m.buckets {
		if name.Class != r.Class || before == r {
			continue
		}
		l := m.at(name, now)
		if l.tokens.Cmp(whole(before.Capacity)) == 0 {
			l.tokens = whole(r.Capacity)
		}
		l.tokens = whole(max(min(floor(l.tokens), r.Capacity), -r.Capacity))
	}
	m.rules[r.Class] = r
}

// state is what the machine should say of a bucket.
func (m *model) state(b limits.Bucket, now time.Time) limits.State {
	l, r := m.at(b, now), m.rules[b.Class]
	return limits.State{Left: floor(l.tokens), Capacity: r.Capacity, ResetAfter: m.wait(b, r.Capacity, now), At: now.UnixNano(),
		Fill: m.ceil(whole(r.Capacity), b.Class)}
}

// ceil is how many nanoseconds it takes until so many tokens have come.
func (m *model) ceil(tokens *big.Rat, class string) int64 {
	return -floor(new(big.Rat).Neg(new(big.Rat).Quo(tokens, m.rate(class))))
}

func (m *model) wait(b limits.Bucket, tokens int64, now time.Time) int64 {
	missing := new(big.Rat).Sub(whole(tokens), m.at(b, now).tokens)
	return max(m.ceil(missing, b.Class), 0)
}

func (m *model) take(b limits.Bucket, tokens int64, now time.Time) limits.Decision {
	l := m.at(b, now)
	if l.tokens.Cmp(whole(tokens)) < 0 {
		return limits.Decision{RetryAfter: m.wait(b, tokens, now), State: m.state(b, now)}
	}
	l.tokens = new(big.Rat).Sub(l.tokens, whole(tokens))
	return limits.Decision{Allowed: true, State: m.state(b, now)}
}

// TestModel compares every decision of random takes, penalties, resets and changes of rules with the model's, and tokens are taken from buckets that
// are swept and come again.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	machine, m := newLimiter(), newModel()
	h := sdktest.New(t, machine)
	classes, swept := []string{"a", "b", "c"}, 0
	for step := range 20_000 {
		class := classes[random.IntN(len(classes))]
		h.Step = []time.Duration{0, 1, time.Duration(random.IntN(1e9)), time.Duration(random.IntN(5e9)), time.Hour}[random.IntN(5)]
		if step%1500 < len(classes) { // fewer changes of one class than are remembered
			class = classes[step%1500]
			r := limits.Rule{Class: class, Capacity: 1 + random.Int64N(40), Rate: 1 + random.Int64N(20), PerSeconds: 1 + random.Int64N(97)}
			h.MustApply(request(t, "rule", r))
			m.rule(r, h.Time)
			continue
		}
		b := limits.Bucket{Class: class, Key: fmt.Sprint(random.IntN(6))}
		tokens := 1 + random.Int64N(m.rules[class].Capacity)
		ask := limits.Take{Class: class, Key: b.Key, Tokens: tokens}
		var got, want any
		before := machine.buckets.Len()
		switch random.IntN(12) {
		case 0:
			got = parse[limits.State](t, h.MustApply(request(t, "penalize", ask)))
			l := m.at(b, h.Time)
			if l.tokens = new(big.Rat).Sub(l.tokens, whole(tokens)); floor(l.tokens) < -m.rules[class].Capacity {
				l.tokens = new(big.Rat).Add(whole(-m.rules[class].Capacity), new(big.Rat).Sub(l.tokens, whole(floor(l.tokens))))
			}
			want = m.state(b, h.Time)
		case 1:
			got = parse[limits.State](t, h.MustApply(request(t, "reset", b)))
			delete(m.buckets, b)
			want = m.state(b, h.Time)
		case 2:
			got, want = parse[limits.State](t, h.MustQuery(request(t, "peek", b))), m.state(b, h.Time)
		default:
			got = parse[limits.Decision](t, h.MustApply(request(t, "take", ask)))
			want = m.take(b, tokens, h.Time)
		}
		if got != want {
			t.Fatalf("seed %d, step %d, %d of %+v: %+v, want %+v", seed, step, tokens, b, got, want)
		}
		if machine.buckets.Len() < before {
			swept++
		}
		if err := machine.valid(); err != nil {
			t.Fatalf("seed %d, step %d: %v", seed, step, err)
		}
	}
	if swept == 0 {
		t.Error("no bucket was ever swept")
	}
}

// valid says what is wrong with the machine's invariant, if anything.
func (l *limiter) valid() error {
	bytes := 0
	for c := l.buckets.At(0); c.Valid(); c.Next() {
		b := parseBucket(c.Value(nil))
		if !l.due.Has(l.dueKey(b.due, string(c.Key()))) {
			return fmt.Errorf("the bucket %q is not due", c.Key())
		}
		bytes += cost(string(c.Key()))
	}
	if l.buckets.Len() != l.due.Len() || l.bytes != bytes {
		return fmt.Errorf("%d buckets of %d bytes, counted as %d, %d are due", l.buckets.Len(), bytes, l.bytes, l.due.Len())
	}
	return nil
}
