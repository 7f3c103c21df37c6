package wasmsm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// rest is what a machine knows of its sleep. A machine that nobody used for a while dozes: it has no instance and no memory, and
// keeps what tells its state from that of any fresh instance of its module, packed.
//
// Doze is called by the machine's own goroutine, and wake by that or by one that wants a view. Both hold mu; kept is set last and
// cleared last, so whoever finds it nil on the machine's own goroutine has a machine that stays awake.
type rest struct {
	mu   sync.Mutex
	kept atomic.Pointer[kept]
	// views counts those that live: none of them can do without the memory.
	views  int
	closed bool
	// failed is why the machine can never wake.
	failed error
}

// kept is what a machine that dozes has. The globals stay where the checkpoint has them, in Machine.committed.
type kept struct {
	size    uint64
	touched touched
	memory  packed
}

// dozing has room for the machines that are about to doze. A thousand may be told to at once, and each takes a compressor.
var dozing = make(chan struct{}, runtime.GOMAXPROCS(0))

// Doze gives the machine's instance and its memory back, and reports whether it did. Any later call gets them again, which takes a few
// milliseconds; no call has another result than without. A machine that has views stays as it is, and so does one that would have to keep more than 1 MiB.
//
// An error leaves the state in doubt, and every later call returns it.
func (m *Machine) Doze() (bool, error) {
	if m.broken != nil || m.rest.kept.Load() != nil {
		return m.broken == nil, m.broken
	}
	dozing <- struct{}{}
	defer func() { <-dozing }()
	m.rest.mu.Lock()
	defer m.rest.mu.Unlock()
	if m.rest.views > 0 {
		return false, nil
	}
	if err := m.settle(); err != nil {
		return false, err
	}
	fresh, err := m.module.freshMemory()
	if err != nil {
		return false, m.keep(err)
	}
	memory, small, err := pack(m.store, fresh)
	if err != nil || !small {
		return false, m.keep(err)
	}
	m.store.thaw()
	k := &kept{size: m.linear.size, touched: append(touched(nil), *m.store.marks()...), memory: memory}
	if err := m.shed(); err != nil {
		m.rest.failed = fmt.Errorf("wasmsm: freeing a machine that was to doze: %w", err)
	}
	m.journal.commands, m.call = nil, call{} // they have room for the largest that there was
	m.views.reopen()
	m.rest.kept.Store(k)
	return m.rest.failed == nil, m.keep(m.rest.failed)
}

// shed frees the instance and its memory.
func (m *Machine) shed() error {
	var err error
	if m.instance != nil {
		err = m.instance.Close(context.Background())
	}
	if m.linear != nil {
		err = errors.Join(err, m.linear.close())
	}
	m.instance, m.memory, m.linear, m.store = nil, nil, nil, nil
	m.globals, m.fuel, m.room, m.apply, m.query = nil, nil, nil, nil, nil
	return err
}

// awake wakes the machine if it dozes. It returns what is broken, if anything is.
func (m *Machine) awake() error {
	if m.broken != nil || m.rest.kept.Load() == nil {
		return m.broken
	}
	m.rest.mu.Lock()
	defer m.rest.mu.Unlock()
	return m.keep(m.wake())
}

// wake does nothing on a machine that is awake. The caller holds the rest's lock.
func (m *Machine) wake() error {
	k := m.rest.kept.Load()
	if k == nil || m.rest.failed != nil {
		return m.rest.failed
	}
	if err := m.rise(k); err != nil {
		m.rest.failed = fmt.Errorf("wasmsm: the machine dozed and cannot wake: %w", errors.Join(err, m.shed()))
		return m.rest.failed
	}
	m.rest.kept.Store(nil)
	return nil
}

// rise makes a new instance with the state that was kept.
func (m *Machine) rise(k *kept) error {
	fresh, err := m.module.freshMemory()
	if err != nil {
		return err
	}
	if err := m.reembody(k.size); err != nil {
		return err
	}
	for i, g := range m.globals {
		g.Set(m.committed[i])
	}
	// What is shown beside the memory is still there.
	if err := m.store.load(k.memory.reader(fresh), func() {}); err != nil {
		return err
	}
	*m.store.marks() = k.touched
	return nil
}

// embody makes a store and an instance over it, not started.
func (m *Machine) embody() (err error) {
	c := m.module
	if m.store, err = c.newStore(&m.views); err != nil {
		return err
	}
	return m.instantiate(m.store, c.memoryLimit(m.limits))
}

func (c *CompiledModule) newStore(views *gate) (store, error) {
	return newStore(c.runtime.config.Memory, c.memoryLimit(Limits{MemoryBytes: maxMemoryBytes}), views)
}

// reembody is embody for a memory of the given size that is loaded next. What the engine writes into an instance's memory at its start is
// of no use then: it goes into one that others had, which costs no page faults.
func (m *Machine) reembody(size uint64) error {
	c := m.module
	store, err := c.newStore(&m.views)
	if err != nil {
		return err
	}
	scratch, ok := c.shared.scratch.Get().(*copyStore)
	if !ok {
		scratch = newCopyStore(&gate{})
	}
	defer c.shared.scratch.Put(scratch)
	m.store = store
	err = m.instantiate(scratch, c.memoryLimit(m.limits))
	m.linear.backing = store // it is closed in any case
	if err != nil {
		return err
	}
	return m.linear.moveTo(store, m.memory, size)
}

// freshMemory is the memory of an instance that has not been started, up to its last byte that is not zero. It is one for
// all machines of the module, which need it to doze and to wake. Nobody writes to it.
func (c *CompiledModule) freshMemory() ([]byte, error) {
	s := c.shared
	s.once.Do(func() { s.fresh, s.freshErr = c.instantiated() })
	return s.fresh, s.freshErr
}

func (c *CompiledModule) instantiated() ([]byte, error) {
	store := newCopyStore(&gate{})
	m := &Machine{module: c}
	if err := m.instantiate(store, 0); err != nil {
		return nil, errors.Join(err, m.shed())
	}
	memory := store.memory
	for len(memory) > 0 && memory[len(memory)-1] == 0 {
		memory = memory[:len(memory)-1]
	}
	return append([]byte(nil), memory...), m.shed()
}
