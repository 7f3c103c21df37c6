// Package wasmsm runs state machines that were compiled to WebAssembly. It is a sandbox with three
// promises beyond isolation:
//
//   - A command is a pure function of the state, the entry and the command's bytes: clocks, random
//     numbers and everything else that a guest can ask for derive from them (docs/ABI.md).
//   - State is the memory's pages and the mutable globals, whole. Image and Restore move it to
//     another instance of the same module, in another process, which goes on identically.
//   - A command that is refused or traps, and every query, leaves no trace: memory, memory size and
//     globals are as before.
//
// A Runtime compiles modules (after wasmsm/prepare checked and rewrote them), a CompiledModule makes
// machines, a Machine applies commands, and its Views answer queries meanwhile. A Machine and a View are used by one
// goroutine at a time each; the other two are safe for concurrent use.
//
// Start reading at Machine.Apply in machine.go. The memory behind a machine is a store (memory.go):
// on Linux a private mapping over a file that holds the last checkpoint (memory_cow_linux.go),
// elsewhere a plain copy (memory_copy.go). How a view keeps to one state is said in view_cow_linux.go.
package wasmsm
