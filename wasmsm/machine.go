package wasmsm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// Machine is one running state machine. It is used by one goroutine at a time.
//
// Between calls the memory and the globals are what the last applied command left: the checkpoint, and
// on top of it the commands of the journal.
type Machine struct {
	module   *CompiledModule
	instance api.Module
	memory   api.Memory
	linear   *linear
	globals  []mutableGlobal
	// store has the memory and its checkpoint. It is nil in a view.
	store store
	// fuel is the counter of the prepared module; it is no part of the state.
	fuel api.MutableGlobal
	// room is the prepared module's other counter, of what calls may still take of the stack.
	room api.MutableGlobal
	// committed are the globals' values at the checkpoint.
	committed []uint64
	// shown is the entry whose state the checkpoint is. Like committed it changes while views cannot begin.
	shown EntryContext
	// last is the entry of the last command.
	last    EntryContext
	views   gate
	rest    rest
	journal journal

	apply, query api.Function

	limits Limits
	seed   [32]byte
	log    func(level int, text string)

	call  call
	ctx   callContext
	stack [1]uint64
	// broken is set when the state can no longer be trusted; every later call returns it.
	broken error
}

// mutableGlobal is a global and whether only the lower half of its 64 bits means anything.
type mutableGlobal struct {
	api.MutableGlobal
	narrow bool
}

func (g mutableGlobal) value() uint64 {
	v := g.Get()
	if g.narrow {
		v = uint64(uint32(v))
	}
	return v
}

// callContext carries the machine to its host functions, without a look-up.
type callContext struct{ machine *Machine }

func (callContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (callContext) Done() <-chan struct{}       { return nil }
func (callContext) Err() error                  { return nil }
func (callContext) Value(any) any               { return nil }

var _ context.Context = (*callContext)(nil)

// Apply runs one command. A command that was refused or trapped has left no effect. The command is
// read until Apply returns; the machine may keep a copy.
//
// An error is no outcome of the command: the machine's state can no longer be trusted, and every
// later call returns the error too.
func (m *Machine) Apply(entry EntryContext, command []byte) (Outcome, error) {
	if err := m.awake(); err != nil {
		return Outcome{}, err
	}
	m.last = entry
	outcome, err := m.run(m.apply, callApply, entry, command)
	if err != nil {
		return Outcome{}, err
	}
	if outcome.Kind == Applied {
		err = m.applied(entry, command, outcome.Fuel)
	} else {
		err = m.undo()
	}
	if err != nil {
		return Outcome{}, err
	}
	return outcome, nil
}

// Query runs one query against the present state and undoes whatever it wrote. Of entry, Index,
// Term and TimeNanos are those of the last applied entry.
func (m *Machine) Query(entry EntryContext, query []byte) (Outcome, error) {
	if err := m.awake(); err != nil {
		return Outcome{}, err
	}
	if err := m.settle(); err != nil {
		return Outcome{}, err
	}
	outcome, err := m.run(m.query, callQuery, entry, query)
	if err != nil {
		return Outcome{}, err
	}
	if err = m.rollback(); err != nil {
		return Outcome{}, err
	}
	return outcome, nil
}

// Close frees the machine.
func (m *Machine) Close() error {
	if errors.Is(m.broken, ErrClosed) {
		return nil
	}
	m.broken = ErrClosed
	m.rest.mu.Lock()
	defer m.rest.mu.Unlock()
	m.rest.closed = true
	var err error
	if m.instance != nil {
		err = m.instance.Close(context.Background())
	}
	if m.linear != nil {
		err = errors.Join(err, m.linear.close())
	}
	m.module.runtime.release(m.module.digest)
	return err
}

// run calls the guest. The caller commits or rolls back.
func (m *Machine) run(f api.Function, kind callKind, entry EntryContext, input []byte) (Outcome, error) {
	if m.broken != nil {
		return Outcome{}, m.broken
	}
	if kind != callMigrate && len(input) > m.limits.InputBytes { // an export is bounded where it is made
		return Outcome{Kind: Trapped, Message: fmt.Sprintf("the input has %d bytes, the limit is %d", len(input), m.limits.InputBytes)}, nil
	}
	m.call.begin(kind, entry, input, m.limits.LogBytes)
	m.stack[0] = uint64(len(input))
	m.fuel.Set(uint64(m.budget(kind)))
	m.room.Set(uint64(m.module.runtime.config.StackSlots))
	err := f.CallWithStack(&m.ctx, m.stack[:])
	m.flushOutput()
	outcome, err := m.outcome(err)
	outcome = m.metered(outcome, kind)
	outcome.Logged = m.limits.LogBytes - m.call.logLeft
	m.call.end()
	if err != nil {
		m.broken = err
	}
	return outcome, err
}

// outcome tells the guest's ways to end from failures of the host.
func (m *Machine) outcome(err error) (Outcome, error) {
	if err != nil {
		return m.trapped(err)
	}
	code := int32(m.stack[0])
	if m.call.kind == callStart {
		code = 0 // _initialize has no result
	}
	switch {
	case code > 0:
		return Outcome{Kind: Refused, Code: code, Message: string(m.call.message)}, nil
	case code < 0:
		return Outcome{Kind: Trapped, Message: fmt.Sprintf("the machine returned %d: results are 0 or a positive code", code)}, nil
	}
	return Outcome{Kind: Applied, Output: m.call.output, Events: m.call.events}, nil
}

// commit makes the present state the checkpoint.
func (m *Machine) commit() error {
	return m.keep(m.store.commit(m.show))
}

// show completes a checkpoint with what is not memory.
func (m *Machine) show() {
	for i, g := range m.globals {
		m.committed[i] = g.value()
	}
	m.shown = m.last
}

// rollback makes the checkpoint the present state.
func (m *Machine) rollback() error {
	for i, g := range m.globals {
		g.Set(m.committed[i])
	}
	size, err := m.store.rollback()
	if err == nil {
		err = m.linear.setSize(m.memory, size)
	}
	return m.keep(err)
}

// keep remembers a failure that leaves the state in doubt.
func (m *Machine) keep(err error) error {
	if err != nil {
		m.broken = err
	}
	return err
}
