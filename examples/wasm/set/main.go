// Command set is a replicated ordered set for collections.Set. README.md describes it.
package main

import (
	"github.com/groutlabs/grout/examples/wasm/internal/keyed"
	"github.com/groutlabs/grout/sdk"
)

func init() { sdk.Register(keyed.New(keyed.Set)) }

func main() {} // never runs: the host calls Apply and Query
