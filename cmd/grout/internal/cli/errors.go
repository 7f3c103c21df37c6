package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/cmd/grout/internal/embedded"
	"github.com/groutlabs/grout/cmd/grout/internal/node"
	"github.com/groutlabs/grout/cmd/grout/internal/project"
	"github.com/groutlabs/grout/consensus/durable"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/sdk/client"
	"github.com/groutlabs/grout/transport/nats"
	"github.com/groutlabs/grout/wasmsm/prepare"
)

// Exit is the process's exit code. docs/CLI.md lists them; they are stable.
type Exit int

// The exit codes.
const (
	// Done: everything asked for was done.
	Done Exit = 0
	// Failed: something else than the reasons below.
	Failed Exit = 1
	// Usage: the arguments cannot be carried out; nothing was sent, or a host refused the request as malformed.
	Usage Exit = 2
	// Refused: the machine refused a command or query.
	Refused Exit = 3
	// Trapped: the machine trapped on a command or query.
	Trapped Exit = 4
	// NotFound: no such group, or no such host.
	NotFound Exit = 5
	// Unavailable: no NATS server, no host, no leader, or no answer; nothing happened, try again.
	Unavailable Exit = 6
	// Unknown: a command may or may not have been applied.
	Unknown Exit = 7
	// BadModule: a module was refused, or its source does not compile.
	BadModule Exit = 8
	// Exists: there is such a group already.
	Exists Exit = 9
	// InUse: another process uses the data folder or the port.
	InUse Exit = 10
	// StoreFailed: a host's data folder takes nothing any more, and the host has ended.
	StoreFailed Exit = 11
	// Lost: a fed command was lost with the leader that had taken it; it was not applied.
	Lost Exit = 12
	// Differs: a machine's runs did not agree on a command.
	Differs Exit = 13
	// Interrupted: the user stopped it.
	Interrupted Exit = 130
)

// kinds are the exit codes' names in JSON.
var kinds = map[Exit]string{
	Failed: "failed", Usage: "usage", Refused: "refused", Trapped: "trapped", NotFound: "not_found",
	Unavailable: "unavailable", Unknown: "unknown_outcome", BadModule: "bad_module", Exists: "exists",
	InUse: "in_use", StoreFailed: "store_failed", Lost: "lost", Differs: "differs", Interrupted: "interrupted",
}

// failure is why a verb did not do what was asked.
type failure struct {
	exit Exit
	// text is one line: what was wrong, where, and what to do.
	text string
	// machineCode, index and term are the machine's, when it was asked.
	machineCode       *int32
	index, term, fuel uint64
	// code is the host's own, "" when no host spoke.
	code api.Code
	err  error
}

// Error implements error.
func (f *failure) Error() string { return f.text }

// Unwrap returns what lies behind the failure.
func (f *failure) Unwrap() error { return f.err }

// usage says what is wrong with the arguments.
func usage(format string, args ...any) *failure {
	return &failure{exit: Usage, text: fmt.Sprintf(format, args...)}
}

// timeoutError is the end of a wait that --timeout bounds.
type timeoutError struct{ after time.Duration }

// Error implements error.
func (e timeoutError) Error() string { return fmt.Sprintf("no answer within %s (--timeout)", e.after) }

// Is makes it a context.DeadlineExceeded, which it stands for.
func (e timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// asFailure returns err as a failure, whatever it is.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	f := &failure{exit: exitOf(err), text: plain(err), err: err}
	if refused, ok := errors.AsType[*client.RefusedError](err); ok {
		f.text = fmt.Sprintf("refused by the machine with code %d: %s", refused.Code, refused.Message)
		f.machineCode, f.index, f.term, f.fuel, f.code = &refused.Code, refused.Index, refused.Term, refused.Fuel, api.CodeRefused
		return f
	}
	if trapped, ok := errors.AsType[*client.TrappedError](err); ok {
		f.text = "the machine trapped, and nothing changed: " + trapped.Reason
		f.index, f.term, f.fuel, f.code = trapped.Index, trapped.Term, trapped.Fuel, api.CodeTrapped
		return f
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		f.code, f.index = e.Code, e.Index
		if f.exit != Unknown {
			f.text = e.Text
		}
		if e.Code == api.CodeTooLarge && e.Index > 0 {
			f.exit, f.text = Failed, fmt.Sprintf("the command was applied at index %d, and only its answer is too large to be sent: %s", e.Index, e.Text)
		}
	}
	return f
}

// exitOf maps what others report to an exit code. An unknown outcome outranks its cause.
func exitOf(err error) Exit {
	for _, rule := range exitRules {
		if errors.Is(err, rule.is) {
			return rule.exit
		}
	}
	if exit, ok := exitOfType(err); ok {
		return exit
	}
	for _, rule := range weakRules {
		if errors.Is(err, rule.is) {
			return rule.exit
		}
	}
	return Failed
}

type exitRule struct {
	is   error
	exit Exit
}

var exitRules = []exitRule{
	{client.ErrUnknownOutcome, Unknown}, {client.ErrLost, Lost},
	{project.ErrBadName, Usage}, {project.ErrNotEmpty, Usage}, {project.ErrNotMachine, Usage},
	{client.ErrBadName, Usage}, {client.ErrBadBatch, Usage}, {client.ErrBadConfig, Usage}, {host.ErrBadConfig, Usage},
	{nats.ErrBadConfig, Usage}, {embedded.ErrBadConfig, Usage},
	{durable.ErrLocked, InUse}, {embedded.ErrLocked, InUse}, {embedded.ErrListen, InUse},
}

// weakRules count only when nothing else explains an error: they are the ends of waits.
var weakRules = []exitRule{
	{client.ErrNoHosts, Unavailable}, {client.ErrNoServers, Unavailable}, {client.ErrNoAnswer, Unavailable},
	{nats.ErrNoServer, Unavailable}, {natsgo.ErrNoServers, Unavailable}, {natsgo.ErrTimeout, Unavailable}, {natsgo.ErrDisconnected, Unavailable},
	{natsgo.ErrConnectionReconnecting, Unavailable}, {natsgo.ErrNoResponders, Unavailable},
	{natsgo.ErrReconnectBufExceeded, Unavailable},
	{context.Canceled, Interrupted}, {context.DeadlineExceeded, Unavailable}, {fs.ErrNotExist, Usage},
}

// exitOfType maps errors that carry data.
func exitOfType(err error) (Exit, bool) {
	if _, ok := errors.AsType[*client.RefusedError](err); ok {
		return Refused, true
	}
	if _, ok := errors.AsType[*client.TrappedError](err); ok {
		return Trapped, true
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		return exitOfCode(e.Code), true
	}
	if _, ok := errors.AsType[*node.StoreError](err); ok {
		return StoreFailed, true
	}
	if _, ok := errors.AsType[*prepare.BadModuleError](err); ok {
		return BadModule, true
	}
	if _, ok := errors.AsType[*project.CompileError](err); ok {
		return BadModule, true
	}
	return Failed, false
}

// exitOfCode maps a host's own codes.
func exitOfCode(code api.Code) Exit {
	switch code {
	case api.CodeRefused:
		return Refused
	case api.CodeTrapped:
		return Trapped
	case api.CodeNotFound:
		return NotFound
	case api.CodeBadRequest, api.CodeTooLarge, api.CodeSession:
		return Usage
	case api.CodeExists:
		return Exists
	case api.CodeBadModule:
		return BadModule
	case api.CodeBusy, api.CodeNoLeader:
		return Unavailable
	case api.CodeUnknown:
		return Unknown
	}
	return Failed
}

// packages are the prefixes by which errors name where they come from, which users need not know.
var packages = []string{"client: ", "project: ", "prepare: ", "host: ", "nats: ", "durable: ", "embedded: ", "wasmsm: ", "node: "}

// plain is an error's text without the names of packages in front.
func plain(err error) string {
	text := err.Error()
	for cut := true; cut; {
		cut = false
		for _, name := range packages {
			if rest, ok := strings.CutPrefix(text, name); ok {
				text, cut = rest, true
			}
		}
	}
	return text
}
