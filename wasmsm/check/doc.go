// Package check shows that a module is deterministic: it applies one log of commands in several runs that must not
// differ, and tells the first command after which they do.
//
//	run          what it varies
//	compiled     the reference: the compiler, and the state looked at after every command
//	interpreted  the engine and the memory: the interpreter, and a memory that is copied
//	restored     the machine: each command is applied by another instance, restored from the image before it,
//	             after it ran there as a query and was undone, and every eighth one after the machine dozed
//	undisturbed  the checkpoints: the state is looked at rarely, so commands share checkpoints and are applied again
//	             when one of them fails
//
// Compared are, after each command: the kind of the outcome, code, message, output, events, fuel and the state's
// hash (of the undisturbed run every so often, and at the end).
//
// Start reading at Run.
package check
