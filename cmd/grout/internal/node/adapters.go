package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/consensus/durable"
	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
	"github.com/groutlabs/grout/wasmsm"
	"github.com/groutlabs/grout/wasmsm/prepare"
)

// logs makes the durable store the host's.
type logs struct{ store *durable.Store }

func (l logs) Group(id host.GroupID) host.Log { return l.store.Group(uint64(id)) }

func (l logs) Groups() ([]host.GroupID, error) {
	ids, err := l.store.Groups()
	out := make([]host.GroupID, len(ids))
	for i, id := range ids {
		out[i] = host.GroupID(id)
	}
	return out, err
}

func (l logs) Meta(key string) ([]byte, error) {
	value, found, err := l.store.Meta(key)
	if !found {
		return nil, err
	}
	return value, err
}

func (l logs) SetMeta(key string, value []byte) error { return l.store.SetMeta(key, value) }

// machines makes the sandbox's machines the host's.
type machines struct {
	runtime *wasmsm.Runtime
	logger  *slog.Logger
}

// Check compiles the module, and so finds whatever the sandbox could refuse.
func (m *machines) Check(module []byte) error {
	compiled, err := m.runtime.Compile(module)
	if err != nil {
		return err
	}
	return compiled.Close()
}

// Version is the preparer's: what it makes of a module is a part of the state.
func (m *machines) Version() int { return prepare.Version }

func (m *machines) New(config host.MachineConfig) (host.Machine, error) {
	compiled, err := m.runtime.Compile(config.Module)
	if err != nil {
		return nil, err
	}
	running, err := compiled.New(m.config(config))
	if err != nil {
		return nil, errors.Join(err, compiled.Close())
	}
	return machine{running: running, compiled: compiled}, nil
}

// Upgrade refuses a module that the sandbox refuses, as every host does.
func (m *machines) Upgrade(old host.Machine, config host.MachineConfig, entry host.EntryContext) (host.Machine, host.Outcome, error) {
	compiled, err := m.runtime.Compile(config.Module)
	if bad := (*wasmsm.BadModuleError)(nil); errors.As(err, &bad) {
		return nil, host.Outcome{Kind: host.Trapped, Message: err.Error()}, nil
	}
	if err != nil {
		return nil, host.Outcome{}, err
	}
	present, ok := old.(interface{ sandboxed() *wasmsm.Machine })
	if !ok {
		return nil, host.Outcome{}, errors.Join(fmt.Errorf("node: a %T is no machine of the sandbox", old), compiled.Close())
	}
	running, end, err := compiled.Migrate(present.sandboxed(), m.config(config), entryContext(entry))
	out, err := outcome(end, err)
	if running == nil {
		return nil, out, errors.Join(err, compiled.Close())
	}
	return machine{running: running, compiled: compiled}, out, nil
}

func (m *machines) config(config host.MachineConfig) wasmsm.MachineConfig {
	logger := m.logger.With("machine", config.Group)
	return wasmsm.MachineConfig{
		Seed: config.Seed, Limits: machineLimits(config.Limits), Init: config.Init,
		Log: func(level int, text string) {
			logger.Log(context.Background(), levels[min(max(level, 0), len(levels)-1)], text)
		},
	}
}

// machineLimits are a group's limits as the sandbox knows them. Commands and modules are bounded by the host.
func machineLimits(l api.Limits) wasmsm.Limits {
	return wasmsm.Limits{
		MemoryBytes: l.MemoryBytes, OutputBytes: int(l.OutputBytes), Events: int(l.Events), EventBytes: int(l.EventBytes),
		LogBytes: int(l.LogBytes), Fuel: l.Fuel, QueryFuel: l.QueryFuel,
	}
}

// levels are the log levels of the guest ABI.
var levels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// machine is one machine of the sandbox. The kinds of outcome have the same numbers on both sides.
type machine struct {
	running  *wasmsm.Machine
	compiled *wasmsm.CompiledModule
}

func (m machine) sandboxed() *wasmsm.Machine { return m.running }

func (m machine) Apply(entry host.EntryContext, command []byte) (host.Outcome, error) {
	return outcome(m.running.Apply(entryContext(entry), command))
}

func (m machine) Query(entry host.EntryContext, query []byte) (host.Outcome, error) {
	return outcome(m.running.Query(entryContext(entry), query))
}

func entryContext(e host.EntryContext) wasmsm.EntryContext {
	return wasmsm.EntryContext{Index: uint64(e.Index), Term: uint64(e.Term), TimeNanos: e.TimeNanos, Caller: e.Caller}
}

func outcome(o wasmsm.Outcome, err error) (host.Outcome, error) {
	out := host.Outcome{Kind: host.OutcomeKind(o.Kind), Code: o.Code, Output: o.Output, Message: o.Message, Fuel: o.Fuel, Logged: o.Logged}
	for _, e := range o.Events {
		out.Events = append(out.Events, host.Event{Suffix: e.Suffix, Payload: e.Payload})
	}
	return out, err
}

func (m machine) Image() (host.Image, error) {
	image, err := m.running.Image()
	return host.Image{Header: image.Header, Pages: image.Pages}, err
}

func (m machine) Restore(image host.Image) error {
	return m.running.Restore(wasmsm.Image{Header: image.Header, Pages: image.Pages})
}

// Load implements host.Loader.
func (m machine) Load(header []byte, pages int, read func(page int, into []byte) (bool, error)) error {
	return m.running.Load(header, pages, read)
}

// Doze implements host.Dozer. A machine that has too much of its own to doze stays as it is.
func (m machine) Doze() error {
	_, err := m.running.Doze()
	return err
}

// Changes implements host.Changer.
func (m machine) Changes() (host.Changes, error) {
	frozen, err := m.running.Freeze()
	if err != nil {
		return host.Changes{}, err
	}
	out := host.Changes{Header: frozen.Header, Count: frozen.Count, Pages: make([]host.ChangedPage, len(frozen.Pages)), Read: frozen.Page}
	for i, page := range frozen.Pages {
		out.Pages[i].Index = page
	}
	return out, nil
}

// Show implements host.Viewer.
func (m machine) Show(entry host.EntryContext) error { return m.running.Show(entryContext(entry)) }

// View implements host.Viewer.
func (m machine) View() (host.View, error) {
	v, err := m.running.View()
	if err != nil {
		return nil, err
	}
	return view{v}, nil
}

// view is a view of a machine of the sandbox.
type view struct{ *wasmsm.View }

func (v view) Query(caller string, query []byte) (host.Outcome, host.EntryContext, error) {
	o, e, err := v.View.Query(caller, query)
	out, err := outcome(o, err)
	return out, host.EntryContext{
		Index: consensus.Index(e.Index), Term: consensus.Term(e.Term), TimeNanos: e.TimeNanos, Caller: e.Caller,
	}, err
}

func (m machine) SetLimits(limits api.Limits) error {
	return m.running.SetLimits(machineLimits(limits))
}

func (m machine) MemoryBytes() int64 { return m.running.MemoryBytes() }

func (m machine) Close() error {
	if err := m.running.Close(); err != nil {
		return err
	}
	return m.compiled.Close()
}
