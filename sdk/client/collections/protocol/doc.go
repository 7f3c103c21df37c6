// Package protocol has the bytes that the collections' machines (examples/wasm) and their clients (package collections) exchange. Both compile
// it, so it imports little: a command costs its guest some hundred units of fuel before it does anything.
//
// # Requests
//
// A request is one byte for what is asked, and its fields without names, in the order of the structs here:
//
//	number   an unsigned varint, as encoding/binary has it
//	bytes    a number, and that many bytes
//	list     a number, and that many elements
//
// A request that is cut off, has bytes left over, or promises more than follows is refused with CodeBadRequest, one over MaxRequestBytes with
// CodeTooLarge. Answers stay below MaxAnswerBytes: what does not fit is left out, and the answer says so.
//
// # Events
//
// A command that changed something emits one event under the suffix EventSuffix: the index of the command with the event before it, as a
// number, and the changes in order. Whoever follows the events compares that index with the last one that it saw: if it is
// larger, some were missed. A machine that was deployed with the init argument Quiet emits none.
//
// Start reading at Commit for maps, sets, cells and Once; vec.go, queue.go and lock.go have the other collections.
package protocol
