package protocol

// The requests of queues, priority queues with two ends. OpStatus is as everywhere.
const (
	// OpPush puts items: a list of items, each with key, priority and value. An item whose key is there already is replaced, and
	// keeps its place among equals unless its priority changes. The answer is the number of those that are new.
	OpPush = 'u'
	// OpPrioritise gives an item another priority: key and priority, bytes. The answer is 1, or 0 if there is no such item.
	OpPrioritise = 'i'
	// OpDrop removes items: a list of keys. The answer is how many there were.
	OpDrop = 'd'
	// OpDropRange removes the items with the priorities of a range: from and to, as in Page. The answer is how many there were.
	OpDropRange = 'D'
	// OpPop removes items from an end: a byte, 0 for the least and 1 for the greatest priority, and how many at most. The answer has them
	// in the order of removal, as a page does, as many as fit.
	OpPop = 'o'
	// OpItem asks for the item with a key: bytes. The answer is 0, or 1 and the item.
	OpItem = 'k'
	// OpItems asks for items in the order of priorities, the oldest of equals first: an ItemsPage.
	OpItems = 'l'
	// OpItemCount asks how many items have the priorities of a range: from and to, as in Page.
	OpItemCount = 'n'
)

// The bounds of a queue, beside MaxValueBytes.
const (
	MaxItemKeyBytes  = 512
	MaxPriorityBytes = 128
)

// Item is what a queue holds. Its priority is compared by its bytes; of equal ones the item that came first is nearer to the least end.
type Item struct{ Key, Priority, Value []byte }

// Append appends the item.
func (i *Item) Append(dst []byte) []byte {
	return AppendBytes(AppendBytes(AppendBytes(dst, i.Key), i.Priority), i.Value)
}

// ParseItem reads an item.
func ParseItem(r *Reader) Item {
	return Item{Key: r.Bytes(), Priority: r.Bytes(), Value: r.Bytes()}
}

// ItemsPage asks for items. Items of equal priorities may be on different pages, so what follows a page is a number of items.
type ItemsPage struct {
	// From and To bound the priorities: from From on, up to To and without it; an empty To is no end.
	From, To []byte
	// Skip is how many items of the range are passed over, from the end at which the page begins.
	Skip, Limit uint64
	Descending  bool
}

// Append appends the query.
func (p *ItemsPage) Append(dst []byte) []byte {
	dst = AppendBytes(AppendBytes(append(dst, OpItems, flag(p.Descending)), p.From), p.To)
	return AppendNumber(AppendNumber(dst, p.Skip), p.Limit)
}

// Parse reads what follows OpItems.
func (p *ItemsPage) Parse(r *Reader) error {
	end := r.Byte()
	*p = ItemsPage{Descending: end == 1, From: r.Bytes(), To: r.Bytes(), Skip: r.Number(), Limit: r.Number()}
	if end > 1 {
		return unknown(r, "end", end)
	}
	return r.End()
}

// ParseItems reads an answer of items, and whether there are more.
func ParseItems(answer []byte) (items []Item, more bool, err error) {
	r := Read(answer)
	mark := r.Byte()
	for ; mark == PageNext; mark = r.Byte() {
		items = append(items, ParseItem(&r))
	}
	if mark > PageMore {
		return nil, false, unknown(&r, "mark", mark)
	}
	return items, mark == PageMore, r.End()
}

// QueueChangeKind says what became of an item.
type QueueChangeKind byte

// The changes of queues.
const (
	// Pushed is an item that is new or was replaced, Prioritised one with another priority.
	Pushed QueueChangeKind = 1 + iota
	Prioritised
	// Popped and Dropped are of a key, RangeDropped of the priorities from Key on up to Priority.
	Popped
	Dropped
	RangeDropped
)

// QueueChange is one change in an event.
type QueueChange struct {
	Kind QueueChangeKind
	Item Item
}

// Append appends the change.
func (c *QueueChange) Append(dst []byte) []byte {
	dst = AppendBytes(append(dst, byte(c.Kind)), c.Item.Key)
	switch c.Kind {
	case Pushed:
		dst = AppendBytes(AppendBytes(dst, c.Item.Priority), c.Item.Value)
	case Prioritised, RangeDropped:
		dst = AppendBytes(dst, c.Item.Priority)
	}
	return dst
}

// ParseQueueChange reads one change.
func ParseQueueChange(r *Reader) (QueueChange, error) {
	c := QueueChange{Kind: QueueChangeKind(r.Byte()), Item: Item{Key: r.Bytes()}}
	switch c.Kind {
	case Pushed:
		c.Item.Priority, c.Item.Value = r.Bytes(), r.Bytes()
	case Prioritised, RangeDropped:
		c.Item.Priority = r.Bytes()
	case Popped, Dropped:
	default:
		return c, unknown(r, "change", byte(c.Kind))
	}
	return c, r.Err()
}
