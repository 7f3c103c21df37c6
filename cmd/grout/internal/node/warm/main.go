// Command warm compiles a module into a compilation cache. Tests under the race detector use it: the
// compiler takes half a minute there for what takes a second without.
package main

import (
	"fmt"
	"os"

	"github.com/groutlabs/grout/wasmsm"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: warm CACHE MODULE")
		os.Exit(2)
	}
	if err := warm(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "warm:", err)
		os.Exit(1)
	}
}

func warm(cache, path string) error {
	module, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	runtime, err := wasmsm.NewRuntime(wasmsm.Config{CacheDir: cache})
	if err != nil {
		return err
	}
	if _, err := runtime.Compile(module); err != nil {
		return err
	}
	return runtime.Close()
}
