package protocol

import "time"

// The requests of locks. OpStatus is as everywhere: its entries are the locks that are held.
const (
	// OpAcquire takes a lock that is free: an Acquire. The answer is a Granted.
	OpAcquire = 'a'
	// OpRenew gives a lock that is held a new lease: a Held. The answer is the new Lease.
	OpRenew = 'r'
	// OpRelease frees a lock: a Held, without a lease. The answer is empty.
	OpRelease = 'f'
	// OpHolder asks for the lease of a name, bytes. The answer is a Granted that is not OK; Token is 0 for a lock that is free.
	OpHolder = 'h'
)

// The bounds of locks.
const (
	MaxLockNameBytes  = 512
	MaxLockOwnerBytes = 256
	MaxLease          = 24 * time.Hour
)

// Acquire asks for a lock.
type Acquire struct {
	Name, Owner []byte
	// Lease is for how long.
	Lease time.Duration
}

// Append appends the command.
func (a *Acquire) Append(dst []byte) []byte {
	dst = AppendBytes(AppendBytes(append(dst, OpAcquire), a.Name), a.Owner)
	return AppendNumber(dst, uint64(a.Lease))
}

// Parse reads what follows OpAcquire.
func (a *Acquire) Parse(r *Reader) error {
	*a = Acquire{Name: r.Bytes(), Owner: r.Bytes(), Lease: Nanoseconds(r.Number())}
	return r.End()
}

// Held names a lock that the sender holds.
type Held struct {
	Name  []byte
	Token uint64
	// Lease is the new one, from now on; of OpRenew alone.
	Lease time.Duration
}

// Append appends the command of that kind.
func (h *Held) Append(dst []byte, op byte) []byte {
	dst = AppendNumber(AppendBytes(append(dst, op), h.Name), h.Token)
	if op == OpRenew {
		dst = AppendNumber(dst, uint64(h.Lease))
	}
	return dst
}

// Parse reads what follows op.
func (h *Held) Parse(r *Reader, op byte) error {
	*h = Held{Name: r.Bytes(), Token: r.Number()}
	if op == OpRenew {
		h.Lease = Nanoseconds(r.Number())
	}
	return r.End()
}

// Lease is who holds a lock.
type Lease struct {
	// Token is larger than that of every lease granted before, of whatever name; 0 is no lease.
	Token uint64
	// Expires is the stamp of entries at which the lease has ended, in nanoseconds since 1970.
	Expires uint64
	Owner   []byte
}

// Append appends the lease.
func (l *Lease) Append(dst []byte) []byte {
	return AppendBytes(AppendNumber(AppendNumber(dst, l.Token), l.Expires), l.Owner)
}

// ParseLease reads a lease.
func ParseLease(r *Reader) Lease {
	return Lease{Token: r.Number(), Expires: r.Number(), Owner: r.Bytes()}
}

// Granted answers an Acquire.
type Granted struct {
	// OK says that the lease is the sender's; otherwise it is the one in the way.
	OK    bool
	Lease Lease
	// Left is how much of the lease there is, by the stamp of the entry.
	Left time.Duration
}

// Append appends the answer.
func (g *Granted) Append(dst []byte) []byte {
	return AppendNumber(g.Lease.Append(append(dst, flag(g.OK))), uint64(max(g.Left, 0)))
}

// Parse reads the answer.
func (g *Granted) Parse(answer []byte) error {
	r := Read(answer)
	*g = Granted{OK: r.Byte() == 1, Lease: ParseLease(&r), Left: Nanoseconds(r.Number())}
	return r.End()
}

// LockChangeKind says what became of a lock.
type LockChangeKind byte

// The changes of locks.
const (
	Acquired LockChangeKind = 1 + iota
	Released
	Expired
)

// LockChange is one change in an event.
type LockChange struct {
	Kind  LockChangeKind
	Name  []byte
	Token uint64
	// Owner is that of Acquired.
	Owner []byte
}

// Append appends the change.
func (c *LockChange) Append(dst []byte) []byte {
	dst = AppendNumber(AppendBytes(append(dst, byte(c.Kind)), c.Name), c.Token)
	if c.Kind == Acquired {
		dst = AppendBytes(dst, c.Owner)
	}
	return dst
}

// ParseLockChange reads one change.
func ParseLockChange(r *Reader) (LockChange, error) {
	c := LockChange{Kind: LockChangeKind(r.Byte()), Name: r.Bytes(), Token: r.Number()}
	switch c.Kind {
	case Acquired:
		c.Owner = r.Bytes()
	case Released, Expired:
	default:
		return c, unknown(r, "change", byte(c.Kind))
	}
	return c, r.Err()
}

// Nanoseconds is a duration of n nanoseconds, or the longest for one that is longer.
func Nanoseconds(n uint64) time.Duration { return time.Duration(min(n, 1<<63-1)) }
