package host

import (
	"errors"
	"maps"
	"syscall"

	"github.com/groutlabs/grout/consensus"
)

// simLog is a Log whose writes become durable when the seed says so: all that are queued together, in
// their order, as in production's store. Their content goes to a simLogContent, and in some seeds to
// production's store as well.
type simLog struct {
	life   *simLife
	disk   *simDisk
	queue  []simWrite
	flight []simWrite
	failed error
}

// simWrite is one change: a write, a snapshot's description, or an index up to which to forget.
type simWrite struct {
	write   *consensus.Write
	save    *consensus.SnapshotMeta
	compact consensus.Index
	record  *simRecord
	done    func(error)
}

// simRecord is a host's record.
type simRecord struct {
	key   string
	value []byte
}

var errDamaged = errors.New("simulated: the log is damaged")

// Append implements Log.
func (l *simLog) Append(w consensus.Write, done func(error)) {
	l.disk.w.truth.written(l.life, &w)
	l.add(simWrite{write: &w, done: done})
}

func (l *simLog) add(op simWrite) {
	if l.life.dead {
		return
	}
	l.queue = append(l.queue, op)
	l.begin()
}

// begin starts a sync of everything that is queued, unless one is under way.
func (l *simLog) begin() {
	if len(l.flight) > 0 || len(l.queue) == 0 {
		return
	}
	l.flight, l.queue = l.queue, nil
	delay := l.disk.delay()
	if n := l.life.node; n.ambush != nil {
		l.disk.w.after(l.disk.w.between(0, delay-1), "ambush", n.ambush)
		n.ambush = nil
	}
	l.disk.w.place(&simEvent{at: l.disk.w.now + delay, kind: "synced", life: l.life, device: true, do: l.synced})
}

// synced is the end of a sync. Those who wait hear of it when their process runs.
func (l *simLog) synced() {
	if len(l.flight) > 0 {
		ops := l.flight
		l.flight = nil
		l.end(ops)
	}
	l.begin()
}

// end makes changes durable, and tells those who wait.
func (l *simLog) end(ops []simWrite) {
	if err := l.store(ops); err != nil && l.failed == nil {
		l.failed = err
	}
	err := l.failed
	l.life.place(0, "told", func() {
		for _, op := range ops {
			if op.done != nil {
				op.done(err)
			}
		}
	})
}

// wait makes one more change durable, after all that came before it, while its caller waits: background
// work, or the loop.
func (l *simLog) wait(op simWrite) error {
	if l.life.dead {
		return errDead
	}
	if task := l.disk.w.current; task != nil {
		result := errDead
		op.done = func(err error) {
			result = err
			task.goOn()
		}
		l.add(op)
		task.wait()
		return result
	}
	ops := append(append(l.flight, l.queue...), op)
	l.flight, l.queue = nil, nil
	l.end(ops)
	return l.failed
}

// store makes the changes durable, or some of them when the device fails.
func (l *simLog) store(ops []simWrite) error {
	if l.failed != nil {
		return l.failed
	}
	w := l.disk.w
	if l.disk.device != nil {
		return l.disk.device.keep(l, ops)
	}
	var failure error
	switch {
	case l.disk.full:
		failure = syscall.ENOSPC
		w.stats.count(faultFull)
	case l.disk.syncFails:
		failure = errSync
		w.stats.count(faultSyncFails)
	}
	if failure != nil {
		ops = ops[:w.rng.IntN(len(ops)+1)]
	}
	l.keep(ops)
	return failure
}

// keep puts changes into the content. None may be one that production's store would refuse.
func (l *simLog) keep(ops []simWrite) {
	for i := range ops {
		if err := ops[i].apply(&l.disk.log); err != nil {
			l.disk.w.fail("%s asks its log for the impossible: %v", l.life.node.name, err)
			return
		}
	}
}

func (op *simWrite) apply(to *simLogContent) error {
	switch {
	case op.write != nil:
		return to.write(op.write)
	case op.save != nil:
		return to.save(*op.save)
	case op.record != nil:
		to.records = maps.Clone(to.records)
		if to.records == nil {
			to.records = map[string][]byte{}
		}
		to.records[op.record.key] = op.record.value
		return nil
	}
	return to.compact(op.compact)
}

// crash is the end of the process: of what it asked for, a beginning may have become durable.
func (l *simLog) crash(power bool) {
	ops := append(l.flight, l.queue...)
	l.flight, l.queue = nil, nil
	some := l.disk.w.rng.IntN(len(ops) + 1)
	if l.failed != nil {
		some = 0
	}
	l.disk.w.stats.lostWrites += len(ops) - some
	if l.disk.device != nil {
		l.disk.device.crash(l, ops[:some], power)
		return
	}
	l.keep(ops[:some])
}

// abandon is the end of a process that has not written anything.
func (l *simLog) abandon() {
	if l.disk.device != nil {
		l.disk.device.crash(l, nil, false)
	}
}

// Load implements Log.
func (l *simLog) Load() (consensus.Restored, error) {
	if l.disk.device != nil {
		return l.disk.device.load(l)
	}
	if l.disk.log.damaged {
		return consensus.Restored{}, errDamaged
	}
	return l.disk.log.restored(), nil
}

// SaveSnapshot implements Log.
func (l *simLog) SaveSnapshot(meta consensus.SnapshotMeta) error {
	err := l.wait(simWrite{save: &meta})
	if err == nil {
		l.disk.w.truth.saved(l.life, meta)
	}
	return err
}

// Meta and SetMeta make a log its host's Records.
func (l *simLog) Meta(key string) ([]byte, error) { return l.disk.log.records[key], nil }

func (l *simLog) SetMeta(key string, value []byte) error {
	return l.wait(simWrite{record: &simRecord{key, value}})
}

// Compact implements Log.
func (l *simLog) Compact(index consensus.Index) error {
	if l.failed != nil {
		return l.failed
	}
	l.add(simWrite{compact: index})
	return nil
}

// Remove implements Log.
func (l *simLog) Remove() error { return errors.New("simulated: nobody removes this log") }
