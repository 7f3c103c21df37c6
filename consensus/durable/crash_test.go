package durable

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/groutlabs/grout/consensus"
)

// diary is what was asked of one group in one life, and how much of it was acknowledged.
type diary struct {
	start  *model
	now    *model
	steps  []func(m *model)
	asked  atomic.Int64
	acked  atomic.Int64
	window chan struct{}
}

func newDiary(start *model) *diary {
	return &diary{start: start, now: start.clone(), window: make(chan struct{}, 6)}
}

// ask records a step before it is asked of the store, and returns the function that acknowledges it.
func (d *diary) ask(step func(m *model)) func() {
	step(d.now)
	d.steps = append(d.steps, step)
	number := d.asked.Add(1)
	return func() { d.acked.Store(number) }
}

// crash is a file system as it may look after the power failed, and what had been promised by then.
type crash struct {
	fs           *vfs.MemFS
	asked, acked []int64
}

// crasher makes crashes at chosen operations on the file system, each before it is carried out.
type crasher struct {
	fs      *vfs.MemFS
	diaries []*diary

	mu      sync.Mutex
	rng     *rand.Rand
	count   int
	next    int
	crashes []crash
}

const crashEvery = 12

func (c *crasher) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count++; c.count < c.next {
		return nil
	}
	c.next = c.count + 1 + c.rng.IntN(2*crashEvery)
	crash := crash{}
	for _, d := range c.diaries {
		crash.acked = append(crash.acked, d.acked.Load())
	}
	percent := []int{0, 1 + c.rng.IntN(99), 100}[c.rng.IntN(3)]
	crash.fs = c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng})
	for _, d := range c.diaries {
		crash.asked = append(crash.asked, d.asked.Load())
	}
	c.crashes = append(c.crashes, crash)
	return nil
}

func (c *crasher) String() string { return "crasher" }

// After a power failure at any operation, during Open included, every group holds what was acknowledged, and
// beyond it only a beginning of what was asked. Life goes on from one of the crashes. (The seed replays the
// writes and the choices, not the schedule of goroutines.)
func TestPowerLoss(t *testing.T) {
	rng := newRand(t)
	fs := vfs.NewCrashableMem()
	models := []*model{newModel(0), newModel(1), newModel(2), newModel(3), newModel(4)}
	checked := 0
	for range 12 {
		c := &crasher{fs: fs, rng: rand.New(rand.NewPCG(rng.Uint64(), 2)), next: 1 + rng.IntN(crashEvery)}
		for _, m := range models {
			c.diaries = append(c.diaries, newDiary(m))
		}
		liveOnce(t, rng, c)
		if len(c.crashes) == 0 {
			continue
		}
		follow := rng.IntN(len(c.crashes))
		for i, crash := range c.crashes {
			survivors := crash.verify(t, c.diaries)
			checked++
			if i == follow {
				fs, models = crash.fs, survivors
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d crashes checked", checked)
}

// liveOnce opens the store, asks random things of random groups, and closes it.
func liveOnce(t *testing.T, rng *rand.Rand, c *crasher) {
	t.Helper()
	s := mustOpen(t, memConfig(errorfs.Wrap(c.fs, c)))
	defer mustClose(t, s)
	var pending sync.WaitGroup
	for range 400 {
		d := c.diaries[rng.IntN(len(c.diaries))]
		step(t, rng, s.Group(d.start.group), d, &pending)
	}
	pending.Wait()
}

func step(t *testing.T, rng *rand.Rand, g *GroupLog, d *diary, pending *sync.WaitGroup) {
	t.Helper()
	switch m := d.now; {
	case rng.IntN(40) == 0 && m.last() > 0:
		install := rng.IntN(3) == 0
		anchor := consensus.Cursor{Index: m.last(), Term: m.termAt(m.last())}
		if install {
			anchor = consensus.Cursor{Index: m.last() + 5, Term: m.hard.Term}
		}
		meta := testMeta(anchor)
		ack := d.ask(func(m *model) { m.save(meta, install) })
		save := g.SaveSnapshot
		if install {
			save = func(meta consensus.SnapshotMeta) error { return installSnapshot(g, meta) }
		}
		if err := save(meta); err != nil {
			t.Fatal(err)
		}
		ack()
	case rng.IntN(40) == 0 && m.snapshot != nil:
		index := m.snapshot.Anchor.Index
		d.ask(func(m *model) { m.compact(index) })
		if err := g.Compact(index); err != nil {
			t.Fatal(err)
		}
	default:
		w := m.randomWrite(rng)
		d.window <- struct{}{}
		ack := d.ask(func(m *model) { m.apply(w) })
		pending.Add(1)
		g.Append(w, func(err error) {
			if err != nil {
				t.Errorf("Append: %v", err)
			}
			ack()
			<-d.window
			pending.Done()
		})
	}
}

// verify opens a copy of the crashed file system, so that the crash itself can be lived on, and returns what survived.
func (c crash) verify(t *testing.T, diaries []*diary) []*model {
	t.Helper()
	s, err := Open(memConfig(c.fs.CrashClone(vfs.CrashCloneCfg{})))
	if err != nil {
		t.Errorf("Open after a crash: %v", err)
		return nil
	}
	defer mustClose(t, s)
	var survivors []*model
	for i, d := range diaries {
		restored, err := s.Group(d.start.group).Load()
		if err != nil {
			t.Errorf("Load after a crash: %v", err)
			return nil
		}
		survivor, diffs := d.match(restored, c.acked[i], c.asked[i])
		if survivor == nil {
			t.Errorf("group %d matches none of its states %d to %d: %s", d.start.group, c.acked[i], c.asked[i], diffs)
			return nil
		}
		survivors = append(survivors, survivor)
	}
	return survivors
}

// match returns the state between acked and asked that restored equals.
func (d *diary) match(restored consensus.Restored, acked, asked int64) (*model, string) {
	m := d.start.clone()
	var diffs []string
	for i := int64(0); ; i++ {
		if i >= acked {
			diff := m.differs(restored)
			if diff == "" {
				return m, ""
			}
			diffs = append(diffs, diff)
		}
		if i == asked {
			return nil, strings.Join(diffs, "; ")
		}
		d.steps[i](m)
	}
}
