package client

import (
	"context"
	"fmt"

	"github.com/groutlabs/grout/sdk/typed/wire"
)

// Encoding is what requests to a typed machine, and its replies, are written in.
type Encoding = wire.Encoding

// The encodings.
const (
	JSON        = wire.JSON
	MessagePack = wire.MessagePack
)

// Typed is a group whose machine was made with package sdk/typed, or speaks its envelopes.
type Typed struct {
	group    *Group
	encoding Encoding
}

// Typed returns the group for Call and Ask, with requests in an encoding that its machine takes.
func (g *Group) Typed(encoding Encoding) Typed { return Typed{g, encoding} }

// Group is the group itself.
func (t Typed) Group() *Group { return t.group }

// Call executes a command by its name and returns the reply. The session makes it exactly-once, as in Execute:
//
//	balance, err := client.Call[Balance](ctx, ledger, "deposit", Deposit{Account: "ada", Amount: 5})
//
// # Errors
//
// Those of Execute; a refusal is a *RefusedError with code and message, also where it came before the machine's own
// function (wire.CodeUnknownName, wire.CodeBadPayload). What cannot be sent is ErrBadConfig, and nothing happened. ErrBadReply means that
// the command was applied, and its reply does not fit Reply.
func Call[Reply, Request any](ctx context.Context, t Typed, name string, request Request) (Reply, error) {
	command, err := Encode(t, name, request)
	if err != nil {
		return *new(Reply), err
	}
	result, err := t.group.Execute(ctx, command)
	if err != nil {
		return *new(Reply), err
	}
	reply, err := Decode[Reply](t, result.Output)
	if err != nil {
		err = fmt.Errorf("%w (the command %s was applied at index %d)", err, name, result.Index)
	}
	return reply, err
}

// Ask asks a query by its name and returns the answer. Its errors are as of Query and Call.
func Ask[Reply, Request any](ctx context.Context, t Typed, name string, request Request, options QueryOptions) (Reply, error) {
	query, err := Encode(t, name, request)
	if err != nil {
		return *new(Reply), err
	}
	result, err := t.group.Query(ctx, query, options)
	if err != nil {
		return *new(Reply), err
	}
	return Decode[Reply](t, result.Output)
}

// Encode returns the bytes of a request, for ExecuteMany, FeedMany and Pipeline.
//
// # Errors
//
// ErrBadConfig for a name, a type or a value that cannot be sent.
func Encode[Request any](t Typed, name string, request Request) ([]byte, error) {
	if t.encoding != JSON && t.encoding != MessagePack {
		return nil, fmt.Errorf("%w: encoding %d: choose JSON or MessagePack", ErrBadConfig, t.encoding)
	}
	codec, err := wire.For[Request]()
	if err != nil {
		return nil, fmt.Errorf("%w: request %s: %w", ErrBadConfig, name, err)
	}
	body, err := wire.AppendRequest(nil, t.encoding, name, codec, &request)
	if err != nil {
		return nil, fmt.Errorf("%w: request %s: %w", ErrBadConfig, name, err)
	}
	return body, nil
}

// Decode reads the output of a request that Encode made. Fields that Reply does not have are passed over.
//
// # Errors
//
// ErrBadReply for bytes that do not fit Reply, ErrBadConfig for a type that never can.
func Decode[Reply any](t Typed, output []byte) (reply Reply, err error) {
	codec, err := wire.For[Reply]()
	if err != nil {
		return reply, fmt.Errorf("%w: reply: %w", ErrBadConfig, err)
	}
	if err := codec.ParseReply(t.encoding, output, &reply); err != nil {
		return *new(Reply), fmt.Errorf("%w: %w", ErrBadReply, err)
	}
	return reply, nil
}
