package host

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/sdk/api"
)

// Member is this host's member of a group, for programs that embed a host.
type Member struct {
	g *group
}

// MemberStatus is what a member knows at one time. Two of them are equal when nothing has changed.
type MemberStatus struct {
	Group string
	// Host is the member's own host, Leader that of the leader, "" when unknown.
	Host, Leader string
	Role         consensus.Role
	Term         consensus.Term
	// Log is the position of the last entry of its log, which a change of leader can replace; Commit that
	// of the last entry known to be committed, and Applied that of the last applied one.
	Log, Commit, Applied consensus.Cursor
	// Snapshot is the index of the last snapshot.
	Snapshot consensus.Index
	// Online means that the member is in touch with a leader that a majority follows, and has applied all
	// that was committed when it came in touch. It lasts as long as the touch.
	Online bool
	// Problem is why the member has stopped or does not take part, "" while it does.
	Problem string
}

// Member returns this host's member of a group, the catalog included. It stays valid, and reports
// ErrStopped, when the member stops; one that was started again since is another.
//
// # Errors
//
// *Error when there is no such member, or it does not run.
func (h *Host) Member(name string) (*Member, error) {
	if name == catalogGroup && h.ready.Load() {
		return &Member{h.catalog}, nil
	}
	g, err := h.serving(name)
	if err != nil {
		return nil, err
	}
	return &Member{g}, nil
}

// Status returns what the member knows now: what its loop knew after its last turn.
func (m *Member) Status() MemberStatus { return m.g.memberStatus() }

func (g *group) memberStatus() MemberStatus {
	g.watch.mu.Lock()
	now := g.watch.now
	g.watch.mu.Unlock()
	s := MemberStatus{
		Group: g.ref.Name, Host: g.hostOf(g.self), Leader: g.hostOf(now.leader), Role: now.role, Term: now.term,
		Log: now.log, Commit: now.commit, Snapshot: now.snapshot, Problem: g.status.Load().problem,
	}
	s.Applied.Index = consensus.Index(g.applier.applied.Load())
	s.Applied.Term, _ = g.applier.terms.Load().at(s.Applied.Index)
	s.Online = now.target > 0 && s.Applied.Index >= now.target
	return s
}

// Await waits until reached reports true, which may be at once, and returns the status that it was
// given. It sees every status that the member's loop leaves behind, so it misses nothing. It is called
// by that loop: it must not block, and must not call the member.
//
// # Errors
//
// ctx's error, ErrStopped, or ErrBusy when there are too many waits.
func (m *Member) Await(ctx context.Context, reached func(MemberStatus) bool) (MemberStatus, error) {
	return m.await(ctx, func(s MemberStatus) (bool, error) { return reached(s), nil })
}

func (m *Member) await(ctx context.Context, due func(MemberStatus) (bool, error)) (MemberStatus, error) {
	ended := make(chan waitEnd, 1)
	one := &watcher{due: due}
	one.end = func(s MemberStatus, err error) { ended <- waitEnd{one, s, err} }
	if err := m.g.watch.add(one); err != nil {
		return m.Status(), err
	}
	m.g.inbox.ring()
	select {
	case e := <-ended:
		return e.status, e.err
	case <-ctx.Done():
	}
	if m.g.watch.remove(one) {
		return m.Status(), fmt.Errorf("host: waiting for group %s: %w", m.g.ref.Name, context.Cause(ctx))
	}
	e := <-ended
	return e.status, e.err
}

// Watch returns the present status and then every change of it, until ctx ends or the member stops: the last
// pair has the error. Who takes long over one gets the newest next.
func (m *Member) Watch(ctx context.Context) iter.Seq2[MemberStatus, error] {
	return func(yield func(MemberStatus, error) bool) {
		for s, err := m.Status(), error(nil); yield(s, err) && err == nil; {
			last := s
			s, err = m.Await(ctx, func(s MemberStatus) bool { return s != last })
		}
	}
}

// AwaitLeader waits until a leader is known.
func (m *Member) AwaitLeader(ctx context.Context) (MemberStatus, error) {
	return m.await(ctx, m.g.dueFor(AwaitRequest{Until: api.UntilLeader}))
}

// AwaitLeaderChange waits until the leader, or its term, is another than from says; no leader is another, too.
func (m *Member) AwaitLeaderChange(ctx context.Context, from MemberStatus) (MemberStatus, error) {
	return m.await(ctx, m.g.dueFor(AwaitRequest{Until: api.UntilLeaderChange, Host: from.Leader, Cursor: consensus.Cursor{Term: from.Term}}))
}

// AwaitLeaderIs waits until the leader is on that host.
func (m *Member) AwaitLeaderIs(ctx context.Context, host string) (MemberStatus, error) {
	return m.await(ctx, m.g.dueFor(AwaitRequest{Until: api.UntilLeaderIs, Host: host}))
}

// AwaitOnline waits until the member is online: see MemberStatus.Online.
func (m *Member) AwaitOnline(ctx context.Context) (MemberStatus, error) {
	return m.await(ctx, m.g.dueFor(AwaitRequest{Until: api.UntilOnline}))
}

// AwaitOffline waits until the member is not online, as one that has stopped.
func (m *Member) AwaitOffline(ctx context.Context) (MemberStatus, error) {
	s, err := m.await(ctx, m.g.dueFor(AwaitRequest{Until: api.UntilOffline}))
	if err != nil && !s.Online && ctx.Err() == nil {
		return s, nil
	}
	return s, err
}

// AwaitLog waits until the member's log holds the entry at the cursor. A cursor without a term stands for
// whatever entry is at its index. The entry may still be lost: wait for its commit.
//
// # Errors
//
// ErrLost when the entry can never be there, ErrForgotten when that can no longer be told, and as Await.
func (m *Member) AwaitLog(ctx context.Context, cursor consensus.Cursor) (MemberStatus, error) {
	return m.await(ctx, m.g.dueFor(AwaitRequest{Until: api.UntilLog, Cursor: cursor}))
}

// AwaitCommit waits until the member knows the entry at the cursor to be committed. Errors as AwaitLog.
func (m *Member) AwaitCommit(ctx context.Context, cursor consensus.Cursor) (MemberStatus, error) {
	return m.await(ctx, m.g.dueFor(AwaitRequest{Until: api.UntilCommit, Cursor: cursor}))
}

// AwaitApplied waits until the member has applied the entry at the cursor. Errors as AwaitLog.
func (m *Member) AwaitApplied(ctx context.Context, cursor consensus.Cursor) (MemberStatus, error) {
	return m.await(ctx, m.g.dueFor(AwaitRequest{Until: api.UntilApplied, Cursor: cursor}))
}

// AwaitRequest is a client's wait as the transport decoded it.
type AwaitRequest struct {
	Group string
	Until api.Until
	// Host is the leader to wait for, or, for a change, the one known.
	Host string
	// Cursor is what the log, the commit or the applied position has to reach; without a term whatever
	// entry is at the index. For a change of leader, its term is the one known.
	Cursor consensus.Cursor
	// Timeout bounds the wait; 0 means the host's default.
	Timeout time.Duration
}

// check refuses what nobody can wait for.
func (r *AwaitRequest) check() *Error {
	switch r.Until {
	case api.UntilLeader, api.UntilLeaderChange, api.UntilOnline, api.UntilOffline:
	case api.UntilLeaderIs:
		if r.Host == "" {
			return fault(api.CodeBadRequest, "waiting until the leader is a host needs the host")
		}
	case api.UntilLog, api.UntilCommit, api.UntilApplied:
		if r.Cursor.Index == 0 {
			return fault(api.CodeBadRequest, "waiting for the %s position needs an index from 1", r.Until)
		}
	default:
		return fault(api.CodeBadRequest, "%q is nothing to wait for; %v are", r.Until, api.Untils)
	}
	return nil
}

// dueFor returns the condition that a request names. Only the loop may call it.
func (g *group) dueFor(r AwaitRequest) func(MemberStatus) (bool, error) {
	return func(s MemberStatus) (bool, error) {
		switch r.Until {
		case api.UntilLeader:
			return s.Leader != "", nil
		case api.UntilLeaderChange:
			return s.Leader != r.Host || s.Term != r.Cursor.Term, nil
		case api.UntilLeaderIs:
			return s.Leader == r.Host, nil
		case api.UntilOnline:
			return s.Online, nil
		case api.UntilOffline:
			return !s.Online, nil
		case api.UntilLog:
			return g.holds(r.Cursor, s.Log.Index, s.Commit.Index)
		case api.UntilCommit:
			return g.holds(r.Cursor, s.Commit.Index, s.Commit.Index)
		}
		return g.holds(r.Cursor, s.Applied.Index, s.Commit.Index)
	}
}

// holds reports whether the entry at the cursor is there, when position has reached it. ErrLost says that
// it never will be: another term's entry is committed there (rule R7).
func (g *group) holds(c consensus.Cursor, position, commit consensus.Index) (bool, error) {
	terms := *g.applier.terms.Load()
	if c.Term != 0 && terms.overtakes(c) {
		return false, ErrLost
	}
	if c.Term == 0 || position < c.Index {
		return position >= c.Index, nil
	}
	term, known := g.core.TermAt(c.Index)
	if !known {
		term, known = terms.at(c.Index)
	}
	switch {
	case !known:
		return false, ErrForgotten
	case term == c.Term:
		return true, nil
	case c.Index <= commit:
		return false, ErrLost
	}
	return false, nil // the leader of another term may still replace it
}

// Await implements Requests.
func (h *Host) Await(request AwaitRequest, reply func(MemberStatus, error)) {
	g, fault := h.serving(request.Group)
	if fault == nil {
		fault = request.check()
	}
	if fault != nil {
		reply(MemberStatus{}, fault)
		return
	}
	g.awaitFor(request, reply)
}

// awaitFor begins a client's wait.
func (g *group) awaitFor(request AwaitRequest, reply func(MemberStatus, error)) {
	one := &watcher{due: g.dueFor(request), deadline: g.deadline(request.Timeout), end: reply}
	if err := g.watch.add(one); err != nil {
		reply(g.memberStatus(), err)
		return
	}
	g.inbox.ring()
}
