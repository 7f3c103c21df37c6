// Package benchkit is what the benchmarks of whole hosts share: three host processes with one group, clients that write to it
// without a pause and remember what was acknowledged, and what a process takes of the machine.
package benchkit
