// Package cli is the command line of Grout: every verb of the binary, as a function from arguments
// and streams to an exit code. Start reading at Run; a verb is a function of *call in a file of its
// own.
//
// It promises:
//
//   - Standard output carries what was asked for and nothing else; errors and progress go to
//     standard error.
//   - Every wait for NATS or a host ends after --timeout.
//   - The exit codes and the JSON shapes of docs/CLI.md are stable.
package cli
