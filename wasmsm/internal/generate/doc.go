// Package generate makes random machines for tests: modules that are valid by construction, have the exports of the
// ABI, and use whatever the product accepts (control flow, calls, memory and its bulk operations, globals, tables,
// floats with their NaNs, host functions). They trap, refuse, recurse and run for ever as they please.
//
// The same random numbers give the same module. Start reading at Module.
package generate
