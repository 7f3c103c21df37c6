package wasmsm

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// largeMachine is a Go guest with 256 MiB of memory, nearly all of it filled.
func largeMachine(b *testing.B) *Machine {
	b.Helper()
	r := newTestRuntime(b, Config{Limits: Limits{MemoryBytes: 320 << 20}})
	m := newTestMachine(b, r, goGuest(b), MachineConfig{})
	mustApply(b, m, 1, []byte("grow 250"), Applied)
	mustApply(b, m, 2, []byte("fill"), Applied)
	mustApply(b, m, 3, []byte("add x"), Applied)
	if err := m.Show(at(3)); err != nil {
		b.Fatal(err)
	}
	return m
}

// median is that of n runs of do, each of which returns how long what matters took.
func median(n int, do func() time.Duration) time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = do()
	}
	slices.Sort(all)
	return all[n/2]
}

func timed(do func() error) (time.Duration, error) {
	before := time.Now()
	err := do()
	return time.Since(before), err
}

// copying is how long a plain copy of a machine's whole memory takes.
func copying(m *Machine) time.Duration {
	from, to := make([]byte, m.linear.size), make([]byte, m.linear.size)
	copy(from, to) // no page faults later
	return median(7, func() time.Duration {
		before := time.Now()
		copy(to, from)
		return time.Since(before)
	})
}

// BenchmarkMemory shows what a machine of 256 MiB pays around a command, as medians, and how many times
// a copy of its memory takes as long. The goals are 200 for a checkpoint and 500 for a rollback.
func BenchmarkMemory(b *testing.B) {
	m := largeMachine(b)
	copied := copying(m)
	index := 10
	measure := func(name string, do func() error, prepare func()) {
		b.Run(name, func(b *testing.B) {
			took := median(max(b.N, 101), func() time.Duration {
				index++
				prepare()
				d, err := timed(do)
				if err != nil {
					b.Fatal(err)
				}
				return d
			})
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(took)/1e3, "µs")
			b.ReportMetric(float64(copied)/float64(took), "memcpy-ratio")
		})
	}
	measure("copy", func() error { return nil }, func() {})
	measure("checkpoint", m.settle, func() {
		m.journal.window = maxJournalCommands
		mustApply(b, m, index, []byte("add x"), Applied)
	})
	measure("rollback", m.rollback, func() {
		if o, err := m.run(m.apply, callApply, at(uint64(index)), []byte("refuse it")); err != nil || o.Kind != Refused {
			b.Fatal(o, err)
		}
	})
	for _, pages := range []int{1, 16, 256, 4000} {
		measure(fmt.Sprintf("changes of %d pages", pages), func() error { _, err := m.Changes(); return err }, func() {
			mustApply(b, m, index, fmt.Appendf(nil, "touch %d", pages), Applied)
			if err := m.settle(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// queries counts the queries that some views answer in a while, and the median time of one.
func queries(b *testing.B, m *Machine, views int, while time.Duration) (perSecond float64, one time.Duration) {
	var all sync.WaitGroup
	times := make([][]time.Duration, views)
	stop := time.Now().Add(while)
	for i := range views {
		v := newTestView(b, m)
		all.Go(func() {
			v.Hold()
			defer v.Release()
			for last := time.Now(); last.Before(stop); {
				o, _, err := v.Query("", []byte("get x"))
				if err != nil || o.Kind != Applied {
					b.Error(o, err)
					return
				}
				now := time.Now()
				times[i] = append(times[i], now.Sub(last))
				last = now
			}
		})
	}
	all.Wait()
	joined := slices.Concat(times...)
	slices.Sort(joined)
	return float64(len(joined)) / while.Seconds(), joined[len(joined)/2]
}

// BenchmarkViews shows how many queries one and two views answer, and the median time of one, undone and all, alone
// and beside a machine that applies commands without a pause. Where others use the processors too, compare the processor
// time of a query, which is that of everything in this process.
func BenchmarkViews(b *testing.B) {
	m := largeMachine(b)
	report := func(name string, views int, writer func(stop <-chan struct{})) {
		b.Run(name, func(b *testing.B) {
			stop := make(chan struct{})
			var writing sync.WaitGroup
			writing.Go(func() { writer(stop) })
			before := cpuTime()
			rate, one := queries(b, m, views, 500*time.Millisecond)
			used := cpuTime() - before
			close(stop)
			writing.Wait()
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(used)/1e3/(rate/2), "cpu-µs/query")
			b.ReportMetric(rate, "queries/s")
			b.ReportMetric(float64(one)/1e3, "µs/query")
		})
	}
	b.Run("the guest alone", func(b *testing.B) {
		took := median(max(b.N, 1001), func() time.Duration {
			d, _ := timed(func() error { _, err := m.run(m.query, callQuery, at(3), []byte("get x")); return err })
			return d
		})
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(took)/1e3, "µs/query")
	})
	if err := m.rollback(); err != nil {
		b.Fatal(err)
	}
	nothing := func(<-chan struct{}) {}
	index := 100
	busy := func(stop <-chan struct{}) {
		for {
			select {
			case <-stop:
				return
			default:
				index++
				mustApply(b, m, index, []byte("add x"), Applied)
			}
		}
	}
	report("one view", 1, nothing)
	report("two views", 2, nothing)
	report("one view and a writer", 1, busy)
}
