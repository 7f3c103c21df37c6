package collections

import (
	"context"
	"fmt"
	"iter"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// defaultPage is how many entries a page has unless PageOptions say.
const defaultPage = 256

// PageOptions say how to read a span.
type PageOptions struct {
	// Limit bounds the entries of a page; 0 means 256. A page has fewer where they would be more than 500 KiB.
	Limit int
	// Descending begins with the greatest key.
	Descending bool
	// KeysOnly leaves values and versions zero.
	KeysOnly bool
	// After is the Next of the page before, nil for the first.
	After []byte
}

// Page is a piece of a span.
type Page[T any] struct {
	Entries []T
	// Next is PageOptions.After of the following page, nil if this is the last.
	Next []byte
	// Index is that of the last command which the page saw. Each page sees its own moment.
	Index uint64
}

// request is the query for a page; nil if no key can be in it.
func request[K any](span Span[K], codec Codec[K], o PageOptions) (*protocol.Page, error) {
	b, none, err := span.bounds(codec)
	if err != nil || none {
		return nil, err
	}
	if o.Limit < 0 {
		return nil, fmt.Errorf("%w: PageOptions.Limit is %d", client.ErrBadConfig, o.Limit)
	}
	if o.Limit == 0 {
		o.Limit = defaultPage
	}
	p := &protocol.Page{From: b.from, To: b.to, Limit: uint64(o.Limit), Descending: o.Descending, KeysOnly: o.KeysOnly}
	if o.After == nil {
		return p, nil
	}
	if p.Continue(o.After); p.Descending && len(p.To) == 0 {
		return nil, nil // nothing is before the empty key
	}
	return p, nil
}

// readPage reads a page, and makes a T of each entry.
func readPage[K, T any](ctx context.Context, k keyed, span Span[K], codec Codec[K], o PageOptions, from func(protocol.Entry) (T, error)) (Page[T], error) {
	p, err := request(span, codec, o)
	if err != nil || p == nil {
		return Page[T]{}, err
	}
	entries, more, index, err := k.page(ctx, p)
	if err != nil {
		return Page[T]{}, err
	}
	out := Page[T]{Entries: make([]T, len(entries)), Index: index}
	for i := range entries {
		if out.Entries[i], err = from(entries[i]); err != nil {
			return Page[T]{}, err
		}
	}
	if more {
		out.Next = append([]byte{}, entries[len(entries)-1].Key...)
	}
	return out, nil
}

// readAll reads page after page. It ends with the first error.
func readAll[T any](o PageOptions, page func(PageOptions) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			p, err := page(o)
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, e := range p.Entries {
				if !yield(e, nil) {
					return
				}
			}
			if o.After = p.Next; o.After == nil {
				return
			}
		}
	}
}

// Page reads a piece of a span.
//
// # Errors
//
// Those of a query, ErrBadValue, and client.ErrBadConfig for a negative limit.
func (m *Map[K, V]) Page(ctx context.Context, span Span[K], options PageOptions) (Page[Entry[K, V]], error) {
	return readPage(ctx, m.keyed, span, m.key, options, func(e protocol.Entry) (Entry[K, V], error) {
		key, err := decode("the key", m.key, e.Key)
		if err != nil || options.KeysOnly {
			return Entry[K, V]{Key: key}, err
		}
		return m.entryOf(key, e)
	})
}

// Range reads a span page by page, and yields its entries in order, each key once. Every page sees its own moment: a key that is put or removed meanwhile
// may or may not come. An error ends it.
//
//	for e, err := range ages.Range(ctx, collections.Prefix[string]("a"), collections.PageOptions{}) {
func (m *Map[K, V]) Range(ctx context.Context, span Span[K], options PageOptions) iter.Seq2[Entry[K, V], error] {
	return readAll(options, func(o PageOptions) (Page[Entry[K, V]], error) { return m.Page(ctx, span, o) })
}
