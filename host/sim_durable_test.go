package host

import (
	"bytes"
	"fmt"

	"github.com/groutlabs/grout/consensus"
	"github.com/groutlabs/grout/consensus/durable"
)

// simDevice keeps a log in production's store, beside the simLogContent that says what must be in it.
type simDevice struct {
	w     *simWorld
	files *simVFS
	store *durable.Store
	log   *durable.GroupLog
	// asked are changes of which nobody knows how many survived.
	asked []simWrite
}

func newSimDevice(w *simWorld) *simDevice { return &simDevice{w: w, files: newSimVFS()} }

// load opens the store and finds in it what must be there.
func (d *simDevice) load(l *simLog) (consensus.Restored, error) {
	store, err := durable.Open(durable.Config{Dir: "host", FS: d.files, MemTableBytes: 256 << 10, CacheBytes: 64 << 10})
	if err != nil {
		return consensus.Restored{}, err
	}
	d.store, d.log = store, store.Group(uint64(simGroup))
	d.w.stats.opened++
	restored, err := d.log.Load()
	if err != nil {
		return consensus.Restored{}, d.closed(err)
	}
	content := &l.disk.log
	differs := d.differs(content, &restored)
	for i := 0; differs != "" && i < len(d.asked); i++ {
		if err := d.asked[i].apply(content); err != nil {
			d.w.fail("%s asks its log for the impossible: %v", l.life.node.name, err)
		}
		if again := d.differs(content, &restored); again == "" {
			differs = ""
		} else {
			differs += "; " + again
		}
	}
	d.asked = nil
	if differs == "" && unforgotten(content, &restored) > 0 {
		first := restored.Entries[0]
		content.before = consensus.Cursor{Index: first.Index - 1, Term: d.w.truth.entries[first.Position()].before}
		content.entries = restored.Entries
	}
	if differs != "" {
		d.w.fail("the store of %s lost or made up something: %s", l.life.node.name, differs)
	}
	return restored, nil
}

func (d *simDevice) closed(err error) error {
	d.files.die()
	_ = d.store.Close() // the process ends anyway
	d.files = d.files.after(false, 0)
	d.store = nil
	return err
}

// differs says how a store's content differs from what must be there, "" when it does not.
func (d *simDevice) differs(want *simLogContent, got *consensus.Restored) string {
	if got.HardState != want.hard {
		return fmt.Sprintf("hard state %+v, not %+v", got.HardState, want.hard)
	}
	if (got.Snapshot == nil) != (want.snapshot == nil) || got.Snapshot != nil &&
		(got.Snapshot.Anchor != want.snapshot.Anchor || !bytes.Equal(got.Snapshot.Manifest, want.snapshot.Manifest) ||
			!got.Snapshot.Configuration.Equal(want.snapshot.Configuration)) {
		return fmt.Sprintf("snapshot %+v, not %+v", got.Snapshot, want.snapshot)
	}
	more := unforgotten(want, got)
	if len(got.Entries)-more != len(want.entries) {
		return fmt.Sprintf("%d entries, %d of them to be forgotten, not %d after %s", len(got.Entries), more, len(want.entries), want.before)
	}
	for i, e := range got.Entries[more:] {
		if w := want.entries[i]; e.Position() != w.Position() || e.Kind != w.Kind || !bytes.Equal(e.Payload, w.Payload) {
			return fmt.Sprintf("entry %s, not %s", e, w)
		}
	}
	for key, value := range want.records {
		if stored, _, err := d.store.Meta(key); err != nil || !bytes.Equal(stored, value) {
			return fmt.Sprintf("record %s is %x, not %x: %v", key, stored, value, err)
		}
	}
	return ""
}

// unforgotten is how many entries the store has that it was allowed to forget, and has not yet.
func unforgotten(want *simLogContent, got *consensus.Restored) int {
	n := 0
	for n < len(got.Entries) && got.Entries[n].Index <= want.before.Index {
		n++
	}
	return n
}

// submit asks the store for changes, and returns a function that waits for their end.
func (d *simDevice) submit(ops []simWrite) (wait func() error) {
	results := make(chan error, len(ops))
	waiting := 0
	for _, op := range ops {
		switch {
		case op.write != nil:
			d.log.Append(*op.write, func(err error) { results <- err })
		case op.save != nil:
			go func() { results <- d.log.SaveSnapshot(*op.save) }()
		case op.record != nil:
			go func() { results <- d.store.SetMeta(op.record.key, op.record.value) }()
		default:
			results <- d.log.Compact(op.compact)
		}
		waiting++
	}
	return func() (failed error) {
		for range waiting {
			if err := <-results; err != nil && failed == nil {
				failed = err
			}
		}
		return failed
	}
}

// groups splits changes so that what goes to the store together is in a fixed order there: only writes
// and what need not be durable can be queued without waiting.
func groups(ops []simWrite) [][]simWrite {
	var out [][]simWrite
	for from, i := 0, 0; i < len(ops); i++ {
		if last := i+1 == len(ops); last || ops[i].save != nil || ops[i].record != nil || ops[i+1].save != nil || ops[i+1].record != nil {
			out = append(out, ops[from:i+1])
			from = i + 1
		}
	}
	return out
}

// keep makes changes durable, and reports what the store said.
func (d *simDevice) keep(l *simLog, ops []simWrite) error {
	d.files.mu.Lock()
	d.files.full, d.files.syncFails = l.disk.full, l.disk.syncFails
	d.files.mu.Unlock()
	for _, group := range groups(ops) {
		if err := d.submit(group)(); err != nil {
			d.w.trace.note("the store of %s fails: %v", l.life.node.name, err)
			d.w.stats.storesFailed++
			d.asked = ops
			return err
		}
		l.keep(group)
		ops = ops[len(group):]
	}
	return nil
}

// crash is the end of the process after some changes reached the files. When the power fails, the last of
// them was being synced.
func (d *simDevice) crash(l *simLog, ops []simWrite, power bool) {
	if d.store == nil {
		return
	}
	seed := d.w.rng.Uint64()
	if l.failed == nil && len(ops) > 0 {
		d.asked = ops
		cut := 0
		if power {
			cut = 1
		}
		for _, group := range groups(ops[:len(ops)-cut]) {
			_ = d.submit(group)() // the next load looks at what became of it
		}
		if power {
			d.tear(ops[len(ops)-1:])
		}
	}
	d.files.die()
	_ = d.store.Close() // the process has ended: nobody asks
	d.store, d.files = nil, d.files.after(power, seed)
}

// tear asks for one change whose sync does not end before the power does.
func (d *simDevice) tear(ops []simWrite) {
	held := make(chan struct{})
	d.files.mu.Lock()
	d.files.held = held
	d.files.mu.Unlock()
	done := make(chan error, 1)
	wait := d.submit(ops)
	go func() { done <- wait() }()
	if ops[0].write == nil && ops[0].save == nil && ops[0].record == nil {
		<-done // forgetting is queued, and may never be written
		return
	}
	d.w.stats.tornWrites++
	<-held
}

// flip flips a bit of what was written to the newest write-ahead log.
func (d *simDevice) flip() bool {
	f := d.files.newestLog()
	if f == nil || f.written == 0 {
		return false
	}
	d.files.mu.Lock()
	defer d.files.mu.Unlock()
	bit := d.w.rng.IntN(8 * f.written)
	f.data[bit/8] ^= 1 << (bit % 8)
	d.w.trace.note("byte %d of %d of the newest log is damaged", bit/8, f.written)
	f.grow(&f.synced, len(f.data))
	f.synced[bit/8] = f.data[bit/8]
	return true
}
