package collections

import (
	"context"
	"fmt"
	"iter"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// Vec is a sequence with positions from 0, kept by the machine examples/wasm/vec. Inserting and removing in the middle cost what they cost at the
// ends. Its methods may be called from several goroutines at once, and their errors are those of client.Group's Execute and Query, and ErrBadValue; a position that
// does not exist when the command is applied is a *client.RefusedError with protocol.CodeOutOfRange.
type Vec[T any] struct {
	reader reader
	codec  Codec[T]
}

// VecConfig says how elements become bytes.
type VecConfig[T any] struct {
	// Element is MessagePack for nil. All clients of a vector need the same.
	Element Codec[T]
}

// NewVec returns the vector of a group.
//
// # Errors
//
// client.ErrBadConfig for a type that the codec does not carry.
func NewVec[T any](group *client.Group, config VecConfig[T]) (*Vec[T], error) {
	codec, err := choose("elements", config.Element, MessagePack[T]())
	if err != nil {
		return nil, err
	}
	return &Vec[T]{reader{group: group}, codec}, nil
}

// Reading returns the same vector with reads by these options.
func (v *Vec[T]) Reading(options client.QueryOptions) *Vec[T] {
	return &Vec[T]{reader{v.reader.group, options}, v.codec}
}

// commit executes a commit.
func (v *Vec[T]) commit(ctx context.Context, c *protocol.VecCommit) (protocol.VecReply, error) {
	result, err := v.reader.group.Execute(ctx, c.Append(nil))
	if err != nil {
		return protocol.VecReply{}, err
	}
	reply, err := protocol.ParseVecReply(result.Output)
	if err != nil {
		return reply, badReply(err)
	}
	return reply, nil
}

// edit makes one edit and returns the new length.
func (v *Vec[T]) edit(ctx context.Context, e protocol.VecEdit) (length int, err error) {
	reply, err := v.commit(ctx, &protocol.VecCommit{Edits: []protocol.VecEdit{e}})
	return int(reply.Length), err
}

// exchange makes one edit and returns the elements that it replaced or removed.
func (v *Vec[T]) exchange(ctx context.Context, e protocol.VecEdit) ([]T, error) {
	reply, err := v.commit(ctx, &protocol.VecCommit{Edits: []protocol.VecEdit{e}, Old: true})
	if err != nil {
		return nil, err
	}
	return v.decodeAll(reply.Old)
}

func (v *Vec[T]) decodeAll(elements [][]byte) ([]T, error) {
	out := make([]T, len(elements))
	for i := range elements {
		var err error
		if out[i], err = decode("the element", v.codec, elements[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// position refuses one that no vector has.
func position(n int) (uint64, error) {
	if n < 0 {
		return 0, fmt.Errorf("%w: position or count %d", ErrBadValue, n)
	}
	return uint64(n), nil
}

// positions is position for two.
func positions(a, b int) (x, y uint64, err error) {
	if x, err = position(a); err == nil {
		y, err = position(b)
	}
	return x, y, err
}

// Push adds elements at the end, together, and returns the new length.
func (v *Vec[T]) Push(ctx context.Context, elements ...T) (length int, err error) {
	return v.add(ctx, elements, func(int) protocol.VecEdit { return protocol.VecEdit{Kind: protocol.VecPush} })
}

// PushFront puts elements before the first, together and in their order, and returns the new length.
func (v *Vec[T]) PushFront(ctx context.Context, elements ...T) (length int, err error) {
	return v.Insert(ctx, 0, elements...)
}

// Insert puts elements before the one at a position, or behind the last at the length, together and in their order, and returns the new length.
func (v *Vec[T]) Insert(ctx context.Context, at int, elements ...T) (length int, err error) {
	first, err := position(at)
	if err != nil {
		return 0, err
	}
	return v.add(ctx, elements, func(i int) protocol.VecEdit {
		return protocol.VecEdit{Kind: protocol.VecInsert, At: first + uint64(i)}
	})
}

func (v *Vec[T]) add(ctx context.Context, elements []T, edit func(i int) protocol.VecEdit) (length int, err error) {
	commit := protocol.VecCommit{Edits: make([]protocol.VecEdit, len(elements))}
	for i, element := range elements {
		commit.Edits[i] = edit(i)
		if commit.Edits[i].Value, err = encode("the element", v.codec, element); err != nil {
			return 0, err
		}
	}
	reply, err := v.commit(ctx, &commit)
	return int(reply.Length), err
}

// Set replaces the element at a position and returns the one before.
func (v *Vec[T]) Set(ctx context.Context, at int, element T) (old T, err error) {
	i, err := position(at)
	if err != nil {
		return old, err
	}
	value, err := encode("the element", v.codec, element)
	if err != nil {
		return old, err
	}
	return single(v.exchange(ctx, protocol.VecEdit{Kind: protocol.VecSet, At: i, Value: value}))
}

// single is the one element that there has to be.
func single[T any](elements []T, err error) (element T, _ error) {
	if err == nil && len(elements) != 1 {
		err = badReply(fmt.Errorf("%d elements in place of one", len(elements)))
	}
	if err != nil {
		return element, err
	}
	return elements[0], nil
}

// CompareAndSwap replaces the element at a position if it has the bytes of old, and reports whether it did. A position beyond the end has no element.
func (v *Vec[T]) CompareAndSwap(ctx context.Context, at int, old, element T) (swapped bool, err error) {
	i, err := position(at)
	if err != nil {
		return false, err
	}
	before, err := encode("the element", v.codec, old)
	if err != nil {
		return false, err
	}
	value, err := encode("the element", v.codec, element)
	if err != nil {
		return false, err
	}
	reply, err := v.commit(ctx, &protocol.VecCommit{Conditions: []protocol.VecCondition{{At: i, Value: before}},
		Edits: []protocol.VecEdit{{Kind: protocol.VecSet, At: i, Value: value}}})
	return reply.OK, err
}

// Remove removes the element at a position and returns it.
func (v *Vec[T]) Remove(ctx context.Context, at int) (old T, err error) {
	i, err := position(at)
	if err != nil {
		return old, err
	}
	return single(v.exchange(ctx, protocol.VecEdit{Kind: protocol.VecRemove, At: i, N: 1}))
}

// RemoveRange removes n elements from a position on and returns the new length.
func (v *Vec[T]) RemoveRange(ctx context.Context, at, n int) (length int, err error) {
	from, count, err := positions(at, n)
	if err != nil {
		return 0, err
	}
	return v.edit(ctx, protocol.VecEdit{Kind: protocol.VecRemove, At: from, N: count})
}

// PopFront removes up to n elements from the beginning and returns them; fewer where there are no more, or where they are more than 500 KiB.
func (v *Vec[T]) PopFront(ctx context.Context, n int) ([]T, error) {
	return v.pop(ctx, protocol.VecPopFront, n)
}

// PopBack is PopFront for the end; the last element comes first.
func (v *Vec[T]) PopBack(ctx context.Context, n int) ([]T, error) {
	return v.pop(ctx, protocol.VecPopBack, n)
}

func (v *Vec[T]) pop(ctx context.Context, kind protocol.VecEditKind, n int) ([]T, error) {
	count, err := position(n)
	if err != nil {
		return nil, err
	}
	return v.exchange(ctx, protocol.VecEdit{Kind: kind, N: count})
}

// Swap exchanges the elements at two positions.
func (v *Vec[T]) Swap(ctx context.Context, i, j int) error {
	a, b, err := positions(i, j)
	if err != nil {
		return err
	}
	_, err = v.edit(ctx, protocol.VecEdit{Kind: protocol.VecSwap, At: a, N: b})
	return err
}

// Truncate removes the elements from a position on, if there are any, and returns the new length.
func (v *Vec[T]) Truncate(ctx context.Context, length int) (now int, err error) {
	n, err := position(length)
	if err != nil {
		return 0, err
	}
	return v.edit(ctx, protocol.VecEdit{Kind: protocol.VecTruncate, At: n})
}

// Len returns the number of elements.
func (v *Vec[T]) Len(ctx context.Context) (int, error) {
	f := feed{reader: v.reader}
	status, err := f.status(ctx)
	return int(status.Entries), err
}

// Get returns the element at a position, and whether there is one.
func (v *Vec[T]) Get(ctx context.Context, at int) (element T, found bool, err error) {
	i, err := position(at)
	if err != nil {
		return element, false, err
	}
	elements, _, err := v.page(ctx, &protocol.VecPage{From: i, To: i + 1})
	if err != nil || len(elements) == 0 {
		return element, false, err
	}
	return elements[0], true, nil
}

func (v *Vec[T]) page(ctx context.Context, p *protocol.VecPage) ([]T, bool, error) {
	result, err := v.reader.ask(ctx, p.Append(nil))
	if err != nil {
		return nil, false, err
	}
	elements, more, err := protocol.ParseElements(result.Output)
	if err != nil {
		return nil, false, badReply(err)
	}
	out, err := v.decodeAll(elements)
	return out, more && len(elements) > 0, err
}

// Range yields the elements from a position on, up to another and without it; positions beyond the end are none. Each piece sees its own
// moment: while others insert and remove, an element may come twice or not at all. An error ends it.
func (v *Vec[T]) Range(ctx context.Context, from, to int, options RangeOptions) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		p := protocol.VecPage{Descending: options.Descending}
		var err error
		if p.From, p.To, err = positions(from, to); err == nil {
			p.Limit, err = options.piece()
		}
		if err == nil && p.Descending {
			// Pieces are counted from the end, so that has to be known.
			var n int
			n, err = v.Len(ctx)
			p.To = min(p.To, uint64(n))
		}
		for more := true; more && err == nil; {
			var elements []T
			if elements, more, err = v.page(ctx, &p); err != nil {
				break
			}
			for _, element := range elements {
				if !yield(element, nil) {
					return
				}
			}
			if p.Descending {
				p.To -= min(p.To, uint64(len(elements)))
			} else {
				p.From += uint64(len(elements))
			}
		}
		if err != nil {
			yield(*new(T), err)
		}
	}
}

// VecEditKind says what an edit did.
type VecEditKind = protocol.VecEditKind

// The edits. Package protocol has what each means.
const (
	VecPush     = protocol.VecPush
	VecInsert   = protocol.VecInsert
	VecSet      = protocol.VecSet
	VecRemove   = protocol.VecRemove
	VecSwap     = protocol.VecSwap
	VecTruncate = protocol.VecTruncate
	VecPopFront = protocol.VecPopFront
	VecPopBack  = protocol.VecPopBack
)

// VecChange is an edit of a vector: made in turn on a copy, they keep it alike.
type VecChange[T any] struct {
	Kind  VecEditKind
	Index uint64
	// At is the position of VecInsert, VecSet, VecRemove, VecSwap and VecTruncate, N the other of VecSwap, and the most that is removed by VecRemove, VecPopFront and VecPopBack.
	At, N int
	// Element is that of VecPush, VecInsert and VecSet.
	Element T
}

// Watch receives the changes of the vector from now on, as Map.Watch does.
func (v *Vec[T]) Watch(ctx context.Context) (*Watch[VecChange[T]], error) {
	return watch(ctx, v.reader, func(index uint64, r *protocol.Reader) (VecChange[T], bool, error) {
		e, err := protocol.ParseVecEdit(r)
		if err != nil {
			return VecChange[T]{}, false, badReply(err)
		}
		c := VecChange[T]{Kind: e.Kind, Index: index, At: int(e.At), N: int(e.N)}
		if e.Kind <= VecSet {
			c.Element, err = decode("the element", v.codec, e.Value)
		}
		return c, true, err
	})
}
