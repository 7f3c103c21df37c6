// Package rust holds the crate for machines in Rust, so that the command line can put it into projects.
package rust

import "embed"

// Source is the crate: Cargo.toml and src.
//
//go:embed Cargo.toml src
var Source embed.FS
