package keyed

import (
	"bytes"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// format begins every export: the collection's name and the version of what follows, which is the index of the last change, and each
// key with what the tree has for it.
func (m *Machine) format() string { return m.rules.Name + " 1\n" }

// Export implements sdk.Exporter.
func (m *Machine) Export(*sdk.Context) ([]byte, error) {
	size := len(m.format()) + 10
	for c := m.tree.At(0); c.Valid(); c.Next() {
		size += protocol.BytesSize(len(c.Key())) + protocol.BytesSize(c.ValueBytes())
	}
	out := protocol.AppendNumber(append(make([]byte, 0, size), m.format()...), m.feed.Last())
	for c := m.tree.At(0); c.Valid(); c.Next() {
		m.stored = c.Value(m.stored[:0])
		out = protocol.AppendBytes(protocol.AppendBytes(out, c.Key()), m.stored)
	}
	return out, nil
}

// Migrate implements sdk.Migrator: it takes over what the machine before it exported.
func (m *Machine) Migrate(_ *sdk.Context, old []byte) error {
	rest, known := bytes.CutPrefix(old, []byte(m.format()))
	if !known {
		return m.refuse(protocol.CodeBadRequest, "the present module exports %.10q, this one reads %q", old, m.format())
	}
	r := protocol.Read(rest)
	m.feed.Resume(r.Number())
	var before []byte
	for n := 0; r.More(); n++ {
		key, stored := r.Bytes(), r.Bytes()
		if err := r.Err(); err != nil {
			return m.refuse(protocol.CodeBadRequest, "the export: %v", err)
		}
		if err := m.checkStored(key, stored); err != nil {
			return err
		}
		if n > 0 && bytes.Compare(before, key) >= 0 {
			return m.refuse(protocol.CodeBadRequest, "the export: key %.40q is out of order", key)
		}
		m.tree.Put(key, stored)
		before = key
	}
	if err := r.Err(); err != nil {
		return m.refuse(protocol.CodeBadRequest, "the export: %v", err)
	}
	return nil
}

// checkStored refuses what this machine would never have stored.
func (m *Machine) checkStored(key, stored []byte) error {
	least, most := 0, 0
	if m.rules.Values {
		least, most = versionBytes, versionBytes+protocol.MaxValueBytes
	}
	if len(stored) < least || len(stored) > most {
		return m.refuse(protocol.CodeBadRequest, "the export: key %.40q has %d bytes beside it, %d to %d are possible", key, len(stored), least, most)
	}
	return m.checkKey(key)
}
