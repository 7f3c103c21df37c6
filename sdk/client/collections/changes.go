package collections

import (
	"context"
	"fmt"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// ChangeKind says what a change is.
type ChangeKind uint8

// The kinds of changes.
const (
	// Put is that Key has got Value.
	Put ChangeKind = 1 + iota
	// Removed is that Key was removed.
	Removed
	// RangeRemoved is that all keys from From on, up to To and without it, were removed. An empty To is no end.
	RangeRemoved
)

// String returns the kind's name.
func (k ChangeKind) String() string {
	if k < Put || k > RangeRemoved {
		return fmt.Sprintf("ChangeKind(%d)", k)
	}
	return [...]string{"put", "removed", "range removed"}[k-Put]
}

// Change is a change of a map, or of a set, which has no values.
type Change[K, V any] struct {
	Kind ChangeKind
	// Index is that of the command: the version of what was put.
	Index uint64
	Key   K
	Value V
	// From and To are keys as bytes.
	From, To []byte
}

// Watch receives the changes of a span from now on: everything after Watch.Index, which a Range made afterwards sees.
//
// # Errors
//
// ErrQuiet, ErrBadValue, and those of Group.Events and of a query.
func (m *Map[K, V]) Watch(ctx context.Context, span Span[K]) (*Watch[Change[K, V]], error) {
	return watchKeyed(ctx, m.keyed.reader, span, m.key, func(data []byte) (V, error) { return decode("the value", m.value, data) })
}

// watchKeyed watches the changes under keys.
func watchKeyed[K, V any](ctx context.Context, r reader, span Span[K], codec Codec[K], value func([]byte) (V, error)) (*Watch[Change[K, V]], error) {
	b, none, err := span.bounds(codec)
	if err != nil {
		return nil, err
	}
	if none {
		return nil, fmt.Errorf("%w: no key is in the span", client.ErrBadConfig)
	}
	return watch(ctx, r, func(index uint64, fields *protocol.Reader) (c Change[K, V], watched bool, err error) {
		w, err := protocol.ParseWrite(fields)
		if err != nil {
			return c, false, badReply(err)
		}
		c.Index = index
		if w.Kind == protocol.RemoveRange {
			c.Kind, c.From, c.To = RangeRemoved, w.Key, w.Value
			return c, b.meets(bounds{w.Key, w.Value}), nil
		}
		if !b.has(w.Key) {
			return c, false, nil
		}
		if c.Key, err = decode("the key", codec, w.Key); err != nil {
			return c, false, err
		}
		if w.Kind == protocol.Remove {
			c.Kind = Removed
			return c, true, nil
		}
		c.Kind = Put
		c.Value, err = value(w.Value)
		return c, true, err
	})
}
