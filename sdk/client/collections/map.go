package collections

import (
	"context"
	"iter"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// Map is an ordered map, kept by the machine examples/wasm/map. Its methods may be called from several goroutines at once, and
// their errors are those of client.Group's Execute and Query, and ErrBadValue.
type Map[K, V any] struct {
	keyed keyed
	key   Codec[K]
	value Codec[V]
}

// MapConfig says how keys and values become bytes.
type MapConfig[K, V any] struct {
	// Key is Ordered for nil, Value MessagePack. All clients of a map need the same.
	Key   Codec[K]
	Value Codec[V]
}

// NewMap returns the map of a group.
//
// # Errors
//
// client.ErrBadConfig for types that the codecs do not carry.
func NewMap[K, V any](group *client.Group, config MapConfig[K, V]) (*Map[K, V], error) {
	key, err := choose("keys", config.Key, Ordered[K]())
	if err != nil {
		return nil, err
	}
	value, err := choose("values", config.Value, MessagePack[V]())
	if err != nil {
		return nil, err
	}
	return &Map[K, V]{keyed{reader{group: group}}, key, value}, nil
}

// Reading returns the same map with reads by these options.
func (m *Map[K, V]) Reading(options client.QueryOptions) *Map[K, V] {
	return &Map[K, V]{keyed{reader{m.keyed.group, options}}, m.key, m.value}
}

// Entry is a key with its value.
type Entry[K, V any] struct {
	Key   K
	Value V
	// Version is the index of the command that wrote the value, 0 if there is no entry with the key.
	Version uint64
}

// Get returns the value of key.
func (m *Map[K, V]) Get(ctx context.Context, key K) (value V, found bool, err error) {
	e, err := m.Entry(ctx, key)
	return e.Value, e.Version > 0, err
}

// Entry returns the entry of key; its version is 0 if there is none.
func (m *Map[K, V]) Entry(ctx context.Context, key K) (Entry[K, V], error) {
	entries, err := m.Entries(ctx, key)
	if err != nil {
		return Entry[K, V]{Key: key}, err
	}
	return entries[0], nil
}

// Entries returns the entries of keys, in their order; the version of each that there is not is 0. Where they are
// more than 500 KiB, it takes several queries, and each sees its own moment.
func (m *Map[K, V]) Entries(ctx context.Context, keys ...K) ([]Entry[K, V], error) {
	encoded := make([][]byte, len(keys))
	for i, key := range keys {
		var err error
		if encoded[i], err = encode("the key", m.key, key); err != nil {
			return nil, err
		}
	}
	found, err := m.keyed.get(ctx, encoded)
	if err != nil {
		return nil, err
	}
	out := make([]Entry[K, V], len(keys))
	for i, e := range found {
		out[i].Key = keys[i]
		if !e.Present {
			continue
		}
		out[i].Version = e.Version
		if out[i].Value, err = decode("the value", m.value, e.Value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Put sets the value of key, and reports whether the key is new.
func (m *Map[K, V]) Put(ctx context.Context, key K, value V) (created bool, err error) {
	done, err := m.Begin().Put(key, value).Commit(ctx)
	return err == nil && done.Before[0] == 0, err
}

// PutAll sets entries, of any number, in commands of some 64 KiB: each is applied whole, but not all together. It
// returns how many were set; an error leaves the rest out. Begin puts entries together.
func (m *Map[K, V]) PutAll(ctx context.Context, entries iter.Seq2[K, V]) (n int, err error) {
	batch := m.Begin()
	for key, value := range entries {
		if batch.Put(key, value); batch.size >= bulkBytes || batch.err != nil {
			if _, err := batch.Commit(ctx); err != nil {
				return n, err
			}
			n += len(batch.commit.Writes)
			batch = m.Begin()
		}
	}
	if len(batch.commit.Writes) == 0 {
		return n, nil
	}
	if _, err := batch.Commit(ctx); err != nil {
		return n, err
	}
	return n + len(batch.commit.Writes), nil
}

// bulkBytes is about the size of a command of PutAll and AddAll.
const bulkBytes = 64 << 10

// Create sets the value of key if there is none, and reports whether it did.
func (m *Map[K, V]) Create(ctx context.Context, key K, value V) (created bool, err error) {
	done, err := m.Begin().IfAbsent(key).Put(key, value).Commit(ctx)
	return done.OK, err
}

// Swap sets the value of key and returns the one before.
func (m *Map[K, V]) Swap(ctx context.Context, key K, value V) (old V, had bool, err error) {
	return m.exchange(ctx, m.Begin().Put(key, value))
}

// Take removes key and returns its value.
func (m *Map[K, V]) Take(ctx context.Context, key K) (old V, had bool, err error) {
	return m.exchange(ctx, m.Begin().Remove(key))
}

// exchange commits one write and returns the value before it.
func (m *Map[K, V]) exchange(ctx context.Context, batch *Batch[K, V]) (old V, had bool, err error) {
	if batch.err != nil {
		return old, false, batch.err
	}
	batch.commit.Old = true
	reply, _, err := m.keyed.commit(ctx, &batch.commit)
	if err != nil || !reply.Old.Present {
		return old, false, err
	}
	old, err = decode("the old value", m.value, reply.Old.Value)
	return old, true, err
}

// CompareAndSwap sets the value of key if it has the bytes of old, and reports whether it did.
func (m *Map[K, V]) CompareAndSwap(ctx context.Context, key K, old, value V) (swapped bool, err error) {
	done, err := m.Begin().IfEquals(key, old).Put(key, value).Commit(ctx)
	return done.OK, err
}

// CompareAndRemove removes key if its value has the bytes of old, and reports whether it did.
func (m *Map[K, V]) CompareAndRemove(ctx context.Context, key K, old V) (removed bool, err error) {
	done, err := m.Begin().IfEquals(key, old).Remove(key).Commit(ctx)
	return done.OK, err
}

// PutVersion sets the value of key if its version is still the one given, where 0 is that of a key that is not there, and reports
// whether it did.
func (m *Map[K, V]) PutVersion(ctx context.Context, key K, version uint64, value V) (done bool, err error) {
	committed, err := m.Begin().IfVersion(key, version).Put(key, value).Commit(ctx)
	return committed.OK, err
}

// Update reads the entry of key, and sets the value to what change makes of it, unless another client was quicker: then it begins again with
// that one's. change returns false to leave everything as it is. It returns the entry as it then is.
func (m *Map[K, V]) Update(ctx context.Context, key K, change func(Entry[K, V]) (V, bool)) (Entry[K, V], error) {
	e, err := m.Entry(ctx, key)
	if err != nil {
		return e, err
	}
	for {
		value, ok := change(e)
		if !ok {
			return e, nil
		}
		batch := m.Begin().IfVersion(key, e.Version).Put(key, value)
		if batch.err != nil {
			return e, batch.err
		}
		reply, result, err := m.keyed.commit(ctx, &batch.commit)
		if err != nil {
			return e, err
		}
		if reply.Failed < 0 {
			return Entry[K, V]{key, value, result.Index}, nil
		}
		if e, err = m.entryOf(key, reply.Found); err != nil {
			return e, err
		}
	}
}

func (m *Map[K, V]) entryOf(key K, e protocol.Entry) (Entry[K, V], error) {
	out := Entry[K, V]{Key: key, Version: e.Version}
	if !e.Present {
		return out, nil
	}
	var err error
	out.Value, err = decode("the value", m.value, e.Value)
	return out, err
}

// Remove removes keys, together, and returns how many there were.
func (m *Map[K, V]) Remove(ctx context.Context, keys ...K) (removed int, err error) {
	batch := m.Begin()
	for _, key := range keys {
		batch.Remove(key)
	}
	done, err := batch.Commit(ctx)
	for _, n := range done.Before {
		removed += n
	}
	return removed, err
}

// RemoveRange removes all keys of a span, in one command however many they are, and returns how many there were.
func (m *Map[K, V]) RemoveRange(ctx context.Context, span Span[K]) (removed int, err error) {
	done, err := m.Begin().RemoveRange(span).Commit(ctx)
	if err != nil {
		return 0, err
	}
	return done.Before[0], nil
}

// Len returns the number of entries.
func (m *Map[K, V]) Len(ctx context.Context) (int, error) { return m.Count(ctx, All[K]()) }

// Count returns the number of entries in a span. The machine does not visit them for it.
func (m *Map[K, V]) Count(ctx context.Context, span Span[K]) (int, error) {
	b, none, err := span.bounds(m.key)
	if err != nil || none {
		return 0, err
	}
	return m.keyed.count(ctx, b)
}

// First returns the entry with the least key of a span, and Last that with the greatest; the version is 0 if there is none.
func (m *Map[K, V]) First(ctx context.Context, span Span[K]) (Entry[K, V], error) {
	return m.end(ctx, span, false)
}

// Last returns the entry with the greatest key of a span; its version is 0 if there is none.
func (m *Map[K, V]) Last(ctx context.Context, span Span[K]) (Entry[K, V], error) {
	return m.end(ctx, span, true)
}

func (m *Map[K, V]) end(ctx context.Context, span Span[K], last bool) (Entry[K, V], error) {
	page, err := m.Page(ctx, span, PageOptions{Limit: 1, Descending: last})
	if err != nil || len(page.Entries) == 0 {
		return Entry[K, V]{}, err
	}
	return page.Entries[0], nil
}
