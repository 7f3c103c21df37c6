package wasmsm

// SetLimits changes the machine's limits from the next call on, and those of its views from their next
// query on; a zero field means the runtime's. The state is the same before and after. A memory that has
// more than MemoryBytes stays as it is and cannot grow. Replicas that are to agree change limits between
// the same two commands.
//
// # Errors
//
// With ErrLimits nothing has changed. Any other error leaves the state in doubt, and every later
// call returns it.
func (m *Machine) SetLimits(limits Limits) error {
	if err := m.awake(); err != nil {
		return err
	}
	limits = limits.or(m.module.runtime.config.Limits)
	if err := limits.validate(); err != nil {
		return err
	}
	// Commands of the journal would be applied again under other limits.
	if err := m.settle(); err != nil {
		return err
	}
	m.views.Lock()
	defer m.views.Unlock()
	m.limits, m.linear.limit = limits, m.module.memoryLimit(limits)
	return nil
}

// MemoryBytes is the present size of the linear memory.
func (m *Machine) MemoryBytes() int64 {
	if k := m.rest.kept.Load(); k != nil {
		return int64(k.size)
	}
	return int64(m.linear.size)
}

// Limits returns the machine's limits.
func (m *Machine) Limits() Limits { return m.limits }
