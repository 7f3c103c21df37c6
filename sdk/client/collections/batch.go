package collections

import (
	"context"

	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// Batch is conditions and writes that are one command: if all conditions hold all writes are made, in order, and otherwise
// none. Its methods return it; an error of a codec comes with Commit. It takes at most 500 KiB.
type Batch[K, V any] struct {
	of     *Map[K, V]
	commit protocol.Commit
	size   int
	err    error
}

// Begin begins a batch.
func (m *Map[K, V]) Begin() *Batch[K, V] { return &Batch[K, V]{of: m} }

// IfAbsent requires that there is no entry with key.
func (b *Batch[K, V]) IfAbsent(key K) *Batch[K, V] {
	return b.require(protocol.Condition{Kind: protocol.Absent, Key: b.key(key)})
}

// IfPresent requires that there is an entry with key.
func (b *Batch[K, V]) IfPresent(key K) *Batch[K, V] {
	return b.require(protocol.Condition{Kind: protocol.Present, Key: b.key(key)})
}

// IfEquals requires that the value of key has the bytes of value.
func (b *Batch[K, V]) IfEquals(key K, value V) *Batch[K, V] {
	return b.require(protocol.Condition{Kind: protocol.Equals, Key: b.key(key), Value: b.value(value)})
}

// IfVersion requires that the version of key's entry is the one given; 0 is that of a key that is not there.
func (b *Batch[K, V]) IfVersion(key K, version uint64) *Batch[K, V] {
	return b.require(protocol.Condition{Kind: protocol.Unchanged, Key: b.key(key), Version: version})
}

// Put sets the value of key.
func (b *Batch[K, V]) Put(key K, value V) *Batch[K, V] {
	return b.write(protocol.Write{Kind: protocol.Put, Key: b.key(key), Value: b.value(value)})
}

// Remove removes key.
func (b *Batch[K, V]) Remove(key K) *Batch[K, V] {
	return b.write(protocol.Write{Kind: protocol.Remove, Key: b.key(key)})
}

// RemoveRange removes all keys of a span.
func (b *Batch[K, V]) RemoveRange(span Span[K]) *Batch[K, V] {
	at, none, err := span.bounds(b.of.key)
	b.note(err)
	if none {
		// The write still has its place in Committed.Before: no key is below the key zero and above the key one.
		at = bounds{[]byte{1}, []byte{0}}
	}
	return b.write(protocol.Write{Kind: protocol.RemoveRange, Key: at.from, Value: at.to})
}

func (b *Batch[K, V]) key(key K) []byte {
	data, err := encode("the key", b.of.key, key)
	b.note(err)
	return data
}

func (b *Batch[K, V]) value(value V) []byte {
	data, err := encode("the value", b.of.value, value)
	b.note(err)
	return data
}

// note keeps the first error.
func (b *Batch[K, V]) note(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *Batch[K, V]) require(c protocol.Condition) *Batch[K, V] {
	b.commit.Conditions = append(b.commit.Conditions, c)
	return b
}

func (b *Batch[K, V]) write(w protocol.Write) *Batch[K, V] {
	b.commit.Writes = append(b.commit.Writes, w)
	b.size += len(w.Key) + len(w.Value) + 4
	return b
}

// Committed is what became of a batch.
type Committed struct {
	// OK says that the conditions held and the writes were made.
	OK bool
	// Failed is the number of the first condition that did not hold, from 0, if not OK.
	Failed int
	// Before has for each write how many entries it found: 0 or 1 for a key, any number for a span.
	Before []int
	// Index is that of the command: the version of what was put, and where to read at least.
	Index uint64
}

// Commit sends the batch. That a condition does not hold is no error. A batch can be committed again, as another command.
func (b *Batch[K, V]) Commit(ctx context.Context) (Committed, error) {
	if b.err != nil {
		return Committed{}, b.err
	}
	reply, result, err := b.of.keyed.commit(ctx, &b.commit)
	if err != nil {
		return Committed{}, err
	}
	return committed(reply, result.Index), nil
}

func committed(reply protocol.CommitReply, index uint64) Committed {
	out := Committed{OK: reply.Failed < 0, Index: index}
	if !out.OK {
		out.Failed = reply.Failed
		return out
	}
	out.Before = make([]int, len(reply.Before))
	for i, n := range reply.Before {
		out.Before[i] = int(n)
	}
	return out
}
