package main

import (
	"bytes"

	"github.com/groutlabs/grout/sdk"
)

// exportFormat begins every export. The next module reads it, and refuses what it does not know.
const exportFormat = "kv1\n"

// Export writes every pair as a range does, both halves as arguments, for the module that takes over.
func (m *kv) Export(*sdk.Context) ([]byte, error) {
	size := len(exportFormat)
	m.store.scan("", func(p pair) bool {
		size += len(p.data) + 18 // two counted arguments need at most that much beside their content
		return true
	})
	out := append(make([]byte, 0, size), exportFormat...)
	m.store.scan("", func(p pair) bool {
		out = append(appendArgument(out, p.key()), ' ')
		out = append(appendArgument(out, p.value()), ' ')
		return true
	})
	return out, nil
}

// Migrate takes over what the kv machine before it exported.
func (m *kv) Migrate(_ *sdk.Context, old []byte) error {
	rest, known := bytes.CutPrefix(old, []byte(exportFormat))
	if !known {
		return sdk.Refuse(codeBadRequest, "kv: the present module exports %.10q, this one reads %q", old, exportFormat)
	}
	for len(rest) > 0 {
		key, after, _, err := cutArgument(rest)
		if err != nil {
			return err
		}
		value, left, more, err := cutArgument(after)
		if err != nil {
			return err
		}
		if !more {
			return sdk.Refuse(codeBadRequest, "kv: the export ends in the middle of the pair %.80q", key)
		}
		m.store.put(key, value)
		rest = left
	}
	return nil
}
