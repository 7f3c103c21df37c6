// Package sdk is what a Grout state machine written in Go imports.
//
// A machine is a type with two methods. Apply runs one command and may change the machine; Query
// answers one question and may not. Everything that the machine remembers lives in ordinary Go
// variables: Grout replicates the commands, makes them durable and snapshots the memory.
//
//	package main
//
//	import (
//		"strconv"
//
//		"github.com/groutlabs/grout/sdk"
//	)
//
//	type counter struct{ value int64 }
//
//	func (c *counter) Apply(ctx *sdk.Context, command []byte) ([]byte, error) {
//		c.value++
//		return strconv.AppendInt(nil, c.value, 10), nil
//	}
//
//	func (c *counter) Query(ctx *sdk.Context, query []byte) ([]byte, error) {
//		return strconv.AppendInt(nil, c.value, 10), nil
//	}
//
//	func init() { sdk.Register(&counter{}) }
//
//	func main() {} // never runs: the host calls the machine
//
// `grout build` compiles such a package to WebAssembly; package sdktest drives the same machine
// natively in a Go test, and package sdktest/sandbox as compiled. Package typed makes a machine of functions on Go types.
//
// # What a command may do
//
// Three things can come of a command, and the client is told which. It is applied: Apply returned
// a reply and no error. It is refused: Apply returned an error (see Refuse). It trapped: the machine
// panicked, ran out of memory or of fuel, or broke a limit. The sandbox undoes everything that a
// refused or trapped command did to the machine, so a method may return an error halfway through
// a change.
//
// Every member of a group applies the same commands and must come to the same state. The sandbox
// sees to it: the clock stands at the entry's time, random numbers derive from the group's seed and
// the entry's index, and there are no files, sockets or environment. Goroutines work, but they run
// only while a call is under way.
//
// # Garbage
//
// The guest collects garbage between commands, when its heap has doubled, and not inside queries, whose
// effects are undone anyway. A collection stops the machine for a time that grows with the number of
// pointers it holds, so a machine with very many objects does well to hold few and large ones.
// Whatever a command leaves untouched costs its snapshot nothing: prefer changing a value in place to
// building it anew.
//
// # Ownership of bytes
//
// The bytes of a command, query or init argument are valid only during the call: the next call
// reuses their buffer. A machine that keeps them makes a copy (string(command), bytes.Clone). A reply
// is copied out before the next call, so a machine may return the same buffer every time.
//
// Start reading at Machine, then Context.
package sdk
