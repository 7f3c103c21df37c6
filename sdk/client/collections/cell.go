package collections

import (
	"context"
	"errors"

	"github.com/groutlabs/grout/sdk/client"
)

// Cell is a single value that may be absent, kept by the machine examples/wasm/cell: a register. Its methods may be called from several
// goroutines at once, and their errors are those of Map's.
type Cell[V any] struct{ one Map[struct{}, V] }

// CellConfig says how the value becomes bytes.
type CellConfig[V any] struct {
	// Value is MessagePack for nil. All clients of a cell need the same.
	Value Codec[V]
}

// empty is the codec of the one key that there is.
type empty struct{}

func (empty) Append(dst []byte, _ struct{}) ([]byte, error) { return dst, nil }
func (empty) Parse([]byte) (struct{}, error)                { return struct{}{}, nil }

// NewCell returns the cell of a group.
//
// # Errors
//
// client.ErrBadConfig for a type that the codec does not carry.
func NewCell[V any](group *client.Group, config CellConfig[V]) (*Cell[V], error) {
	value, err := choose("the value", config.Value, MessagePack[V]())
	if err != nil {
		return nil, err
	}
	return &Cell[V]{Map[struct{}, V]{keyed{reader{group: group}}, empty{}, value}}, nil
}

// Reading returns the same cell with reads by these options.
func (c *Cell[V]) Reading(options client.QueryOptions) *Cell[V] {
	return &Cell[V]{*c.one.Reading(options)}
}

// Get returns the value, and its version, which is 0 if there is none.
func (c *Cell[V]) Get(ctx context.Context) (value V, version uint64, err error) {
	e, err := c.one.Entry(ctx, struct{}{})
	return e.Value, e.Version, err
}

// Set sets the value and returns its version.
func (c *Cell[V]) Set(ctx context.Context, value V) (version uint64, err error) {
	done, err := c.one.Begin().Put(struct{}{}, value).Commit(ctx)
	return done.Index, err
}

// Swap sets the value and returns the one before.
func (c *Cell[V]) Swap(ctx context.Context, value V) (old V, had bool, err error) {
	return c.one.Swap(ctx, struct{}{}, value)
}

// CompareAndSwap sets the value if the present one has the bytes of old, and reports whether it did.
func (c *Cell[V]) CompareAndSwap(ctx context.Context, old, value V) (swapped bool, err error) {
	return c.one.CompareAndSwap(ctx, struct{}{}, old, value)
}

// SetVersion sets the value if its version is still the one given, where 0 is that of no value, and reports whether it did.
func (c *Cell[V]) SetVersion(ctx context.Context, version uint64, value V) (done bool, err error) {
	return c.one.PutVersion(ctx, struct{}{}, version, value)
}

// Update sets the value to what change makes of it, as Map.Update does. It returns the value and version as they then are.
func (c *Cell[V]) Update(ctx context.Context, change func(value V, version uint64) (V, bool)) (value V, version uint64, err error) {
	e, err := c.one.Update(ctx, struct{}{}, func(e Entry[struct{}, V]) (V, bool) { return change(e.Value, e.Version) })
	return e.Value, e.Version, err
}

// Clear removes the value, and returns it.
func (c *Cell[V]) Clear(ctx context.Context) (old V, had bool, err error) {
	return c.one.Take(ctx, struct{}{})
}

// Watch receives the changes from now on, as Map.Watch does; the key is nothing.
func (c *Cell[V]) Watch(ctx context.Context) (*Watch[Change[struct{}, V]], error) {
	return c.one.Watch(ctx, All[struct{}]())
}

// Once is a value that is set once and never changes, kept by the machine examples/wasm/once: the first one wins. Its methods may be called from
// several goroutines at once, and their errors are those of Map's.
type Once[V any] struct{ one Map[struct{}, V] }

// NewOnce returns the Once of a group. The codec is as for a cell.
//
// # Errors
//
// client.ErrBadConfig for a type that the codec does not carry.
func NewOnce[V any](group *client.Group, config CellConfig[V]) (*Once[V], error) {
	cell, err := NewCell(group, config)
	if err != nil {
		return nil, err
	}
	return &Once[V]{cell.one}, nil
}

// Reading returns the same Once with reads by these options.
func (o *Once[V]) Reading(options client.QueryOptions) *Once[V] {
	return &Once[V]{*o.one.Reading(options)}
}

// Set sets the value unless it is set. It returns the value that is there now, and whether it is this one.
func (o *Once[V]) Set(ctx context.Context, value V) (now V, won bool, err error) {
	batch := o.one.Begin().IfAbsent(struct{}{}).Put(struct{}{}, value)
	if batch.err != nil {
		return now, false, batch.err
	}
	reply, _, err := o.one.keyed.commit(ctx, &batch.commit)
	if err != nil {
		return now, false, err
	}
	if reply.Failed < 0 {
		return value, true, nil
	}
	now, err = decode("the value", o.one.value, reply.Found.Value)
	return now, false, err
}

// Get returns the value, and whether it is set.
func (o *Once[V]) Get(ctx context.Context) (value V, set bool, err error) {
	return o.one.Get(ctx, struct{}{})
}

// Wait returns the value as soon as it is set.
func (o *Once[V]) Wait(ctx context.Context) (value V, err error) {
	// The event of the only change may be missed, so a look follows whatever the watch says.
	w, err := follow(ctx, o.one.keyed.reader)
	if err != nil {
		return value, err
	}
	for {
		value, set, err := o.one.Reading(client.QueryOptions{}).Get(ctx, struct{}{})
		if err != nil || set {
			return value, errors.Join(err, w.events.Close())
		}
		if _, _, err := w.next(ctx); err != nil && !isMissed(err) {
			return value, errors.Join(err, w.events.Close())
		}
	}
}
