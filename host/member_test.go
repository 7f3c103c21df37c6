package host

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/groutlabs/grout/consensus"
)

// TestMembersOfAHost shows the handle of a member on real goroutines: its waits, the changes as they come, and
// that a wait which is given up leaves nothing behind.
func TestMembersOfAHost(t *testing.T) {
	w := newTown(t, "a", "b", "c")
	w.run("g")
	if _, err := w.homes["a"].host.Member("nothing"); err == nil {
		t.Error("a group that is not there has a member")
	}
	if catalog, err := w.homes["a"].host.Member("catalog"); err != nil || catalog.Status().Group != "catalog" {
		t.Errorf("the catalog: %v", err)
	}
	var m *Member
	w.until("a member", func() bool {
		var err error
		m, err = w.homes["b"].host.Member("g")
		return err == nil
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	given := make(chan error, 1)
	go func() {
		_, err := m.AwaitApplied(ctx, consensus.Cursor{Index: 1 << 40})
		given <- err
	}()
	done := make(chan string, 1)
	go func() { done <- fmt.Sprint(useMember(t.Context(), w, m)) }()
	w.until("the waits are over", func() bool { return len(done) > 0 })
	if problem := <-done; problem != "<nil>" {
		t.Error(problem)
	}
	cancel(errLost)
	if err := <-given; !errors.Is(err, errLost) {
		t.Errorf("given up: %v", err)
	}
	if n := m.g.watch.active.Load(); n != 0 {
		t.Errorf("%d waits are left", n)
	}
}

// useMember waits for one thing after the other.
func useMember(ctx context.Context, w *town, m *Member) error {
	known, err := m.AwaitLeader(ctx)
	if err != nil {
		return err
	}
	if _, err := m.AwaitLeaderIs(ctx, known.Leader); err != nil {
		return err
	}
	online, err := m.AwaitOnline(ctx)
	if err != nil || !online.Online {
		return fmt.Errorf("%+v: %w", online, err)
	}
	replies := make(chan Reply, 1)
	w.homes["c"].host.Execute(CommandRequest{Group: "g", Mode: ModeFeed, Payload: []byte("add A 1")}, func(r Reply) { replies <- r })
	r := <-replies
	if r.Err != nil {
		return r.Err
	}
	at := consensus.Cursor{Term: r.Term, Index: r.Index}
	for _, await := range []func(context.Context, consensus.Cursor) (MemberStatus, error){m.AwaitLog, m.AwaitCommit, m.AwaitApplied} {
		if _, err := await(ctx, at); err != nil {
			return err
		}
	}
	changes := 0
	for s, err := range m.Watch(ctx) {
		if err != nil {
			return err
		}
		if changes++; changes == 1 {
			w.homes["c"].host.Execute(CommandRequest{Group: "g", Payload: []byte("add A 1")}, func(Reply) {})
		}
		if s.Applied.Index > at.Index {
			break
		}
	}
	if changes < 2 {
		return fmt.Errorf("%d changes were seen", changes)
	}
	return nil
}
