// Command cell is a replicated single value for collections.Cell. README.md describes it.
package main

import (
	"github.com/groutlabs/grout/examples/wasm/internal/keyed"
	"github.com/groutlabs/grout/sdk"
)

func init() { sdk.Register(keyed.New(keyed.Cell)) }

func main() {} // never runs: the host calls Apply and Query
