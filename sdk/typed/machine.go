package typed

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/typed/wire"
)

// Accepts says which encodings a machine speaks.
type Accepts uint8

// The choices.
const (
	// JSON is for people and any language.
	JSON Accepts = 1 << iota
	// MessagePack is smaller and faster.
	MessagePack
	// Either takes both and answers each request in its own encoding.
	Either = JSON | MessagePack
)

// The codes of the refusals that come from this package; package wire says what they mean.
const (
	CodeBadRequest  = wire.CodeBadRequest
	CodeUnknownName = wire.CodeUnknownName
	CodeBadPayload  = wire.CodeBadPayload
	CodeBadReply    = wire.CodeBadReply
)

// handler runs one request and appends its reply to dst.
type handler func(ctx *sdk.Context, e wire.Encoding, payload, dst []byte) ([]byte, error)

// Machine is a state machine of typed functions. It implements sdk.Machine, and of the optional interfaces those whose
// functions are registered; the others refuse.
type Machine struct {
	accepts           Accepts
	commands, queries map[string]handler
	start             func(*sdk.Context, []byte) error
	export            func(*sdk.Context) ([]byte, error)
	migrate           func(*sdk.Context, []byte) error
	// reply is used again by every call.
	reply []byte
}

// New returns a machine without commands and queries. It panics unless accepts is one of the choices.
func New(accepts Accepts) *Machine {
	if accepts == 0 || accepts > Either {
		panic(fmt.Sprintf("typed: New(%d): choose JSON, MessagePack or Either", accepts))
	}
	return &Machine{accepts: accepts, commands: map[string]handler{}, queries: map[string]handler{}}
}

// Command has f run the commands of that name. f may change the machine's state; its error refuses the command, and
// whatever f changed is undone. Request and Reply may be any types that package wire carries, struct{} for nothing. It panics
// for a type that cannot be carried, a bad name, and one that is taken.
func Command[Request, Reply any](m *Machine, name string, f func(*sdk.Context, Request) (Reply, error)) {
	register(m, m.commands, "Command", name, f)
}

// Query has f answer the queries of that name. Whatever f changes is undone. It panics as Command does.
func Query[Request, Reply any](m *Machine, name string, f func(*sdk.Context, Request) (Reply, error)) {
	register(m, m.queries, "Query", name, f)
}

func register[Request, Reply any](m *Machine, table map[string]handler, what, name string, f func(*sdk.Context, Request) (Reply, error)) {
	requests, err := wire.For[Request]()
	if err == nil {
		err = wire.CheckName(name)
	}
	replies, replyErr := wire.For[Reply]()
	switch {
	case err != nil:
		panic(fmt.Sprintf("typed: %s %q: %v", what, name, err))
	case replyErr != nil:
		panic(fmt.Sprintf("typed: %s %q: %v", what, name, replyErr))
	case m.commands[name] != nil || m.queries[name] != nil:
		panic(fmt.Sprintf("typed: %s %q: the name is taken: commands and queries share theirs", what, name))
	case f == nil:
		panic(fmt.Sprintf("typed: %s %q: there is no function", what, name))
	}
	table[name] = func(ctx *sdk.Context, e wire.Encoding, payload, dst []byte) ([]byte, error) {
		var request Request
		if err := requests.Parse(e, payload, &request); err != nil {
			return nil, sdk.Refuse(CodeBadPayload, "%s: %v", name, err)
		}
		reply, err := f(ctx, request)
		if err != nil {
			return nil, err
		}
		if dst, err = replies.Append(dst, e, &reply); err != nil {
			return nil, sdk.Refuse(CodeBadReply, "%s: the reply cannot be written: %v", name, err)
		}
		return dst, nil
	}
}

// Apply implements sdk.Machine.
func (m *Machine) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
	return m.run(ctx, "command", m.commands, command)
}

// Query implements sdk.Machine.
func (m *Machine) Query(ctx *sdk.Context, query []byte) ([]byte, error) {
	return m.run(ctx, "query", m.queries, query)
}

func (m *Machine) run(ctx *sdk.Context, what string, table map[string]handler, request []byte) ([]byte, error) {
	e, name, payload, err := wire.Open(request)
	if err != nil {
		return nil, sdk.Refuse(CodeBadRequest, "typed: %v", err)
	}
	if !m.accepts.includes(e) {
		return nil, sdk.Refuse(CodeBadRequest, "typed: this is %s, and the machine takes %s", e, m.accepts.preferred())
	}
	run := table[string(name)]
	if run == nil {
		return nil, m.unknown(what, string(name), table)
	}
	reply, err := run(ctx, e, payload, m.reply[:0])
	if err != nil {
		return nil, err
	}
	m.reply = reply
	return reply, nil
}

// unknown refuses a name that is not in table.
func (m *Machine) unknown(what, name string, table map[string]handler) error {
	switch {
	case what == "command" && m.queries[name] != nil:
		return sdk.Refuse(CodeUnknownName, "typed: %q is a query, not a command: send it to the group's query subject", name)
	case what == "query" && m.commands[name] != nil:
		return sdk.Refuse(CodeUnknownName, "typed: %q is a command, not a query: send it to the group's cmd subject", name)
	case len(table) == 0:
		return sdk.Refuse(CodeUnknownName, "typed: there is no %s %.80q: this machine has none", what, name)
	}
	known := slices.Sorted(maps.Keys(table))
	return sdk.Refuse(CodeUnknownName, "typed: there is no %s %.80q: this machine has %s", what, name, strings.Join(known, ", "))
}

// includes reports whether requests in e are taken.
func (a Accepts) includes(e wire.Encoding) bool {
	return e == wire.JSON && a&JSON != 0 || e == wire.MessagePack && a&MessagePack != 0
}

// preferred is the encoding of what no request asked for: JSON where there is a choice.
func (a Accepts) preferred() wire.Encoding {
	if a.includes(wire.JSON) {
		return wire.JSON
	}
	return wire.MessagePack
}
