package nats

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// defaultAwaitMillis bounds a wait that names no bound: less than the nats CLI waits for an answer.
const defaultAwaitMillis = 3000

// awaitHandler hands waits to the host, which answers when they are over: no goroutine waits here.
func (s *server) awaitHandler(group string) micro.HandlerFunc {
	return func(r micro.Request) {
		s.requests.Add(1)
		to := r.Reply()
		request, err := parseAwait(group, r.Data())
		if err != nil {
			s.answer(to, nil, err)
			return
		}
		s.handler.Await(request, func(status host.MemberStatus, err error) {
			outcome, err := awaitOutcome(err)
			s.answer(to, api.AwaitReply{Outcome: outcome, Member: memberState(&status)}, err)
		})
	}
}

// parseAwait makes the host's request of a client's message.
func parseAwait(group string, data []byte) (host.AwaitRequest, error) {
	var body api.AwaitRequest
	if err := decodeJSON(data, &body); err != nil {
		return host.AwaitRequest{}, err
	}
	if body.TimeoutMillis == 0 {
		body.TimeoutMillis = defaultAwaitMillis
	}
	if body.TimeoutMillis < 0 || body.TimeoutMillis > int64(24*time.Hour/time.Millisecond) {
		return host.AwaitRequest{}, badRequest("timeout_ms is %d, it has to be 0 to a day", body.TimeoutMillis)
	}
	return host.AwaitRequest{
		Group: group, Until: body.Until, Host: body.Host, Cursor: cursor(body.Term, body.Index),
		Timeout: time.Duration(body.TimeoutMillis) * time.Millisecond,
	}, nil
}

// awaitOutcome splits how a wait has ended from what is an error.
func awaitOutcome(err error) (api.AwaitOutcome, error) {
	switch {
	case err == nil:
		return api.AwaitReached, nil
	case errors.Is(err, host.ErrTimeout):
		return api.AwaitTimeout, nil
	case errors.Is(err, host.ErrLost):
		return api.AwaitLost, nil
	case errors.Is(err, host.ErrForgotten):
		return api.AwaitForgotten, nil
	case errors.Is(err, host.ErrBusy):
		return "", &host.Error{Code: api.CodeBusy, Text: "this member has as many waits as it takes: try again, or another host"}
	case errors.Is(err, host.ErrStopped):
		return "", &host.Error{Code: api.CodeNoLeader, Text: "this member has stopped: ask another host"}
	}
	return "", err
}

func memberState(s *host.MemberStatus) api.MemberState {
	return api.MemberState{
		Group: s.Group, Host: s.Host, Role: s.Role.String(), Leader: s.Leader, Term: uint64(s.Term), Online: s.Online,
		Log: position(s.Log), Commit: position(s.Commit), Applied: position(s.Applied), Snapshot: uint64(s.Snapshot), Problem: s.Problem,
	}
}

func position(c consensus.Cursor) api.Position {
	return api.Position{Index: uint64(c.Index), Term: uint64(c.Term)}
}
