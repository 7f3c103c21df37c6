package main

import (
	"bytes"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// format begins every export: the last token and the index of the last change follow, and each lock's name and lease.
const format = "lock 1\n"

// Export implements sdk.Exporter.
func (l *locks) Export(*sdk.Context) ([]byte, error) {
	out := protocol.AppendNumber(protocol.AppendNumber([]byte(format), l.token), l.feed.Last())
	for c := l.names.At(0); c.Valid(); c.Next() {
		lease, _ := l.lease(c.Key())
		out = lease.Append(protocol.AppendBytes(out, c.Key()))
	}
	return out, nil
}

// Migrate implements sdk.Migrator.
func (l *locks) Migrate(_ *sdk.Context, old []byte) error {
	rest, known := bytes.CutPrefix(old, []byte(format))
	if !known {
		return refuse(protocol.CodeBadRequest, "the present module exports %.10q, this one reads %q", old, format)
	}
	r := protocol.Read(rest)
	l.token = r.Number()
	l.feed.Resume(r.Number())
	var before []byte
	for n := 0; r.More(); n++ {
		name, lease := r.Bytes(), protocol.ParseLease(&r)
		switch err := r.Err(); {
		case err != nil:
			return refuse(protocol.CodeBadRequest, "the export: %v", err)
		case len(name) > protocol.MaxLockNameBytes || len(lease.Owner) > protocol.MaxLockOwnerBytes || lease.Token > l.token:
			return refuse(protocol.CodeBadRequest, "the export: the lock %.40q under token %d of %d is none of this module's", name, lease.Token, l.token)
		case n > 0 && bytes.Compare(before, name) >= 0:
			return refuse(protocol.CodeBadRequest, "the export: the lock %.40q is out of order", name)
		}
		l.set(name, lease)
		before = name
	}
	if err := r.Err(); err != nil {
		return refuse(protocol.CodeBadRequest, "the export: %v", err)
	}
	return nil
}
