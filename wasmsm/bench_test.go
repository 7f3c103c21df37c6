package wasmsm

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// benchEachMemory runs a benchmark with every kind of memory that this system has.
func benchEachMemory(b *testing.B, run func(b *testing.B, m *Machine)) {
	for name, kind := range map[string]MemoryKind{"copy": MemoryCopy, "cow": MemoryCopyOnWrite} {
		b.Run(name, func(b *testing.B) {
			r, err := NewRuntime(Config{Memory: kind, CacheDir: compiled})
			if err != nil {
				b.Skip(err)
			}
			defer r.Close()
			c, err := r.Compile(goGuest(b))
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			m, err := c.New(MachineConfig{})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			run(b, m)
		})
	}
}

func mustApply(b *testing.B, m *Machine, i int, command []byte, want OutcomeKind) {
	entry := EntryContext{Index: uint64(i), Term: 1, TimeNanos: int64(i) * 1000}
	outcome, err := m.Apply(entry, command)
	if err != nil || outcome.Kind != want {
		b.Fatalf("%s: %+v, %v", command, outcome, err)
	}
}

// BenchmarkApply shows what an applied command of a Go guest costs.
func BenchmarkApply(b *testing.B) {
	benchEachMemory(b, func(b *testing.B, m *Machine) {
		b.ReportAllocs()
		command := []byte("add counter")
		i := 0
		defer reportCPU(b)()
		for b.Loop() {
			i++
			mustApply(b, m, i, command, Applied)
		}
	})
}

// BenchmarkApplySpread shows the same for commands that touch a map of 10,000 keys.
func BenchmarkApplySpread(b *testing.B) {
	benchEachMemory(b, func(b *testing.B, m *Machine) {
		var commands [10_000][]byte
		for i := range commands {
			commands[i] = fmt.Appendf(nil, "add key-%d", i*7919%len(commands))
			mustApply(b, m, i, commands[i], Applied)
		}
		b.ReportAllocs()
		i := 0
		defer reportCPU(b)()
		for b.Loop() {
			i++
			mustApply(b, m, i, commands[i%len(commands)], Applied)
		}
	})
}

// BenchmarkApplyRefused shows what a refused command costs, the rollback included.
func BenchmarkApplyRefused(b *testing.B) {
	benchEachMemory(b, func(b *testing.B, m *Machine) {
		b.ReportAllocs()
		command := []byte("refuse this")
		i := 0
		defer reportCPU(b)()
		for b.Loop() {
			i++
			mustApply(b, m, i, command, Refused)
		}
	})
}

// BenchmarkApplyLarge shows what 64 MiB of memory that the commands do not touch costs.
func BenchmarkApplyLarge(b *testing.B) {
	benchEachMemory(b, func(b *testing.B, m *Machine) {
		mustApply(b, m, 1, []byte("grow 64"), Applied)
		b.ReportAllocs()
		command := []byte("add counter")
		i := 1
		defer reportCPU(b)()
		for b.Loop() {
			i++
			mustApply(b, m, i, command, Applied)
		}
	})
}

// BenchmarkQuery shows what a query costs, its rollback included.
func BenchmarkQuery(b *testing.B) {
	benchEachMemory(b, func(b *testing.B, m *Machine) {
		mustApply(b, m, 1, []byte("add counter"), Applied)
		b.ReportAllocs()
		query := []byte("get counter")
		defer reportCPU(b)()
		for b.Loop() {
			outcome, err := m.Query(EntryContext{Index: 1}, query)
			if err != nil || outcome.Kind != Applied {
				b.Fatal(outcome, err)
			}
		}
	})
}

// reportCPU reports the CPU time from here to the call of what it returns.
func reportCPU(b *testing.B) func() {
	before := cpuTime()
	return func() { b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op") }
}

// cpuTime is what this process used so far: on a busy machine it says more than the time of day.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
