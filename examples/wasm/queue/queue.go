package main

import (
	"encoding/binary"

	"github.com/groutlabs/grout/examples/wasm/internal/ordered"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// queue keeps items by their keys, and their places in the order of priorities. A place is the priority, so written that no one begins
// another, a number that grows with each item, and the key.
//
// Invariant: each item has its place, and each place its item.
type queue struct {
	// items has under each key 8 bytes number, the priority with its length, and the value.
	items ordered.Tree
	// places has places as keys.
	places ordered.Tree
	// number is that of the latest item.
	number uint64

	// What follows is used again by every call.
	stored, place []byte
}

// item is what items has under a key. Its slices are good until the next look-up or change.
type item struct {
	number          uint64
	priority, value []byte
}

// get looks an item up.
func (q *queue) get(key []byte) (item, bool) {
	stored, found := q.items.Get(q.stored[:0], key)
	if q.stored = stored; !found {
		return item{}, false
	}
	r := protocol.Read(stored[8:])
	it := item{number: binary.LittleEndian.Uint64(stored), priority: r.Bytes()}
	it.value = stored[8+protocol.BytesSize(len(it.priority)):]
	return it, true
}

// set puts an item under a key that has no place.
func (q *queue) set(key []byte, it item) {
	q.place = appendPlace(q.place[:0], it.priority, it.number, key)
	q.places.Put(q.place, nil)
	stored := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+2+len(it.priority)+len(it.value)), it.number)
	q.items.Put(key, append(protocol.AppendBytes(stored, it.priority), it.value...))
}

// push puts an item, and reports whether its key is new.
func (q *queue) push(p protocol.Item) (created bool) {
	present, found := q.get(p.Key)
	it := item{priority: p.Priority, value: p.Value}
	if found {
		it.number = present.number
		if string(present.priority) != string(p.Priority) {
			it.number = q.next()
		}
		q.forget(p.Key, present)
	} else {
		it.number = q.next()
	}
	q.set(p.Key, it)
	return !found
}

func (q *queue) next() uint64 {
	q.number++
	return q.number
}

// prioritise gives the item with a key another priority, and reports whether there is one.
func (q *queue) prioritise(key, priority []byte) bool {
	present, found := q.get(key)
	if !found {
		return false
	}
	if string(present.priority) != string(priority) {
		q.forget(key, present)
		q.set(key, item{q.next(), priority, present.value})
	}
	return true
}

// drop removes the item with a key, and reports whether there was one.
func (q *queue) drop(key []byte) bool {
	present, found := q.get(key)
	if found {
		q.forget(key, present)
		q.items.Delete(key)
	}
	return found
}

// forget removes the place of an item.
func (q *queue) forget(key []byte, it item) {
	q.place = appendPlace(q.place[:0], it.priority, it.number, key)
	q.places.Delete(q.place)
}

// at returns the item of a place.
func (q *queue) at(place []byte) protocol.Item {
	key := keyOf(place)
	it, _ := q.get(key)
	return protocol.Item{Key: key, Priority: it.priority, Value: it.value}
}

// between returns the positions of a range of priorities among the places, whose end is open if to is empty.
func (q *queue) between(from, to []byte) (first, end int) {
	q.place = appendEscaped(q.place[:0], from)
	first, _ = q.places.Rank(q.place)
	if end = q.places.Len(); len(to) > 0 {
		q.place = appendEscaped(q.place[:0], to)
		end, _ = q.places.Rank(q.place)
	}
	return first, max(first, end)
}

// A place has the priority with each 0 as 0 and 255, then 0 and 1, eight bytes number, and the key: the order of places
// is that of priorities, also where one begins another.
func appendPlace(dst, priority []byte, number uint64, key []byte) []byte {
	dst = append(appendEscaped(dst, priority), 0, 1)
	return append(binary.BigEndian.AppendUint64(dst, number), key...)
}

func appendEscaped(dst, priority []byte) []byte {
	for _, b := range priority {
		if dst = append(dst, b); b == 0 {
			dst = append(dst, 255)
		}
	}
	return dst
}

// keyOf returns the key in a place.
func keyOf(place []byte) []byte {
	for i := 0; i+1 < len(place); i++ {
		if place[i] == 0 && place[i+1] == 1 {
			return place[i+10:]
		}
	}
	return nil
}
