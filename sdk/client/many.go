package client

import (
	"context"
	"errors"
	"fmt"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/sdk/api"
)

// ExecuteMany sends commands, 1 to 1,024 of them, as one request, and waits for all results, which are in the
// order of the commands. They are applied in that order, with no other command between them unless a change
// of leader cuts them apart. Each succeeds or fails by itself: none is undone because another failed.
// Like Execute it tries again until ctx ends, and applies each command at most once. All together may
// have some 500 KiB, and have to fit into one message of the server.
//
// # Errors
//
// The error is not nil when no command was sent. Those of a command are as of Execute; api.CodeTooLarge with
// an Index means that it was applied and only its output did not fit beside the others.
func (g *Group) ExecuteMany(ctx context.Context, commands [][]byte) ([]BatchResult, error) {
	body, err := batchBody(commands)
	if err != nil {
		return nil, err
	}
	r, err := g.execute(ctx, call{payload: body, batch: true, count: uint64(len(commands))})
	if r.batch == nil {
		return nil, err // it was never sent
	}
	return r.batch, nil
}

// batchBody encodes commands as one request.
func batchBody(commands [][]byte) ([]byte, error) {
	if len(commands) == 0 || len(commands) > api.MaxBatch {
		return nil, fmt.Errorf("%w: %d commands, 1 to %d are possible", ErrBadBatch, len(commands), api.MaxBatch)
	}
	size := 0
	for _, c := range commands {
		size += 4 + len(c)
	}
	body := make([]byte, 0, size)
	for _, c := range commands {
		body = api.AppendCommand(body, c)
	}
	return body, nil
}

// end tells whoever waits for the call. A batch has a result for every command, whatever err is.
func (k *call) end(r Result, err error) {
	if k.batch && err != nil {
		r.batch = k.partial
		if r.batch == nil {
			r.batch = make([]BatchResult, k.count)
		}
		for i := range r.batch {
			if one := &r.batch[i]; one.Result.Index == 0 || !settled(one.Err) {
				one.Err = err
			}
		}
	}
	k.done(r, err)
}

// settled reports whether err, as one result of a batch has it, is that command's end.
func settled(err error) bool {
	var e *Error
	return answered(err) || errors.As(err, &e) && e.Code == api.CodeTooLarge && e.Index > 0
}

// takeBatch reads the results of a batch. If some command has none, its error is returned as that of the
// whole attempt, and the others are kept: the next attempt gets them again.
func (k *call) takeBatch(r Result, msg *natsgo.Msg) (Result, error) {
	n, err := number(msg.Header, api.HeaderBatch)
	if err != nil || n != k.count {
		return r, fmt.Errorf("%w: %d results for %d commands", ErrBadReply, n, k.count)
	}
	records, err := api.ParseResults(msg.Data, n)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrBadReply, err)
	}
	if k.partial == nil {
		k.partial = make([]BatchResult, n)
	}
	var failure error
	for i := range records {
		one := batchResult(&records[i], r.Leader)
		switch {
		case settled(one.Err):
			k.partial[i] = one
			r.Duplicate = r.Duplicate || records[i].Duplicate
		case failure == nil:
			failure = one.Err
		}
	}
	if failure != nil {
		for i := range k.partial {
			k.inDoubt = k.inDoubt || k.partial[i].Result.Index > 0 // no other session may have it again
		}
		return r, failure
	}
	r.batch = k.partial
	return r, nil
}

// batchResult is one result in the form that callers know.
func batchResult(r *api.BatchResult, leader string) BatchResult {
	out := BatchResult{Result: Result{Index: r.Index, Term: r.Term, Duplicate: r.Duplicate, Leader: leader, Fuel: r.Fuel}}
	switch r.Status {
	case api.BatchApplied:
		out.Result.Output = r.Body
	case api.BatchRefused:
		out.Err = &RefusedError{Code: r.MachineCode, Message: string(r.Body), Index: r.Index, Term: r.Term, Duplicate: r.Duplicate, Fuel: r.Fuel}
	case api.BatchTrapped:
		out.Err = &TrappedError{Reason: string(r.Body), Index: r.Index, Term: r.Term, Duplicate: r.Duplicate, Fuel: r.Fuel}
	case api.BatchFailed:
		out.Err = &Error{Code: r.Code, Text: string(r.Body), Index: r.Index}
	}
	return out
}
