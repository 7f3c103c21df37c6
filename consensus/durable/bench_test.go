package durable

import (
	"os"
	"testing"

	"github.com/groutlabs/grout/consensus"
)

func benchDir(b *testing.B) string {
	if dir := os.Getenv("GROUT_BENCH_DIR"); dir != "" {
		return dir
	}
	return b.TempDir()
}

// benchmarkAppend appends to so many groups at once, one write in flight in each, and forgets the old.
func benchmarkAppend(b *testing.B, groups, entries int) {
	s := mustOpen(b, Config{Dir: benchDir(b)})
	defer mustClose(b, s)
	b.ReportAllocs()
	done := make(chan int, groups)
	next := make([]consensus.Index, groups)
	write := func(id int) {
		batch := makeBench(next[id]+1, entries)
		next[id] += consensus.Index(entries)
		s.Group(uint64(id)).Append(consensus.Write{Entries: batch}, func(err error) {
			if err != nil {
				b.Error(err)
			}
			done <- id
		})
	}
	started := 0
	for ; started < min(groups, b.N); started++ {
		next[started] = benchStart(b, s.Group(uint64(started)))
	}
	b.ResetTimer()
	for id := range started {
		write(id)
	}
	for finished := 0; finished < b.N; finished++ {
		id := <-done
		if started < b.N {
			started++
			write(id)
		}
	}
	b.StopTimer()
	stats := s.Stats()
	b.ReportMetric(float64(stats.Writes)/float64(stats.Batches), "writes/sync")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

var benchPayload = randomBytes(1, 128)

func makeBench(first consensus.Index, n int) []consensus.LogEntry {
	entries := make([]consensus.LogEntry, n)
	for i := range entries {
		entries[i] = consensus.LogEntry{
			Term: 1, Index: first + consensus.Index(i), Kind: consensus.EntryCommand, Payload: benchPayload,
		}
	}
	return entries
}

// benchStart returns the last index of a group, which is not 0 in a folder that is used again.
func benchStart(b *testing.B, g *GroupLog) consensus.Index {
	restored := mustLoad(b, g)
	return consensus.Index(len(restored.Entries))
}

func BenchmarkAppendSync1(b *testing.B)          { benchmarkAppend(b, 1, 1) }
func BenchmarkAppendSync64(b *testing.B)         { benchmarkAppend(b, 1, 64) }
func BenchmarkAppendSync1Groups100(b *testing.B) { benchmarkAppend(b, 100, 1) }
func BenchmarkAppendSync64Groups100(b *testing.B) {
	benchmarkAppend(b, 100, 64)
}
