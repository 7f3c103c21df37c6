package typed

import (
	"fmt"

	"github.com/groutlabs/grout/sdk"
	"github.com/groutlabs/grout/sdk/typed/wire"
)

// codeNoState refuses what needs a function that is not registered.
const codeNoState = sdk.CodeUnspecified

// Init has f run once, at deploy, with the init argument read as Argument, in JSON or MessagePack as the machine's
// commands; an empty one is the zero value. Without it the argument is ignored, as for any machine.
func Init[Argument any](m *Machine, f func(*sdk.Context, Argument) error) {
	codec := codecFor[Argument]("Init")
	e := m.accepts.preferred()
	m.start = func(ctx *sdk.Context, arg []byte) error {
		var argument Argument
		if err := codec.Parse(e, arg, &argument); err != nil {
			return sdk.Refuse(CodeBadPayload, "the init argument: %v", err)
		}
		return f(ctx, argument)
	}
}

// State makes the machine one that can be upgraded, and whose tests can compare states (package sdktest): save returns the
// whole state as a value, and load, run once in the next module, takes it over. It travels in MessagePack, whatever
// the requests are in.
func State[Saved any](m *Machine, save func() Saved, load func(Saved) error) {
	codec := codecFor[Saved]("State")
	m.export = func(*sdk.Context) ([]byte, error) {
		saved := save()
		return codec.Append(nil, wire.MessagePack, &saved)
	}
	m.migrate = func(_ *sdk.Context, old []byte) error {
		var saved Saved
		if err := codec.Parse(wire.MessagePack, old, &saved); err != nil {
			return sdk.Refuse(CodeBadPayload, "the old machine's state: %v", err)
		}
		return load(saved)
	}
}

// Emit publishes a value as sdk.Context.Emit does bytes, in the machine's encoding: JSON if it takes both. It
// panics, so that the command traps, for a value that cannot be written.
func Emit[Event any](ctx *sdk.Context, m *Machine, suffix string, event Event) {
	codec := codecFor[Event]("Emit")
	payload, err := codec.Append(nil, m.accepts.preferred(), &event)
	if err != nil {
		panic(fmt.Sprintf("typed: Emit(%q): %v", suffix, err))
	}
	ctx.Emit(suffix, payload)
}

func codecFor[T any](what string) wire.Codec[T] {
	codec, err := wire.For[T]()
	if err != nil {
		panic(fmt.Sprintf("typed: %s: %v", what, err))
	}
	return codec
}

// Init implements sdk.Initializer.
func (m *Machine) Init(ctx *sdk.Context, arg []byte) error {
	if m.start == nil {
		return nil
	}
	return m.start(ctx, arg)
}

// Export implements sdk.Exporter.
func (m *Machine) Export(ctx *sdk.Context) ([]byte, error) {
	if m.export == nil {
		return nil, sdk.Refuse(codeNoState, "typed: this machine cannot be upgraded: register its state with typed.State")
	}
	return m.export(ctx)
}

// Migrate implements sdk.Migrator.
func (m *Machine) Migrate(ctx *sdk.Context, old []byte) error {
	if m.migrate == nil {
		return sdk.Refuse(codeNoState, "typed: this machine cannot migrate: register its state with typed.State")
	}
	return m.migrate(ctx, old)
}
