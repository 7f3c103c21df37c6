// Package c holds the C header for machines, grout.h, so that the command line can put it into projects and builds.
package c

import _ "embed"

// Header is grout.h.
//
//go:embed grout.h
var Header []byte

// Flags are clang's for a machine, without the names of files. The stack comes first in memory, so that one which overflows traps and
// overwrites nothing. strip leaves out the functions' names.
func Flags(strip bool) []string {
	linker := "-Wl,--no-entry,--stack-first,-z,stack-size=1048576"
	if strip {
		linker += ",--strip-all"
	}
	return []string{"--target=wasm32", "-std=c11", "-O2", "-nostdlib", "-ffreestanding", "-mbulk-memory", "-fvisibility=hidden",
		"-Werror=implicit-function-declaration", linker}
}
