package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections"
)

// collectionsPatience is how long a test of collections may take in all.
const collectionsPatience = 90 * time.Second

// collection starts hosts, deploys an example under its own name, and returns its group.
func collection(t *testing.T, example string, hosts ...string) (*cluster, *client.Client, *client.Group, context.Context) {
	t.Helper()
	c := startCluster(t, host.DefaultTiming(), hosts...)
	conn := c.client()
	c.deploy(conn, example, example)
	ctx, cancel := context.WithTimeout(t.Context(), collectionsPatience)
	t.Cleanup(cancel)
	return c, conn, conn.Group(example), ctx
}

// must returns a value, or ends the test.
func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// same compares what is printed of two values.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: %s, want %s", what, g, w)
	}
}

type person struct {
	Name string `json:"name"`
	Born int    `json:"born"`
}

// TestMapCollection shows a map of integers to structs: single entries, conditions, batches, ranges in both directions and in pieces.
func TestMapCollection(t *testing.T) {
	_, _, group, ctx := collection(t, "map", "a")
	m := must[*collections.Map[int, person]](t)(collections.NewMap(group, collections.MapConfig[int, person]{}))
	created := must[bool](t)
	same(t, "a new key", created(m.Put(ctx, 5, person{"ada", 1815})), true)
	same(t, "an old key", created(m.Put(ctx, 5, person{"ada", 1816})), false)
	same(t, "create", created(m.Create(ctx, 5, person{})), false)
	same(t, "create", created(m.Create(ctx, -7, person{"alan", 1912})), true)
	same(t, "compare", created(m.CompareAndSwap(ctx, 5, person{"ada", 1815}, person{})), false)
	same(t, "compare", created(m.CompareAndSwap(ctx, 5, person{"ada", 1816}, person{"ada", 1815})), true)
	same(t, "compare and remove", created(m.CompareAndRemove(ctx, 5, person{"ada", 1816})), false)
	if value, found, err := m.Get(ctx, 5); err != nil || !found || value.Born != 1815 {
		t.Errorf("%v, %v, %v", value, found, err)
	}
	if value, found, err := m.Get(ctx, 6); err != nil || found {
		t.Errorf("%v, %v, %v", value, found, err)
	}
	entry := must[collections.Entry[int, person]](t)(m.Entry(ctx, -7))
	same(t, "version", created(m.PutVersion(ctx, -7, entry.Version+1, person{})), false)
	same(t, "version", created(m.PutVersion(ctx, -7, entry.Version, person{"alan", 1})), true)
	if old, had, err := m.Swap(ctx, -7, person{"alan", 2}); err != nil || !had || old.Born != 1 {
		t.Errorf("%v, %v, %v", old, had, err)
	}
	if old, had, err := m.Take(ctx, -7); err != nil || !had || old.Born != 2 {
		t.Errorf("%v, %v, %v", old, had, err)
	}
	if _, had, err := m.Take(ctx, -7); err != nil || had {
		t.Errorf("%v, %v", had, err)
	}
	done := must[collections.Committed](t)(m.Begin().IfPresent(5).IfAbsent(-7).IfEquals(5, person{}).Put(1, person{}).Commit(ctx))
	same(t, "a batch that fails", done.OK, false)
	same(t, "its condition", done.Failed, 2)
	done = must[collections.Committed](t)(m.Begin().IfVersion(9, 0).Put(9, person{"grace", 1906}).Put(9, person{"grace", 1907}).Remove(5).Remove(4).
		RemoveRange(collections.To(0)).Commit(ctx))
	same(t, "a batch", done.Before, []int{0, 1, 1, 0, 0})
	same(t, "remove", must[int](t)(m.Remove(ctx, 9, 10)), 1)
	ranges(ctx, t, m)
	if _, err := collections.NewMap(group, collections.MapConfig[person, int]{}); !errors.Is(err, client.ErrBadConfig) {
		t.Errorf("keys without an order: %v", err)
	}
	var refused *client.RefusedError
	long := must[*collections.Map[string, string]](t)(collections.NewMap(group, collections.MapConfig[string, string]{}))
	if _, err := long.Put(ctx, strings.Repeat("k", 1001), ""); !errors.As(err, &refused) || !strings.Contains(refused.Message, "the limit is 1000") {
		t.Errorf("a key that is too long: %v", err)
	}
}

// ranges loads a thousand keys, negative ones among them, and reads them in spans.
func ranges(ctx context.Context, t *testing.T, m *collections.Map[int, person]) {
	t.Helper()
	n, err := m.PutAll(ctx, func(yield func(int, person) bool) {
		for i := range 1000 {
			if !yield(i-500, person{strings.Repeat("x", 1000), i}) {
				return
			}
		}
	})
	same(t, "put", n, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, span := range []struct {
		span     collections.Span[int]
		from, to int
	}{{collections.All[int](), -500, 500}, {collections.From(490), 490, 500}, {collections.To(-3), -500, -3}, {collections.Between(-1, 2), -1, 2},
		{collections.Between(2, -1), 0, 0}} {
		same(t, "count", must[int](t)(m.Count(ctx, span.span)), span.to-span.from)
		for _, options := range []collections.PageOptions{{}, {Descending: true}, {Limit: 7, KeysOnly: true}, {Limit: 999}} {
			var keys []int
			for e, err := range m.Range(ctx, span.span, options) {
				if err != nil {
					t.Fatal(err)
				}
				if !options.KeysOnly && (e.Value.Born != e.Key+500 || e.Version == 0) {
					t.Errorf("the entry of %d is %v at %d", e.Key, e.Value.Born, e.Version)
				}
				keys = append(keys, e.Key)
			}
			if options.Descending {
				slices.Reverse(keys)
			}
			var want []int
			for i := span.from; i < span.to; i++ {
				want = append(want, i)
			}
			if !slices.Equal(keys, want) {
				t.Errorf("%+v of %d to %d gives %d keys", options, span.from, span.to, len(keys))
			}
		}
	}
	same(t, "first", must[collections.Entry[int, person]](t)(m.First(ctx, collections.From(-3))).Key, -3)
	same(t, "last", must[collections.Entry[int, person]](t)(m.Last(ctx, collections.To(9))).Key, 8)
	same(t, "entries", len(must[[]collections.Entry[int, person]](t)(m.Entries(ctx, 1, 2, 700))), 3)
	same(t, "removed", must[int](t)(m.RemoveRange(ctx, collections.From(-400))), 900)
	same(t, "length", must[int](t)(m.Len(ctx)), 100)
}

// TestMapThroughLeaderChange shows that increments by several clients, made by comparing versions, are each made once while the leader's host dies,
// and that a watch sees every one of them, in order.
func TestMapThroughLeaderChange(t *testing.T) {
	c, _, group, ctx := collection(t, "map", "a", "b", "c")
	config := collections.MapConfig[string, int]{Value: collections.JSON[int]()}
	m := must[*collections.Map[string, int]](t)(collections.NewMap(group, config))
	watch := must[*collections.Watch[collections.Change[string, int]]](t)(m.Watch(ctx, collections.Prefix[string]("count")))
	const workers, each = 4, 40
	var work sync.WaitGroup
	for i := range workers {
		own := c.client()
		work.Go(func() {
			m, err := collections.NewMap(own.Group("map"), config)
			for n := 0; n < each && err == nil; n++ {
				if _, err = m.Update(ctx, "count/all", func(e collections.Entry[string, int]) (int, bool) { return e.Value + 1, true }); err == nil {
					_, err = m.Put(ctx, fmt.Sprintf("other/%d", i), n)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	leader := must[api.GroupInfo](t)(c.client().Admin().Info(ctx, "map")).Leader
	for n, stopped := 0, false; n < workers*each; {
		change, err := watch.Next(ctx)
		if err != nil {
			t.Fatalf("after %d changes: %v", n, err)
		}
		if n++; change.Value != n || change.Key != "count/all" || change.Kind != collections.Put {
			t.Fatalf("change %d is %+v", n, change)
		}
		if n > workers*each/4 && !stopped {
			stopped = true
			c.stop(leader)
		}
	}
	work.Wait()
	value, _, err := m.Get(ctx, "count/all")
	if err != nil || value != workers*each {
		t.Errorf("the count is %d, %v, want %d", value, err, workers*each)
	}
	if err := watch.Close(); err != nil {
		t.Error(err)
	}
	if _, err := watch.Next(ctx); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestSetCellOnce shows the other collections that keep entries under keys.
func TestSetCellOnce(t *testing.T) {
	c, conn, group, ctx := collection(t, "set", "a")
	count := must[int](t)
	s := must[*collections.Set[string]](t)(collections.NewSet(group, collections.SetConfig[string]{}))
	watch := must[*collections.Watch[collections.Change[string, struct{}]]](t)(s.Watch(ctx, collections.Prefix[string]("b")))
	same(t, "added", count(s.Add(ctx, "b", "a", "b", "bb")), 3)
	same(t, "removed", count(s.Remove(ctx, "b", "x")), 1)
	same(t, "has", must[bool](t)(s.Has(ctx, "bb")), true)
	same(t, "has", must[bool](t)(s.Has(ctx, "b")), false)
	same(t, "added", count(s.AddAll(ctx, func(yield func(string) bool) {
		for i := range 20_000 {
			if !yield(fmt.Sprintf("%05d", i%15_000)) {
				return
			}
		}
	})), 15_000)
	var all []string
	for element, err := range s.Range(ctx, collections.From("14998"), collections.PageOptions{Descending: true}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, element)
	}
	same(t, "range", all, "[bb a 14999 14998]")
	same(t, "removed", count(s.RemoveRange(ctx, collections.To("14998"))), 14_998)
	same(t, "length", count(s.Len(ctx)), 4)
	if first, found, err := s.First(ctx, collections.All[string]()); err != nil || !found || first != "14998" {
		t.Errorf("first: %v, %v, %v", first, found, err)
	}
	if last, found, err := s.Last(ctx, collections.Prefix[string]("z")); err != nil || found {
		t.Errorf("last: %v, %v, %v", last, found, err)
	}
	same(t, "removed", count(s.RemoveRange(ctx, collections.Between("b", "c"))), 1)
	var seen []string
	for range 4 {
		change := must[collections.Change[string, struct{}]](t)(watch.Next(ctx))
		seen = append(seen, fmt.Sprintf("%s %s%s", change.Kind, change.Key, change.From))
	}
	same(t, "watch", strings.Join(seen, ", "), "put b, put bb, removed b, range removed b")

	c.deploy(conn, "cell", "cell")
	cellOf(ctx, t, conn.Group("cell"))
	c.deploy(conn, "once", "once")
	onceOf(ctx, t, conn.Group("once"))
}

func cellOf(ctx context.Context, t *testing.T, group *client.Group) {
	t.Helper()
	cell := must[*collections.Cell[[]string]](t)(collections.NewCell(group, collections.CellConfig[[]string]{}))
	if value, version, err := cell.Get(ctx); err != nil || version != 0 || value != nil {
		t.Errorf("an empty cell has %v at %d, %v", value, version, err)
	}
	version := must[uint64](t)(cell.Set(ctx, []string{"a"}))
	same(t, "version", must[bool](t)(cell.SetVersion(ctx, version+1, nil)), false)
	same(t, "compare", must[bool](t)(cell.CompareAndSwap(ctx, []string{"a"}, []string{"b"})), true)
	if value, _, err := cell.Update(ctx, func(value []string, _ uint64) ([]string, bool) { return append(value, "c"), true }); err != nil || len(value) != 2 {
		t.Errorf("update gives %v, %v", value, err)
	}
	if old, had, err := cell.Swap(ctx, nil); err != nil || !had || fmt.Sprint(old) != "[b c]" {
		t.Errorf("swap gives %v, %v, %v", old, had, err)
	}
	if old, had, err := cell.Clear(ctx); err != nil || !had || old != nil {
		t.Errorf("clear gives %v, %v, %v", old, had, err)
	}
	if _, version, err := cell.Reading(client.QueryOptions{Consistency: client.Stale}).Get(ctx); err != nil || version != 0 {
		t.Errorf("a cleared cell has version %d, %v", version, err)
	}
}

func onceOf(ctx context.Context, t *testing.T, group *client.Group) {
	t.Helper()
	once := must[*collections.Once[string]](t)(collections.NewOnce(group, collections.CellConfig[string]{}))
	waited := make(chan string, 1)
	go func() {
		value, err := once.Wait(ctx)
		waited <- fmt.Sprint(value, err)
	}()
	if value, set, err := once.Get(ctx); err != nil || set {
		t.Errorf("%q, %v, %v", value, set, err)
	}
	for i, name := range []string{"first", "second"} {
		if now, won, err := once.Set(ctx, name); err != nil || now != "first" || won != (i == 0) {
			t.Errorf("%s gives %s, %v, %v", name, now, won, err)
		}
	}
	same(t, "wait", <-waited, "first<nil>")
	same(t, "wait", must[string](t)(once.Wait(ctx)), "first")
}
