// Package keyed is the machine of the collections that keep entries under keys: map, set, cell and once. They differ by their Rules alone.
//
// Requests and answers are package protocol's; entries are in a tree of package ordered, each value with the index of the
// command that wrote it. A commit is read and checked as a whole before it changes anything.
//
// Start reading at Machine.
package keyed
