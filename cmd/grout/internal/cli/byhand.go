package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
)

const (
	// attemptPatience is how long one attempt waits before it is made again.
	attemptPatience = 2 * time.Second
	// attemptPause is the pause before an attempt that is made because nothing has happened yet.
	attemptPause = 50 * time.Millisecond
	// maxNameBytes bounds sessions and message IDs.
	maxNameBytes = 256
)

// identity is a command's name, under which it is applied at most once.
type identity struct {
	session    string
	seq, acked uint64
	id         string
}

// automatic means that the client numbers the command.
func (n identity) automatic() bool { return n.session == "" && n.id == "" }

// exactlyOnce reads --session, --seq, --acked and --id.
func (c *call) exactlyOnce() (identity, error) {
	n := identity{session: c.cli.String(flagSession), seq: c.cli.Uint64(flagSeq), acked: c.cli.Uint64(flagAcked), id: c.cli.String(flagID)}
	switch {
	case n.session != "" && n.id != "":
		return n, usage("exec: --session and --id exclude each other: use one of them")
	case n.session == "" && (c.cli.IsSet(flagSeq) || c.cli.IsSet(flagAcked)):
		return n, usage("exec: --seq and --acked need --session")
	case n.session != "" && n.seq == 0:
		return n, usage("exec: --session needs --seq, the command's number in it, from 1 upward")
	case n.acked >= n.seq && n.acked > 0:
		return n, usage("exec: --acked %d has to be below --seq %d", n.acked, n.seq)
	}
	for flag, text := range map[string]string{flagSession: n.session, flagID: n.id} {
		if err := checkHeader(flag, text); err != nil {
			return n, err
		}
	}
	return n, nil
}

// checkHeader refuses what cannot be a header's value.
func checkHeader(flag, text string) error {
	if len(text) > maxNameBytes {
		return usage("--%s has %d bytes, at most %d are possible", flag, len(text), maxNameBytes)
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return usage("--%s: byte %d of %q is not printable ASCII", flag, i, text)
		}
	}
	return nil
}

// executeAs sends a command under a name that the user chose, until it is answered or ctx ends. Its
// errors are those of client.Group.Execute.
func (l *link) executeAs(ctx context.Context, group string, name identity, caller string, command []byte) (client.Result, error) {
	msg := natsgo.NewMsg(api.Command(group, ""))
	msg.Data = command
	setHeader := func(key, value string) {
		if value != "" && value != "0" {
			msg.Header[key] = []string{value}
		}
	}
	setHeader(api.HeaderSession, name.session)
	setHeader(api.HeaderSeq, strconv.FormatUint(name.seq, 10))
	setHeader(api.HeaderAcked, strconv.FormatUint(name.acked, 10))
	setHeader(api.HeaderMsgID, name.id)
	setHeader(api.HeaderCaller, caller)
	for inDoubt := false; ; {
		result, err := l.attempt(ctx, msg)
		if err == nil || settled(err) {
			return result, err
		}
		inDoubt = inDoubt || doubtful(err)
		if !repeatable(err) || ctx.Err() != nil || !pause(ctx, attemptPause) {
			return client.Result{}, givenUp(ctx, err, inDoubt)
		}
	}
}

// givenUp is the error of a command without an answer.
func givenUp(ctx context.Context, err error, inDoubt bool) error {
	if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	if inDoubt {
		err = fmt.Errorf("%w: %w", client.ErrUnknownOutcome, err)
	}
	return err
}

// attempt sends a command once.
func (l *link) attempt(ctx context.Context, msg *natsgo.Msg) (client.Result, error) {
	limited, cancel := context.WithTimeout(ctx, attemptPatience)
	defer cancel()
	reply, err := l.conn.RequestMsgWithContext(limited, msg)
	switch {
	case errors.Is(err, natsgo.ErrNoResponders):
		return client.Result{}, client.ErrNoHosts
	case errors.Is(err, natsgo.ErrMaxPayload):
		return client.Result{}, &client.Error{Code: api.CodeTooLarge,
			Text: fmt.Sprintf("the command of %d bytes is over the server's max_payload of %d", len(msg.Data), l.conn.MaxPayload())}
	case err != nil:
		return client.Result{}, fmt.Errorf("%w: %w", client.ErrNoAnswer, err)
	}
	return readReply(reply)
}

// readReply returns what a host answered to a command.
func readReply(reply *natsgo.Msg) (client.Result, error) {
	h := reply.Header
	index, indexErr := headerNumber(h, api.HeaderIndex)
	term, termErr := headerNumber(h, api.HeaderTerm)
	fuel, fuelErr := headerNumber(h, api.HeaderFuel)
	if err := errors.Join(indexErr, termErr, fuelErr); err != nil {
		return client.Result{}, err
	}
	duplicate := h.Get(api.HeaderDuplicate) == "true"
	text := h.Get(micro.ErrorHeader)
	whole := text
	if len(reply.Data) > 0 {
		whole = string(reply.Data) // the header's is cut to one line
	}
	switch code := api.Code(h.Get(micro.ErrorCodeHeader)); code {
	case "":
		return client.Result{Output: reply.Data, Index: index, Term: term, Duplicate: duplicate, Fuel: fuel, Leader: h.Get(api.HeaderLeader)}, nil
	case api.CodeRefused:
		machine, err := strconv.ParseInt(h.Get(api.HeaderMachineCode), 10, 32)
		if err != nil {
			return client.Result{}, &client.Error{Code: code, Text: text, Index: index}
		}
		return client.Result{}, &client.RefusedError{Code: int32(machine), Message: whole, Index: index, Term: term, Duplicate: duplicate, Fuel: fuel}
	case api.CodeTrapped:
		return client.Result{}, &client.TrappedError{Reason: whole, Index: index, Term: term, Duplicate: duplicate, Fuel: fuel}
	default:
		return client.Result{}, &client.Error{Code: code, Text: text, Index: index}
	}
}

func headerNumber(h natsgo.Header, name string) (uint64, error) {
	value := h.Get(name)
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: header %s is %q", client.ErrBadReply, name, value)
	}
	return n, nil
}

// settled reports whether err is the command's own end.
func settled(err error) bool {
	_, refused := errors.AsType[*client.RefusedError](err)
	_, trapped := errors.AsType[*client.TrappedError](err)
	return refused || trapped
}

// doubtful reports whether the command may have been taken although nobody said so.
func doubtful(err error) bool {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Code == api.CodeUnknown || e.Code == api.CodeInternal
	}
	return !noHosts(err)
}

// repeatable reports whether another attempt under the same name may help.
func repeatable(err error) bool {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Code == api.CodeUnknown || e.Code == api.CodeBusy || e.Code == api.CodeNoLeader
	}
	return noHosts(err) || errors.Is(err, client.ErrNoAnswer)
}

// pause waits for d and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
