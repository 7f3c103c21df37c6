package sdk

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The garbage collector of a guest must not run inside queries. A query's effects are undone, so one
// that starts a collection pays for it and leaves the heap as full as it was, and the next query pays
// again: a machine whose last command left little room would answer every query ten times slower.
// So the guest collects between commands, when the heap has doubled, as Go does by default; and the
// runtime's own trigger stands far behind, for a single command that allocates very much.
const (
	// collectEvery is how many commands pass between two looks at the heap. A look costs some 3 us.
	collectEvery = 256
	// collectAtLeast is the heap, in bytes, below which no collection is worth its half millisecond.
	collectAtLeast = 4 << 20
	// collectPercent puts the runtime's trigger at no less than 3.8 times the live heap.
	collectPercent = 400
)

// The samples, in the order in which heap holds them.
const (
	heapLive = iota
	heapObjects
)

var (
	heap = []metrics.Sample{
		heapLive:    {Name: "/gc/heap/live:bytes"},
		heapObjects: {Name: "/memory/classes/heap/objects:bytes"},
	}
	sinceLook int
)

func init() { debug.SetGCPercent(collectPercent) }

// collect is called after each command. It is as deterministic as the machine: its inputs are the
// heap and a count of commands.
func collect() {
	if sinceLook++; sinceLook < collectEvery {
		return
	}
	sinceLook = 0
	metrics.Read(heap)
	if heap[heapObjects].Value.Uint64() >= max(collectAtLeast, 2*heap[heapLive].Value.Uint64()) {
		runtime.GC()
	}
}
