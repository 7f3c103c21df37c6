package node

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// TestVecAndCounter shows a vector through its client, a copy of it that a watch keeps, and a counter.
func TestVecAndCounter(t *testing.T) {
	c, conn, group, ctx := collection(t, "vec", "a")
	v := must[*collections.Vec[string]](t)(collections.NewVec(group, collections.VecConfig[string]{}))
	watch := must[*collections.Watch[collections.VecChange[string]]](t)(v.Watch(ctx))
	length, text, texts := must[int](t), must[string](t), must[[]string](t)
	same(t, "length", length(v.Push(ctx, "a", "b", "c")), 3)
	same(t, "length", length(v.PushFront(ctx, "y", "z")), 5)
	same(t, "length", length(v.Insert(ctx, 2, "i", "j")), 7)
	same(t, "old", text(v.Set(ctx, 0, "Y")), "y")
	same(t, "removed", text(v.Remove(ctx, 2)), "i")
	if err := v.Swap(ctx, 0, 5); err != nil {
		t.Error(err)
	}
	swapped := must[bool](t)
	same(t, "compare", swapped(v.CompareAndSwap(ctx, 0, "c", "C")), true)
	same(t, "compare", swapped(v.CompareAndSwap(ctx, 0, "c", "C")), false)
	same(t, "compare", swapped(v.CompareAndSwap(ctx, 99, "c", "C")), false)
	same(t, "popped", texts(v.PopBack(ctx, 2)), "[Y b]")
	same(t, "popped", texts(v.PopFront(ctx, 1)), "[C]")
	same(t, "length", length(v.Len(ctx)), 3) // z j a
	if element, found, err := v.Get(ctx, 1); err != nil || !found || element != "j" {
		t.Errorf("%q, %v, %v", element, found, err)
	}
	if _, found, err := v.Get(ctx, 3); err != nil || found {
		t.Errorf("%v, %v", found, err)
	}
	var refused *client.RefusedError
	if _, err := v.Set(ctx, 3, ""); !errors.As(err, &refused) || refused.Code != protocol.CodeOutOfRange {
		t.Errorf("a position that does not exist: %v", err)
	}
	if _, err := v.Remove(ctx, -1); !errors.Is(err, collections.ErrBadValue) {
		t.Errorf("a negative position: %v", err)
	}
	same(t, "truncated", length(v.Truncate(ctx, 1)), 1)
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint(i))
	}
	same(t, "length", length(v.Push(ctx, many...)), 1001)
	same(t, "length", length(v.RemoveRange(ctx, 0, 1)), 1000)
	for _, options := range []collections.RangeOptions{{}, {Piece: 7}, {Piece: 9, Descending: true}} {
		var got []string
		for element, err := range v.Range(ctx, 990, math.MaxInt, options) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, element)
		}
		if options.Descending {
			slices.Reverse(got)
		}
		same(t, "range", got, many[990:])
	}
	var copied []string
	for len(copied) != 1000 || copied[999] != "999" {
		copied = follow(copied, must[collections.VecChange[string]](t)(watch.Next(ctx)))
	}
	if !slices.Equal(copied, many) {
		t.Errorf("the copy has %q at its ends", []string{copied[0], copied[999]})
	}

	c.deploy(conn, "counter", "counter")
	counter, value := collections.NewCounter(conn.Group("counter")), must[int64](t)
	same(t, "sum", value(counter.Add(ctx, 5)), 5)
	same(t, "sum", value(counter.Add(ctx, -7)), -2)
	same(t, "value", value(counter.Get(ctx)), -2)
	if _, err := counter.Add(ctx, math.MinInt64); !errors.As(err, &refused) || refused.Code != 2 {
		t.Errorf("a sum that does not fit: %v", err)
	}
}

// follow makes a change on a copy.
func follow(copied []string, c collections.VecChange[string]) []string {
	switch c.Kind {
	case collections.VecPush:
		return append(copied, c.Element)
	case collections.VecInsert:
		return slices.Insert(copied, c.At, c.Element)
	case collections.VecSet:
		copied[c.At] = c.Element
	case collections.VecRemove:
		return slices.Delete(copied, c.At, c.At+c.N)
	case collections.VecSwap:
		copied[c.At], copied[c.N] = copied[c.N], copied[c.At]
	case collections.VecTruncate:
		return copied[:min(c.At, len(copied))]
	case collections.VecPopFront:
		return copied[min(c.N, len(copied)):]
	case collections.VecPopBack:
		return copied[:len(copied)-min(c.N, len(copied))]
	}
	return copied
}
