package wasmsm

import "errors"

// View is a further instance of a machine, for queries beside its commands and beside other views. A
// query sees exactly one state, that of the machine's last checkpoint or Show when it began, and
// whatever it writes is undone. It is used by one goroutine at a time.
type View struct {
	instance *Machine
	owner    *Machine
	memory   viewBacking
	// entry and globals are those of the state that the present query sees.
	entry   EntryContext
	globals []uint64
}

// Show makes the present state what views show, as that of entry: the last that was applied, whether
// or not it had to do with the machine.
func (m *Machine) Show(entry EntryContext) error {
	if m.broken != nil {
		return m.broken
	}
	if m.last = entry; len(m.journal.commands) > 0 {
		return m.checkpoint()
	}
	if m.shown != entry {
		m.views.Lock()
		m.shown = entry
		m.views.Unlock()
	}
	return nil
}

// View returns another view. It may be called, as its methods may, while a method of the machine is at
// work. The result must be closed.
//
// # Errors
//
// ErrClosed after Close.
func (m *Machine) View() (*View, error) {
	memory, err := m.viewMemory()
	if err != nil {
		return nil, err
	}
	if _, _, err := m.module.runtime.acquire(m.module.digest); err != nil {
		m.rest.leave()
		return nil, errors.Join(err, memory.close())
	}
	v := &View{owner: m, memory: memory, globals: make([]uint64, len(m.committed))}
	v.instance = &Machine{module: m.module, seed: m.seed, log: m.log}
	v.instance.ctx.machine = v.instance
	if err := v.instance.instantiate(memory, 0); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// viewMemory returns the memory of one more view, for which a machine that dozes wakes.
func (m *Machine) viewMemory() (viewBacking, error) {
	m.rest.mu.Lock()
	defer m.rest.mu.Unlock()
	if m.rest.closed {
		return nil, ErrClosed
	}
	if err := m.wake(); err != nil {
		return nil, err
	}
	memory, err := m.store.view()
	if err == nil {
		m.rest.views++
	}
	return memory, err
}

// leave counts a view out.
func (r *rest) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.views--
}

// Query runs one query, and returns the entry whose state it saw, with the caller's name. The index
// never falls from one query to another that began after it had ended, whatever views they were of.
//
// An error is no outcome of the query, and says nothing about the machine: the view is to be closed. It is
// ErrClosed once the machine is closed.
func (v *View) Query(caller string, query []byte) (Outcome, EntryContext, error) {
	m := v.instance
	if m.broken != nil {
		return Outcome{}, EntryContext{}, m.broken
	}
	size, err := v.memory.begin(v.take)
	if err != nil {
		return Outcome{}, EntryContext{}, err
	}
	defer v.memory.end()
	if err := m.linear.setSize(m.memory, size); err != nil {
		return Outcome{}, EntryContext{}, m.keep(err)
	}
	for i, g := range m.globals {
		g.Set(v.globals[i])
	}
	entry := v.entry
	entry.Caller = caller
	outcome, err := m.run(m.query, callQuery, entry, query)
	return outcome, entry, err
}

// Hold makes the next queries cheaper: until Release, which has to follow, they are all the calling goroutine's, and
// that stays on its thread.
func (v *View) Hold() { v.memory.hold() }

// Release ends what Hold began.
func (v *View) Release() { v.memory.release() }

// take copies what the checkpoint has beside the memory.
func (v *View) take() {
	v.entry = v.owner.shown
	v.instance.limits, v.instance.linear.limit = v.owner.limits, v.owner.linear.limit
	copy(v.globals, v.owner.committed)
}

// Close frees the view.
func (v *View) Close() error {
	if errors.Is(v.instance.broken, ErrClosed) {
		return nil
	}
	err := v.instance.Close()
	v.owner.rest.leave()
	return err
}
