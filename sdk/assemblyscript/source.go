// Package assemblyscript holds the npm package for machines in AssemblyScript, so that the command line can put it into projects.
package assemblyscript

import "embed"

// Source is the package: package.json and assembly.
//
//go:embed package.json assembly
var Source embed.FS
