// Command compare measures the durable log beside the libraries it could have been built on, and beside the
// floor: a bare write and fdatasync in a preallocated file. It prints one Markdown table.
//
//	go run . -dir /path/on/the/device -rounds 3
//
// Every engine stores entries of 128 bytes and syncs before it reports them, as a member of a Raft group
// has to. One group has one writer; a hundred groups have one writer each, at once, on one host:
// Grout's log and bbolt hold all of them in one store, hashicorp/raft-wal has one log for each. The hard state
// (term and vote) is written as an election would. Latencies are the median over the rounds, which
// take turns, so that a noisy neighbour meets every engine.
//
// It is a module of its own, so that none of the libraries it compares reaches Grout's.
package main
