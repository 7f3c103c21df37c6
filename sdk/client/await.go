package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// awaitPiece is how long one request of a wait lets the member wait, and awaitGrace what the answer may
// take beside it.
const (
	awaitPiece = 5 * time.Second
	awaitGrace = time.Second
	// changePiece is shorter, because the member asked for a change of the leader may be gone with it.
	changePiece = time.Second
)

// Await waits until what the request says has come about, on the member of one host, "" for any: then every
// attempt may ask another. It asks again until ctx ends; the request's own timeout is not used. The state
// is that of the member that gave the last answer.
//
// A wait for a position ends on any member sooner or later, and says the same on all.
//
// # Errors
//
// ErrLost and ErrForgotten for a position with a term, *Error for what asking again cannot help, and
// ctx's error together with that of the last attempt.
func (g *Group) Await(ctx context.Context, host string, request api.AwaitRequest) (api.MemberState, error) {
	return g.await(ctx, awaiting{AwaitRequest: request, on: host})
}

// awaiting is a wait on the member of a host, "" for any.
type awaiting struct {
	api.AwaitRequest
	on string
	// piece is how long one request lets the member wait, awaitPiece when it is 0.
	piece time.Duration
	// elsewhere goes on with any member when the host does not answer. An answer that is older than the
	// request's term does not count then.
	elsewhere bool
}

func (g *Group) await(ctx context.Context, request awaiting) (api.MemberState, error) {
	host := request.on
	if g.broken != nil {
		return api.MemberState{}, g.broken
	}
	if host != "" {
		if err := api.CheckName(host); err != nil {
			return api.MemberState{}, fmt.Errorf("%w: host: %w", ErrBadName, err)
		}
	}
	var state api.MemberState
	for attempt := 1; ; attempt++ {
		reply, err := g.awaitOnce(ctx, host, request)
		switch {
		case err == nil && request.elsewhere && reply.Member.Term < request.Term:
			pause(ctx, g.client.config.backoff(attempt))
			err = ErrNoAnswer
		case err == nil && reply.Outcome == api.AwaitReached:
			return reply.Member, nil
		case err == nil && reply.Outcome == api.AwaitLost:
			return reply.Member, fmt.Errorf("%w: %s/%d of group %s", ErrLost, termText(request.Term), request.Index, g.name)
		case err == nil && reply.Outcome == api.AwaitForgotten:
			return reply.Member, fmt.Errorf("%w: %s/%d of group %s", ErrForgotten, termText(request.Term), request.Index, g.name)
		case err == nil && reply.Outcome == api.AwaitTimeout:
			state, attempt, err = reply.Member, 0, ErrNoAnswer
		case err == nil:
			return reply.Member, fmt.Errorf("%w: the outcome %q", ErrBadReply, reply.Outcome)
		case !transient(err):
			return state, err
		default:
			if request.elsewhere {
				host = ""
			}
			pause(ctx, g.client.config.backoff(attempt))
		}
		if ctx.Err() != nil {
			return state, fmt.Errorf("client: waiting for %s of group %s: %w (%w)", request.Until, g.name, context.Cause(ctx), err)
		}
	}
}

func termText(term uint64) string {
	if term == 0 {
		return "any term"
	}
	return fmt.Sprint(term)
}

// awaitOnce makes one request. The member's wait is over before the request's.
func (g *Group) awaitOnce(ctx context.Context, host string, request awaiting) (api.AwaitReply, error) {
	piece := request.piece
	if piece == 0 {
		piece = awaitPiece
	}
	if deadline, ok := ctx.Deadline(); ok {
		piece = max(time.Millisecond, min(piece, time.Until(deadline)))
	}
	request.TimeoutMillis = max(1, piece.Milliseconds())
	body, err := json.Marshal(request.AwaitRequest)
	if err != nil {
		return api.AwaitReply{}, fmt.Errorf("client: encoding a wait: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, piece+awaitGrace)
	defer cancel()
	msg, err := g.client.conn.RequestMsgWithContext(limited, &natsgo.Msg{Subject: api.Await(g.name, host), Data: body})
	if err != nil {
		return api.AwaitReply{}, requestError(err, g.client.conn)
	}
	var reply api.AwaitReply
	err = decodeReply(msg, &reply)
	return reply, err
}

// AwaitApplied waits until a member has applied the command at the position: then every member will. ErrLost
// says that the command was lost, and has not been and never will be applied.
func (g *Group) AwaitApplied(ctx context.Context, at Position) (api.MemberState, error) {
	return g.Await(ctx, "", api.AwaitRequest{Until: api.UntilApplied, Index: at.Index, Term: at.Term})
}

// AwaitCommit waits until a member knows the command at the position to be committed: nothing can lose it any more.
func (g *Group) AwaitCommit(ctx context.Context, at Position) (api.MemberState, error) {
	return g.Await(ctx, "", api.AwaitRequest{Until: api.UntilCommit, Index: at.Index, Term: at.Term})
}

// AwaitLog waits until the log of a host's member holds the command at the position, which can still be lost.
func (g *Group) AwaitLog(ctx context.Context, host string, at Position) (api.MemberState, error) {
	return g.Await(ctx, host, api.AwaitRequest{Until: api.UntilLog, Index: at.Index, Term: at.Term})
}

// AwaitLeader waits until a member knows of a leader.
func (g *Group) AwaitLeader(ctx context.Context) (api.MemberState, error) {
	return g.Await(ctx, "", api.AwaitRequest{Until: api.UntilLeader})
}

// AwaitLeaderChange waits until the leader or its term is another than in a state that a host's member gave. That
// member is asked, and another when it does not answer: it may be the leader's that is gone.
func (g *Group) AwaitLeaderChange(ctx context.Context, from api.MemberState) (api.MemberState, error) {
	return g.await(ctx, awaiting{AwaitRequest: api.AwaitRequest{Until: api.UntilLeaderChange, Host: from.Leader, Term: from.Term},
		on: from.Host, piece: changePiece, elsewhere: true})
}

// AwaitLeaderIs waits until a member knows the leader to be on a host.
func (g *Group) AwaitLeaderIs(ctx context.Context, host string) (api.MemberState, error) {
	return g.Await(ctx, "", api.AwaitRequest{Until: api.UntilLeaderIs, Host: host})
}

// AwaitOnline waits until a host's member is in touch with a leader that a majority follows, and has applied
// what was committed when it came in touch.
func (g *Group) AwaitOnline(ctx context.Context, host string) (api.MemberState, error) {
	return g.Await(ctx, host, api.AwaitRequest{Until: api.UntilOnline})
}

// AwaitOffline waits until a host's member is not online and says so. One whose host does not answer
// cannot say it.
func (g *Group) AwaitOffline(ctx context.Context, host string) (api.MemberState, error) {
	return g.Await(ctx, host, api.AwaitRequest{Until: api.UntilOffline})
}
