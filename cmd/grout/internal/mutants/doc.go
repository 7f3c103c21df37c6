// Mutants puts known bugs back, one at a time, and demands that a test fails for each of them.
//
// The bugs are in table_*.go: a name, the lines of docs/SAFETY.md that it breaks, a file, the text to find
// and what to put in its place, and the tests that must notice. `make mutants` runs the whole table,
// two mutations at a time, and fails unless every one is caught; -run picks some by name; -write puts
// what caught what into docs/MUTANTS.md.
//
// No source file is changed: the go command reads the mutated text through its -overlay flag. Before
// anything is mutated the tests must pass as they are. A text that is not found exactly once, and a mutation
// that does not compile, are errors of the table and not catches. A test that hangs counts as caught when
// its timeout ends it, and is marked as such.
//
// It is a command and not a test behind a flag, since it runs the go command a few hundred times: inside go test
// that would be one test of many minutes, under a timeout of its own, without a word before its end.
// What is cheap to check about the table is an ordinary test of this package.
package main
