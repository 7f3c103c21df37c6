package main

import (
	"bytes"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// format begins every export: the latest number and the index of the last change follow, and each item with its number.
const format = "queue 1\n"

// Export implements sdk.Exporter.
func (m *machine) Export(*sdk.Context) ([]byte, error) {
	size := len(format) + 20
	for c := m.queue.items.At(0); c.Valid(); c.Next() {
		size += len(c.Key()) + c.ValueBytes() + 10
	}
	out := append(make([]byte, 0, size), format...)
	out = protocol.AppendNumber(protocol.AppendNumber(out, m.queue.number), m.feed.Last())
	for c := m.queue.items.At(0); c.Valid(); c.Next() {
		it, _ := m.queue.get(c.Key())
		out = protocol.AppendNumber(out, it.number)
		out = (&protocol.Item{Key: c.Key(), Priority: it.priority, Value: it.value}).Append(out)
	}
	return out, nil
}

// Migrate implements sdk.Migrator.
func (m *machine) Migrate(_ *sdk.Context, old []byte) error {
	rest, known := bytes.CutPrefix(old, []byte(format))
	if !known {
		return refuse(protocol.CodeBadRequest, "the present module exports %.10q, this one reads %q", old, format)
	}
	r := protocol.Read(rest)
	m.queue.number = r.Number()
	m.feed.Resume(r.Number())
	var before []byte
	for n := 0; r.More(); n++ {
		number, it := r.Number(), protocol.ParseItem(&r)
		if err := r.Err(); err != nil {
			return refuse(protocol.CodeBadRequest, "the export: %v", err)
		}
		if err := check(&it); err != nil {
			return err
		}
		if number > m.queue.number || n > 0 && bytes.Compare(before, it.Key) >= 0 {
			return refuse(protocol.CodeBadRequest, "the export: the item %.40q, number %d of %d, is out of order", it.Key, number, m.queue.number)
		}
		m.queue.set(it.Key, item{number, it.Priority, it.Value})
		before = it.Key
	}
	if err := r.Err(); err != nil {
		return refuse(protocol.CodeBadRequest, "the export: %v", err)
	}
	return nil
}
