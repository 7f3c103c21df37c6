// Command map is a replicated ordered map for collections.Map. README.md describes it.
package main

import (
	"github.com/groutlabs/grout/examples/wasm/internal/keyed"
	"github.com/groutlabs/grout/sdk"
)

func init() { sdk.Register(keyed.New(keyed.Map)) }

func main() {} // never runs: the host calls Apply and Query
