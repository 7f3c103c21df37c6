// Package feed emits what the commands of a collection change, one event for each command, which names the event before it.
package feed

import (
	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/client/collections/protocol"
)

// Feed is the events of a collection. The zero value has emitted nothing.
type Feed struct {
	// Event is what the present command emits: changes are appended to it between Begin and End.
	Event []byte
	// start is where the changes begin.
	start int
	last  uint64
	quiet bool
}

// Init reads the init argument of a collection of that name: nothing, or protocol.Quiet.
func (f *Feed) Init(name string, arg []byte) error {
	if f.quiet = string(arg) == protocol.Quiet; !f.quiet && len(arg) > 0 {
		return sdk.Refuse(protocol.CodeBadRequest, "%s: the init argument %.40q is neither empty nor %q", name, arg, protocol.Quiet)
	}
	return nil
}

// Begin begins a command.
func (f *Feed) Begin() {
	f.Event = protocol.AppendNumber(f.Event[:0], f.last)
	f.start = len(f.Event)
}

// End emits the changes of a command, if there are any.
func (f *Feed) End(ctx *sdk.Context) {
	if len(f.Event) == f.start {
		return
	}
	f.last = ctx.Index()
	if !f.quiet {
		ctx.Emit(protocol.EventSuffix, f.Event)
	}
}

// Last is the index of the last command that changed something.
func (f *Feed) Last() uint64 { return f.last }

// Resume goes on behind such an index, in the next module.
func (f *Feed) Resume(last uint64) { f.last = last }

// Status is the answer to protocol.OpStatus of a collection with so many entries.
func (f *Feed) Status(entries int) protocol.Status {
	return protocol.Status{Entries: uint64(entries), Last: f.last, Quiet: f.quiet}
}
