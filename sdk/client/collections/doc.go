// Package collections has typed clients of the machines that keep collections: Map, Set, Cell, Once, Vec, Queue, Locks and Counter. Each
// machine is a module below examples/wasm; a group is one collection.
//
//	ages, err := collections.NewMap(c.Group("ages"), collections.MapConfig[string, int]{})
//	...
//	created, err := ages.Put(ctx, "ada", 36)
//	age, found, err := ages.Get(ctx, "ada")
//
// # Exactly once, and in one order
//
// Whatever changes a collection is one command, sent under the session of the group's client: it is applied once however often
// it had to be sent, or the error says that its outcome is unknown (package client has the rules). A command that changes many entries changes all
// of them or none. A method that reports whether something was so, such as CompareAndSwap, does so of the moment of the command.
//
// Reads are linearizable: they see everything that was answered before. Reading returns a view of a collection that reads
// otherwise, for instance from whichever host is near:
//
//	near := ages.Reading(client.QueryOptions{Consistency: client.Stale})
//
// # Types and order
//
// The machine keeps bytes. A Codec turns values into them: MessagePack unless a config says otherwise, and for keys Ordered, under which the
// machine's order, by bytes, is the order of the values: strings byte by byte, integers, floats and times by value. A key has
// at most 1,000 bytes, a value 256 KiB, and a command 500 KiB.
//
// # Watching
//
// Watch receives the changes of a collection from then on, in order, each with its index. When some were missed it says so, with a
// *MissedError, and goes on: whoever keeps a copy reads it anew.
//
// Start reading at Map, then Watch.
package collections
