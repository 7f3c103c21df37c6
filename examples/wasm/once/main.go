// Command once is a replicated value that is set once for collections.Once. README.md describes it.
package main

import (
	"github.com/groutlabs/grout/examples/wasm/internal/keyed"
	"github.com/groutlabs/grout/sdk"
)

func init() { sdk.Register(keyed.New(keyed.Once)) }

func main() {} // never runs: the host calls Apply and Query
