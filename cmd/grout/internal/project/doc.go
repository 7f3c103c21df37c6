// Package project makes a new machine's source folder (New) and compiles one to a module (Build).
//
// A new project builds and tests with its language's toolchain alone: the SDK is copied into it from
// the copy inside this binary, so that nothing is fetched, but for AssemblyScript's compiler, which npm
// brings. Build runs that toolchain with settings under which the same source and the same release
// of the compiler give the same bytes, and so the same digest, on every computer.
package project
