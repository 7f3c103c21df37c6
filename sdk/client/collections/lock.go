package collections

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// ErrLockLost means that a lock is not held any more: its lease has ended before it was renewed, or may have.
var ErrLockLost = errors.New("collections: the lock is lost: its lease has ended")

// Locks are named locks with leases, kept by the machine examples/wasm/lock. Methods may be called from several goroutines at once, and
// their errors are those of client.Group's Execute and Query.
//
// A lease ends unless it is renewed, so that a holder which dies or is cut off keeps nobody out for longer. It follows that a holder which is
// merely slow can go on after its lease has ended, and be the second one. That is what the token is for: each lease has a larger one
// than all before it. A holder sends its token with all that it does under the lock, and what the lock protects refuses a
// token that is smaller than one which it has seen.
type Locks struct {
	reader reader
	owner  string
}

// LocksConfig says who acquires.
type LocksConfig struct {
	// Owner is what others see of the holder, at most 256 bytes; "" means a random text.
	Owner string
}

// NewLocks returns the locks of a group.
//
// # Errors
//
// client.ErrBadConfig for an owner that is too long.
func NewLocks(group *client.Group, config LocksConfig) (*Locks, error) {
	if len(config.Owner) > protocol.MaxLockOwnerBytes {
		return nil, fmt.Errorf("%w: Owner has %d bytes, at most %d are possible", client.ErrBadConfig, len(config.Owner), protocol.MaxLockOwnerBytes)
	}
	if config.Owner == "" {
		config.Owner = rand.Text()
	}
	return &Locks{reader{group: group}, config.Owner}, nil
}

// Holder is who holds a lock.
type Holder struct {
	Owner string
	// Token is 0 for a lock that nobody holds.
	Token uint64
	// Left is how much of the lease there is, by the clock that the group had last: it moves with commands alone.
	Left time.Duration
}

// Holder returns who holds a lock.
func (l *Locks) Holder(ctx context.Context, name string) (Holder, error) {
	result, err := l.reader.ask(ctx, protocol.AppendBytes([]byte{protocol.OpHolder}, []byte(name)))
	if err != nil {
		return Holder{}, err
	}
	var answer protocol.Granted
	if err := answer.Parse(result.Output); err != nil {
		return Holder{}, badReply(err)
	}
	return holder(answer), nil
}

func holder(g protocol.Granted) Holder {
	return Holder{string(g.Lease.Owner), g.Lease.Token, g.Left}
}

// TryAcquire takes a lock if nobody holds it, and otherwise returns nil and who does. The lease, of more than 0 and at most 24 hours, is renewed from then
// on by itself. When the outcome is unknown the lock may be held by nobody for as long as the lease.
func (l *Locks) TryAcquire(ctx context.Context, name string, lease time.Duration) (*Lock, Holder, error) {
	start := time.Now()
	request := protocol.Acquire{Name: []byte(name), Owner: []byte(l.owner), Lease: lease}
	result, err := l.reader.group.Execute(ctx, request.Append(nil))
	if err != nil {
		return nil, Holder{}, err
	}
	var answer protocol.Granted
	if err := answer.Parse(result.Output); err != nil {
		return nil, Holder{}, badReply(err)
	}
	if !answer.OK {
		return nil, holder(answer), nil
	}
	return l.keep(name, answer.Lease.Token, lease, start), holder(answer), nil
}

// Acquire waits until the lock is free and takes it, as TryAcquire does. Who of several gets it is not said.
//
// # Errors
//
// ErrQuiet for locks that emit no events, beside TryAcquire's.
func (l *Locks) Acquire(ctx context.Context, name string, lease time.Duration) (*Lock, error) {
	lock, _, err := l.TryAcquire(ctx, name, lease)
	if lock != nil || err != nil {
		return lock, err
	}
	f, err := follow(ctx, l.reader)
	if err != nil {
		return nil, err
	}
	lock, err = l.await(ctx, f, name, lease)
	return lock, errors.Join(err, f.events.Close())
}

func (l *Locks) await(ctx context.Context, f *feed, name string, lease time.Duration) (*Lock, error) {
	for {
		lock, present, err := l.TryAcquire(ctx, name, lease)
		if lock != nil || err != nil {
			return lock, err
		}
		limited, cancel := context.WithTimeout(ctx, present.Left)
		err = freed(limited, f, name)
		ended := limited.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil && !ended && !isMissed(err) {
			return nil, err
		}
	}
}

// freed returns when an event says that the lock was freed, or with an error.
func freed(ctx context.Context, f *feed, name string) error {
	for {
		_, changes, err := f.next(ctx)
		if err != nil {
			return err
		}
		for changes.More() {
			c, err := protocol.ParseLockChange(&changes)
			if err != nil {
				return badReply(err)
			}
			if string(c.Name) == name && c.Kind != protocol.Acquired {
				return nil
			}
		}
	}
}

// Lock is a lock that is held. Its methods may be called from several goroutines at once.
type Lock struct {
	of    *Locks
	name  string
	token uint64
	lease time.Duration
	// ctx ends with the lock, by cancel; kept is closed when the goroutine that renews has ended.
	ctx    context.Context
	cancel context.CancelCauseFunc
	kept   chan struct{}
	// release sees to it that one call releases.
	release sync.Once
}

// keep starts to renew a lease that was asked for at start.
func (l *Locks) keep(name string, token uint64, lease time.Duration, start time.Time) *Lock {
	ctx, cancel := context.WithCancelCause(context.Background())
	k := &Lock{of: l, name: name, token: token, lease: lease, ctx: ctx, cancel: cancel, kept: make(chan struct{})}
	go k.run(start.Add(lease))
	return k
}

// Name is the lock's name.
func (k *Lock) Name() string { return k.name }

// Token is larger than that of every lease before, of any lock of the group.
func (k *Lock) Token() uint64 { return k.token }

// Context ends as soon as the lock may not be held any more: its cause is ErrLockLost, or after Release context.Canceled. It counts the lease from
// the moment at which it was asked for, by this machine's clock, and so ends before the lease does, unless the leaders' clocks leap
// or one of them is much faster.
func (k *Lock) Context() context.Context { return k.ctx }

// renewals is how many times a lease is renewed before it would end.
const renewals = 3

// run renews the lease until it is released or lost. end is when it ends.
func (k *Lock) run(end time.Time) {
	defer close(k.kept)
	timer := time.NewTimer(time.Until(end) - k.lease*(renewals-1)/renewals)
	defer timer.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-timer.C:
		}
		renewed, err := k.renew(end)
		if err != nil {
			k.cancel(err)
			return
		}
		end = renewed
		timer.Reset(time.Until(end) - k.lease*(renewals-1)/renewals)
	}
}

// renew returns when the new lease ends, or that the lock is lost. The client tries again until the old one has ended.
func (k *Lock) renew(end time.Time) (time.Time, error) {
	ctx, cancel := context.WithDeadline(k.ctx, end)
	defer cancel()
	start := time.Now()
	request := protocol.Held{Name: []byte(k.name), Token: k.token, Lease: k.lease}
	if _, err := k.of.reader.group.Execute(ctx, request.Append(nil, protocol.OpRenew)); err != nil {
		return end, fmt.Errorf("%w: %w", ErrLockLost, err)
	}
	return start.Add(k.lease), nil
}

// Release gives the lock back and ends its context. A second call does nothing.
//
// # Errors
//
// ErrLockLost if it was not held any more, and those of Execute: then it is free when the lease ends.
func (k *Lock) Release(ctx context.Context) (err error) {
	k.release.Do(func() { err = k.giveBack(ctx) })
	return err
}

func (k *Lock) giveBack(ctx context.Context) error {
	k.cancel(context.Canceled)
	<-k.kept
	request := protocol.Held{Name: []byte(k.name), Token: k.token}
	_, err := k.of.reader.group.Execute(ctx, request.Append(nil, protocol.OpRelease))
	var refused *client.RefusedError
	if errors.As(err, &refused) && refused.Code == protocol.CodeNotHeld {
		return fmt.Errorf("%w: %w", ErrLockLost, err)
	}
	return err
}

// LockChangeKind says what became of a lock.
type LockChangeKind = protocol.LockChangeKind

// The changes of locks.
const (
	LockAcquired = protocol.Acquired
	LockReleased = protocol.Released
	LockExpired  = protocol.Expired
)

// LockChange is a change of a lock.
type LockChange struct {
	Kind  LockChangeKind
	Index uint64
	Name  string
	Token uint64
	// Owner is that of LockAcquired.
	Owner string
}

// Watch receives the changes of all locks from now on, as Map.Watch does. That a lease has ended comes with some later command.
func (l *Locks) Watch(ctx context.Context) (*Watch[LockChange], error) {
	return watch(ctx, l.reader, func(index uint64, r *protocol.Reader) (LockChange, bool, error) {
		c, err := protocol.ParseLockChange(r)
		if err != nil {
			return LockChange{}, false, badReply(err)
		}
		return LockChange{c.Kind, index, string(c.Name), c.Token, string(c.Owner)}, true, nil
	})
}
