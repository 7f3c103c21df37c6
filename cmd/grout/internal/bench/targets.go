package main

import (
	"fmt"
	"time"
)

// table is every row that was measured.
type table []row

// add keeps a row and prints it.
func (t *table) add(r row) {
	if r.latency == nil {
		return // not asked for
	}
	*t = append(*t, r)
	r.print()
}

func (t table) find(name string, clients int) (row, bool) {
	for _, r := range t {
		if r.name == name && r.clients == clients {
			return r, true
		}
	}
	return row{}, false
}

// target is a ratio of two rows of one run that is to be reached: the rate of one, with so many clients, to that
// of floor with base clients.
type target struct {
	what          string
	rate, floor   string
	clients, base int
	least         float64
}

// The names of the rows.
const (
	rowNATS      = "bare NATS request/reply"
	rowDisk      = "bare append + fsync, group commit"
	rowWrite     = "Grout write (kv put)"
	rowPipelined = "Grout write, pipelined (kv put)"
	rowRead      = "Grout linearizable read (kv get)"
	rowStale     = "Grout stale read (kv get)"
	rowReadMixed = "Grout linearizable read, writers too"
	rowGroups    = "Grout write, 64 groups (kv put)"
	rowWriteHere = "Grout write, in process (kv put)"
	rowReadHere  = "Grout read, in process (kv get)"
)

var targets = []target{
	{"writes, 256 clients, to bare NATS", rowWrite, rowNATS, 256, 256, 0.5},
	{"writes, 64 clients, to bare NATS", rowWrite, rowNATS, 64, 64, 0.35},
	{"writes, 16 clients, to bare append + fsync", rowWrite, rowDisk, 16, 16, 0.6},
	{"linearizable reads, 256 clients, to bare NATS", rowRead, rowNATS, 256, 256, 0.6},
	{"the same beside writers at half load", rowReadMixed, rowNATS, 256, 256, 0.4},
	{"stale reads, 256 clients, to bare NATS", rowStale, rowNATS, 256, 256, 0.8},
	{"writes of one pipelined client, to those of 256 clients", rowPipelined, rowWrite, 1, 256, 1.5},
	{"writes to 64 groups, to those to one", rowGroups, rowWrite, 256, 256, 1},
	{"writes in process, to those of 256 clients over NATS", rowWriteHere, rowWrite, 256, 256, 1.5},
	{"linearizable reads in process, to those over NATS", rowReadHere, rowRead, 256, 256, 2},
}

// printTargets prints how far the run came.
func (t table) printTargets() {
	fmt.Println("\n| ratio, in this run | reached | target |")
	fmt.Println("|---|---|---|")
	for _, target := range targets {
		rate, measured := t.find(target.rate, target.clients)
		floor, both := t.find(target.floor, target.base)
		if measured && both {
			printTarget(target.what, rate.rate/floor.rate, fmt.Sprintf("at least %g", target.least))
		}
	}
	one, measured := t.find(rowWrite, 1)
	sync, disk := t.find(rowDisk, 1)
	request, nats := t.find(rowNATS, 1)
	if measured && disk && nats {
		printTarget("a write of one client, p50, to one fsync and two NATS requests",
			float64(one.median())/float64(sync.median()+2*request.median()), "at most 1.6")
	}
	if w, ok := t.find(rowWrite, 64); ok {
		printTarget("writes, 64 clients, p99 to p50", float64(w.latency.ValueAtQuantile(99))/float64(w.median()), "at most 4")
	}
}

func printTarget(what string, reached float64, goal string) {
	fmt.Printf("| %-62s | %7.2f | %-13s |\n", what, reached, goal)
}

func (r row) median() time.Duration { return time.Duration(r.latency.ValueAtQuantile(50)) }
