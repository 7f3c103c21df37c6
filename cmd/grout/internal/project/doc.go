// Package project makes a new machine's source folder (New) and compiles one to a module (Build).
//
// A new project builds and tests with the Go toolchain alone: the SDK is copied into its vendor
// folder from the copy inside this binary, so that nothing is fetched. Build runs that toolchain with
// settings under which the same source and the same Go release give the same bytes, and so the
// same digest, on every computer.
package project
