package collections

import (
	"context"
	"fmt"
	"iter"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// Queue is a priority queue with two ends, kept by the machine examples/wasm/queue. Items have keys, by which they are found, replaced, prioritised and
// removed. Among equal priorities the order is that in which they were pushed or got the priority: PopMin takes the oldest of them, PopMax the latest.
//
// Its methods may be called from several goroutines at once, and their errors are those of client.Group's Execute and Query, and ErrBadValue. A key has at
// most 512 bytes, a priority 128.
type Queue[P, K, V any] struct {
	reader reader
	codecs QueueConfig[P, K, V]
}

// QueueConfig says how priorities, keys and values become bytes.
type QueueConfig[P, K, V any] struct {
	// Priority and Key are Ordered for nil, Value MessagePack. All clients of a queue need the same.
	Priority Codec[P]
	Key      Codec[K]
	Value    Codec[V]
}

// NewQueue returns the queue of a group.
//
// # Errors
//
// client.ErrBadConfig for types that the codecs do not carry.
func NewQueue[P, K, V any](group *client.Group, config QueueConfig[P, K, V]) (*Queue[P, K, V], error) {
	var err error
	if config.Priority, err = choose("priorities", config.Priority, Ordered[P]()); err != nil {
		return nil, err
	}
	if config.Key, err = choose("keys", config.Key, Ordered[K]()); err != nil {
		return nil, err
	}
	if config.Value, err = choose("values", config.Value, MessagePack[V]()); err != nil {
		return nil, err
	}
	return &Queue[P, K, V]{reader{group: group}, config}, nil
}

// Reading returns the same queue with reads by these options.
func (q *Queue[P, K, V]) Reading(options client.QueryOptions) *Queue[P, K, V] {
	return &Queue[P, K, V]{reader{q.reader.group, options}, q.codecs}
}

// Item is what a queue holds.
type Item[P, K, V any] struct {
	Key      K
	Priority P
	Value    V
}

func (q *Queue[P, K, V]) encode(i Item[P, K, V]) (out protocol.Item, err error) {
	if out.Key, err = encode("the key", q.codecs.Key, i.Key); err != nil {
		return out, err
	}
	if out.Priority, err = encode("the priority", q.codecs.Priority, i.Priority); err != nil {
		return out, err
	}
	out.Value, err = encode("the value", q.codecs.Value, i.Value)
	return out, err
}

func (q *Queue[P, K, V]) decode(i protocol.Item) (out Item[P, K, V], err error) {
	if out.Key, err = decode("the key", q.codecs.Key, i.Key); err != nil {
		return out, err
	}
	if out.Priority, err = decode("the priority", q.codecs.Priority, i.Priority); err != nil {
		return out, err
	}
	out.Value, err = decode("the value", q.codecs.Value, i.Value)
	return out, err
}

func (q *Queue[P, K, V]) decodeAll(answer []byte) (out []Item[P, K, V], more bool, err error) {
	items, more, err := protocol.ParseItems(answer)
	if err != nil {
		return nil, false, badReply(err)
	}
	out = make([]Item[P, K, V], len(items))
	for i := range items {
		if out[i], err = q.decode(items[i]); err != nil {
			return nil, false, err
		}
	}
	return out, more, nil
}

// change executes a command whose answer is a number.
func (q *Queue[P, K, V]) change(ctx context.Context, command []byte) (int, error) {
	result, err := q.reader.group.Execute(ctx, command)
	if err != nil {
		return 0, err
	}
	n, err := parseNumbers(result.Output, 1)
	if err != nil {
		return 0, err
	}
	return int(n[0]), nil
}

// Push puts items, together, and returns how many keys are new. An item whose key is there already replaces it.
func (q *Queue[P, K, V]) Push(ctx context.Context, items ...Item[P, K, V]) (created int, err error) {
	command := protocol.AppendNumber([]byte{protocol.OpPush}, uint64(len(items)))
	for _, item := range items {
		encoded, err := q.encode(item)
		if err != nil {
			return 0, err
		}
		command = encoded.Append(command)
	}
	return q.change(ctx, command)
}

// Prioritise gives the item with a key another priority, and reports whether there is one.
func (q *Queue[P, K, V]) Prioritise(ctx context.Context, key K, priority P) (found bool, err error) {
	k, err := encode("the key", q.codecs.Key, key)
	if err != nil {
		return false, err
	}
	p, err := encode("the priority", q.codecs.Priority, priority)
	if err != nil {
		return false, err
	}
	n, err := q.change(ctx, protocol.AppendBytes(protocol.AppendBytes([]byte{protocol.OpPrioritise}, k), p))
	return n == 1, err
}

// Remove removes the items with keys, together, and returns how many there were.
func (q *Queue[P, K, V]) Remove(ctx context.Context, keys ...K) (removed int, err error) {
	command := protocol.AppendNumber([]byte{protocol.OpDrop}, uint64(len(keys)))
	for _, key := range keys {
		k, err := encode("the key", q.codecs.Key, key)
		if err != nil {
			return 0, err
		}
		command = protocol.AppendBytes(command, k)
	}
	return q.change(ctx, command)
}

// RemoveRange removes the items whose priorities are in a span, and returns how many there were.
func (q *Queue[P, K, V]) RemoveRange(ctx context.Context, span Span[P]) (removed int, err error) {
	b, none, err := span.bounds(q.codecs.Priority)
	if err != nil || none {
		return 0, err
	}
	return q.change(ctx, protocol.AppendBytes(protocol.AppendBytes([]byte{protocol.OpDropRange}, b.from), b.to))
}

// PopMin removes up to n items with the least priorities and returns them, the least first; fewer where there are no more, or where they are more than 500 KiB.
func (q *Queue[P, K, V]) PopMin(ctx context.Context, n int) ([]Item[P, K, V], error) {
	return q.pop(ctx, 0, n)
}

// PopMax is PopMin for the greatest priorities, the greatest first.
func (q *Queue[P, K, V]) PopMax(ctx context.Context, n int) ([]Item[P, K, V], error) {
	return q.pop(ctx, 1, n)
}

func (q *Queue[P, K, V]) pop(ctx context.Context, end byte, n int) ([]Item[P, K, V], error) {
	if n < 1 {
		return nil, fmt.Errorf("%w: %d items cannot be popped", client.ErrBadConfig, n)
	}
	result, err := q.reader.group.Execute(ctx, protocol.AppendNumber([]byte{protocol.OpPop, end}, uint64(n)))
	if err != nil {
		return nil, err
	}
	items, _, err := q.decodeAll(result.Output)
	return items, err
}

// Get returns the item with a key.
func (q *Queue[P, K, V]) Get(ctx context.Context, key K) (item Item[P, K, V], found bool, err error) {
	k, err := encode("the key", q.codecs.Key, key)
	if err != nil {
		return item, false, err
	}
	result, err := q.reader.ask(ctx, protocol.AppendBytes([]byte{protocol.OpItem}, k))
	if err != nil {
		return item, false, err
	}
	fields := protocol.Read(result.Output)
	if fields.Byte() == 0 {
		if err := fields.End(); err != nil {
			return item, false, badReply(err)
		}
		return item, false, nil
	}
	encoded := protocol.ParseItem(&fields)
	if err := fields.End(); err != nil {
		return item, false, badReply(err)
	}
	item, err = q.decode(encoded)
	return item, true, err
}

// Min returns the item that PopMin would take first.
func (q *Queue[P, K, V]) Min(ctx context.Context) (item Item[P, K, V], found bool, err error) {
	return q.end(ctx, false)
}

// Max returns the item that PopMax would take first.
func (q *Queue[P, K, V]) Max(ctx context.Context) (item Item[P, K, V], found bool, err error) {
	return q.end(ctx, true)
}

func (q *Queue[P, K, V]) end(ctx context.Context, greatest bool) (item Item[P, K, V], found bool, err error) {
	items, _, err := q.page(ctx, &protocol.ItemsPage{Limit: 1, Descending: greatest})
	if err != nil || len(items) == 0 {
		return item, false, err
	}
	return items[0], true, nil
}

func (q *Queue[P, K, V]) page(ctx context.Context, p *protocol.ItemsPage) ([]Item[P, K, V], bool, error) {
	result, err := q.reader.ask(ctx, p.Append(nil))
	if err != nil {
		return nil, false, err
	}
	return q.decodeAll(result.Output)
}

// Len returns the number of items.
func (q *Queue[P, K, V]) Len(ctx context.Context) (int, error) { return q.Count(ctx, All[P]()) }

// Count returns the number of items whose priorities are in a span.
func (q *Queue[P, K, V]) Count(ctx context.Context, span Span[P]) (int, error) {
	b, none, err := span.bounds(q.codecs.Priority)
	if err != nil || none {
		return 0, err
	}
	n, err := q.reader.numbers(ctx, protocol.AppendBytes(protocol.AppendBytes([]byte{protocol.OpItemCount}, b.from), b.to), 1)
	if err != nil {
		return 0, err
	}
	return int(n[0]), nil
}

// RangeOptions say how to read the items of a queue, or the elements of a Vec.
type RangeOptions struct {
	// Piece is how many a query asks for; 0 means 256.
	Piece int
	// Descending begins at the other end.
	Descending bool
}

func (o RangeOptions) piece() (uint64, error) {
	if o.Piece < 0 {
		return 0, fmt.Errorf("%w: RangeOptions.Piece is %d", client.ErrBadConfig, o.Piece)
	}
	if o.Piece == 0 {
		return defaultPage, nil
	}
	return uint64(o.Piece), nil
}

// Range yields the items whose priorities are in a span, in order. Each piece sees its own moment, and counts how many
// came before: while others push and pop, an item may come twice or not at all. An error ends it.
func (q *Queue[P, K, V]) Range(ctx context.Context, span Span[P], options RangeOptions) iter.Seq2[Item[P, K, V], error] {
	return func(yield func(Item[P, K, V], error) bool) {
		b, none, err := span.bounds(q.codecs.Priority)
		p := protocol.ItemsPage{From: b.from, To: b.to, Descending: options.Descending}
		if err == nil {
			p.Limit, err = options.piece()
		}
		for more := !none; more && err == nil; {
			var items []Item[P, K, V]
			if items, more, err = q.page(ctx, &p); err != nil {
				break
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			p.Skip += uint64(len(items))
		}
		if err != nil {
			yield(Item[P, K, V]{}, err)
		}
	}
}

// QueueChangeKind says what became of an item.
type QueueChangeKind = protocol.QueueChangeKind

// The changes of queues.
const (
	// QueuePushed has the whole item, QueuePrioritised its key and priority.
	QueuePushed      = protocol.Pushed
	QueuePrioritised = protocol.Prioritised
	// QueuePopped and QueueDropped have the key.
	QueuePopped  = protocol.Popped
	QueueDropped = protocol.Dropped
	// QueueRangeDropped has priorities as bytes, From and To.
	QueueRangeDropped = protocol.RangeDropped
)

// QueueChange is a change of a queue.
type QueueChange[P, K, V any] struct {
	Kind  QueueChangeKind
	Index uint64
	Item  Item[P, K, V]
	// From and To are of QueueRangeDropped: from From on, up to To and without it; an empty To is no end.
	From, To []byte
}

// Watch receives the changes of the queue from now on, as Map.Watch does.
func (q *Queue[P, K, V]) Watch(ctx context.Context) (*Watch[QueueChange[P, K, V]], error) {
	return watch(ctx, q.reader, func(index uint64, r *protocol.Reader) (c QueueChange[P, K, V], watched bool, err error) {
		change, err := protocol.ParseQueueChange(r)
		if err != nil {
			return c, false, badReply(err)
		}
		c.Kind, c.Index = change.Kind, index
		switch change.Kind {
		case QueuePushed:
			c.Item, err = q.decode(change.Item)
			return c, true, err
		case QueueRangeDropped:
			c.From, c.To = change.Item.Key, change.Item.Priority
			return c, true, nil
		case QueuePrioritised:
			if c.Item.Priority, err = decode("the priority", q.codecs.Priority, change.Item.Priority); err != nil {
				return c, false, err
			}
		}
		c.Item.Key, err = decode("the key", q.codecs.Key, change.Item.Key)
		return c, true, err
	})
}
