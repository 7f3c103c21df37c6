package main

import (
	"bytes"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// format begins every export: the index of the last change follows, and each element.
const format = "vec 1\n"

// Export implements sdk.Exporter.
func (v *vec) Export(*sdk.Context) ([]byte, error) {
	size := len(format) + 10
	for c := v.elements.At(0); c.Valid(); c.Next() {
		size += protocol.BytesSize(c.ValueBytes())
	}
	out := protocol.AppendNumber(append(make([]byte, 0, size), format...), v.feed.Last())
	for c := v.elements.At(0); c.Valid(); c.Next() {
		v.element = c.Value(v.element[:0])
		out = protocol.AppendBytes(out, v.element)
	}
	return out, nil
}

// Migrate implements sdk.Migrator.
func (v *vec) Migrate(_ *sdk.Context, old []byte) error {
	rest, known := bytes.CutPrefix(old, []byte(format))
	if !known {
		return refuse(protocol.CodeBadRequest, "the present module exports %.10q, this one reads %q", old, format)
	}
	r := protocol.Read(rest)
	v.feed.Resume(r.Number())
	for r.More() {
		if element := r.Bytes(); len(element) <= protocol.MaxValueBytes && r.Err() == nil {
			v.elements.InsertAt(v.elements.Len(), element)
			continue
		}
		return refuse(protocol.CodeBadRequest, "the export: element %d is too long, or cut off", v.elements.Len())
	}
	if err := r.Err(); err != nil {
		return refuse(protocol.CodeBadRequest, "the export: %v", err)
	}
	return nil
}
