package consensus

import (
	"fmt"
	"testing"
)

// benchGroup is three members in memory whose disks are never slow and whose network loses nothing. It
// has none of the checks of a cluster, so that what is measured is the core.
type benchGroup struct {
	b       *testing.B
	cores   []*Core
	network []Envelope
	applied int
	reads   int
}

func newBenchGroup(b *testing.B) *benchGroup {
	g := &benchGroup{b: b}
	for id := MemberID(1); id <= 3; id++ {
		config := testConfig(id, Configuration{Voters: []MemberID{1, 2, 3}})
		config.MaxMessageBytes, config.MaxInflightMessages, config.MaxPendingReads = 1<<20, 64, 1<<16
		core, err := New(config, Restored{})
		if err != nil {
			b.Fatal(err)
		}
		g.cores = append(g.cores, core)
	}
	for range 100 {
		if g.cores[0].Role() == Leader {
			return g
		}
		g.cores[0].Tick()
		g.settle()
	}
	b.Fatal("no leader was elected")
	return nil
}

// settle gives everybody their turns until nothing is left to do.
func (g *benchGroup) settle() {
	for {
		busy := false
		for _, core := range g.cores {
			for core.HasReady() {
				g.turn(core)
				busy = true
			}
		}
		mail := g.network
		g.network = nil
		for _, m := range mail {
			if err := g.cores[m.To-1].Step(m.From, m.Message); err != nil {
				g.b.Fatal(err)
			}
		}
		if !busy && len(mail) == 0 {
			return
		}
	}
}

func (g *benchGroup) turn(core *Core) {
	rd := core.Ready()
	g.network = append(g.network, rd.Messages...)
	g.reads += len(rd.Reads)
	if core == g.cores[0] {
		g.applied += len(rd.Committed)
	}
	if rd.Write != nil {
		core.Persisted(rd.Write.Seq)
	}
}

// compact keeps the logs short, as the snapshots of a host do.
func (g *benchGroup) compact() {
	for _, core := range g.cores {
		meta, err := core.SnapshotAt(core.log.handed, nil)
		if err != nil {
			g.b.Fatal(err)
		}
		core.SnapshotTaken(meta, meta.Anchor.Index)
	}
}

// BenchmarkProposeAndCommit measures a proposal of 128 bytes from Propose to its application at the
// leader, the work of both followers included. An op is one proposal.
func BenchmarkProposeAndCommit(b *testing.B) {
	for _, size := range []int{1, 64} {
		b.Run(fmt.Sprintf("group=%d", size), func(b *testing.B) {
			g := newBenchGroup(b)
			payloads := make([][]byte, size)
			for i := range payloads {
				payloads[i] = make([]byte, 128)
			}
			before, rounds := g.applied, (b.N+size-1)/size
			b.ReportAllocs()
			b.ResetTimer()
			for round := range rounds {
				if _, _, err := g.cores[0].Propose(EntryCommand, payloads...); err != nil {
					b.Fatal(err)
				}
				g.settle()
				if (round+1)*size%4096 == 0 {
					g.compact()
				}
			}
			b.StopTimer()
			if got := g.applied - before; got != rounds*size {
				b.Fatalf("%d proposals were applied, want %d", got, rounds*size)
			}
		})
	}
}

// BenchmarkReadIndex measures linearizable reads that share rounds of confirmation. An op is one read.
func BenchmarkReadIndex(b *testing.B) {
	for _, size := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			g := newBenchGroup(b)
			rounds := (b.N + size - 1) / size
			b.ReportAllocs()
			b.ResetTimer()
			for round := range rounds {
				for i := range size {
					if err := g.cores[0].ReadIndex(uint64(round*size + i)); err != nil {
						b.Fatal(err)
					}
				}
				g.settle()
			}
			b.StopTimer()
			if g.reads != rounds*size {
				b.Fatalf("%d reads were answered, want %d", g.reads, rounds*size)
			}
		})
	}
}
