package collections

import (
	"context"
	"iter"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// Set is an ordered set, kept by the machine examples/wasm/set. Its methods may be called from several goroutines at once, and their
// errors are those of Map's.
type Set[K any] struct {
	keyed keyed
	key   Codec[K]
}

// SetConfig says how elements become bytes.
type SetConfig[K any] struct {
	// Key is Ordered for nil. All clients of a set need the same.
	Key Codec[K]
}

// NewSet returns the set of a group.
//
// # Errors
//
// client.ErrBadConfig for a type that the codec does not carry.
func NewSet[K any](group *client.Group, config SetConfig[K]) (*Set[K], error) {
	key, err := choose("elements", config.Key, Ordered[K]())
	if err != nil {
		return nil, err
	}
	return &Set[K]{keyed{reader{group: group}}, key}, nil
}

// Reading returns the same set with reads by these options.
func (s *Set[K]) Reading(options client.QueryOptions) *Set[K] {
	return &Set[K]{keyed{reader{s.keyed.group, options}}, s.key}
}

// Add adds elements, together, and returns how many are new.
func (s *Set[K]) Add(ctx context.Context, elements ...K) (added int, err error) {
	before, err := s.write(ctx, protocol.Put, elements)
	return len(elements) - before, err
}

// AddAll adds elements, of any number, in commands of some 64 KiB: each is applied whole, but not all together. It returns
// how many are new; an error leaves the rest out.
func (s *Set[K]) AddAll(ctx context.Context, elements iter.Seq[K]) (added int, err error) {
	var commit protocol.Commit
	size := 0
	flush := func() error {
		reply, _, err := s.keyed.commit(ctx, &commit)
		for _, n := range reply.Before {
			added += 1 - int(n)
		}
		commit, size = protocol.Commit{}, 0
		return err
	}
	for element := range elements {
		key, err := encode("the element", s.key, element)
		if err != nil {
			return added, err
		}
		commit.Writes = append(commit.Writes, protocol.Write{Kind: protocol.Put, Key: key})
		if size += len(key) + 4; size >= bulkBytes {
			if err := flush(); err != nil {
				return added, err
			}
		}
	}
	if len(commit.Writes) == 0 {
		return added, nil
	}
	return added, flush()
}

// Remove removes elements, together, and returns how many there were.
func (s *Set[K]) Remove(ctx context.Context, elements ...K) (removed int, err error) {
	return s.write(ctx, protocol.Remove, elements)
}

// write makes one write for each element, and returns how many were in the set before.
func (s *Set[K]) write(ctx context.Context, kind protocol.WriteKind, elements []K) (before int, err error) {
	commit := protocol.Commit{Writes: make([]protocol.Write, len(elements))}
	for i, element := range elements {
		key, err := encode("the element", s.key, element)
		if err != nil {
			return 0, err
		}
		commit.Writes[i] = protocol.Write{Kind: kind, Key: key}
	}
	reply, _, err := s.keyed.commit(ctx, &commit)
	for _, n := range reply.Before {
		before += int(n)
	}
	return before, err
}

// RemoveRange removes all elements of a span, and returns how many there were.
func (s *Set[K]) RemoveRange(ctx context.Context, span Span[K]) (removed int, err error) {
	b, none, err := span.bounds(s.key)
	if err != nil || none {
		return 0, err
	}
	commit := protocol.Commit{Writes: []protocol.Write{{Kind: protocol.RemoveRange, Key: b.from, Value: b.to}}}
	reply, _, err := s.keyed.commit(ctx, &commit)
	if err != nil {
		return 0, err
	}
	return int(reply.Before[0]), nil
}

// Has reports whether an element is in the set.
func (s *Set[K]) Has(ctx context.Context, element K) (bool, error) {
	key, err := encode("the element", s.key, element)
	if err != nil {
		return false, err
	}
	e, err := s.keyed.getOne(ctx, key)
	return e.Present, err
}

// Len returns the number of elements.
func (s *Set[K]) Len(ctx context.Context) (int, error) { return s.Count(ctx, All[K]()) }

// Count returns the number of elements in a span. The machine does not visit them for it.
func (s *Set[K]) Count(ctx context.Context, span Span[K]) (int, error) {
	b, none, err := span.bounds(s.key)
	if err != nil || none {
		return 0, err
	}
	return s.keyed.count(ctx, b)
}

// First returns the least element of a span.
func (s *Set[K]) First(ctx context.Context, span Span[K]) (element K, found bool, err error) {
	return s.end(ctx, span, false)
}

// Last returns the greatest element of a span.
func (s *Set[K]) Last(ctx context.Context, span Span[K]) (element K, found bool, err error) {
	return s.end(ctx, span, true)
}

func (s *Set[K]) end(ctx context.Context, span Span[K], last bool) (element K, found bool, err error) {
	page, err := s.Page(ctx, span, PageOptions{Limit: 1, Descending: last})
	if err != nil || len(page.Entries) == 0 {
		return element, false, err
	}
	return page.Entries[0], true, nil
}

// Page reads a piece of a span.
func (s *Set[K]) Page(ctx context.Context, span Span[K], options PageOptions) (Page[K], error) {
	options.KeysOnly = true
	return readPage(ctx, s.keyed, span, s.key, options, func(e protocol.Entry) (K, error) { return decode("the element", s.key, e.Key) })
}

// Range reads a span page by page, as Map.Range does.
func (s *Set[K]) Range(ctx context.Context, span Span[K], options PageOptions) iter.Seq2[K, error] {
	return readAll(options, func(o PageOptions) (Page[K], error) { return s.Page(ctx, span, o) })
}

// Watch receives the changes of a span from now on, as Map.Watch does. Put is that an element was added.
func (s *Set[K]) Watch(ctx context.Context, span Span[K]) (*Watch[Change[K, struct{}]], error) {
	return watchKeyed(ctx, s.keyed.reader, span, s.key, func([]byte) (struct{}, error) { return struct{}{}, nil })
}
