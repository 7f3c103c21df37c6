// Package ordered is the memory of the collections: entries of a key and a value, in the order of their keys' bytes or by
// position, in a B+ tree whose nodes are pages of 4 KiB without a single pointer.
//
// Three costs of a Go guest shape it. The garbage collector's work grows with the pointers that it finds: here they are one for each 64
// KiB, so a million entries are collected as fast as a thousand. A checkpoint and a snapshot cost the pages that were
// written: a change writes one leaf, which lies on one page of the machine's memory, and the counts above it. And fuel is
// charged for every instruction: a look-up in a million entries is three pages and some twenty comparisons.
//
// Each inner node knows how many entries are below each child, so that a position is found as fast as a key, the entries of a range are
// counted without being visited, and a range is removed by whole pages. A sequence without keys is the same tree, addressed by position alone.
//
// # Limits
//
// A key has at most MaxKeyBytes. A value that does not fit beside three others on a page has pages of its own.
//
// Start reading at Tree; node.go has the bytes of a page.
package ordered
