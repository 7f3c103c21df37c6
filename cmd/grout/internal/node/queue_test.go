package node

import (
	"fmt"
	"strings"
	"testing"

	"github.com/groutlabs/grout/sdk/client/collections"
)

// TestQueueCollection shows a queue of jobs with priorities that are numbers, negative ones among them.
func TestQueueCollection(t *testing.T) {
	_, _, group, ctx := collection(t, "queue", "a")
	type job = collections.Item[float64, string, person]
	newJob := func(key string, priority float64, value person) job {
		return job{Key: key, Priority: priority, Value: value}
	}
	q := must[*collections.Queue[float64, string, person]](t)(collections.NewQueue(group, collections.QueueConfig[float64, string, person]{}))
	watch := must[*collections.Watch[collections.QueueChange[float64, string, person]]](t)(q.Watch(ctx))
	count, found, jobs := must[int](t), must[bool](t), must[[]job](t)
	same(t, "pushed", count(q.Push(ctx, newJob("a", 1.5, person{"ada", 1815}), newJob("b", -2, person{}), newJob("c", 1e9, person{}))), 3)
	same(t, "pushed", count(q.Push(ctx, newJob("b", -2, person{"bob", 1}))), 0)
	same(t, "prioritised", found(q.Prioritise(ctx, "a", -3)), true)
	same(t, "prioritised", found(q.Prioritise(ctx, "x", -3)), false)
	if least, ok, err := q.Min(ctx); err != nil || !ok || least != (newJob("a", -3, person{"ada", 1815})) {
		t.Errorf("the least is %v, %v, %v", least, ok, err)
	}
	if item, ok, err := q.Get(ctx, "b"); err != nil || !ok || item.Value.Name != "bob" {
		t.Errorf("b is %v, %v, %v", item, ok, err)
	}
	same(t, "popped", jobs(q.PopMax(ctx, 1)), "[{c 1e+09 { 0}}]")
	same(t, "popped", jobs(q.PopMin(ctx, 5)), "[{a -3 {ada 1815}} {b -2 {bob 1}}]")
	same(t, "popped", jobs(q.PopMin(ctx, 1)), "[]")
	if _, ok, err := q.Max(ctx); err != nil || ok {
		t.Errorf("the greatest of none: %v, %v", ok, err)
	}
	var many []job
	for i := range 1000 {
		many = append(many, newJob(fmt.Sprint(i), float64(i%10), person{}))
	}
	same(t, "pushed", count(q.Push(ctx, many...)), 1000)
	same(t, "count", count(q.Count(ctx, collections.Between(2.0, 4))), 200)
	read := 0
	for item, err := range q.Range(ctx, collections.From(8.0), collections.RangeOptions{Piece: 30, Descending: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint(999 - read%100*10 - read/100); item.Key != want {
			t.Fatalf("item %d is %s, want %s", read, item.Key, want)
		}
		read++
	}
	same(t, "read", read, 200)
	same(t, "removed", count(q.Remove(ctx, "0", "1", "x")), 2)
	same(t, "removed", count(q.RemoveRange(ctx, collections.To(9.0))), 898)
	same(t, "length", count(q.Len(ctx)), 100)
	var seen []string
	for range 8 {
		change := must[collections.QueueChange[float64, string, person]](t)(watch.Next(ctx))
		seen = append(seen, fmt.Sprint(change.Kind, change.Item.Key, change.Item.Priority))
	}
	same(t, "watch", strings.Join(seen, " "), "1a1.5 1b-2 1c1e+09 1b-2 2a-3 3c0 3a0 3b0")
}
