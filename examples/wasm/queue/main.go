// Command queue is a replicated priority queue with two ends, for collections.Queue. README.md describes it.
package main

import (
	"github.com/groutlabs/grout/examples/wasm/internal/feed"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// machine answers requests from a queue.
type machine struct {
	queue queue
	feed  feed.Feed
	// What follows is used again by every call.
	reply []byte
	items []protocol.Item
	// size is the command's.
	size int
}

func newMachine() sdk.Machine { return &machine{} }

func init() { sdk.Register(newMachine()) }

func main() {} // never runs: the host calls Apply and Query

// Init implements sdk.Initializer: the argument is empty or protocol.Quiet.
func (m *machine) Init(_ *sdk.Context, arg []byte) error { return m.feed.Init("queue", arg) }

func refuse(code int32, format string, args ...any) error {
	return sdk.Refuse(code, "queue: "+format, args...)
}

// Apply implements sdk.Machine.
func (m *machine) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	if len(command) > protocol.MaxRequestBytes {
		return nil, refuse(protocol.CodeTooLarge, "a command of %d bytes: the limit is %d", len(command), protocol.MaxRequestBytes)
	}
	r := protocol.Read(command)
	m.size = len(command)
	m.feed.Begin()
	m.reply = m.reply[:0]
	var err error
	switch r.Byte() {
	case protocol.OpPush:
		err = m.push(&r)
	case protocol.OpPrioritise:
		err = m.prioritise(&r)
	case protocol.OpDrop:
		err = m.drop(&r)
	case protocol.OpDropRange:
		err = m.dropRange(&r)
	case protocol.OpPop:
		err = m.pop(&r)
	default:
		err = refuse(protocol.CodeBadRequest, "%.40q is no command of queues", command)
	}
	if err != nil {
		return nil, err
	}
	m.feed.End(ctx)
	return m.reply, nil
}

func malformed(err error) error { return refuse(protocol.CodeBadRequest, "%v", err) }

func (m *machine) note(kind protocol.QueueChangeKind, it protocol.Item) {
	change := protocol.QueueChange{Kind: kind, Item: it}
	m.feed.Event = change.Append(m.feed.Event)
}

// answer makes a number the reply.
func (m *machine) answer(n int) { m.reply = protocol.AppendNumber(m.reply, uint64(n)) }

func (m *machine) push(r *protocol.Reader) error {
	m.items = m.items[:0]
	for range r.Count(3) {
		it := protocol.ParseItem(r)
		if err := check(&it); err != nil {
			return err
		}
		m.items = append(m.items, it)
	}
	if err := m.list(r); err != nil {
		return err
	}
	created := 0
	for _, it := range m.items {
		if m.queue.push(it) {
			created++
		}
		m.note(protocol.Pushed, it)
	}
	m.answer(created)
	return nil
}

// list ends a command of items, whose event has a byte more for each.
func (m *machine) list(r *protocol.Reader) error {
	if err := r.End(); err != nil {
		return malformed(err)
	}
	if m.size+len(m.items) > protocol.MaxRequestBytes {
		return refuse(protocol.CodeTooLarge, "%d items in %d bytes: both together are over the limit of %d", len(m.items), m.size, protocol.MaxRequestBytes)
	}
	return nil
}

func check(it *protocol.Item) error {
	switch {
	case len(it.Key) > protocol.MaxItemKeyBytes:
		return refuse(protocol.CodeTooLarge, "the key %.40q has %d bytes, the limit is %d", it.Key, len(it.Key), protocol.MaxItemKeyBytes)
	case len(it.Priority) > protocol.MaxPriorityBytes:
		return refuse(protocol.CodeTooLarge, "the priority of %.40q has %d bytes, the limit is %d", it.Key, len(it.Priority), protocol.MaxPriorityBytes)
	case len(it.Value) > protocol.MaxValueBytes:
		return refuse(protocol.CodeTooLarge, "the value of %.40q has %d bytes, the limit is %d", it.Key, len(it.Value), protocol.MaxValueBytes)
	}
	return nil
}

func (m *machine) prioritise(r *protocol.Reader) error {
	it := protocol.Item{Key: r.Bytes(), Priority: r.Bytes()}
	if err := r.End(); err != nil {
		return malformed(err)
	}
	if err := check(&it); err != nil {
		return err
	}
	if !m.queue.prioritise(it.Key, it.Priority) {
		m.answer(0)
		return nil
	}
	m.note(protocol.Prioritised, it)
	m.answer(1)
	return nil
}

func (m *machine) drop(r *protocol.Reader) error {
	m.items = m.items[:0]
	for range r.Count(1) {
		m.items = append(m.items, protocol.Item{Key: r.Bytes()})
	}
	if err := m.list(r); err != nil {
		return err
	}
	dropped := 0
	for _, it := range m.items {
		if m.queue.drop(it.Key) {
			dropped++
			m.note(protocol.Dropped, it)
		}
	}
	m.answer(dropped)
	return nil
}

func (m *machine) dropRange(r *protocol.Reader) error {
	from, to := r.Bytes(), r.Bytes()
	if err := r.End(); err != nil {
		return malformed(err)
	}
	first, end := m.queue.between(from, to)
	for c, n := m.queue.places.At(first), first; n < end; n++ {
		m.queue.items.Delete(keyOf(c.Key()))
		c.Next()
	}
	m.queue.places.DeleteRange(first, end)
	if end > first {
		m.note(protocol.RangeDropped, protocol.Item{Key: from, Priority: to})
	}
	m.answer(end - first)
	return nil
}

// maxMarks is the most that an item has in an answer beside key, priority and value: a mark and three lengths.
const maxMarks = 1 + 3*3 + 1

func (m *machine) pop(r *protocol.Reader) error {
	end, limit := r.Byte(), r.Number()
	if err := r.End(); err != nil {
		return malformed(err)
	}
	if end > 1 {
		return refuse(protocol.CodeBadRequest, "there is no end %d: 0 is the least priority, 1 the greatest", end)
	}
	for n := uint64(0); n < limit && m.queue.places.Len() > 0; n++ {
		position := 0
		if end == 1 {
			position = m.queue.places.Len() - 1
		}
		c := m.queue.places.At(position)
		it := m.queue.at(c.Key())
		if !m.fits(n, &it) {
			m.reply = append(m.reply, protocol.PageMore)
			return nil
		}
		m.reply = it.Append(append(m.reply, protocol.PageNext))
		m.note(protocol.Popped, protocol.Item{Key: it.Key})
		m.queue.items.Delete(it.Key)
		m.queue.places.DeleteAt(position)
	}
	m.reply = append(m.reply, protocol.PageEnd)
	return nil
}

// fits reports whether another item fits into the reply, which has n. The first one always does.
func (m *machine) fits(n uint64, it *protocol.Item) bool {
	return n == 0 || len(m.reply)+len(it.Key)+len(it.Priority)+len(it.Value)+maxMarks <= protocol.MaxAnswerBytes
}

// Query implements sdk.Machine.
func (m *machine) Query(_ *sdk.Context, query []byte) ([]byte, error) {
	r := protocol.Read(query)
	m.reply = m.reply[:0]
	switch r.Byte() {
	case protocol.OpItem:
		key := r.Bytes()
		if it, found := m.queue.get(key); found {
			answer := protocol.Item{Key: key, Priority: it.priority, Value: it.value}
			m.reply = answer.Append(append(m.reply, 1))
		} else {
			m.reply = append(m.reply, 0)
		}
	case protocol.OpItems:
		var p protocol.ItemsPage
		if err := p.Parse(&r); err != nil {
			return nil, malformed(err)
		}
		m.page(&p)
	case protocol.OpItemCount:
		first, end := m.queue.between(r.Bytes(), r.Bytes())
		m.answer(end - first)
	case protocol.OpStatus:
		m.reply = m.feed.Status(m.queue.places.Len()).Append(m.reply)
	default:
		return nil, refuse(protocol.CodeBadRequest, "%.40q is no query of queues", query)
	}
	if err := r.End(); err != nil {
		return nil, malformed(err)
	}
	return m.reply, nil
}

func (m *machine) page(p *protocol.ItemsPage) {
	first, end := m.queue.between(p.From, p.To)
	left := uint64(end - first)
	skip := min(p.Skip, left)
	left -= skip
	limit := left
	if p.Limit > 0 {
		limit = min(limit, p.Limit)
	}
	c := m.queue.places.At(first + int(skip))
	if p.Descending {
		c = m.queue.places.At(end - 1 - int(skip))
	}
	for n := uint64(0); n < limit; n++ {
		it := m.queue.at(c.Key())
		if !m.fits(n, &it) {
			m.reply = append(m.reply, protocol.PageMore)
			return
		}
		m.reply = it.Append(append(m.reply, protocol.PageNext))
		if p.Descending {
			c.Prev()
		} else {
			c.Next()
		}
	}
	m.reply = append(m.reply, protocol.LastMark(left-limit))
}
