package keyed

import (
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// Query implements sdk.Machine.
func (m *Machine) Query(_ *sdk.Context, query []byte) ([]byte, error) {
	r := protocol.Read(query)
	var err error
	m.reply = m.reply[:0]
	switch r.Byte() {
	case protocol.OpGet:
		err = m.get(&r)
	case protocol.OpPage:
		err = m.page(&r)
	case protocol.OpCount:
		from, to := m.between(r.Bytes(), r.Bytes())
		m.reply, err = protocol.AppendNumber(m.reply, uint64(to-from)), r.End()
	case protocol.OpStatus:
		m.reply = m.feed.Status(m.tree.Len()).Append(m.reply)
		err = r.End()
	default:
		return nil, m.refuse(protocol.CodeBadRequest, "%.40q is no query of this collection", query)
	}
	if err != nil {
		return nil, m.refuse(protocol.CodeBadRequest, "%v", err)
	}
	return m.reply, nil
}

// get answers the entries of keys, as many as fit.
func (m *Machine) get(r *protocol.Reader) error {
	for n := range r.Count(1) {
		e, before := m.entry(r.Bytes()), len(m.reply)
		if m.reply = protocol.AppendEntry(m.reply, &e); n > 0 && len(m.reply) >= protocol.MaxAnswerBytes {
			m.reply = append(m.reply[:before], protocol.PageMore)
			return r.Err()
		}
	}
	return r.End()
}

// page answers entries in order.
func (m *Machine) page(r *protocol.Reader) error {
	var p protocol.Page
	if err := p.Parse(r); err != nil {
		return err
	}
	from, to := m.between(p.From, p.To)
	left := uint64(to - from)
	limit := left
	if p.Limit > 0 {
		limit = min(limit, p.Limit)
	}
	c := m.tree.At(from)
	if p.Descending {
		c = m.tree.At(to - 1)
	}
	for n := uint64(0); n < limit; n++ {
		e, before := protocol.Entry{}, len(m.reply)
		if !p.KeysOnly {
			m.stored = c.Value(m.stored[:0])
			e = m.decode(m.stored, true)
		}
		e.Key = c.Key()
		if m.reply = p.AppendElement(m.reply, &e); n > 0 && len(m.reply) >= protocol.MaxAnswerBytes {
			m.reply = append(m.reply[:before], protocol.PageMore)
			return nil
		}
		if p.Descending {
			c.Prev()
		} else {
			c.Next()
		}
	}
	m.reply = append(m.reply, protocol.LastMark(left-limit))
	return nil
}
