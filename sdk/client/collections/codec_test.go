package collections

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk/client"
)

type name string
type level int8

// ascending checks that the bytes of values ascend as they do, and give the values again.
func ascending[T comparable](t *testing.T, values ...T) {
	t.Helper()
	codec, before := Ordered[T](), []byte(nil)
	for i, value := range values {
		data, err := codec.Append([]byte("x"), value)
		if err != nil || data[0] != 'x' {
			t.Fatalf("%v: %q, %v", value, data, err)
		}
		if data = data[1:]; i > 0 && bytes.Compare(before, data) >= 0 {
			t.Errorf("%v is not behind %v: %x, %x", value, values[i-1], data, before)
		}
		if again, err := codec.Parse(data); err != nil || again != value {
			t.Errorf("%v is read as %v, %v", value, again, err)
		}
		before = data
	}
}

// TestOrdered shows that bytes have the order of values.
func TestOrdered(t *testing.T) {
	ascending(t, "", "\x00", "a", "a\x00", "ab", "b", "\xff")
	ascending(t, name("a"), name("b"))
	ascending(t, math.MinInt64, -256, -1, 0, 1, 255, 256, math.MaxInt64)
	ascending(t, level(-128), level(-1), level(0), level(127))
	ascending(t, uint16(0), uint16(255), uint16(256), uint16(math.MaxUint16))
	ascending(t, math.Inf(-1), -math.MaxFloat64, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1.5, 2, math.Inf(1))
	ascending(t, float32(-1.25), float32(3))
	ascending(t, time.Unix(0, math.MinInt64).UTC(), time.Unix(-1, 0).UTC(), time.Unix(0, 0).UTC(), time.Unix(0, 1).UTC())
	if data, err := Ordered[[]byte]().Append(nil, []byte("ab")); err != nil || string(data) != "ab" {
		t.Errorf("%q, %v", data, err)
	}
	minus, err := Ordered[float64]().Append(nil, math.Copysign(0, -1))
	zero, err2 := Ordered[float64]().Append(nil, 0)
	if err != nil || err2 != nil || !bytes.Equal(minus, zero) {
		t.Errorf("the zeros are %x and %x, %v, %v", minus, zero, err, err2)
	}
}

// TestCodecsRefuse shows what has no bytes, and bytes that are none.
func TestCodecsRefuse(t *testing.T) {
	if _, err := Ordered[float64]().Append(nil, math.NaN()); err == nil {
		t.Error("NaN has an order")
	}
	if _, err := Ordered[time.Time]().Append(nil, time.Time{}); err == nil {
		t.Error("the year 1 has an order")
	}
	if value, err := Ordered[int8]().Parse([]byte("\x80\x00\x00\x00\x00\x00\x00\x80")); err == nil || !strings.Contains(err.Error(), "does not fit a int8") {
		t.Errorf("%v, %v", value, err)
	}
	if value, err := Ordered[int]().Parse([]byte("1")); err == nil {
		t.Errorf("one byte is %v", value)
	}
	for what, err := range map[string]error{
		"keys": second(NewSet(nil, SetConfig[struct{}]{})), "elements": second(NewVec(nil, VecConfig[chan int]{})),
		"priorities": second(NewQueue(nil, QueueConfig[[]int, string, int]{})), "the value": second(NewCell(nil, CellConfig[func()]{Value: JSON[func()]()})),
	} {
		if !errors.Is(err, client.ErrBadConfig) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestSpans shows the bounds of spans, and which keys are in them.
func TestSpans(t *testing.T) {
	for _, step := range []struct {
		span     Span[string]
		from, to string
		none     bool
	}{
		{All[string](), "", "", false}, {From("b"), "b", "", false}, {To("b"), "", "b", false}, {To(""), "", "", true}, {Between("a", "c"), "a", "c", false},
		{Prefix[string](""), "", "", false}, {Prefix[string]("ab"), "ab", "ac", false}, {Prefix[string]("a\xff"), "a\xff", "b", false}, {Prefix[string]("\xff\xff"), "\xff\xff", "", false},
	} {
		b, none, err := step.span.bounds(Ordered[string]())
		if err != nil || none != step.none || string(b.from) != step.from || string(b.to) != step.to {
			t.Errorf("%+v has bounds %q, %v, %v", step.span, b, none, err)
		}
	}
	b := bounds{[]byte("b"), []byte("d")}
	for key, in := range map[string]bool{"a": false, "b": true, "c\xff": true, "d": false} {
		if b.has([]byte(key)) != in {
			t.Errorf("%q in b to d: %v", key, !in)
		}
	}
	for _, o := range []struct {
		from, to string
		want     bool
	}{{"", "", true}, {"a", "b", false}, {"a", "b\x00", true}, {"c", "", true}, {"d", "", false}} {
		if got := b.meets(bounds{[]byte(o.from), []byte(o.to)}); got != o.want {
			t.Errorf("%q to %q meets b to d: %v", o.from, o.to, got)
		}
	}
}
