package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/sdk/client/collections"
)

// TestLocksThroughLeaderChange shows that of several clients one at a time holds a lock, with tokens that grow, while the leader's host dies; that
// a lease is renewed until it is released; and that a holder who cannot renew is told before another one gets the lock.
func TestLocksThroughLeaderChange(t *testing.T) {
	c, conn, group, ctx := collection(t, "lock", "a", "b", "c")
	leader := must[api.GroupInfo](t)(conn.Admin().Info(ctx, "lock")).Leader
	var work sync.WaitGroup
	const workers, each = 4, 6
	var holders atomic.Int32
	var token atomic.Uint64
	rounds := make(chan struct{}, workers*each)
	for range workers {
		own := c.client()
		work.Go(func() {
			locks, err := collections.NewLocks(own.Group("lock"), collections.LocksConfig{})
			for range each {
				var lock *collections.Lock
				if err == nil {
					lock, err = locks.Acquire(ctx, "door", 10*time.Second)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if holders.Add(1) != 1 || token.Swap(lock.Token()) >= lock.Token() {
					t.Errorf("token %d: %d holders", lock.Token(), holders.Load())
				}
				holders.Add(-1)
				rounds <- struct{}{}
				err = lock.Release(ctx)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range 5 {
		select {
		case <-rounds:
		case <-ctx.Done():
			t.Fatal("the lock is not passed on")
		}
	}
	c.stop(leader)
	work.Wait()
	lost(ctx, t, c, group)
}

// lost shows a holder that is cut off.
func lost(ctx context.Context, t *testing.T, c *cluster, group *client.Group) {
	t.Helper()
	const lease = 2 * time.Second
	cut := must[*client.Client](t)(client.Connect(client.Config{URL: c.server.ClientURL()}))
	theirs := must[*collections.Locks](t)(collections.NewLocks(cut.Group("lock"), collections.LocksConfig{Owner: "cut off"}))
	ours := must[*collections.Locks](t)(collections.NewLocks(group, collections.LocksConfig{Owner: "here"}))
	watch := must[*collections.Watch[collections.LockChange]](t)(ours.Watch(ctx))
	held := must[*collections.Lock](t)(theirs.Acquire(ctx, "door", lease))
	// Longer than the lease: it is renewed.
	if lock, present, err := ours.TryAcquire(ctx, "door", lease); lock != nil || err != nil || present.Owner != "cut off" || present.Token != held.Token() {
		t.Fatalf("%v, %+v, %v", lock, present, err)
	}
	select {
	case <-held.Context().Done():
		t.Fatalf("lost: %v", context.Cause(held.Context()))
	case <-time.After(lease * 3 / 2):
	}
	same(t, "holder", must[collections.Holder](t)(ours.Holder(ctx, "door")).Owner, "cut off")
	cut.Close()
	lock := must[*collections.Lock](t)(ours.Acquire(ctx, "door", lease))
	if cause := context.Cause(held.Context()); !errors.Is(cause, collections.ErrLockLost) {
		t.Errorf("another one has the lock, and its holder is told %v", cause)
	}
	if lock.Token() <= held.Token() {
		t.Errorf("token %d after %d", lock.Token(), held.Token())
	}
	if err := held.Release(ctx); err == nil {
		t.Error("a lost lock was released")
	}
	if err := lock.Release(ctx); err != nil {
		t.Error(err)
	}
	if cause := context.Cause(lock.Context()); cause != context.Canceled {
		t.Errorf("after Release: %v", cause)
	}
	for _, want := range []collections.LockChangeKind{collections.LockAcquired, collections.LockExpired, collections.LockAcquired, collections.LockReleased} {
		if change := must[collections.LockChange](t)(watch.Next(ctx)); change.Kind != want || change.Name != "door" {
			t.Errorf("%+v, want %v", change, want)
		}
	}
}
