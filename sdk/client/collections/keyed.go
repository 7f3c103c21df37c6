package collections

import (
	"context"
	"fmt"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// reader asks a collection's machine.
type reader struct {
	group   *client.Group
	options client.QueryOptions
}

// ask sends a query.
func (r reader) ask(ctx context.Context, query []byte) (client.Result, error) {
	return r.group.Query(ctx, query, r.options)
}

// numbers sends a query whose answer is so many numbers.
func (r reader) numbers(ctx context.Context, query []byte, n int) ([]uint64, error) {
	result, err := r.ask(ctx, query)
	if err != nil {
		return nil, err
	}
	return parseNumbers(result.Output, n)
}

func parseNumbers(answer []byte, n int) ([]uint64, error) {
	fields, out := protocol.Read(answer), make([]uint64, n)
	for i := range out {
		out[i] = fields.Number()
	}
	if err := fields.End(); err != nil {
		return nil, badReply(err)
	}
	return out, nil
}

func badReply(err error) error { return fmt.Errorf("%w: %w", client.ErrBadReply, err) }

// keyed speaks to the machines of maps, sets, cells and Once, in bytes.
type keyed struct{ reader }

// commit executes a commit.
func (k keyed) commit(ctx context.Context, c *protocol.Commit) (protocol.CommitReply, client.Result, error) {
	var reply protocol.CommitReply
	result, err := k.group.Execute(ctx, c.Append(nil))
	if err != nil {
		return reply, result, err
	}
	if err := reply.Parse(result.Output); err != nil {
		return reply, result, badReply(err)
	}
	if reply.Failed < 0 && len(reply.Before) != len(c.Writes) || reply.Failed >= len(c.Conditions) {
		return reply, result, badReply(fmt.Errorf("%d results for %d writes, or condition %d of %d", len(reply.Before), len(c.Writes), reply.Failed, len(c.Conditions)))
	}
	return reply, result, nil
}

// get returns the entries of keys, in their order; Key is not set.
func (k keyed) get(ctx context.Context, keys [][]byte) ([]protocol.Entry, error) {
	out := make([]protocol.Entry, 0, len(keys))
	for len(out) < len(keys) {
		part := keys[len(out):]
		query, n := []byte{protocol.OpGet}, 0
		for size := 0; n < len(part) && (n == 0 || size+len(part[n]) < maxGetBytes); n++ {
			size += protocol.BytesSize(len(part[n]))
		}
		query = protocol.AppendNumber(query, uint64(n))
		for _, key := range part[:n] {
			query = protocol.AppendBytes(query, key)
		}
		result, err := k.ask(ctx, query)
		if err != nil {
			return nil, err
		}
		entries, err := parseEntries(result.Output, n)
		if err != nil {
			return nil, err
		}
		out = append(out, entries...)
	}
	return out, nil
}

// maxGetBytes bounds the keys of one query.
const maxGetBytes = protocol.MaxRequestBytes / 2

// parseEntries reads at least one and at most n entries.
func parseEntries(answer []byte, n int) ([]protocol.Entry, error) {
	fields := protocol.Read(answer)
	var out []protocol.Entry
	for len(out) < n && fields.More() && (len(out) == 0 || !fields.Skip(protocol.PageMore)) {
		out = append(out, protocol.ParseEntry(&fields))
	}
	if err := fields.End(); err != nil {
		return nil, badReply(err)
	}
	if len(out) == 0 {
		return nil, badReply(fmt.Errorf("an answer without entries for %d keys", n))
	}
	return out, nil
}

// getOne returns the entry of one key.
func (k keyed) getOne(ctx context.Context, key []byte) (protocol.Entry, error) {
	entries, err := k.get(ctx, [][]byte{key})
	if err != nil {
		return protocol.Entry{}, err
	}
	return entries[0], nil
}

// page returns entries of a range, whether there are more, and the index of the read.
func (k keyed) page(ctx context.Context, p *protocol.Page) (entries []protocol.Entry, more bool, index uint64, err error) {
	result, err := k.ask(ctx, p.Append(nil))
	if err != nil {
		return nil, false, 0, err
	}
	if entries, more, err = p.ParseAnswer(result.Output); err != nil {
		return nil, false, 0, badReply(err)
	}
	if more && len(entries) == 0 {
		return nil, false, 0, badReply(fmt.Errorf("an empty page before the end"))
	}
	return entries, more, result.Index, nil
}

// count returns how many entries are within bounds.
func (k keyed) count(ctx context.Context, b bounds) (int, error) {
	n, err := k.numbers(ctx, protocol.AppendBytes(protocol.AppendBytes([]byte{protocol.OpCount}, b.from), b.to), 1)
	if err != nil {
		return 0, err
	}
	return int(n[0]), nil
}
