// Package prepare stands between an uploaded module and the WebAssembly engine. Prepare reads the
// binary with a bounded parser of its own, validates it, refuses what cannot be replicated, and writes the
// module again so that its work is counted, its calls nest within bounds, the NaNs that it makes are the same on every
// processor, and its whole state can be reached from outside. docs/PREPARER.md has prices, limits and format.
//
// It promises:
//
//   - No count in the module is believed before it was compared with the bytes that are left and
//     with a limit, so a small file cannot ask for a large allocation, here or in the engine.
//   - Every refusal is a *BadModuleError that names the section, the function and the byte.
//   - The output depends on the input and on Version alone. Replicas compare it.
//   - In the output every mutable global is exported as "grout:global:N", the memory has no
//     declared maximum (the host enforces it, see Info.MemoryMax), and the only custom section is a
//     name section that was parsed and written again.
//
// Start reading at Prepare in prepare.go. walk.go reads each function twice, check.go follows the types on the
// operand stack, and the passes that rewrite are fuel.go, depth.go and nan.go.
package prepare
