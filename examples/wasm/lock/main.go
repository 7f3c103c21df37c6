// Command lock is replicated locks with leases and fencing tokens, for collections.Locks. README.md describes it.
package main

import (
	"encoding/binary"

	"github.com/groutlabs/grout/examples/wasm/internal/feed"
	"github.com/groutlabs/grout/examples/wasm/internal/ordered"
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// sweepEach is how many leases that have ended one command removes, beside the one that it is about: more than a command can add.
const sweepEach = 4

// locks is the machine. A lease ends when a command comes whose stamp is not before its end; the stamps are the leader's, and never fall.
//
// Invariant: for each lock in names there is its end in ends, and nothing else.
type locks struct {
	// names has each lock that is held: 8 bytes token, 8 bytes end, the owner. Some may have ended.
	names ordered.Tree
	// ends has 8 bytes end, big-endian, and the name, as keys.
	ends ordered.Tree
	// token is the last one that was granted.
	token uint64
	feed  feed.Feed

	// What follows is used again by every call.
	reply, stored, key []byte
}

func init() { sdk.Register(&locks{}) }

func main() {} // never runs: the host calls Apply and Query

// Init implements sdk.Initializer: the argument is empty or protocol.Quiet.
func (l *locks) Init(_ *sdk.Context, arg []byte) error { return l.feed.Init("lock", arg) }

func refuse(code int32, format string, args ...any) error {
	return sdk.Refuse(code, "lock: "+format, args...)
}

// Apply implements sdk.Machine.
func (l *locks) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	r := protocol.Read(command)
	l.reply = l.reply[:0]
	l.feed.Begin()
	var err error
	switch op := r.Byte(); op {
	case protocol.OpAcquire:
		err = l.acquire(ctx, &r)
	case protocol.OpRenew, protocol.OpRelease:
		err = l.held(ctx, &r, op)
	default:
		err = refuse(protocol.CodeBadRequest, "%.40q is no command of locks", command)
	}
	if err != nil {
		return nil, err
	}
	l.feed.End(ctx)
	return l.reply, nil
}

// now is the entry's stamp.
func now(ctx *sdk.Context) uint64 { return uint64(ctx.Time().UnixNano()) }

func (l *locks) acquire(ctx *sdk.Context, r *protocol.Reader) error {
	var a protocol.Acquire
	if err := a.Parse(r); err != nil {
		return refuse(protocol.CodeBadRequest, "%v", err)
	}
	switch {
	case len(a.Name) > protocol.MaxLockNameBytes:
		return refuse(protocol.CodeTooLarge, "the name %.40q has %d bytes, the limit is %d", a.Name, len(a.Name), protocol.MaxLockNameBytes)
	case len(a.Owner) > protocol.MaxLockOwnerBytes:
		return refuse(protocol.CodeTooLarge, "the owner %.40q has %d bytes, the limit is %d", a.Owner, len(a.Owner), protocol.MaxLockOwnerBytes)
	case a.Lease <= 0 || a.Lease > protocol.MaxLease:
		return refuse(protocol.CodeBadRequest, "a lease of %d ns: choose one of more than 0 and at most %v", a.Lease, protocol.MaxLease)
	}
	l.sweep(ctx)
	lease, found := l.lease(a.Name)
	answer := protocol.Granted{Lease: lease}
	switch {
	case found && lease.Expires > now(ctx):
		answer.Left = protocol.Nanoseconds(lease.Expires - now(ctx))
	default:
		if found {
			l.end(a.Name, lease, protocol.Expired)
		}
		l.token++
		answer = protocol.Granted{OK: true, Lease: protocol.Lease{Token: l.token, Expires: now(ctx) + uint64(a.Lease), Owner: a.Owner}, Left: a.Lease}
		l.set(a.Name, answer.Lease)
		l.note(protocol.LockChange{Kind: protocol.Acquired, Name: a.Name, Token: l.token, Owner: a.Owner})
	}
	l.reply = answer.Append(l.reply)
	return nil
}

// held runs what the holder alone may do.
func (l *locks) held(ctx *sdk.Context, r *protocol.Reader, op byte) error {
	var h protocol.Held
	if err := h.Parse(r, op); err != nil {
		return refuse(protocol.CodeBadRequest, "%v", err)
	}
	if op == protocol.OpRenew && (h.Lease <= 0 || h.Lease > protocol.MaxLease) {
		return refuse(protocol.CodeBadRequest, "a lease of %d ns: choose one of more than 0 and at most %v", h.Lease, protocol.MaxLease)
	}
	lease, found := l.lease(h.Name)
	switch {
	case !found || lease.Token != h.Token:
		return refuse(protocol.CodeNotHeld, "%.80q is not held under token %d", h.Name, h.Token)
	case lease.Expires <= now(ctx):
		return refuse(protocol.CodeNotHeld, "%.80q was held under token %d until %d ns ago: acquire it again", h.Name, h.Token, now(ctx)-lease.Expires)
	}
	if op == protocol.OpRelease {
		l.end(h.Name, lease, protocol.Released)
		l.sweep(ctx)
		return nil
	}
	l.ends.Delete(l.endKey(h.Name, lease.Expires))
	lease.Expires = now(ctx) + uint64(h.Lease)
	lease.Owner = append([]byte(nil), lease.Owner...) // the tree's answer is overwritten by set
	l.set(h.Name, lease)
	l.reply = lease.Append(l.reply)
	l.sweep(ctx)
	return nil
}

// sweep removes some leases that have ended.
func (l *locks) sweep(ctx *sdk.Context) {
	for range sweepEach {
		first := l.ends.At(0)
		if !first.Valid() || binary.BigEndian.Uint64(first.Key()) > now(ctx) {
			return
		}
		name := append([]byte(nil), first.Key()[8:]...)
		lease, _ := l.lease(name)
		l.end(name, lease, protocol.Expired)
	}
}

// lease returns the lease of a name, ended or not. The owner is good until the next call.
func (l *locks) lease(name []byte) (protocol.Lease, bool) {
	stored, found := l.names.Get(l.stored[:0], name)
	if l.stored = stored; !found {
		return protocol.Lease{}, false
	}
	return protocol.Lease{Token: binary.LittleEndian.Uint64(stored), Expires: binary.LittleEndian.Uint64(stored[8:]), Owner: stored[16:]}, true
}

// set puts a lease, whose name has no end in ends.
func (l *locks) set(name []byte, lease protocol.Lease) {
	l.stored = binary.LittleEndian.AppendUint64(l.stored[:0], lease.Token)
	l.stored = binary.LittleEndian.AppendUint64(l.stored, lease.Expires)
	l.stored = append(l.stored, lease.Owner...)
	l.names.Put(name, l.stored)
	l.ends.Put(l.endKey(name, lease.Expires), nil)
}

// end removes a lease.
func (l *locks) end(name []byte, lease protocol.Lease, kind protocol.LockChangeKind) {
	l.names.Delete(name)
	l.ends.Delete(l.endKey(name, lease.Expires))
	l.note(protocol.LockChange{Kind: kind, Name: name, Token: lease.Token})
}

func (l *locks) endKey(name []byte, end uint64) []byte {
	l.key = append(binary.BigEndian.AppendUint64(l.key[:0], end), name...)
	return l.key
}

func (l *locks) note(c protocol.LockChange) { l.feed.Event = c.Append(l.feed.Event) }

// Query implements sdk.Machine.
func (l *locks) Query(ctx *sdk.Context, query []byte) ([]byte, error) {
	r := protocol.Read(query)
	switch l.reply = l.reply[:0]; r.Byte() {
	case protocol.OpHolder:
		var answer protocol.Granted
		if lease, found := l.lease(r.Bytes()); found && lease.Expires > now(ctx) {
			answer = protocol.Granted{Lease: lease, Left: protocol.Nanoseconds(lease.Expires - now(ctx))}
		}
		l.reply = answer.Append(l.reply)
	case protocol.OpStatus:
		l.reply = l.feed.Status(l.names.Len()).Append(l.reply)
	default:
		return nil, refuse(protocol.CodeBadRequest, "%.40q is no query of locks", query)
	}
	if err := r.End(); err != nil {
		return nil, refuse(protocol.CodeBadRequest, "%v", err)
	}
	return l.reply, nil
}
